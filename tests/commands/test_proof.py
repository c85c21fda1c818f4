"""`kench proof` and `kench check-proof` as people run them: made from the books, checked alone."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from kench.pool.database import Role, open_engine
from tests.payouts.proofs.pools import ProvenPool, open_pool
from tests.payouts.proofs.samples import KEY

STRANGER = "ab" * 32


@pytest.fixture
def pool(engine: sa.Engine, database: str, tmp_path: Path) -> Iterator[ProvenPool]:
    """A data folder with one proven block, and the key that signed it."""
    settle_engine = open_engine(database, Role.SETTLE, application_name="test", pool_size=1)
    made = open_pool(engine, settle_engine, tmp_path)
    made.round(101)
    made.settle()
    assert made.maker.turn() == 1
    pem = KEY._secret.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    path = tmp_path / "evidence.pem"
    path.write_bytes(pem)
    path.chmod(0o600)
    yield made
    for journal in made.journals:
        journal.close()
    settle_engine.dispose()


def kench(*words: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "kench", *words],
        env={**os.environ, "PYTHONWARNINGS": "error", **variables},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_a_proof_is_made_by_height_or_hash_and_holds_alone(
    pool: ProvenPool, database: str, tmp_path: Path
) -> None:
    data = {"KENCH_DATABASE_URL": database, "KENCH_DATA": str(tmp_path)}
    printed = kench("proof", pool.block_hashes[0], "2", **data)
    assert printed.returncode == 0, printed.stderr
    file = tmp_path / "proof.json"
    assert kench("proof", "101", "2", "-o", str(file), **data).returncode == 0
    assert file.read_text() == printed.stdout
    checked = kench("check-proof", str(file), "--key", KEY.public.hex(), PATH="")
    assert checked.returncode == 0
    assert "kench check-proof: it holds" in checked.stdout
    assert "as you gave it" in checked.stdout
    assert "not in this file, so not checked" in checked.stdout
    unpinned = kench("check-proof", str(file))
    assert "compare it, or give it by --key" in unpinned.stdout
    strange = kench("check-proof", str(file), "--key", STRANGER)
    assert strange.returncode == 1
    assert "not by the one you gave" in strange.stdout
    file.write_text(printed.stdout.replace('"reward_sat":1', '"reward_sat":2', 1))
    refused = kench("check-proof", str(file))
    assert (refused.returncode, refused.stdout.split(":")[1]) == (1, " REFUSED")


def test_own_shares_are_written_whole_and_hashed_again(
    pool: ProvenPool, database: str, tmp_path: Path
) -> None:
    data = {"KENCH_DATABASE_URL": database, "KENCH_DATA": str(tmp_path)}
    file = tmp_path / "shares.jsonl"
    written = kench("proof", "shares", "101", "2", "-o", str(file), **data)
    assert written.returncode == 0, written.stderr
    checked = kench("check-proof", str(file))
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert "hashed again, their work is what is paid" in checked.stdout
    (tmp_path / "evidence.pem").unlink()
    without = kench("proof", "shares", "101", "2", "-o", str(tmp_path / "none"), **data)
    assert without.returncode == 1
    assert "evidence key" in without.stderr
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize("words", [["proof"], ["proof", "shares"]])
def test_a_file_that_cannot_be_written_is_told_in_one_line(
    pool: ProvenPool, database: str, tmp_path: Path, words: list[str]
) -> None:
    data = {"KENCH_DATABASE_URL": database, "KENCH_DATA": str(tmp_path)}
    done = kench(*words, "101", "2", "-o", str(tmp_path / "gone" / "file"), **data)
    assert done.returncode == 1
    assert "was not written: " in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["999", "2"], "no block at height 999"),
        (["x", "2"], "neither the hash of a block nor a height"),
        (["ab" * 32, "2"], "nothing was signed"),
        (["zz" * 32, "2"], "neither the hash of a block nor a height"),
        (["101", "77"], "pays no work of participant 77"),
    ],
)
def test_what_cannot_be_proved_is_said(
    pool: ProvenPool, database: str, tmp_path: Path, words: list[str], said: str
) -> None:
    done = kench("proof", *words, KENCH_DATABASE_URL=database, KENCH_DATA=str(tmp_path))
    assert done.returncode == 1
    assert said in done.stderr


def test_a_file_that_is_not_there_or_no_proof_is_refused_in_one_line(tmp_path: Path) -> None:
    gone = kench("check-proof", str(tmp_path / "gone"))
    assert (gone.returncode, len(gone.stderr.splitlines())) == (1, 1)
    (tmp_path / "none").write_bytes(b"\x00" * 100)
    none = kench("check-proof", str(tmp_path / "none"))
    assert (none.returncode, none.stderr) == (1, "")
    assert "REFUSED" in none.stdout
