"""A registered miner's share becomes a block, and every satoshi of it is credited.

On `kench node` always, on Bitcoin Core where KENCH_TEST_BITCOIND names a binary.
"""

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from kench.pool.address import burn_address
from kench.pool.journal.reader import read_durable
from kench.pool.register import add_participant
from tests.support.nodes import BITCOIND, Node, core_node, kench_command, kench_node
from tests.support.pool import STOP_LIMIT_S, Pool, running_pool
from tests.support.waiting import await_that

ON_CORE = pytest.mark.skipif(not BITCOIND, reason="KENCH_TEST_BITCOIND names no bitcoind")
NODES = ["kench", pytest.param("core", marks=ON_CORE)]
WAIT_S = 60.0
LOOK_S = 0.5
"""Each look is a process, and those that are looked at need the processor."""
MINERS_MAX = 12
FRONTS = (0, 1)
# Some shares to a block on `kench node`; Core's regtest takes every second hash.
BLOCK_DIFFICULTY = "0.0003"
SHARES = {
    "KENCH_START_DIFFICULTY": "0.00002",
    "KENCH_MAX_DIFFICULTY": "0.00002",
    "KENCH_MIN_DIFFICULTY": "1e-9",
}
ELSEWHERE = burn_address("regtest")


@contextmanager
def settling_pool(kind: str, folder: Path, database: str, **settings: str) -> Iterator[Pool]:
    """A pool with settlement, on a node of the kind asked for."""
    more = SHARES | settings
    with running_pool(folder, database, block_difficulty=BLOCK_DIFFICULTY, **more) as pool:
        if kind == "kench":
            yield _settling(pool, pool.node)
        else:
            with core_node(folder / "core") as node:
                pool.use_node(node)
                yield _settling(pool, node)


def _settling(pool: Pool, node: Node) -> Pool:
    node.rpc.call("generatetoaddress", 1, ELSEWHERE)
    pool.start("stratum")
    pool.start("settle")
    return pool


@contextmanager
def miner(pool: Pool, user: str, token: str) -> Iterator[None]:
    """`kench mine` at work."""
    process = subprocess.Popen(
        kench_command("mine", f"127.0.0.1:{pool.stratum_port}", user, "-"),
        env={**pool.environment, "KENCH_MINE_PASSWORD": token},
        stderr=subprocess.DEVNULL,
    )
    try:
        yield
    finally:
        process.terminate()
        process.wait(STOP_LIMIT_S)


def status(pool: Pool) -> dict[str, Any]:
    found = pool.run("status", "--json")
    assert found.returncode == 0, found.stderr
    state: dict[str, Any] = json.loads(found.stdout)
    return state


