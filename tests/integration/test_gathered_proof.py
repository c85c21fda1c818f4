"""Shares that a front published are proved and verified where they were gathered.

Three servers of NATS, a front elsewhere than settlement: what is paid, proved and audited is of the
gathered files alone.
"""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from kench.commands import check_proof, proof, verify
from kench.pool.address import burn_address
from kench.pool.journal.mark import read_mark
from kench.pool.register import add_participant
from tests.support.client import StratumClient
from tests.support.nats import running_servers
from tests.support.pool import EASY_SHARES, Pool, running_pool
from tests.support.stream_pool import STREAM_BYTES, files_of
from tests.support.waiting import await_that

WAIT_S = 60.0
# One share in 43.
BLOCK_DIFFICULTY = "1e-8"


@pytest.fixture
def pool(tmp_path: Path, database: str) -> Iterator[Pool]:
    home = tmp_path / "front"
    home.mkdir()
    with (
        running_servers(tmp_path / "nats", 3) as servers,
        running_pool(
            home,
            database,
            block_difficulty=BLOCK_DIFFICULTY,
            KENCH_JOURNAL_BACKEND="nats",
            KENCH_NATS_URLS=" ".join(servers.urls),
            KENCH_NATS_REPLICAS="3",
            KENCH_JOURNAL_STREAM_BYTES=str(STREAM_BYTES),
            **EASY_SHARES,
        ) as running,
    ):
        running.node.rpc.call("generatetoaddress", 1, burn_address("regtest"))
        running.start("stratum")
        yield running


def mine(pool: Pool, user: str, token: str) -> int:
    """Have shares accepted until one was a block of the node's chain; return how many."""
    height = pool.node.rpc.call("getblockcount")
    with StratumClient(pool.stratum_port, WAIT_S) as miner:
        assert miner.login(user, token)
        # One that comes after the block is stale.
        return miner.submit_until(user, lambda: pool.node.rpc.call("getblockcount") > height)


def test_gathered_shares_are_paid_proved_and_verified_and_a_changed_byte_is_found(
    pool: Pool, engine: sa.Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    with engine.begin() as connection:
        participant, token = add_participant(connection, "miner")
    centre = tmp_path / "centre"
    centre.mkdir()
    here, there = pool.folder / "journal/0", centre / "journal/0"
    pool.start("gather", KENCH_DATA=str(centre))
    pool.start("settle", KENCH_DATA=str(centre))
    accepted = mine(pool, f"{participant}.rig", token)

    def one(query: str) -> int:
        with engine.connect() as connection:
            return int(connection.execute(sa.text(query)).scalar_one())

    # Paid of what was gathered, and signed.
    await_that(lambda: there.exists() and read_mark(there).records == accepted)
    await_that(lambda: one("SELECT coalesce(sum(accepted), 0) FROM totals") == accepted)
    await_that(lambda: one("SELECT count(*) FROM manifests") > 0)
    for role in ("settle", "stratum", "gather"):
        pool.end(role)
    assert files_of(there).keys() == files_of(here).keys()

    def kench(root: Callable[[], int | None], *words: str) -> tuple[int, str]:
        monkeypatch.setattr("sys.argv", ["kench", *words])
        status = root()
        return status or 0, capsys.readouterr().out

    for name in ("DATABASE_URL", "NODE_URLS", "SIGNATURE_ROOTS", "SIGNATURE_CRLS"):
        monkeypatch.setenv(f"KENCH_{name}", pool.environment[f"KENCH_{name}"])
    monkeypatch.setenv("KENCH_DATA", str(centre))
    block = str(one("SELECT min(height) FROM blocks"))
    shares = tmp_path / "shares.jsonl"
    kench(proof.main, "shares", block, str(participant), "-o", str(shares))
    status, said = kench(check_proof.main, str(shares))
    assert status == 0, said
    assert "hashed again, their work is what is paid" in said
    assert "kench check-proof: it holds" in said

    status, said = kench(verify.main)
    assert status == 0, said
    assert f"nothing differs ({accepted} shares" in said
    (path,) = there.glob("*.shares")
    raw = bytearray(path.read_bytes())
    raw[len(raw) // 2] ^= 1
    path.write_bytes(raw)
    status, said = kench(verify.main)
    assert status == 1, said
    assert f"in {path} is not what was written" in said
