"""Several fronts behind one port: one dies, the job maker dies, and no miner's work is lost."""

import json
import os
import signal
from collections import Counter
from pathlib import Path
from typing import Any

import psutil
import pytest
import sqlalchemy as sa

from kench.pool.journal import JournalReader
from kench.pool.register import add_participant
from kench.pool.secret_sources import tell_secret
from kench.stratum.extranonce import front_of
from tests.integration.test_durability import journalled
from tests.support.fake_nodes import NodeThatCountsTemplates
from tests.support.load import Load, ShareKey
from tests.support.pool import EASY_SHARES, Pool, running_pool
from tests.support.waiting import await_that

TWO = {**EASY_SHARES, "KENCH_STRATUM_PROCESSES": "2"}
MINERS = 24


def wait_until_serving(pool: Pool, count: int = 2) -> dict[int, int]:
    """The process ids of the fronts, once so many serve."""

    def serve() -> bool:
        fronts = pool.state()["fronts"].values()
        return sum(bool(front["serving"]) for front in fronts) == count

    await_that(serve)
    return pool.front_pids()


def journals(folder: Path) -> dict[int, Counter[ShareKey]]:
    """Every share of every journal, by the front's number."""
    return {
        int(path.name): journalled(JournalReader(path))
        for path in (folder / "journal").iterdir()
    }  # fmt: skip


def assert_nothing_lost(folder: Path, load: Load) -> None:
    """Each acknowledged share is in one journal once; no front gave another's extranonce."""
    kept: Counter[ShareKey] = Counter()
    for number, shares in journals(folder).items():
        assert {front_of(key[1]) for key in shares} <= {number}
        kept.update(shares)
    assert load.accepted <= kept.keys()
    assert max(kept.values()) == 1


def events(pool: Pool, name: str) -> list[dict[str, Any]]:
    said = (pool.folder / "stratum.log").read_text().splitlines()
    lines = [json.loads(line) for line in said if line.startswith("{")]
    return [line for line in lines if line["event"] == name]


def is_alive(pid: int) -> bool:
    return psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE


@pytest.fixture
def login(engine: sa.Engine) -> tuple[str, str]:
    with engine.begin() as connection:
        participant, token = add_participant(connection, "load")
    return f"{participant}.rig", token


def test_a_front_that_is_killed_loses_nothing_and_its_miners_come_back(
    tmp_path: Path, database: str, login: tuple[str, str]
) -> None:
    with running_pool(tmp_path, database, **TWO) as pool:
        pool.start("stratum")
        before = wait_until_serving(pool)
        load = Load(pool.stratum_port, *login, connections=MINERS, reconnects=True)
        load.start(wanted=2000)
        load.wait()
        await_that(lambda: len(load.live) == MINERS)
        assert {front_of(value) for value in load.live} == {0, 1}
        for killed in (0, 1, 0):
            pids = wait_until_serving(pool)
            old = [value for value in load.live.copy() if front_of(value) == killed]
            os.kill(pids[killed], signal.SIGKILL)
            await_that(
                lambda old=old: not load.live & set(old) and len(load.live) == MINERS,
                words=load.faults,
            )
            load.more(500)
            load.wait()
        after = wait_until_serving(pool)
        assert after.keys() == before.keys()
        assert not set(after.values()) & set(before.values())
        assert pool.state()["front_restarts"] == 3
        load.reconnects = False
        load.end()
        assert not load.refused
        assert pool.end("stratum") == 0
        assert_nothing_lost(tmp_path, load)


def test_fronts_whose_job_maker_is_killed_end_and_the_next_start_goes_on(
    tmp_path: Path, database: str, login: tuple[str, str]
) -> None:
    with running_pool(tmp_path, database, **TWO) as pool:
        pool.start("stratum")
        pids = wait_until_serving(pool).values()
        load = Load(pool.stratum_port, *login, connections=MINERS, reconnects=True)
        load.start(wanted=1000)
        load.wait()
        pool.end("stratum", signal.SIGKILL)
        await_that(lambda: not any(is_alive(pid) for pid in pids))
        pool.start("stratum")
        wait_until_serving(pool)
        load.more(1000)
        load.wait()
        load.reconnects = False
        load.end()
        assert pool.end("stratum") == 0
        assert_nothing_lost(tmp_path, load)


def test_all_processes_end_in_order(tmp_path: Path, database: str) -> None:
    with running_pool(tmp_path, database, **TWO) as pool:
        pool.start("stratum")
        pids = wait_until_serving(pool).values()
        assert pool.end("stratum") == 0
        assert not any(is_alive(pid) for pid in pids)
        assert not events(pool, "front ended")
        assert list((tmp_path / "run").glob("*.sock")) == []


def test_a_front_that_cannot_start_is_tried_ever_later_while_the_other_serves(
    tmp_path: Path, database: str
) -> None:
    (tmp_path / "blocks").mkdir()
    (tmp_path / "blocks" / "1").write_text("no folder")
    with running_pool(tmp_path, database, **TWO) as pool:
        pool.start("stratum")
        await_that(lambda: len(events(pool, "front ended")) == 3)
        delays = [line["next_start_s"] for line in events(pool, "front ended")]
        assert delays == sorted(set(delays))
        state = pool.state()
        assert state["serving"]
        assert [front["serving"] for front in state["fronts"].values()] == [True, False]


def test_where_no_front_can_start_the_whole_ends(tmp_path: Path, database: str) -> None:
    (tmp_path / "journal").mkdir()
    (tmp_path / "journal" / "0").write_text("no folder")
    with running_pool(tmp_path, database, **EASY_SHARES) as pool:
        done = pool.run("stratum")
    assert done.returncode == 1
    assert "no front starts" in done.stderr
    assert "front 0 cannot use" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_node_is_asked_by_one_process_however_many_fronts(tmp_path: Path, database: str) -> None:
    with NodeThatCountsTemplates() as node, running_pool(tmp_path, database, **TWO) as pool:
        told = {**pool.environment, "KENCH_NODE_ZMQ": "", "KENCH_NETWORK": "regtest"}
        pool.environment = tell_secret(told, tmp_path / "secrets", "node_urls", node.url)
        pool.start("stratum")
        wait_until_serving(pool)
        await_that(lambda: "longpoll" in node.asked)
        assert node.asked.count("proposal") == 1
        assert node.asked.count("longpoll") == 1
        assert node.asked.count("template") <= 2
        pool.end("stratum")


def test_a_second_stratum_of_one_folder_is_refused(tmp_path: Path, database: str) -> None:
    with running_pool(tmp_path, database, **EASY_SHARES) as pool:
        pool.start("stratum")
        done = pool.run("stratum", "--stratum-port", "0", "--metrics-port", "0")
        assert done.returncode == 1
        assert "another `kench stratum` works in" in done.stderr


def test_a_taken_port_is_refused_by_the_settings_name(tmp_path: Path, database: str) -> None:
    with running_pool(tmp_path / "one", database, **EASY_SHARES) as pool:
        pool.start("stratum")
        other = {"KENCH_DATA": str(tmp_path / "two")}
        pool.environment |= other
        done = pool.run("stratum", "--metrics-port", "0")
        assert done.returncode == 1
        assert "KENCH_STRATUM_PORT" in done.stderr
