"""Counts run down with time, and nobody's use is another's."""

from hypothesis import given
from hypothesis import strategies as st

from kench.cabinet.access.meter import Meter
from kench.cabinet.login.guard import Allowance

ALLOWANCE = Allowance(3, 10.0)


def test_so_many_at_once_and_then_one_by_one() -> None:
    meter = Meter(ALLOWANCE)
    assert [meter.count("a", 0.0).left for _ in range(3)] == [2, 1, 0]
    held = meter.count("a", 4.0)
    assert (held.admitted, held.wait_s) == (False, 6)
    assert held.headers() == {
        "RateLimit-Limit": "3", "RateLimit-Remaining": "0", "Retry-After": "6",
    }  # fmt: skip
    assert meter.count("a", 10.0).admitted
    assert not meter.count("a", 10.0).admitted


def test_one_does_not_use_up_anothers() -> None:
    meter = Meter(ALLOWANCE)
    for _ in range(9):
        meter.count("a", 0.0)
    assert meter.count("b", 0.0).admitted


def test_what_is_kept_is_bounded() -> None:
    meter = Meter(ALLOWANCE, subjects_max=4)
    for number in range(100):
        meter.count(number, 0.0)
    assert [number for number in range(100) if meter.knows(number)] == [96, 97, 98, 99]


@given(st.lists(st.floats(0, 30), max_size=60))
def test_whoever_waits_as_told_is_let_in(gaps: list[float]) -> None:
    meter, now_s, admitted = Meter(ALLOWANCE), 0.0, 0
    for gap in gaps:
        now_s += gap
        reading = meter.count("a", now_s)
        admitted += reading.admitted
        assert 0 <= reading.left <= reading.at_once
        if not reading.admitted:
            assert reading.wait_s > 0
            assert meter.read("a", now_s + reading.wait_s).admitted
    assert admitted <= ALLOWANCE.at_once + now_s / ALLOWANCE.each_s + 1e-6
