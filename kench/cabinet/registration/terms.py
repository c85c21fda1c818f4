"""The terms that the law sets, and the deadlines they make on a calendar. Pure."""

from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from kench.pool.calendar import Deadline, WorkingDays


class Days(StrEnum):
    """Which days a term counts."""

    WORKING = "working days"
    CALENDAR = "calendar days"


class Side(StrEnum):
    """On which side of its event a term lies."""

    WITHIN = "within"
    AHEAD = "ahead"


@dataclass(frozen=True, slots=True)
class Term:
    """So many days after something, or so many whole days before it."""

    count: int
    days: Days
    side: Side
    clause: str

    def deadline(self, day: date, calendar: WorkingDays) -> Deadline:
        """The last day to do it within the term, or the first day that is far enough ahead."""
        if self.side is Side.WITHIN:
            return calendar.within(day, self.count)
        if self.days is Days.WORKING:
            return calendar.ahead(day, self.count)
        return calendar.calendar_days_ahead(day, self.count)

    def __str__(self) -> str:
        return f"{self.side} {self.count} {self.days} (clause {self.clause})"


DECISION = Term(10, Days.WORKING, Side.WITHIN, "29")
"""From the application to the decision."""
CREDENTIALS = Term(3, Days.WORKING, Side.WITHIN, "31")
"""From the decision to the entry, the credentials and the instructions."""
CERTIFICATE_NOTICE = Term(10, Days.WORKING, Side.WITHIN, "21¹")
EQUIPMENT_NOTICE = Term(5, Days.WORKING, Side.WITHIN, "36.4")
REGISTER_UPDATE = Term(3, Days.WORKING, Side.WITHIN, "21¹")
"""From a notice to the register as it says."""
SUSPENSION = Term(5, Days.WORKING, Side.AHEAD, "35.3")
EXIT = Term(30, Days.CALENDAR, Side.AHEAD, "35.4")
TERMS = (
    DECISION, CREDENTIALS, CERTIFICATE_NOTICE, EQUIPMENT_NOTICE, REGISTER_UPDATE, SUSPENSION, EXIT,
)  # fmt: skip
