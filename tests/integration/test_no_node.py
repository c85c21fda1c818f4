"""With no usable node miners' lines are kept alive, then let go; a node brings all back (B18)."""

import signal
import time
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from kench.pool.register import add_participant
from tests.support.client import StratumClient
from tests.support.nodes import kench_node
from tests.support.pool import EASY_SHARES, Pool, running_pool

FELT_WITHIN_S = 20.0
IMPATIENT = {"KENCH_JOB_REFRESH_S": "1", "KENCH_NODE_STALE_SERVE_S": "3"}


def wait_for_state(pool: Pool, *, serving: bool) -> dict[str, Any]:
    deadline = time.monotonic() + FELT_WITHIN_S
    while (state := pool.state())["serving"] is not serving:
        assert time.monotonic() < deadline, state
        time.sleep(0.1)
    return state


def test_lines_are_kept_alive_then_let_go_and_a_node_brings_all_back(
    tmp_path: Path, database: str, engine: sa.Engine
) -> None:
    with engine.begin() as connection:
        participant, token = add_participant(connection, "one")
    user = f"{participant}.a"
    with running_pool(tmp_path, database, **EASY_SHARES, **IMPATIENT) as pool:
        pool.start("stratum")
        port = pool.node.rpc.port
        with StratumClient(pool.stratum_port, FELT_WITHIN_S) as miner:
            assert miner.login(user, token)
            job, *_, ntime, _clean = miner.wait_for_job()
            pool.node.stop(signal.SIGKILL)

            while (message := miner.receive()).get("method") != "mining.ping":
                assert message.get("method") in {"mining.notify", "mining.set_difficulty"}
            # The last job is still worth its work, and is acknowledged.
            share = (user, job, f"{1:016x}", ntime, f"{1:08x}")
            assert miner.call("mining.submit", *share)["result"] is True
            assert pool.state()["nodes"][0]["usable"] is False
            miner.wait_until_closed()
        state = wait_for_state(pool, serving=False)
        assert "no usable node" in state["why"]

        with kench_node(tmp_path, "--rpc-port", str(port)):
            wait_for_state(pool, serving=True)
            with StratumClient(pool.stratum_port) as miner:
                assert miner.login(user, token)
                assert miner.wait_for_job()[0] != job
