"""Working days of the Republic: known dates, what orders change, and laws of counting."""

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kench.pool.calendar import CalendarRangeError, Deadline, WorkingDays, day_at
from kench.pool.moments import midnight_us
from kench.pool.orders.book import NO_DAYS_CHANGED, OrderBook
from kench.pool.orders.rules import CalendarDay, InForce
from tests.support.orders import MOMENT_US, book_of

PLAIN = WorkingDays(NO_DAYS_CHANGED)
DAYS = st.dates(date(2024, 1, 1), date(2028, 12, 31))
CHANGED = st.builds(CalendarDay, DAYS, st.booleans(), st.just("act"))
CALENDARS = st.lists(CHANGED, max_size=20, unique_by=lambda one: one.day).map(
    lambda days: WorkingDays(InForce(1, tuple(days)))
)
DAY = timedelta(days=1)


@pytest.mark.parametrize(
    ("day", "working"),
    [
        ("2025-01-02", False),  # moved: worked off on 11 January
        ("2025-01-11", True),  # a Saturday
        ("2025-05-06", False),  # 1 to 9 May by the code of 2025
        ("2025-05-12", True),
        ("2025-09-01", True),
        ("2026-01-07", False),
        ("2026-01-08", True),
        ("2026-03-09", True),  # 8 March was a Sunday, and nothing moves since 2025
        ("2026-03-20", False),  # Orozo Ait
        ("2026-05-27", False),  # Kurman Ait
        ("2026-08-31", False),
        ("2026-12-31", True),
        ("2027-01-01", False),
        ("2027-01-08", True),
        ("2027-05-10", True),
    ],
)
def test_known_days_of_the_republic(day: str, working: bool) -> None:
    assert PLAIN.is_working(date.fromisoformat(day)) is working


def test_ten_working_days_over_new_year_end_as_the_law_has_it() -> None:
    assert PLAIN.add_working_days(date(2026, 12, 28), 10) == date(2027, 1, 18)
    assert PLAIN.within(date(2026, 4, 30), 3).day == date(2026, 5, 13)


def test_an_order_makes_days_free_and_working_from_its_moment_on() -> None:
    book = book_of()
    before, after = (WorkingDays.at(book, MOMENT_US + shift) for shift in (-1, 0))
    eve = date(2026, 12, 31)
    assert before.is_working(eve)
    assert not after.is_working(eve)
    assert before.version.endswith("order 0")
    assert after.version.endswith("order 1")
    assert after.version.startswith("holidays 0.")
    assert WorkingDays.at(OrderBook(), MOMENT_US) == PLAIN


def test_what_is_announced_ahead_leaves_whole_days_between() -> None:
    monday = date(2026, 11, 23)
    assert PLAIN.ahead(monday, 5).day == date(2026, 12, 1)
    assert PLAIN.calendar_days_ahead(monday, 30).day == date(2026, 12, 24)


def test_a_deadline_is_missed_when_its_day_is_over_in_bishkek() -> None:
    deadline = Deadline(date(2026, 12, 7), "v")
    assert deadline.ends_us == midnight_us(date(2026, 12, 8))
    assert not deadline.is_missed(deadline.ends_us - 1)
    assert deadline.is_missed(deadline.ends_us)
    assert day_at(deadline.ends_us) == date(2026, 12, 8)
    assert day_at(deadline.ends_us - 1) == date(2026, 12, 7)


@given(CALENDARS, DAYS, st.integers(1, 60))
def test_a_term_ends_on_a_working_day_with_as_many_in_it(
    calendar: WorkingDays, day: date, count: int
) -> None:
    last = calendar.add_working_days(day, count)
    assert calendar.is_working(last)
    assert calendar.working_days_between(day, last) == count
    assert calendar.working_days_between(last, day) == -count
    assert calendar.ahead(day, count).day == last + DAY


@given(CALENDARS, DAYS, st.integers(1, 30), st.integers(1, 30))
def test_terms_add_up(calendar: WorkingDays, day: date, first: int, second: int) -> None:
    whole = calendar.add_working_days(day, first + second)
    assert calendar.add_working_days(calendar.add_working_days(day, first), second) == whole


@given(CALENDARS, DAYS, st.integers(1, 30))
def test_a_later_beginning_never_ends_sooner(calendar: WorkingDays, day: date, count: int) -> None:
    assert calendar.add_working_days(day + DAY, count) >= calendar.add_working_days(day, count)


def test_what_the_calendar_does_not_reach_is_refused() -> None:
    for day in (date(1999, 1, 1), date(2200, 1, 1)):
        with pytest.raises(CalendarRangeError, match="reaches from"):
            PLAIN.is_working(day)
    for count in (0, -1, 1001):
        with pytest.raises(CalendarRangeError, match="working days"):
            PLAIN.add_working_days(date(2026, 1, 1), count)
    with pytest.raises(CalendarRangeError, match="apart"):
        PLAIN.working_days_between(date(2020, 1, 1), date(2040, 1, 1))


def test_what_waits_for_longer_than_any_term_is_counted_as_far_as_terms_go() -> None:
    today = date(2040, 1, 2)
    near, far = today - DAY, today - 2000 * DAY
    assert PLAIN.working_days_left(today, near) == PLAIN.working_days_between(today, near)
    for long_ago in (far, far - DAY, date(2020, 1, 1)):
        assert PLAIN.working_days_left(today, long_ago) == PLAIN.working_days_between(today, far)
    assert PLAIN.working_days_left(near, date(2060, 1, 1)) == -PLAIN.working_days_left(
        near + 2000 * DAY, near
    )
