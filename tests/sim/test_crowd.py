"""The crowd's decisions are those of the pool's own vardiff, one connection at a time."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kench.pool.work import EASIEST_DIFFICULTY, settle_difficulty
from kench.sim.crowd import HASHES_PER_DIFFICULTY, Crowd, Estimates, settle_difficulties
from kench.sim.fleet import MACHINES, Fleet
from kench.stratum.difficulty import DifficultyLimits
from kench.stratum.front import RETARGET_S
from kench.stratum.sweep import SWEEP_S
from kench.stratum.vardiff import Vardiff

LIMITS = DifficultyLimits(65_536.0, 1e-9, 1e12, 12.0)
NETWORK = 1e14
TIMES = st.floats(0, 1e6, allow_nan=False)
STATES = st.lists(
    st.tuples(
        TIMES,
        st.integers(0, 5000),
        st.one_of(st.just(0.0), st.floats(1e-6, 1e12)),
        st.floats(1e-6, 1e12),
    ),
    min_size=1,
    max_size=20,
)


@given(states=STATES, now=TIMES, per_minute=st.floats(0.1, 120))
def test_each_decision_and_state_is_that_of_vardiff(
    states: list[tuple[float, int, float, float]], now: float, per_minute: float
) -> None:
    singles = [Vardiff(per_minute, since, shares, proven) for since, shares, proven, _ in states]
    many = Estimates(
        np.array([one[0] for one in states]),
        np.array([one[1] for one in states]),
        np.array([one[2] for one in states]),
    )
    difficulty = np.array([one[3] for one in states])
    places, wished = many.judge(now, difficulty, per_minute)
    found = dict(zip(places.tolist(), wished.tolist(), strict=True))
    for place, single in enumerate(singles):
        assert found.get(place) == single.judge(now, float(difficulty[place]))
        assert (many.since[place], many.shares[place], many.proven[place]) == (
            single.since,
            single.shares,
            single.proven,
        )


@given(
    wished=st.lists(st.floats(1e-9, 1e15), min_size=1),
    lowest=st.floats(1e-9, 1e6),
    highest=st.floats(1e-9, 1e15),
)
def test_difficulties_are_settled_as_one_is(
    wished: list[float], lowest: float, highest: float
) -> None:
    settled = settle_difficulties(np.array(wished), lowest, highest).tolist()
    assert settled == [settle_difficulty(one, lowest, highest) for one in wished]


def _alone(hashrate: float, seconds: float, chance: np.random.Generator) -> tuple[int, int]:
    """One miner share by share, by Vardiff itself: shares, and difficulties it was given."""
    vardiff, now, shares, given_anew = Vardiff(LIMITS.shares_per_minute, 3.0), 0.0, 0, 0
    difficulty, wished, in_force_at = LIMITS.start, None, math.inf
    sweep_at = SWEEP_S
    while now < seconds:
        rate = hashrate / (difficulty * HASHES_PER_DIFFICULTY)
        next_share = now + chance.exponential(1 / rate)
        now = min(next_share, sweep_at, in_force_at)
        if now == in_force_at and wished is not None:
            difficulty, wished, in_force_at = wished, None, math.inf
            given_anew += 1
            vardiff.restart(now)
            continue
        if now == next_share:
            shares += 1
            vardiff.shares += now > vardiff.since
            if vardiff.shares < 24:
                continue
        else:
            sweep_at += SWEEP_S
        if wished is None and (fitting := vardiff.judge(now, difficulty)) is not None:
            settled = settle_difficulty(fitting, EASIEST_DIFFICULTY, LIMITS.highest)
            if settled != difficulty:
                wished, in_force_at = settled, now + chance.uniform(0, RETARGET_S)
    return shares, given_anew


def test_a_crowd_sends_what_miners_one_by_one_do() -> None:
    chance = np.random.default_rng(3)
    fleet, seconds = Fleet.of(400, chance), 1200.0
    alone = [_alone(rate, seconds, chance) for rate in fleet.hashrates.tolist()]
    crowd = Crowd(fleet.hashrates, LIMITS, NETWORK, chance)
    steps = [crowd.step() for _ in range(round(seconds / SWEEP_S))]
    shares, changes = (sum(one[i] for one in alone) for i in (0, 1))
    assert sum(step.shares for step in steps) == pytest.approx(shares, rel=0.05)
    assert sum(step.retargets for step in steps) == pytest.approx(changes, rel=0.2)


def test_workers_come_to_the_rate_wished_for() -> None:
    chance = np.random.default_rng(5)
    crowd = Crowd(Fleet.of(2000, chance).hashrates, LIMITS, NETWORK, chance)
    begun = crowd.rates.mean() * 60
    for _ in range(240):
        crowd.step()
    assert begun > 15
    assert crowd.rates.mean() * 60 == pytest.approx(12, rel=0.15)
    # Nearly all within what vardiff leaves alone, and what chance shows of it.
    within = ((crowd.rates * 60 > 5) & (crowd.rates * 60 < 24)).mean()
    assert within > 0.98


def test_the_table_of_machines_is_a_whole() -> None:
    assert sum(part for _, _, part in MACHINES) == pytest.approx(1)
