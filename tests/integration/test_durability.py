"""Nothing that was acknowledged is lost: kill -9 under load, a full disk, a stop in order."""

import contextlib
import json
import os
import random
import resource
import signal
import time
from collections import Counter
from pathlib import Path

import pytest
import sqlalchemy as sa

from kench.pool.journal import JournalReader
from kench.pool.register import add_participant
from tests.support.load import Load, ShareKey
from tests.support.long import so_many
from tests.support.pool import EASY_SHARES, Pool, running_pool
from tests.support.waiting import await_that

KILLS = so_many(6, 20)
WHOLE_ONES = 4
"""Of so many kills one takes all processes, as a power cut does; the others a front alone."""
CHUNK = 50_000


def journalled(reader: JournalReader) -> Counter[ShareKey]:
    """Every share in the journal, as its miner knows it."""
    found: Counter[ShareKey] = Counter()
    position = 0
    while len(batch := reader.read(position, CHUNK)):
        position += len(batch)
        for record in batch:
            found[
                int(record["job_key"]),
                record["extranonce1"].tobytes(),
                record["extranonce2"].tobytes(),
                int(record["ntime"]),
                int(record["nonce"]),
            ] += 1
    return found


@pytest.fixture
def login(engine: sa.Engine) -> tuple[str, str]:
    with engine.begin() as connection:
        participant, token = add_participant(connection, "load")
    return f"{participant}.rig", token


def test_a_kill_at_any_moment_loses_no_acknowledged_share(
    tmp_path: Path, database: str, login: tuple[str, str]
) -> None:
    seed = random.randrange(2**32)
    chance = random.Random(seed)
    told: set[ShareKey] = set()
    with running_pool(tmp_path, database, **EASY_SHARES) as pool:
        pool.start("stratum")
        for number in range(1, KILLS + 1):
            load = Load(pool.stratum_port, *login)
            load.start(wanted=chance.randrange(1, 3000))
            load.wait()
            whole = number % WHOLE_ONES == 0
            (front,) = pool.front_pids().values()
            if whole:
                pool.kill_stratum()
            else:
                os.kill(front, signal.SIGKILL)
            load.wait_until_cut_off()
            assert not load.refused, seed
            told |= load.accepted
            if whole:
                pool.start("stratum")
            else:
                wait_for_another_front(pool, front)
        # Each start cuts what the kill before tore, and says how much is durable.
        kept = journalled(pool.journal())
    assert told <= kept.keys(), seed
    assert max(kept.values()) == 1, seed
    assert len(told) > KILLS


def test_a_stop_in_order_loses_nothing_either(
    tmp_path: Path, database: str, login: tuple[str, str]
) -> None:
    with running_pool(tmp_path, database, **EASY_SHARES) as pool:
        pool.start("stratum")
        load = Load(pool.stratum_port, *login)
        load.start(wanted=2000)
        load.wait()
        assert pool.end("stratum") == 0
        load.wait_until_cut_off()
        assert load.accepted <= journalled(pool.journal()).keys()


def test_a_journal_that_cannot_go_on_ends_its_front(
    tmp_path: Path, database: str, login: tuple[str, str]
) -> None:
    small = {"KENCH_JOURNAL_SEGMENT_BYTES": "8192"}
    with running_pool(tmp_path, database, **EASY_SHARES, **small) as pool:
        pool.start("stratum")
        pid = pool.front_pids()[0]
        front = Path("/proc", str(pid))
        journal = tmp_path / "journal" / "0"
        load = Load(pool.stratum_port, *login)
        load.start(wanted=2000)
        load.wait()
        for _ in range(100):  # the chain goes on from the newest digest, unless one is being made
            if not front.exists():
                break
            _spoil_newest_digest(pid, journal)
            time.sleep(0.1)
        load.wait_until_cut_off()
        assert not front.exists()
        said = [json.loads(line) for line in (tmp_path / "stratum.log").read_text().splitlines()]
        ends = [one for one in said if one["event"] == "front ended"]
        assert ends[0]["status"] == 1
        assert load.accepted <= journalled(pool.journal()).keys()


def _spoil_newest_digest(pid: int, journal: Path) -> None:
    with contextlib.suppress(ProcessLookupError):  # it may have ended already
        os.kill(pid, signal.SIGSTOP)
        max(journal.glob("*.digest")).write_text("{}")
        os.kill(pid, signal.SIGCONT)


def _limit_file_size(pool: Pool, size: int) -> None:
    # To a writer a file that may not grow is a disk without room, and no root is needed for it.
    pid = pool.front_pids()[0]
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))


def test_a_full_disk_stops_the_service_and_room_brings_it_back(
    tmp_path: Path, database: str, login: tuple[str, str]
) -> None:
    with running_pool(tmp_path, database, **EASY_SHARES) as pool:
        pool.start("stratum")
        before = Load(pool.stratum_port, *login)
        before.start(wanted=500)
        before.wait()
        (segment,) = (tmp_path / "journal" / "0").glob("*.shares")
        _limit_file_size(pool, segment.stat().st_size + 4096)
        # Miners are cut off, not lied to: the load ends by itself.
        before.wait_until_cut_off()
        state = pool.state()
        assert not state["serving"]
        assert "journal" in state["why"]
        told = set(before.accepted)
        _limit_file_size(pool, resource.RLIM_INFINITY)
        wait_until_serving(pool)
        after = Load(pool.stratum_port, *login)
        after.start(wanted=500)
        after.wait()
        after.end()
        told |= after.accepted
        kept = journalled(pool.journal())
        assert told <= kept.keys()
        assert max(kept.values()) == 1


def wait_for_another_front(pool: Pool, former: int) -> None:
    def serves() -> bool:
        (front,) = pool.state()["fronts"].values()
        return front["serving"] and front["pid"] not in {None, former}

    await_that(serves, words=pool.state)


def wait_until_serving(pool: Pool) -> None:
    await_that(lambda: pool.state()["serving"], words=pool.state)
