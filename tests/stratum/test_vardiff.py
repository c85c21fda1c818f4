"""Vardiff: simulated Poisson miners end between 6 and 20 shares a minute and are left there."""

import math
import random
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kench.pool.clock import ManualClock
from kench.stratum.vardiff import (
    BURST_SHARES,
    EVIDENCE,
    SETTLE_S,
    SILENCE_MAX,
    STEP_DOWN_MAX,
    STEP_UP_MAX,
    Vardiff,
)

WISHED = 12.0
SWEEP_S = 5.0
RETARGET_S = 3.0
FASTEST = 5_000.0  # shares a second that a connection carries
SEEDS = range(6)


def saw(vardiff: Vardiff, accepted: int, now: float) -> bool:
    """Count as a gate does that was told `since` and `burst_shares`; True if it would say so."""
    timely = accepted if now > vardiff.since else 0
    enough = timely >= vardiff.burst_shares
    vardiff.shares += timely
    return enough


@dataclass
class Simulation:
    """One miner of a constant hashrate, the front's sweeps and its spacing of retargets.

    `fitting` is the difficulty at which the miner would find exactly the wished-for shares.
    """

    fitting: float
    seed: int
    difficulty: float = 1.0
    clock: ManualClock = field(default_factory=ManualClock)
    changes: int = 0

    def __post_init__(self) -> None:
        self._random = random.Random(self.seed)
        self._vardiff = Vardiff(WISHED, self.clock.monotonic())
        self._vardiff.restart(self.clock.monotonic())
        self._sweep_at = SWEEP_S
        self._given_at = -RETARGET_S
        self._wanted: float | None = None

    @property
    def per_minute(self) -> float:
        """The rate that the miner is bound to have at its difficulty."""
        return WISHED * self.fitting / self.difficulty

    def run(self, seconds: float) -> Iterator[float]:
        """Let time pass; yield the true rate after each event."""
        end = self.clock.monotonic() + seconds
        while (now := self.clock.monotonic()) < end:
            rate = min(self.per_minute / 60, FASTEST)
            wait = self._random.expovariate(rate)
            give_at = max(self._given_at + RETARGET_S, now)
            if self._wanted is not None and give_at <= min(now + wait, self._sweep_at):
                self.clock.advance(give_at - now)
                self._give(self._wanted)
            elif self._sweep_at <= now + wait:
                self.clock.advance(max(0.0, self._sweep_at - now))
                self._sweep_at += SWEEP_S
                self._judge()
            else:
                self.clock.advance(wait)
                if saw(self._vardiff, 1, self.clock.monotonic()):
                    self._judge()
            yield self.per_minute

    def _judge(self) -> None:
        wanted = self._vardiff.judge(self.clock.monotonic(), self.difficulty)
        self._wanted = self._wanted if wanted is None else wanted

    def _give(self, wanted: float) -> None:
        self._given_at = self.clock.monotonic()
        self.difficulty, self._wanted = wanted, None
        self.changes += 1
        self._vardiff.restart(self._given_at)


def finish(events: Iterator[float]) -> list[float]:
    return list(events)


@pytest.mark.rule("A6.9", "A8.17")
@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("off", [1e-6, 1e-4, 1e-3, 1e-2, 0.1, 0.3, 1, 3, 30, 1e3, 1e5, 1e7, 1e9])
def test_from_any_start_the_rate_is_in_its_band_within_minutes_and_stays(
    off: float, seed: int
) -> None:
    simulation = Simulation(off, seed)
    finish(simulation.run(600))
    rates = finish(simulation.run(3600))
    inside = sum(6 <= rate <= 20 for rate in rates) / len(rates)
    assert inside > 0.9
    assert simulation.changes <= 14


@pytest.mark.rule("A8.17")
@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("off", [30, 1e3, 1e6])
def test_a_burst_is_tamed_within_seconds(off: float, seed: int) -> None:
    simulation = Simulation(off, seed)
    finish(simulation.run(15))
    assert simulation.per_minute < 30


@pytest.mark.parametrize("seed", SEEDS)
def test_a_steady_miner_is_left_alone_for_a_day(seed: int) -> None:
    simulation = Simulation(1.0, seed)
    finish(simulation.run(86_400))
    assert simulation.changes <= 16


@pytest.mark.parametrize("seed", SEEDS)
def test_a_miner_that_rested_for_an_hour_does_not_come_back_as_a_flood(seed: int) -> None:
    simulation = Simulation(1.0, seed)
    finish(simulation.run(900))
    proven = simulation.difficulty
    simulation.fitting = 1e-9
    finish(simulation.run(3600))
    assert simulation.difficulty >= proven / SILENCE_MAX / STEP_DOWN_MAX
    simulation.fitting = 1.0
    finish(simulation.run(30))
    assert simulation.per_minute < 30


def test_one_silent_half_minute_is_enough_to_lower_a_start_that_was_too_hard() -> None:
    vardiff = Vardiff(WISHED, 0.0)
    assert vardiff.judge(EVIDENCE / WISHED * 60 - 0.1, 1024.0) is None
    assert vardiff.judge(EVIDENCE / WISHED * 60 + 0.1, 1024.0) == 1024 / STEP_DOWN_MAX


def test_shares_right_after_a_change_belong_to_the_job_before() -> None:
    vardiff = Vardiff(WISHED, 0.0)
    vardiff.restart(100.0)
    assert not saw(vardiff, 100_000, 100.0 + SETTLE_S)
    assert vardiff.judge(100.0 + SETTLE_S, 1.0) is None
    assert saw(vardiff, BURST_SHARES, 100.1 + SETTLE_S)
    raised = vardiff.judge(100.1 + SETTLE_S, 1.0)
    assert raised is not None
    assert raised > 100


def test_a_clock_set_back_delays_a_judgement_by_no_more_than_the_settling() -> None:
    vardiff = Vardiff(WISHED, 1_000_000.0)
    assert not saw(vardiff, 50, 10.0)
    assert vardiff.judge(10.0, 1.0) is None
    assert vardiff.since <= 10.0 + SETTLE_S
    assert saw(vardiff, 50, 11.0 + SETTLE_S)
    assert vardiff.judge(11.0 + SETTLE_S, 1.0) is not None


EVENTS = st.lists(
    st.tuples(
        st.floats(min_value=-1e6, max_value=1e6) | st.just(0.0),
        st.integers(0, 100_000),
        st.booleans(),
    ),
    max_size=40,
)


@given(
    wished=st.floats(0.1, 600), difficulty=st.floats(1e-10, 1e15), since=st.floats(0, 1e9),
    events=EVENTS,
)  # fmt: skip
def test_no_order_of_events_and_no_clock_leads_out_of_bounds(
    wished: float, difficulty: float, since: float, events: list[tuple[float, int, bool]]
) -> None:
    vardiff = Vardiff(wished, since)
    now = since
    for step, shares, given_one in events:
        now += step
        saw(vardiff, shares, now)
        wanted = vardiff.judge(now, difficulty)
        if wanted is None:
            continue
        assert math.isfinite(wanted)
        assert wanted > 0
        assert difficulty / STEP_DOWN_MAX * 0.999 <= wanted
        assert wanted <= difficulty * STEP_UP_MAX * 1.001 or wanted <= vardiff.proven
        if given_one:
            difficulty = min(max(wanted, 1e-10), 1e15)
            vardiff.restart(now)
