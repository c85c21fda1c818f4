"""Something is told when it begins, each hour while it lasts, and when it is over; not at night."""

from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kench.cabinet.alerts.news import AGAIN_US, SOON_US, Event, Told, due_us, news
from kench.pool.moments import BISHKEK, us_of

MINUTE_US = 60_000_000
NOW_US = 1_900_000_000_000_000
RIG, OTHER = frozenset({1}), frozenset({2})


def test_it_is_told_at_once_and_again_each_hour() -> None:
    event, told = news(None, RIG, NOW_US)
    assert (event, told) == (Event.BEGUN, Told(NOW_US, RIG))
    assert news(told, RIG, NOW_US + AGAIN_US - 1)[0] is None
    assert news(told, RIG, NOW_US + AGAIN_US)[0] is Event.BEGUN


def test_what_was_never_told_is_not_told_to_be_over() -> None:
    assert news(None, frozenset(), NOW_US)[0] is None


def test_the_end_is_told_once() -> None:
    _, told = news(None, RIG, NOW_US)
    event, told = news(told, frozenset(), NOW_US + MINUTE_US)
    assert event is Event.OVER
    assert news(told, frozenset(), NOW_US + 2 * MINUTE_US)[0] is None


def test_further_workers_are_told_soon() -> None:
    _, told = news(None, RIG, NOW_US)
    assert news(told, RIG | OTHER, NOW_US + SOON_US - 1)[0] is None
    assert news(told, RIG | OTHER, NOW_US + SOON_US)[0] is Event.BEGUN


@given(st.lists(st.sets(st.integers(1, 4)), min_size=1, max_size=240))
def test_however_it_flickers_messages_are_few(minutes: list[set[int]]) -> None:
    told, events = None, []
    for minute, subjects in enumerate(minutes):
        event, told = news(told, frozenset(subjects), NOW_US + minute * MINUTE_US)
        events += [event] if event else []
    assert events.count(Event.BEGUN) <= len(minutes) // 10 + 1
    assert events.count(Event.OVER) <= events.count(Event.BEGUN)


def at(text: str) -> int:
    return us_of(datetime.fromisoformat(text).replace(tzinfo=BISHKEK))


@pytest.mark.parametrize(
    ("now", "due"),
    [
        ("2026-11-23T21:59:59", "2026-11-23T21:59:59"),
        ("2026-11-23T22:00:00", "2026-11-24T07:30:00"),
        ("2026-11-24T03:15:20", "2026-11-24T07:30:00"),
        ("2026-11-24T07:30:00", "2026-11-24T07:30:00"),
    ],
)
def test_in_quiet_hours_messages_wait(now: str, due: str) -> None:
    assert due_us(at(now), 22 * 60, 7 * 60 + 30) == at(due)


@given(st.integers(0, 1439), st.integers(0, 1439), st.integers(0, 2 * 86_400))
def test_a_message_waits_less_than_a_day_and_never_into_quiet_hours(
    quiet_from: int, quiet_until: int, second: int
) -> None:
    now_us = at("2026-11-23T00:00:00") + second * 1_000_000
    due = due_us(now_us, quiet_from, quiet_until)
    assert now_us <= due < now_us + 86_400_000_000
    assert due_us(due, quiet_from, quiet_until) == due
