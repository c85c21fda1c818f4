"""The main machine dies at some moment; its standby leads, with every acknowledged share."""

import contextlib
import os
import random
import signal
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.load.ports import free_ports
from kench.backup.standby.founding import found
from kench.backup.standby.promoting import promote
from kench.payouts.audit.invariants import differences
from kench.payouts.settle import Settlement
from kench.pool.clock import SystemClock
from kench.pool.database import migrate, open_engine
from kench.pool.journal import JournalReader
from kench.pool.postgres import EmbeddedPostgres
from kench.pool.postgres_account import processes_in
from kench.pool.register import add_participant
from kench.pool.settings import Settings
from kench.pool.shipping import ReplacedError
from kench.pool.shipping.leading import require_lead
from tests.integration.test_durability import journalled
from tests.support.load import Load, ShareKey
from tests.support.pool import EASY_SHARES, Pool, running_pool


@pytest.fixture
def main_url(tmp_path: Path) -> Iterator[str]:
    server = EmbeddedPostgres(tmp_path / "main")
    url = server.start()
    migrate(url)
    yield url
    server.stop()


def entered(url: str) -> tuple[str, str]:
    """Enter a participant; return what its miners log in with."""
    engine = open_engine(url, application_name="test")
    with engine.begin() as connection:
        participant, token = add_participant(connection, "load")
    engine.dispose()
    return f"{participant}.rig", token


def made_standby(pool: Pool, folder: Path) -> str:
    """Make one that follows this pool, and serve it; return where it takes journals."""
    found(Settings(data_dir=folder), str(pool.folder))
    listen = ("--data", str(folder), "--standby-listen", "127.0.0.1:0")
    process = pool.spawn("standby", "serve", *listen, KENCH_DATA=str(folder))
    assert process.stdout is not None
    said = [process.stdout.readline() for _ in range(2)]
    assert said[1] == "kench standby: ready\n", (pool.folder / "standby.log").read_text()
    return said[0].split()[-1]


def kill_all(pool: Pool) -> None:
    """End the main machine's processes at one moment, the database's among them."""
    pool.processes["settle"].send_signal(signal.SIGSTOP)
    for pid in processes_in(pool.folder / "postgres/cluster"):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    pool.kill_stratum()
    pool.end("settle", signal.SIGKILL)


def test_a_synchronous_standby_leads_with_every_acknowledged_share(
    tmp_path: Path, main_url: str
) -> None:
    seed = random.randrange(2**32)
    chance = random.Random(seed)
    login = entered(main_url)
    there = tmp_path / "there"
    shipped = {"KENCH_STANDBY_MODE": "sync", "KENCH_STANDBY_WHEN_AWAY": "stop"}
    with running_pool(tmp_path / "main", main_url, **EASY_SHARES, **shipped) as pool:
        pool.environment["KENCH_STANDBY_ADDRESS"] = made_standby(pool, there)
        pool.start("stratum")
        pool.start("settle")
        load = Load(pool.stratum_port, *login)
        load.start(wanted=chance.randrange(500, 3000))
        load.wait()
        kill_all(pool)
        load.wait_until_cut_off()
        told: set[ShareKey] = set(load.accepted)

        promoted = promote(Settings(data_dir=there), SystemClock(), main_is_off=True)
        assert [one.lost for one in promoted.journals] == [0], promoted

        again = EmbeddedPostgres(there)
        ports = free_ports(2)
        environment = {
            **pool.environment,
            "KENCH_DATA": str(there),
            "KENCH_DATABASE_URL": again.start(),
            "KENCH_STRATUM_PORT": str(ports[0]),
            "KENCH_METRICS_PORT": str(ports[1]),
        }
        del environment["KENCH_STANDBY_ADDRESS"]
        new = replace(
            pool, folder=there, environment=environment, stratum_port=ports[0],
            metrics_port=ports[1], processes={},
        )  # fmt: skip
        try:
            new.start("stratum")
            miners = Load(new.stratum_port, *login)
            miners.start(wanted=200)
            miners.wait()
            miners.end()
            new.end("stratum")
            told |= miners.accepted
            reader, url = JournalReader(there / "journal/0"), environment["KENCH_DATABASE_URL"]
            kept = journalled(reader)
            assert told <= kept.keys(), seed
            assert max(kept.values()) == 1, seed
            settle(url, there / "journal")
            assert booked(url) == reader.durable()
            assert not differing(url)
        finally:
            for role in list(new.processes):
                new.end(role)
            again.stop()
        # The old machine comes back: it hears that another leads, and serves nobody.
        settings = Settings(
            data_dir=tmp_path / "main", standby_address=pool.environment["KENCH_STANDBY_ADDRESS"]
        )
        with pytest.raises(ReplacedError, match="generation 2"):
            require_lead(settings)
        # It does not forget.
        with pytest.raises(ReplacedError):
            require_lead(Settings(data_dir=tmp_path / "main"))


def differing(url: str) -> list[str]:
    """What `kench audit` would say of the books."""
    engine = open_engine(url, application_name="test")
    try:
        with engine.connect() as connection:
            return list(differences(connection))
    finally:
        engine.dispose()


def settle(url: str, journals: Path) -> None:
    engine = open_engine(url, application_name="test")
    settlement = Settlement(journals, SystemClock())
    with engine.connect() as connection:
        while settlement.settle_chunk(connection).records:
            pass
    engine.dispose()


def booked(url: str) -> int:
    engine = open_engine(url, application_name="test")
    try:
        with engine.connect() as connection:
            found = connection.exec_driver_sql("SELECT sum(next_sequence) FROM journal_positions")
            return int(found.scalar() or 0)
    finally:
        engine.dispose()
