"""Periods and deadlines: over the end of a year, free days that the government moves."""

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kench.cabinet.registration.terms import Days
from kench.cabinet.reports.periods import (
    Due,
    Every,
    last_ended,
    period_before,
    period_named,
    period_with,
)
from kench.pool.calendar import WorkingDays
from kench.pool.orders.book import NO_DAYS_CHANGED
from kench.pool.orders.rules import CalendarDay, InForce
from tests.support.reports import period

CALENDAR = WorkingDays(NO_DAYS_CHANGED)
TEN = Due(10, Days.WORKING)
DAYS = st.dates(date(2020, 1, 1), date(2090, 12, 31))


@given(DAYS, st.sampled_from(Every))
def test_every_day_is_in_one_period_which_has_one_name(day: date, every: Every) -> None:
    found = period_with(every, day)
    assert found.first <= day < found.after
    assert period_named(found.name) == found
    assert period_before(period_with(every, found.after)) == found
    assert period_before(found).name < found.name


@pytest.mark.parametrize("name", ["2026-13", "2026-00", "2026-Q5", "26-01", "2026-1", "", "2026-Q",
                                  "2026-11 ", "२०२६-01"])  # fmt: skip
def test_what_is_no_period_is_none(name: str) -> None:
    assert period_named(name) is None


def test_the_last_that_ended_is_before_today() -> None:
    assert last_ended(Every.MONTH, date(2027, 1, 1)).name == "2026-12"
    assert last_ended(Every.QUARTER, date(2026, 12, 31)).name == "2026-Q3"


def test_ten_working_days_after_the_year_skip_its_holidays() -> None:
    # From 1 to 7 January nobody works, and at weekends.
    assert TEN.deadline(period("2026-Q4"), CALENDAR).day == date(2027, 1, 21)
    assert TEN.deadline(period("2026-12"), CALENDAR).day == date(2027, 1, 21)


def test_a_day_that_an_order_made_free_moves_the_deadline() -> None:
    free = (
        CalendarDay(date(2026, 12, 7), working=False, act="№ 1"),
        CalendarDay(date(2026, 12, 5), working=True, act="№ 1"),
    )
    moved = WorkingDays(InForce(7, free))
    plain = TEN.deadline(period("2026-11"), CALENDAR)
    assert plain.day == date(2026, 12, 14)
    assert TEN.deadline(period("2026-11"), moved).day == plain.day
    only = WorkingDays(InForce(8, free[:1]))
    found = TEN.deadline(period("2026-11"), only)
    assert found.day == date(2026, 12, 15)
    assert found.version.endswith("order 8")


def test_calendar_days_are_moved_off_free_days_only_where_the_form_says_so() -> None:
    # 12 December 2026 is a Saturday.
    assert Due(12, Days.CALENDAR).deadline(period("2026-11"), CALENDAR).day == date(2026, 12, 12)
    moved = Due(12, Days.CALENDAR, moves=True)
    assert moved.deadline(period("2026-11"), CALENDAR).day == date(2026, 12, 14)


@given(DAYS, st.sampled_from(Every), st.integers(1, 90), st.sampled_from(Days), st.booleans())
def test_a_deadline_is_after_its_period(
    day: date, every: Every, count: int, days: Days, moves: bool
) -> None:
    found, due = period_with(every, day), Due(count, days, moves)
    if due.fits:
        deadline = due.deadline(found, CALENDAR).day
        assert deadline > found.last
        assert deadline >= date.fromordinal(found.last.toordinal() + count)
