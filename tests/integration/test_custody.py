"""Real processes pay whom orders say, from the very height on; without one they serve nobody."""

import contextlib
import json
import os
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from kench.pool.address import burn_address, script_of
from kench.pool.custody import CoinbaseFacts, read_coinbase
from kench.pool.database import open_engine
from kench.pool.register import add_participant
from tests.support.client import StratumClient
from tests.support.orders import LICENCE
from tests.support.pool import EASY_SHARES, Pool, accept_orders, running_pool
from tests.support.waiting import await_that

WAIT_S = 20.0
REGTEST = "regtest"
OTHER = "mfWxJ45yp2SFn7UciZyNpvDKrzbhyfKrY8"
PAPER, SECOND = script_of(burn_address(REGTEST), REGTEST), script_of(OTHER, REGTEST)
LICENCES = [LICENCE | {"until": "2099-12-31"},
            LICENCE | {"venue": "second", "number": "L-2", "until": "2099-12-31"}]  # fmt: skip
TWO_VENUES: dict[str, Any] = {
    "venues": [
        {"venue": "paper", "address": burn_address(REGTEST), "weight": 1},
        {"venue": "second", "address": OTHER, "weight": 3},
    ],
    "licences": LICENCES,
}
# With venues in force, miners' jobs get six blocks of notice.
CHANGE_AT = 8


THIEF = bytes.fromhex("0014" + "66" * 20)
CHANGED = """
import dataclasses
from pathlib import Path

import kench.pool.coinbase_outputs as builder

honest = builder.outputs_by_weight


def outputs_by_weight(reward_sat, payees):
    first, *others = honest(reward_sat, payees)
    if Path({switch!r}).exists():
        first = dataclasses.replace(first, script={thief!r})
    return first, *others


builder.outputs_by_weight = outputs_by_weight
"""
"""What somebody who may write to this machine can do to the program, while a file is there."""


def wait_until(condition: Callable[[], bool], pool: Pool) -> None:
    await_that(condition, words=pool.state)


def why_not(pool: Pool) -> str:
    """Why miners are not served, as /status says it."""
    try:
        return str(pool.state()["why"])
    except OSError:
        return "it does not answer yet"


def coinbase(job: list[Any]) -> CoinbaseFacts:
    """What a miner's own job says, by its bytes."""
    return read_coinbase(bytes.fromhex(job[2]), bytes.fromhex(job[3]))


def test_an_order_changes_whom_blocks_pay_exactly_at_its_height(
    tmp_path: Path, database: str, engine: sa.Engine
) -> None:
    with engine.begin() as connection:
        participant, token = add_participant(connection, "one")
    with running_pool(tmp_path, database, **EASY_SHARES) as pool:
        pool.start("stratum")
        with StratumClient(pool.stratum_port, WAIT_S) as miner:
            assert miner.login(f"{participant}.a", token)
            job = miner.wait_for_job()
            assert coinbase(job).height == 1
            accept_orders(tmp_path, database, TWO_VENUES, CHANGE_AT)
            wait_until(lambda: pool.state()["custody"]["newest_order"] == 2, pool)
            paid = {1: [script for script, _ in coinbase(job).payments]}
            for height in range(2, CHANGE_AT + 2):
                pool.node.rpc.call("generatetoaddress", 1, burn_address(REGTEST))
                while (facts := coinbase(job)).height < height:
                    job = miner.wait_for_job(other_than=job[0])
                assert facts.height == height
                paid[height] = [script for script, _ in facts.payments]
                if height >= CHANGE_AT:
                    (_, one), (_, three) = facts.payments
                    assert abs(3 * one - three) <= 3
        before, after = [PAPER], [PAPER, SECOND]
        assert paid == {
            height: before if height < CHANGE_AT else after for height in range(1, CHANGE_AT + 2)
        }
        custody = pool.state()["custody"]
        assert (custody["order"], custody["refused"], custody["why"]) == (2, 0, None)
        assert custody["checked"] >= CHANGE_AT + 1


def test_without_an_order_for_its_height_nobody_is_served_until_there_is_one(
    tmp_path: Path, database: str
) -> None:
    with running_pool(tmp_path, database, orders=False, **EASY_SHARES) as pool:
        process = pool.spawn("stratum")
        wait_until(lambda: "no order sets venues at height 1" in why_not(pool), pool)
        assert "kench order" in why_not(pool)
        accept_orders(tmp_path, database)
        assert process.stdout is not None
        assert process.stdout.readline() == "kench stratum: ready\n"
        assert pool.state()["custody"]["order"] == 1


