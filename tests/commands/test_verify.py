"""`kench verify` as a person runs it: on a pool that stands still, started for the duration."""

import os
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest
import sqlalchemy as sa

from kench.payouts.settle import Settlement
from kench.pool.clock import SystemClock
from kench.pool.database import migrate, open_engine
from kench.pool.postgres import EmbeddedPostgres
from tests.payouts.journals import JournalBuilder

KENCH = [sys.executable, str(Path(sysconfig.get_path("scripts")) / "kench")]
DEADLINE_S = 60.0


def verify(data: Path) -> "subprocess.CompletedProcess[str]":
    environment = {name: value for name, value in os.environ.items() if "KENCH" not in name}
    return subprocess.run(
        [*KENCH, "verify", "--data", str(data)],
        env=environment,
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
        check=False,
    )


@pytest.fixture
def stopped_pool(tmp_path: Path) -> Path:
    """A data folder with an embedded database, a settled journal and the folder of a node."""
    builder = JournalBuilder(tmp_path / "journal" / "0")
    job = builder.job(1, 1)
    for index in range(20):
        builder.share(job, participant=1 + index % 3)
    builder.share(job, block=True)
    builder.close()
    (tmp_path / "node").mkdir()
    server = EmbeddedPostgres(tmp_path)
    url = server.start()
    try:
        migrate(url)
        engine = open_engine(url, application_name="test")
        settlement = Settlement(builder.directory.parent, SystemClock())
        with engine.connect() as connection:
            while settlement.settle_chunk(connection).records:
                pass
        engine.dispose()
    finally:
        server.stop()
    return tmp_path


def test_a_stopped_pool_is_verified_with_its_own_database_and_node(stopped_pool: Path) -> None:
    result = verify(stopped_pool)
    assert (result.returncode, result.stderr) == (0, "")
    assert len(result.stdout.splitlines()) == 1
    assert "nothing differs (21 shares, 1 blocks, 3 transfers, 0 manifests checked" in result.stdout
    # Changed as an owner can who puts the triggers to sleep.
    server = EmbeddedPostgres(stopped_pool)
    url = server.start()
    engine = open_engine(url, application_name="test")
    with engine.begin() as connection:
        connection.execute(sa.text("SET LOCAL session_replication_role = replica"))
        connection.execute(sa.text("UPDATE transfers SET amount = amount + 1"))
        connection.execute(sa.text("UPDATE totals SET accepted = accepted + 1"))
    engine.dispose()
    server.stop()
    result = verify(stopped_pool)
    assert (result.returncode, result.stderr) == (1, "")
    lines = result.stdout.splitlines()
    assert sum("is altered" in line for line in lines) == 3
    assert sum(line.startswith("total ") for line in lines) == 3
    # One for each account whose balance the ledger's own lines do not bear out.
    assert sum("what its transfers make it" in line for line in lines) == 4
    # One of all totals together, and one of the block whose rewards the ledger has otherwise.
    assert "12 differences" in lines[-1]


def test_a_folder_without_a_pool_is_said_in_one_line(tmp_path: Path) -> None:
    result = verify(tmp_path)
    assert result.returncode == 1
    assert result.stdout == ""
    assert len(result.stderr.splitlines()) == 1
    assert "kench up" in result.stderr


def test_help_has_an_example() -> None:
    result = subprocess.run(
        [*KENCH, "verify", "--help"], capture_output=True, text=True, timeout=DEADLINE_S, check=True
    )
    assert "kench verify --data" in result.stdout
