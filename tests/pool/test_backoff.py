"""How soon something that failed is tried again, and a part that ended started again."""

from hypothesis import given
from hypothesis import strategies as st

from kench.pool.backoff import (
    CRASH_LOOP_ENDS,
    DELAY_MAX_S,
    FIRST_DELAY_S,
    RETRY_MAX_S,
    RETRY_MIN_S,
    STEADY_S,
    Backoff,
    PartBackoff,
)
from kench.pool.clock import ManualClock


def test_tries_come_later_and_later_until_one_succeeds() -> None:
    clock = ManualClock()
    backoff = Backoff(clock)
    assert backoff.is_due
    waits_s = [backoff.fail() for _ in range(20)]
    assert waits_s[:3] == [RETRY_MIN_S, 2 * RETRY_MIN_S, 4 * RETRY_MIN_S]
    assert waits_s[-1] == RETRY_MAX_S
    assert not backoff.is_due
    clock.advance(RETRY_MAX_S)
    assert backoff.is_due
    assert [backoff.succeed(), backoff.succeed()] == [True, False]
    assert backoff.fail() == RETRY_MIN_S


def test_each_may_have_a_bound_of_its_own() -> None:
    backoff = Backoff(ManualClock(), max_s=2)
    assert [backoff.fail() for _ in range(4)] == [0.5, 1, 2, 2]


def test_the_first_end_is_followed_by_a_start_at_once() -> None:
    assert PartBackoff().delay_after_end(0, 1) == FIRST_DELAY_S


def test_the_delay_doubles_up_to_its_bound() -> None:
    backoff = PartBackoff()
    delays = [backoff.delay_after_end(now, now) for now in range(40)]
    assert delays[:4] == [FIRST_DELAY_S * 2**power for power in range(4)]
    assert delays[-1] == DELAY_MAX_S


def test_a_steady_run_ends_the_crash_loop() -> None:
    backoff = PartBackoff()
    for now in range(CRASH_LOOP_ENDS):
        backoff.delay_after_end(now, now)
    assert backoff.looping
    assert backoff.delay_after_end(100, 100 + STEADY_S) == FIRST_DELAY_S
    assert not backoff.looping


@given(st.lists(st.floats(0, 1e6), max_size=200))
def test_no_delay_is_ever_out_of_bounds(lengths_s: list[float]) -> None:
    backoff, now = PartBackoff(), 0.0
    for length_s in lengths_s:
        assert FIRST_DELAY_S <= backoff.delay_after_end(now, now + length_s) <= DELAY_MAX_S
        now += length_s
