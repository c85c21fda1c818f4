"""Lots in thousands through crashes, lost answers, partial fills, reorganisations and lies.

`KENCH_CAMPAIGN_RUNS` sets how many lots, `KENCH_CAMPAIGN_SEED` one seed alone. What fails names its
seed, and that seed fails again in the same way.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import sqlalchemy as sa

from kench.pool.database import Role
from kench.sale import trading
from kench.sale.executor import Executor
from kench.sale.lots import Lot
from kench.sale.trading import IntentState
from tests.conftest import execute, url_of_database
from tests.sale.campaign.run import Campaign, check_end, check_lies, check_lots
from tests.sale.world import quick_engine
from tests.support.paper_venue import paper_rig

RUNS = int(os.environ.get("KENCH_CAMPAIGN_RUNS", "1000"))
LOTS_OF_A_WORLD = 100
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


@contextmanager
def world_of(
    postgres_url: str, template: str, seed: str, lots: int, *, is_honest: bool,
    executor_type: type[Executor] = Executor,
) -> Iterator[Campaign]:  # fmt: skip
    """A world in a database of its own."""
    name = f"kench_campaign_{os.getpid()}"
    execute(postgres_url, f"CREATE DATABASE {name} TEMPLATE {template}")
    url = url_of_database(postgres_url, name)
    owner, seller = quick_engine(url), quick_engine(url, Role.SELL)
    try:
        yield Campaign(owner, seller, seed=seed, lots_wanted=lots, is_honest=is_honest,
                       executor_type=executor_type)  # fmt: skip
    finally:
        owner.dispose()
        seller.dispose()
        execute(postgres_url, f"DROP DATABASE {name} WITH (FORCE)")


def worlds() -> list[tuple[str, int, bool]]:
    given = os.environ.get("KENCH_CAMPAIGN_SEED")
    count = -(-RUNS // LOTS_OF_A_WORLD)
    numbers = [int(given)] if given else list(range(count))
    return [(str(n), min(RUNS, LOTS_OF_A_WORLD), n % LIARS != LIARS - 1) for n in numbers]


@pytest.mark.parametrize(("seed", "lots", "is_honest"), worlds())
def test_nothing_is_sold_twice_and_nothing_is_lost(
    postgres_url: str, template_name: str, seed: str, lots: int, is_honest: bool
) -> None:
    with world_of(postgres_url, template_name, seed, lots, is_honest=is_honest) as world:
        world.go()
        (check_end if is_honest else check_lies)(world)
        with world.owner.connect() as connection:
            check_lots(connection)
        assert world.seen["crashes"] or lots < LOTS_OF_A_WORLD


def test_one_seed_is_one_run(postgres_url: str, template_name: str) -> None:
    runs = []
    for _ in range(2):
        with world_of(postgres_url, template_name, "again", 20, is_honest=True) as world:
            world.go()
            with world.owner.connect() as connection:
                events = connection.execute(
                    sa.text("SELECT * FROM lot_events ORDER BY at, block_hash, vout, version")
                )
                runs.append((world.turns, [tuple(row) for row in events]))
    assert runs[0] == runs[1]


def test_an_executor_that_resends_blindly_is_caught(postgres_url: str, template_name: str) -> None:
    with world_of(
        postgres_url, template_name, "broken", 60, is_honest=True, executor_type=Resender
    ) as world:
        world.go()
        with pytest.raises(AssertionError, match=r"trades of \w+ are not our fills"):
            check_end(world)


def test_a_venue_over_http_changes_nothing(postgres_url: str, template_name: str) -> None:
    """A sample of the runs over the paper venue's own HTTP, with its own way of failing."""
    with (
        paper_rig() as http,
        world_of(postgres_url, template_name, "http", 12, is_honest=True) as world,
    ):
        world.over_http(http)
        world.go()
        check_end(world)
        assert world.seen["crashes"]