def wait_for(pool: Pool, holds: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    """The status once something holds of it."""
    deadline = time.monotonic() + WAIT_S
    while not holds(state := status(pool)):
        assert time.monotonic() < deadline, json.dumps(state)
        time.sleep(LOOK_S)
    return state


def blocks_of(state: dict[str, Any], kind: str) -> list[dict[str, Any]]:
    return [block for block in state["blocks"] if block["state"] == kind]


def highest_of(state: dict[str, Any]) -> int:
    return max((block["height"] for block in blocks_of(state, "pending")), default=0)


def await_more_blocks(pool: Pool, count: int) -> None:
    """Wait by height: as blocks mature, the number of those that are pending stays what it is."""
    seen = highest_of(status(pool))
    wait_for(pool, lambda state: highest_of(state) >= seen + count)


def settled(state: dict[str, Any]) -> bool:
    """Whether all that the journal holds is booked, and of siblings at a height one is left."""
    heights = [block["height"] for block in blocks_of(state, "pending")]
    return bool(
        state["shares"]["accepted"] == state["journal"]["records"] > 0
        and len(heights) == len(set(heights))
    )


def assert_verified(pool: Pool) -> None:
    verified = pool.run("verify")
    assert verified.returncode == 0, verified.stdout + verified.stderr


@pytest.fixture
def login(engine: sa.Engine) -> tuple[int, str]:
    with engine.begin() as connection:
        return add_participant(connection, "miner")


@pytest.mark.parametrize("kind", NODES)
def test_shares_become_blocks_that_mature(
    kind: str, tmp_path: Path, database: str, login: tuple[int, str]
) -> None:
    participant, token = login
    with settling_pool(kind, tmp_path, database) as pool:
        with miner(pool, f"{participant}.cpu", token):
            wait_for(pool, lambda state: len(blocks_of(state, "pending")) >= 3)
        state = wait_for(pool, settled)
        assert state["ledger"]["balanced"]
        node = pool.node
        for block in blocks_of(state, "pending"):
            assert node.rpc.call("getblockhash", block["height"]) == block["hash"]
            assert block["finder"] == f"{participant}.cpu"
            paid = node.rpc.call("getblock", block["hash"], 2)["tx"][0]["vout"][0]
            assert round(float(paid["value"]) * 10**8) == block["reward_sat"]
        (mine,) = [one for one in state["participants"] if one["id"] == participant]
        expected = sum(block["reward_sat"] for block in blocks_of(state, "pending"))
        assert (mine["pending_sat"], mine["mature_sat"]) == (expected, 0)

        node.rpc.call("generatetoaddress", 99, ELSEWHERE)
        wait_for(pool, lambda now: now["height"] == node.rpc.call("getblockcount"))
        final = wait_for(pool, lambda now: not blocks_of(now, "pending"))
        (mine,) = [one for one in final["participants"] if one["id"] == participant]
        assert (mine["pending_sat"], mine["mature_sat"]) == (0, expected)
        assert final["ledger"]["balanced"]
        assert_verified(pool)


@pytest.mark.parametrize("kind", NODES)
def test_a_reorganisation_voids_what_it_orphans(
    kind: str, tmp_path: Path, database: str, login: tuple[int, str]
) -> None:
    participant, token = login
    with settling_pool(kind, tmp_path, database) as pool:
        with miner(pool, f"{participant}.cpu", token):
            wait_for(pool, lambda state: len(blocks_of(state, "pending")) >= 2)
        state = wait_for(pool, settled)
        ours = sorted(blocks_of(state, "pending"), key=lambda block: int(block["height"]))
        node = pool.node
        # The block that all of ours stand on: a sibling of ours cannot step in (Core's regtest
        # takes every second hash for a block, so there are siblings).
        node.rpc.call("invalidateblock", node.rpc.call("getblockhash", 1))
        node.rpc.call("generatetoaddress", int(ours[-1]["height"]) + 3, ELSEWHERE)
        voided = wait_for(pool, lambda now: not blocks_of(now, "pending"))
        (mine,) = [one for one in voided["participants"] if one["id"] == participant]
        assert (mine["pending_sat"], mine["mature_sat"]) == (0, 0)
        assert voided["ledger"]["balanced"]
        assert_verified(pool)


def test_blocks_pay_the_shares_of_all_fronts_though_one_is_killed(
    tmp_path: Path, database: str, login: tuple[int, str], engine: sa.Engine
) -> None:
    participant, token = login

    def records() -> list[int]:
        return [read_durable(tmp_path / "journal" / str(number)) for number in FRONTS]

    with settling_pool("kench", tmp_path, database, KENCH_STRATUM_PROCESSES="2") as pool:
        # The kernel chooses the front of each connection: one after the other until each had one.
        for number in range(MINERS_MAX):
            before = records()
            with miner(pool, f"{participant}.cpu{number}", token):
                await_that(lambda: records() != before)  # noqa: B023 - called at once
                if not all(now := records()):
                    continue
                (here,) = (front for front in FRONTS if now[front] != before[front])
                os.kill(pool.front_pids()[here], signal.SIGKILL)
                await_more_blocks(pool, 2)
                break
        assert all(records()), "one front had all the miners"
        state = wait_for(pool, settled)
        assert state["settlement"]["waits_for"] is None
        assert state["ledger"]["balanced"]
        assert_verified(pool)
        with engine.connect() as connection:
            positions = connection.execute(
                sa.text("SELECT instance, next_sequence > 0 FROM journal_positions ORDER BY 1")
            )
            assert [tuple(row) for row in positions] == [(0, True), (1, True)]


def test_work_goes_on_when_one_of_two_nodes_is_killed(
    tmp_path: Path, database: str, login: tuple[int, str]
) -> None:
    participant, token = login
    with (
        running_pool(tmp_path, database, block_difficulty=BLOCK_DIFFICULTY, **SHARES) as pool,
        kench_node(tmp_path / "second", "--block-difficulty", BLOCK_DIFFICULTY) as second,
    ):
        pool.use_node(pool.node, second)
        pool.start("stratum")
        pool.start("settle")
        with miner(pool, f"{participant}.cpu", token):
            wait_for(pool, lambda state: len(blocks_of(state, "pending")) >= 1)
            pool.node.kill()
            before = second.rpc.call("getblockcount")
            wait_for(pool, lambda state: state["height"] is not None and state["height"] > before)
        assert second.rpc.call("getblockcount") > before
        assert pool.state()["serving"]
