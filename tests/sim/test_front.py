"""A front in simulated time: its commits, its slices and its turns, on given costs."""

import numpy as np
import pytest

from kench.pool.clock import ManualClock
from kench.sim.costs import FrontCosts, Line
from kench.sim.front import Front, Load
from kench.sim.loop import SimLoop
from kench.sim.sizes import make_job

COSTS = FrontCosts(
    idle_cpu=0.01,
    connection_cpu=1e-6,
    cpu=((1000.0, 0.1), (10_000.0, 0.4)),
    share_s=10e-6,
    commit_s=Line(0.001, 0.0),
    send_s=10e-6,
)


def front(load: Load, costs: FrontCosts = COSTS, seed: int = 1) -> Front:
    return Front(costs, load, np.random.default_rng(seed))


def test_a_lonely_share_waits_for_its_own_commit() -> None:
    day = front(Load(1.0, 1)).everyday(60)
    assert day.shares_per_commit == 1
    assert day.p50_ms == pytest.approx(1.01, abs=0.01)


def test_shares_that_come_during_a_commit_share_the_next() -> None:
    day = front(Load(20_000.0, 1000)).everyday(1.0)
    # One commit a millisecond, each of what came in one.
    assert day.commits_per_s == pytest.approx(1000, rel=0.1)
    assert day.shares_per_commit == pytest.approx(20, rel=0.1)
    # Half a commit until the next begins, and that one.
    assert day.p50_ms == pytest.approx(1.6, abs=0.25)


def test_the_core_is_read_between_the_rates_that_were_measured() -> None:
    assert COSTS.cpu_at(500) == pytest.approx(0.05)
    assert COSTS.cpu_at(5500) == pytest.approx(0.25)
    assert COSTS.cpu_at(20_000) == pytest.approx(0.8)


def test_a_job_takes_the_loop_for_each_send_and_shares_are_answered_between() -> None:
    idle = front(Load(0.0, 10_000)).new_block(make_job(ManualClock()))
    busy = front(Load(20_000.0, 10_000)).new_block(make_job(ManualClock()))
    assert idle.spread_ms == pytest.approx(100, rel=0.01)
    # A fifth of the loop's time is the shares'.
    assert busy.spread_ms == pytest.approx(125, rel=0.1)
    assert busy.p99_ms < 25


def test_logins_take_their_turns_and_their_shares_slow_them() -> None:
    alone = front(Load(0.0, 0)).logins(5000, 100e-6, 0.0, 50_000)
    slow = front(Load(0.0, 0)).logins(5000, 100e-6, 10.0, 50_000)
    bound = front(Load(0.0, 0)).logins(5000, 100e-6, 0.0, 1000)
    assert alone == pytest.approx(0.5, rel=0.05)
    assert slow is not None
    assert bound is not None
    assert slow > 1.1 * alone
    assert bound == pytest.approx(5, rel=0.05)


def test_a_storm_that_cannot_end_is_said_not_to() -> None:
    assert front(Load(0.0, 0)).logins(30_000, 100e-6, 50.0, 50_000) is None


def test_the_same_seed_has_the_same_day() -> None:
    load = Load(3000.0, 500)
    assert front(load).everyday(0.5) == front(load).everyday(0.5)
    assert front(load).everyday(0.5) != front(load, seed=2).everyday(0.5)


def test_the_loop_runs_what_is_asked_for_in_the_turn_after() -> None:
    class Nothing:
        def take(self, now: float) -> bool:
            return False

        def next_at(self, now: float) -> float:
            return float("inf")

    clock, said = ManualClock(), []
    loop = SimLoop(clock)

    def first() -> None:
        said.append("first")
        loop.call_soon(said.append, "second")

    loop.call_soon(first)
    loop.call_later(1.0, said.append, "later")
    loop.run(Nothing(), 2.0, lambda: False)
    assert said == ["first", "second", "later"]
    assert clock.monotonic() == pytest.approx(2.0)
