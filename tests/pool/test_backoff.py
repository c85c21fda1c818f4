"""How soon a part that ended is started again."""

from hypothesis import given
from hypothesis import strategies as st

from kench.pool.backoff import CRASH_LOOP_ENDS, DELAY_MAX_S, FIRST_DELAY_S, STEADY_S, Backoff


def test_the_first_end_is_followed_by_a_start_at_once() -> None:
    assert Backoff().delay_after_end(0, 1) == FIRST_DELAY_S


def test_the_delay_doubles_up_to_its_bound() -> None:
    backoff = Backoff()
    delays = [backoff.delay_after_end(now, now) for now in range(40)]
    assert delays[:4] == [FIRST_DELAY_S * 2**power for power in range(4)]
    assert delays[-1] == DELAY_MAX_S


def test_a_steady_run_ends_the_crash_loop() -> None:
    backoff = Backoff()
    for now in range(CRASH_LOOP_ENDS):
        backoff.delay_after_end(now, now)
    assert backoff.looping
    assert backoff.delay_after_end(100, 100 + STEADY_S) == FIRST_DELAY_S
    assert not backoff.looping


@given(st.lists(st.floats(0, 1e6), max_size=200))
def test_no_delay_is_ever_out_of_bounds(lengths_s: list[float]) -> None:
    backoff, now = Backoff(), 0.0
    for length_s in lengths_s:
        assert FIRST_DELAY_S <= backoff.delay_after_end(now, now + length_s) <= DELAY_MAX_S
        now += length_s
