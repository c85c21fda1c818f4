"""A pool that lies and has the evidence key: what its participants find with the checker alone."""

import dataclasses
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from kench.commands import check_proof
from kench.payouts.proofs.evidence import EvidenceKey
from kench.payouts.proofs.manifest import sign
from kench.payouts.proofs.proof import Proof
from tests.payouts.proofs.samples import KEY, proof_of

HONEST = {1: (1000, 100), 2: (2000, 200), 3: (3000, 300), 4: (4000, 400)}
Check = Callable[..., tuple[int, str]]


@pytest.fixture
def check(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Check:
    """Run `kench check-proof` on files with these proofs, others' behind the first."""

    def run(*proofs: Proof, key: EvidenceKey = KEY) -> tuple[int, str]:
        files = []
        for number, proof in enumerate(proofs):
            files.append(tmp_path / f"{number}.json")
            files[-1].write_bytes(proof.line())
        others = [word for file in files[1:] for word in ("--other", str(file))]
        words = ["kench check-proof", str(files[0]), "--key", key.public.hex(), *others]
        monkeypatch.setattr(sys, "argv", words)
        status = check_proof.main()
        return status, capsys.readouterr().out

    return run


def test_who_was_told_the_same_holds_together(check: Check) -> None:
    mine, theirs = (proof_of(HONEST, who) for who in (1, 2))
    status, said = check(mine, theirs)
    assert status == 0
    assert "it holds" in said
    told = {line for one in (mine, theirs) for line in check(one)[1].splitlines()
            if line.startswith("manifest ")}  # fmt: skip
    assert len(told) == 1


@pytest.mark.parametrize(
    "lie",
    [{**HONEST, 3: (3000, 200), 9: (0, 100)}, {**HONEST, 3: (3000, 299), 4: (4000, 401)},
     {1: (1000, 100), 2: (2000, 200), 4: (7000, 700)}, {**HONEST, 2: (1, 200), 9: (1999, 0)}],
    ids=["somebody made up", "a satoshi moved", "somebody left out", "work given away"],
)  # fmt: skip
def test_two_stories_of_one_block_each_hold_alone_and_never_side_by_side(
    lie: dict[int, tuple[int, int]], check: Check
) -> None:
    mine, theirs = proof_of(lie, 1), proof_of(HONEST, 4)
    assert [check(one)[0] for one in (mine, theirs)] == [0, 0]
    for pair in ((mine, theirs), (theirs, mine)):
        status, said = check(*pair)
        assert status == 1
        assert "REFUSED: TWO STORIES of block" in said


def test_a_story_of_another_block_says_nothing_of_this_one(check: Check) -> None:
    mine, theirs = proof_of(HONEST, 1), proof_of(HONEST, 2)
    manifest = theirs.manifest
    block = dataclasses.replace(manifest.block, hash="00" * 8 + "cd" * 24)
    moved = dataclasses.replace(
        theirs, signed=sign(dataclasses.replace(manifest, block=block), KEY)
    )
    status, said = check(mine, moved)
    assert (status, "of another block" in said) == (1, True)


@pytest.mark.parametrize("field", ["reward_sat", "work_hashes"])
def test_a_leaf_that_was_lessened_does_not_lead_to_the_root(field: str, check: Check) -> None:
    true = proof_of(HONEST, 3)
    less = dataclasses.replace(true, **{field: getattr(true, field) - 1})
    status, said = check(less)
    assert status == 1
    assert "REFUSED" in said


def test_a_name_in_a_file_moves_no_cursor(check: Check) -> None:
    named = dataclasses.replace(proof_of(HONEST, 1), name="\x1b[2J\x9b1A\u202eevil")
    _, said = check(named)
    assert not {"\x1b", "\x9b", "\u202e"} & set(said)
