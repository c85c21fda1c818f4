"""The venue's own faults and pace: as often as told, the same for the same seed."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from kench.pool.clock import ManualClock
from kench.pool.pace import Pace
from kench.pool.venue_settings import VenueFault
from kench.venue.exchange import MILLION, PLAIN
from kench.venue.faults import FaultPlan


def test_faults_come_as_often_as_they_are_told_to() -> None:
    shares = {VenueFault.REJECT: 0.2, VenueFault.LOST_ANSWER: 0.05}
    plans = [FaultPlan(shares, "seed") for _ in range(2)]
    drawn = [[plan.next() for _ in range(10_000)] for plan in plans]
    assert drawn[0] == drawn[1]
    counts = Counter(drawn[0])
    assert 1_800 < counts[VenueFault.REJECT] < 2_200
    assert 400 < counts[VenueFault.LOST_ANSWER] < 600
    assert set(counts) == {None, *shares}


def test_without_shares_nothing_goes_wrong() -> None:
    plan = FaultPlan({}, "seed")
    assert plan.next() is None
    assert plan.whim(None) is plan.whim(VenueFault.LATE_ANSWER) is PLAIN


def test_each_fault_of_the_market_is_a_whim() -> None:
    plan = FaultPlan({}, "seed")
    assert plan.whim(VenueFault.REJECT).reject
    assert 0 <= plan.whim(VenueFault.PARTIAL).take_ppm < MILLION
    assert plan.whim(VenueFault.DEFER).defer_us > 0


@given(st.floats(0.5, 1000), st.lists(st.floats(0, 2), max_size=50))
def test_no_more_requests_are_taken_than_the_pace_allows(per_s: float, pauses: list[float]) -> None:
    clock = ManualClock()
    pace, taken = Pace(clock, per_s), 0
    for pause in pauses:
        clock.advance(pause)
        for _ in range(10):
            wait_s = pace.wait_s()
            taken += not wait_s
            assert wait_s <= 1 / per_s + 1e-9
    assert taken <= max(1.0, 2 * per_s) + sum(pauses) * per_s + 1e-6
