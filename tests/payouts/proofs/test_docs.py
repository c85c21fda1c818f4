"""What docs/proofs.md says of proofs holds: its own program checks them without Kench."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from kench.payouts.proofs.canonical import encode
from tests.payouts.proofs.mutations import at, changes, places, replaced
from tests.payouts.proofs.samples import KEY, proof_of

PAGE = Path(__file__).parents[3] / "docs" / "proofs.md"
AMOUNTS = {who: (2**60 + who, 1000 * who) for who in range(1, 12)}


def program() -> str:
    (found,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    return str(found)


def run_page(folder: Path) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-I", "-c", program()],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("who", [1, 6, 11])
def test_the_program_on_the_page_checks_a_proof(tmp_path: Path, who: int) -> None:
    proof = proof_of(AMOUNTS, who)
    (tmp_path / "proof.json").write_bytes(proof.line())
    done = run_page(tmp_path)
    whole, block_hash = sum(1000 * one for one in AMOUNTS), proof.manifest.block.hash
    assert done.stdout.splitlines() == [
        f"{1000 * who} of {whole} sat in block {block_hash}",
        f"signed by {KEY.public.hex()}",
    ]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (b'"reward_sat":6000', b'"reward_sat":6001'),
        (b'"order":7', b'"order":8'),
        (b"6\xc2\xbb", b"9\xc2\xbb"),
    ],
)
def test_the_program_on_the_page_refuses_a_changed_one(
    tmp_path: Path, before: bytes, after: bytes
) -> None:
    line = proof_of(AMOUNTS, 6).line()
    assert before in line
    (tmp_path / "proof.json").write_bytes(line.replace(before, after, 1))
    assert run_page(tmp_path).returncode


def test_the_program_on_the_page_finds_every_change_of_a_value(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Read as Python reads them: 01 is 1, and what nobody reads is no matter."""
    monkeypatch.chdir(tmp_path)
    code = compile(program(), "page", "exec")
    true = json.loads(proof_of(AMOUNTS, 6).line())
    for place in places(true):
        for other in changes(at(true, place)):
            if _says_the_same(other, at(true, place)):
                continue
            Path("proof.json").write_bytes(encode(replaced(true, place, other)) + b"\n")
            with pytest.raises(Exception):  # noqa: B017, PT011 - however it ends
                exec(code, {})


def _says_the_same(other: object, before: object) -> bool:
    if isinstance(before, dict):
        return isinstance(other, dict) and "more" in other
    # So is true 1.
    return str(other).lstrip("0") == str(before) or other == before
