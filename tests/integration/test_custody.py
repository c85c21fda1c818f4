"""Real processes pay whom orders say, from the very height on; without one they serve nobody."""

import time
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


def wait_until(condition: Callable[[], bool], pool: Pool) -> None:
    deadline = time.monotonic() + WAIT_S
    while not condition():
        assert time.monotonic() < deadline, pool.state()
        time.sleep(0.05)


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
