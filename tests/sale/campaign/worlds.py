"""Worlds of the campaign, each in a database of its own, here or in a process beside."""

import gc
import logging
import os
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

import structlog

from kench.pool.database import Role
from kench.sale.executor import Executor
from tests.conftest import execute, url_of_database
from tests.sale.campaign.run import Campaign, check_end, check_lies, check_lots
from tests.sale.world import quick_engine


class Plan(NamedTuple):
    """What a world is made of: all else follows from the seed."""

    postgres_url: str
    template: str
    seed: str
    lots: int
    is_honest: bool


@contextmanager
def world_of(plan: Plan, executor_type: type[Executor] = Executor) -> Iterator[Campaign]:
    """A world in a database of its own."""
    name = f"kench_campaign_{os.getpid()}"
    execute(plan.postgres_url, f"CREATE DATABASE {name} TEMPLATE {plan.template}")
    url = url_of_database(plan.postgres_url, name)
    owner, seller = quick_engine(url), quick_engine(url, Role.SELL)
    try:
        yield Campaign(owner, seller, seed=plan.seed, lots_wanted=plan.lots,
                       is_honest=plan.is_honest, executor_type=executor_type)  # fmt: skip
    finally:
        owner.dispose()
        seller.dispose()
        execute(plan.postgres_url, f"DROP DATABASE {name} WITH (FORCE)")


def run(plan: Plan) -> None:
    """Run a world to its end and see that every coin is where it belongs."""
    with world_of(plan) as world:
        world.go()
        (check_end if plan.is_honest else check_lies)(world)
        with world.owner.connect() as connection:
            check_lots(connection)
        assert world.made >= plan.lots
        assert world.seen["crashes"] or plan.lots < 100


def run_aside(plan: Plan) -> str:
    """Run a world; return what went wrong, in words that another process can print."""
    try:
        run(plan)
    except Exception:  # noqa: BLE001 - whatever it is, it is told with its seed
        return traceback.format_exc()
    return ""


def be_quiet() -> None:
    """Prepare a process that only runs worlds: no log, and what lives anyway is not looked at."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    gc.freeze()
