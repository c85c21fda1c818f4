"""One guard over two fronts on real sockets: who spreads its faults is banned at both, once."""

import contextlib
import os
import signal
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from kench.pool.register import add_participant
from tests.integration.test_resume import Rig
from tests.integration.test_resume import serving as wait_until_serving
from tests.support.pool import EASY_SHARES, Pool, running_pool

WAIT_S = 30.0
HARD = 1000
# One line costs a fiftieth of what bans an address, and half of what slows it.
BOUNDS = {
    **EASY_SHARES,
    "KENCH_STRATUM_PROCESSES": "2",
    "KENCH_ADDRESS_COST_SOFT": str(HARD),
    "KENCH_ADDRESS_COST_HARD": str(HARD),
    "KENCH_SESSION_COST_SOFT": "400",
    "KENCH_BAN_S": "3600",
}
HOSTILE = "127.0.0.7"


@pytest.fixture
def login(engine: sa.Engine) -> tuple[str, str]:
    with engine.begin() as connection:
        participant, token = add_participant(connection, "load")
    return f"{participant}.rig", token


def states(pool: Pool) -> Iterator[dict[str, Any]]:
    deadline = time.monotonic() + WAIT_S
    while time.monotonic() < deadline:
        yield pool.state()
        time.sleep(0.02)
    raise AssertionError("it never came about")


def banned_at(state: dict[str, Any], number: int) -> int:
    """How many addresses a front says are banned."""
    guard = state["fronts"][str(number)].get("guard") or {}
    return int(guard.get("banned", 0))


def do_wrong(port: int) -> bool:
    """Send one line that is no JSON from the hostile address; False where it is refused."""
    with (
        contextlib.suppress(ConnectionError),
        socket.create_connection(("127.0.0.1", port), WAIT_S, (HOSTILE, 0)) as peer,
    ):
        peer.sendall(b"{\n")
        return bool(peer.recv(1000))
    return False


def test_who_spreads_its_faults_over_fronts_is_banned_at_both_and_counted_once(
    tmp_path: Path, database: str, login: tuple[str, str]
) -> None:
    with running_pool(tmp_path, database, **BOUNDS) as pool, contextlib.ExitStack() as open_rigs:
        pool.start("stratum")
        pids = wait_until_serving(pool)
        rigs = [Rig(pool.stratum_port, login) for _ in range(24)]
        for rig in rigs:
            open_rigs.callback(rig.close)
        assert {rig.front for rig in rigs} == {0, 1}
        sent = 0
        for state in states(pool):
            if all(banned_at(state, number) for number in (0, 1)):
                break
            if sent < 2 * HARD / 20:  # twice as much as one front allows
                sent += do_wrong(pool.stratum_port)
        assert all(not do_wrong(pool.stratum_port) for _ in range(20))
        for state in states(pool):
            refused = [front["guard"]["measures"]["refused"] for front in state["fronts"].values()]
            if all(refused):
                break
        assert state["guard"]["measures"]["banned"] == 1
        assert state["guard"]["banned"] == 1
        for rig in rigs:
            assert rig.submit(rig.share(1)) is True
        # A front that is started again knows of the ban as well.
        os.kill(pids[0], signal.SIGKILL)
        for state in states(pool):
            front = state["fronts"]["0"]
            if front["serving"] and front["pid"] != pids[0] and banned_at(state, 0):
                break
        assert all(not do_wrong(pool.stratum_port) for _ in range(20))
        assert pool.state()["guard"]["measures"]["banned"] == 1
        assert pool.end("stratum") == 0
