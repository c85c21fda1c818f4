"""Costs decay, limits are met where they stand, and honest miners do not come near them."""

from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kench.stratum.costs import (
    LATE_AFTER_BEGIN_S,
    LATE_AFTER_TIP_S,
    LATE_FREE_MAX,
    PAID_AHEAD_MAX,
    PAUSE_MAX_S,
    SESSIONS_PER_LIMIT,
    Address,
    Cost,
    SessionCost,
    pause_s,
    scale_of,
)
from kench.stratum.faults import Fault
from tests.support.stratum_client import COSTS

HALF_LIFE_S = 60.0
LONG_AGO = -1e6


def gate(accepted: int = 0, wrong: int = 0, late: int = 0) -> SimpleNamespace:
    return SimpleNamespace(accepted=accepted, wrong=wrong, late=late)


def test_a_cost_halves_each_half_life() -> None:
    cost = Cost()
    assert cost.add(80.0, 0.0, HALF_LIFE_S) == 80.0
    assert cost.level(60.0, HALF_LIFE_S) == pytest.approx(40.0)
    assert cost.add(10.0, 120.0, HALF_LIFE_S) == pytest.approx(30.0)


def test_what_is_forgiven_never_counts_ahead() -> None:
    cost = Cost()
    cost.add(5.0, 0.0, HALF_LIFE_S)
    assert cost.add(-100.0, 1.0, HALF_LIFE_S) == 0.0
    assert cost.add(1.0, 2.0, HALF_LIFE_S) == 1.0


@given(st.lists(st.tuples(st.floats(0, 1000), st.floats(0, 1e4))))
def test_a_cost_is_never_more_than_what_was_added(
    charges: list[tuple[float, float]],
) -> None:
    cost, now, total = Cost(), 0.0, 0.0
    for amount, pause in charges:
        now, total = now + pause, total + amount
        assert 0.0 <= cost.add(amount, now, HALF_LIFE_S) <= total * (1 + 1e-9)


def test_a_clock_set_back_forgives_nothing() -> None:
    cost = Cost()
    cost.add(10.0, 100.0, HALF_LIFE_S)
    assert cost.level(0.0, HALF_LIFE_S) == 10.0


def test_a_pause_begins_at_the_soft_limit_grows_and_is_bounded() -> None:
    assert pause_s(99.9, 100.0) == 0.0
    pauses = [pause_s(level, 100.0) for level in (100.0, 200.0, 300.0, 500.0, 1e300)]
    assert pauses == [0.25, 1.0, 4.0, PAUSE_MAX_S, PAUSE_MAX_S]


@pytest.mark.parametrize("fault", Fault)
def test_one_rig_that_does_wrong_and_comes_again_never_has_its_address_banned(
    fault: Fault,
) -> None:
    """What connects, does one thing wrong, leaves, and waits to be read from when it is slowed."""
    cost, now = Cost(), 0.0
    for _ in range(20_000):
        level = cost.add(fault.amount + Fault.NO_WORK.amount, now, COSTS.half_life_s)
        assert level < COSTS.address_hard
        now += 0.1 + pause_s(level, COSTS.address_soft)


def test_wrong_shares_cost_only_what_accepted_ones_do_not_pay() -> None:
    cost = SessionCost()
    assert cost.unpaid(gate(accepted=3, wrong=2), LONG_AGO, LONG_AGO, 0.0) == (0, 0)  # type: ignore[arg-type]
    assert cost.unpaid(gate(accepted=3, wrong=4), LONG_AGO, LONG_AGO, 0.0) == (1, 0)  # type: ignore[arg-type]
    many = gate(accepted=10**9, wrong=4)
    assert cost.unpaid(many, LONG_AGO, LONG_AGO, 0.0) == (0, 0)  # type: ignore[arg-type]
    worse = gate(accepted=10**9, wrong=4 + PAID_AHEAD_MAX + 7)
    assert cost.unpaid(worse, LONG_AGO, LONG_AGO, 0.0) == (7, 0)  # type: ignore[arg-type]


@pytest.mark.rule("A8.15")
def test_a_burst_of_late_shares_after_a_tip_costs_nothing() -> None:
    cost = SessionCost()
    seen = 0
    for tip_at in (1000.0, 1600.0, 2200.0):
        seen += LATE_FREE_MAX
        burst = gate(late=seen)
        assert cost.unpaid(burst, LONG_AGO, tip_at, tip_at + LATE_AFTER_TIP_S) == (0, 0)  # type: ignore[arg-type]


@pytest.mark.rule("A8.15")
def test_late_shares_cost_when_no_tip_explains_them_or_they_are_a_flood() -> None:
    cost = SessionCost()
    later = 1000.0 + LATE_AFTER_TIP_S + 1
    assert cost.unpaid(gate(late=5), LONG_AGO, 1000.0, later) == (0, 5)  # type: ignore[arg-type]
    flood = gate(late=5 + LATE_FREE_MAX + 3)
    assert cost.unpaid(flood, LONG_AGO, 2000.0, 2001.0) == (0, 3)  # type: ignore[arg-type]


@pytest.mark.rule("A8.16")
def test_shares_of_the_session_before_cost_nothing_at_first() -> None:
    cost = SessionCost()
    begun = 5000.0
    soon = begun + LATE_AFTER_BEGIN_S
    assert cost.unpaid(gate(late=100), begun, 1.0, soon) == (0, 0)  # type: ignore[arg-type]
    assert cost.unpaid(gate(late=101), begun, 1.0, soon + 1) == (0, 1)  # type: ignore[arg-type]


def test_an_address_has_room_for_the_sessions_it_had_after_they_are_lost() -> None:
    farm = Address("192.0.2.1", exempt=False)
    assert scale_of(farm.standing(0.0)) == 1.0
    for _ in range(10_000):
        farm.enter(0.0)
    full = 1.0 + 10_000 / SESSIONS_PER_LIMIT
    assert scale_of(farm.standing(0.0)) == full
    farm.authorised = 0
    assert full * 0.9 < scale_of(farm.standing(1800.0)) < full
    assert scale_of(farm.standing(30 * 86_400.0)) == pytest.approx(1.0)


def test_bans_grow_are_bounded_and_begin_anew_after_a_quiet_time() -> None:
    address, now, lengths = Address("192.0.2.1", exempt=False), 0.0, []
    for _ in range(8):
        lengths.append(address.ban(now, COSTS))
        now += lengths[-1]
    assert lengths == [60.0, 120.0, 240.0, 480.0, 960.0, 1920.0, 3600.0, 3600.0]
    assert address.ban(now + 5 * COSTS.ban_max_s, COSTS) == 60.0
