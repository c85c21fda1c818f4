"""What docs/proofs.md says of proofs holds: its own program checks them without Kench."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.payouts.proofs.samples import KEY, proof_of

PAGE = Path(__file__).parents[3] / "docs" / "proofs.md"
AMOUNTS = {who: (2**60 + who, 1000 * who) for who in range(1, 12)}


def run_page(folder: Path) -> "subprocess.CompletedProcess[str]":
    (program,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    return subprocess.run(
        [sys.executable, "-I", "-c", program],
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
