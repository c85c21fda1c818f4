"""Lots in thousands through crashes, lost answers, partial fills, reorganisations and lies.

`KENCH_CAMPAIGN_RUNS` sets how many lots, `KENCH_CAMPAIGN_SEED` one seed alone. What fails names its
seed, and that seed fails again in the same way.
"""

import os
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import pytest
import sqlalchemy as sa

from kench.sale import trading
from kench.sale.executor import Executor
from kench.sale.lots import Lot
from kench.sale.trading import IntentState
from tests.sale.campaign.run import check_end
from tests.sale.campaign.worlds import Plan, be_quiet, run, run_aside, world_of
from tests.support.long import so_many
from tests.support.paper_venue import paper_rig

RUNS = int(os.environ.get("KENCH_CAMPAIGN_RUNS", so_many(1_000, 10_000)))
SEED = os.environ.get("KENCH_CAMPAIGN_SEED")
LOTS_OF_A_WORLD = 200
WORLDS = -(-RUNS // LOTS_OF_A_WORLD)
PROCESSES = 2
"""Worlds side by side, each in a process and a database of its own."""
REPLAY = "KENCH_CAMPAIGN_SEED=<world> runs one of these again, in this process:\n"
LIARS = 5
"""One world in so many has venues that lie."""


class Resender(Executor):
    """What nobody must do: an order without an answer counts as not placed, and is sent anew."""

    def _resolve(self, lot: Lot) -> float:
        with self._desk.transact() as connection:
            order = trading.open_order(connection, lot)
            if order is not None:
                now_us = self._desk.now_us()
                trading.end(connection, order, IntentState.NOT_PLACED, now_us, "no answer")
        return 0.0


def test_nothing_is_sold_twice_and_nothing_is_lost(postgres_url: str, template_name: str) -> None:
    if SEED:
        run(plan_of(postgres_url, template_name, int(SEED)))
        return
    plans = [plan_of(postgres_url, template_name, number) for number in range(WORLDS)]
    with ProcessPoolExecutor(PROCESSES, get_context("spawn"), initializer=be_quiet) as pool:
        ends = list(pool.map(run_aside, plans))
    failures = [f"world {plan.seed}: {end}" for plan, end in zip(plans, ends, strict=True) if end]
    assert not failures, REPLAY + "\n".join(failures[:5])


def plan_of(postgres_url: str, template_name: str, number: int) -> Plan:
    honest = number % LIARS != LIARS - 1
    return Plan(postgres_url, template_name, str(number), min(RUNS, LOTS_OF_A_WORLD), honest)


def test_one_seed_is_one_run(postgres_url: str, template_name: str) -> None:
    runs = []
    plan = Plan(postgres_url, template_name, "again", 20, is_honest=True)
    for _ in range(2):
        with world_of(plan) as world:
            world.go()
            with world.owner.connect() as connection:
                events = connection.execute(
                    sa.text("SELECT * FROM lot_events ORDER BY at, block_hash, vout, version")
                )
                runs.append((world.turns, [tuple(row) for row in events]))
    assert runs[0] == runs[1]


def test_an_executor_that_resends_blindly_is_caught(postgres_url: str, template_name: str) -> None:
    plan = Plan(postgres_url, template_name, "broken", 60, is_honest=True)
    with world_of(plan, Resender) as world:
        world.go()
        with pytest.raises(AssertionError, match=r"trades of \w+ are not our fills"):
            check_end(world)


def test_a_venue_over_http_changes_nothing(postgres_url: str, template_name: str) -> None:
    """A sample of the runs over the paper venue's own HTTP, with its own way of failing."""
    plan = Plan(postgres_url, template_name, "http", 12, is_honest=True)
    with paper_rig() as http, world_of(plan) as world:
        world.over_http(http)
        world.go()
        check_end(world)
        assert world.seen["crashes"]
