"""Periods that are reported on, months and quarters of Bishkek's calendar, and when they are due.

Pure. The names of periods of one cadence sort as the periods do.
"""

import re
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import NamedTuple

import msgspec

from kench.cabinet.registration.terms import Days
from kench.pool.calendar import Deadline, WorkingDays
from kench.pool.moments import BISHKEK

_NAME = re.compile(r"(20[0-9]{2})-(?:(0[1-9]|1[0-2])|Q([1-4]))")
_DAY = timedelta(days=1)
MONTHS_OF_QUARTER = 3
DUE_DAYS_MAX = 90


class Every(StrEnum):
    """How often something is reported."""

    MONTH = "month"
    QUARTER = "quarter"


class ReportPeriod(NamedTuple):
    """A month or a quarter: its first day, and the first one after it."""

    every: Every
    name: str
    first: date
    after: date

    @property
    def last(self) -> date:
        """Its last day."""
        return self.after - _DAY

    @property
    def begins(self) -> datetime:
        """Its first moment."""
        return _midnight(self.first)

    @property
    def ends(self) -> datetime:
        """The first moment after it."""
        return _midnight(self.after)


class Due(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """So many days after the end of a period."""

    count: int
    days: Days
    moves: bool = False
    """Whether a term of calendar days that ends on a free day ends on the next working one."""

    @property
    def fits(self) -> bool:
        """Whether there is such a term."""
        return 1 <= self.count <= DUE_DAYS_MAX and not (self.moves and self.days is Days.WORKING)

    def deadline(self, period: ReportPeriod, calendar: WorkingDays) -> Deadline:
        """The last day on which a report of the period is in time."""
        if self.days is Days.WORKING:
            return calendar.within(period.last, self.count)
        day = period.last + self.count * _DAY
        if self.moves and not calendar.is_working(day):
            day = calendar.add_working_days(day, 1)
        return Deadline(day, calendar.version)


def period_named(name: str) -> ReportPeriod | None:
    """The month 2026-11 or the quarter 2026-Q4; None for what is no period."""
    known = _NAME.fullmatch(name)
    if known is None:
        return None
    year, month, quarter = known.groups()
    if month:
        return _period(Every.MONTH, int(year), int(month))
    return _period(Every.QUARTER, int(year), (int(quarter) - 1) * MONTHS_OF_QUARTER + 1)


def period_with(every: Every, day: date) -> ReportPeriod:
    """The period that a day is in."""
    month = day.month
    if every is Every.QUARTER:
        month -= (month - 1) % MONTHS_OF_QUARTER
    return _period(every, day.year, month)


def period_before(period: ReportPeriod) -> ReportPeriod:
    """The one before."""
    return period_with(period.every, period.first - _DAY)


def last_ended(every: Every, today: date) -> ReportPeriod:
    """The newest that is over."""
    return period_before(period_with(every, today))


def _period(every: Every, year: int, month: int) -> ReportPeriod:
    months = 1 if every is Every.MONTH else MONTHS_OF_QUARTER
    ends = year * 12 + month - 1 + months
    name = f"{year}-{month:02}"
    if every is Every.QUARTER:
        name = f"{year}-Q{(month - 1) // MONTHS_OF_QUARTER + 1}"
    return ReportPeriod(every, name, date(year, month, 1), date(ends // 12, ends % 12 + 1, 1))


def _midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=BISHKEK)