def health(pool: Pool) -> tuple[int, str]:
    """What /healthz says."""
    url = f"http://127.0.0.1:{pool.metrics_port}/healthz"
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as answer:
        with answer:
            return answer.code, answer.read().decode()


def alarm_of(pool: Pool) -> str:
    """The custody alarm as /status has it; empty where there is none."""
    return str(pool.state()["custody"]["why"] or "")


def heights_sent(miner: StratumClient, last: int) -> set[int]:
    """The heights of the jobs that a miner got since it looked, until `last` or its end."""
    heights = set()
    with contextlib.suppress(ConnectionError):
        while last not in heights:
            job, miner.job = miner.job or miner.wait_for_job(), None
            heights.add(coinbase(job).height)
    return heights


def metric(pool: Pool, name: str) -> float:
    """One number of /metrics."""
    url = f"http://127.0.0.1:{pool.metrics_port}/metrics"
    with urllib.request.urlopen(url, timeout=5) as answer:
        lines = answer.read().decode().splitlines()
    return float(next(line.split()[-1] for line in lines if line.startswith(name)))


def test_a_job_of_a_changed_program_is_never_sent_and_raises_every_alarm(
    tmp_path: Path, database: str, engine: sa.Engine
) -> None:
    with engine.begin() as connection:
        participant, token = add_participant(connection, "one")
    changed, switch = tmp_path / "changed", tmp_path / "switch"
    changed.mkdir()
    # Python runs it at the start of the job maker and of each front: the guard is not touched.
    text = CHANGED.format(switch=str(switch), thief=THIEF)
    (changed / "sitecustomize.py").write_text(text)
    path = os.pathsep.join([str(changed), *filter(None, [os.environ.get("PYTHONPATH")])])
    with running_pool(tmp_path, database, PYTHONPATH=path, **EASY_SHARES) as pool:
        pool.start("stratum")
        assert health(pool) == (200, "serving\n")
        with StratumClient(pool.stratum_port, WAIT_S) as miner:
            assert miner.login(f"{participant}.a", token)
            assert coinbase(miner.wait_for_job()).height == 1
            switch.touch()
            pool.node.rpc.call("generatetoaddress", 1, burn_address(REGTEST))
            wait_until(lambda: THIEF.hex() in alarm_of(pool), pool)
            status, words = health(pool)
            assert (status, words.startswith("custody alarm: ")) == (503, True)
            assert metric(pool, "kench_custody_alarm") == 1
            assert metric(pool, "kench_jobs_refused_total") >= 1
            log = (tmp_path / "stratum.log").read_text()
            said = [json.loads(line) for line in log.splitlines()]
            alarms = [one for one in said if one["level"] == "critical"]
            assert {one["event"] for one in alarms} == {"custody: a job was not sent"}
            assert alarms[0]["height"] == 2
            wait_until(lambda: "custody alarm" in pool.run("status").stdout, pool)
            switch.unlink()
            pool.node.rpc.call("generatetoaddress", 1, burn_address(REGTEST))
            wait_until(lambda: health(pool)[0] == 200, pool)
            assert metric(pool, "kench_custody_alarm") == 0
            assert heights_sent(miner, last=3) <= {1, 3}
        with StratumClient(pool.stratum_port, WAIT_S) as miner:
            assert miner.login(f"{participant}.a", token)
            facts = coinbase(miner.wait_for_job())
            assert (facts.height, [script for script, _ in facts.payments]) == (3, [PAPER])


def test_on_orders_that_were_tampered_with_it_does_not_start(tmp_path: Path, database: str) -> None:
    with running_pool(tmp_path, database, **EASY_SHARES) as pool:
        owner = open_engine(database, application_name="test")
        with owner.begin() as connection:
            connection.execute(sa.text("SET LOCAL session_replication_role = replica"))
            connection.execute(sa.text("DELETE FROM order_signatures WHERE officer_id = 1"))
        owner.dispose()
        done = pool.run("stratum")
        assert done.returncode == 1
        assert "order 1 in the database is not sound" in done.stderr
        assert done.stderr.count("\n") == 1
