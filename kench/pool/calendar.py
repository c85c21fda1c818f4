"""Working days of the Republic: its holidays and weekends, and what acts changed of them.

The calendar itself is the library `holidays`; days that the government moves come from the orders'
section `calendar`. A term begins on the day after the event and ends with its last day, Bishkek's.
A deadline is computed once and kept with the version of the calendar that it was computed by.
"""

from dataclasses import dataclass
from datetime import date, timedelta
from functools import cache
from importlib.metadata import version

import holidays

from kench.pool.errors import KenchError
from kench.pool.moments import BISHKEK, midnight_us, moment_of
from kench.pool.orders.book import OrderBook
from kench.pool.orders.rules import CalendarDay, InForce

COUNTRY = "KG"
FIRST_YEAR, LAST_YEAR = 2010, 2199
TERM_DAYS_MAX = 1000
"""Working days in the longest term: four years, far beyond what any law sets."""
_DAY = timedelta(days=1)


class CalendarRangeError(KenchError):
    """A day, or a term, that the calendar does not reach."""


@dataclass(frozen=True, slots=True)
class Deadline:
    """The last day of a term, and by which calendar that was found."""

    day: date
    version: str

    @property
    def ends_us(self) -> int:
        """First microsecond at which it is too late."""
        return midnight_us(self.day + _DAY)

    def is_missed(self, now_us: int) -> bool:
        """Whether the day is over."""
        return now_us >= self.ends_us


@dataclass(frozen=True, slots=True)
class WorkingDays:
    """The calendar as an order (0: none) left it; immutable."""

    changed: InForce[tuple[CalendarDay, ...]]

    @classmethod
    def at(cls, book: OrderBook, moment_us: int) -> "WorkingDays":
        """The calendar as it is known at that moment."""
        return cls(book.calendar_at(moment_us))

    @property
    def version(self) -> str:
        """By what it says what it says: the library and the order."""
        return f"holidays {_library_version()}, order {self.changed.order}"

    def is_working(self, day: date) -> bool:
        """Whether people work on that day. Raises CalendarRangeError."""
        for entry in self.changed.rule:
            if entry.day == day:
                return entry.working
        return day not in _free_days(day.year)

    def add_working_days(self, day: date, count: int) -> date:
        """The `count`-th working day after `day`, which does not count itself.

        Raises CalendarRangeError.
        """
        if not 1 <= count <= TERM_DAYS_MAX:
            raise CalendarRangeError(f"a term has 1 to {TERM_DAYS_MAX} working days, not {count}")
        while count:
            day += _DAY
            count -= self.is_working(day)
        return day

    def working_days_between(self, day: date, until: date) -> int:
        """Working days after `day` up to `until`, which counts; below zero if it lies before."""
        if until < day:
            return -self.working_days_between(until, day)
        if (until - day).days > 2 * TERM_DAYS_MAX:
            raise CalendarRangeError(f"{day} and {until} are too far apart for a term")
        return sum(self.is_working(day + number * _DAY) for number in range(1, _days(day, until)))

    def working_days_left(self, today: date, until: date) -> int:
        """The same for whatever waits, however old: beyond the longest term it is as that long."""
        far = 2 * TERM_DAYS_MAX * _DAY
        return self.working_days_between(today, min(max(until, today - far), today + far))

    def within(self, day: date, working_days: int) -> Deadline:
        """Until when something is to be done that has so many working days from `day`."""
        return Deadline(self.add_working_days(day, working_days), self.version)

    def ahead(self, day: date, working_days: int) -> Deadline:
        """The first day that is announced so many whole working days before, if it is on `day`."""
        return Deadline(self.add_working_days(day, working_days) + _DAY, self.version)

    def calendar_days_ahead(self, day: date, days: int) -> Deadline:
        """The first day that is announced so many whole days before, if it is on `day`."""
        return Deadline(day + (days + 1) * _DAY, self.version)


def day_at(moment_us: int) -> date:
    """The day that it is in Bishkek."""
    return moment_of(moment_us).astimezone(BISHKEK).date()


def _days(day: date, until: date) -> int:
    return (until - day).days + 1


@cache
def _library_version() -> str:
    return version("holidays")


@cache
def _free_days(year: int) -> frozenset[date]:
    """Weekends and holidays of a year, less the weekend days that the government made working."""
    if not FIRST_YEAR <= year <= LAST_YEAR:
        raise CalendarRangeError(
            f"the calendar reaches from {FIRST_YEAR} to {LAST_YEAR}, and {year} was asked for"
        )
    known = holidays.country_holidays(COUNTRY, years=year)
    first = date(year, 1, 1)
    days = (first + number * _DAY for number in range((date(year + 1, 1, 1) - first).days))
    return frozenset(day for day in days if not known.is_working_day(day))
