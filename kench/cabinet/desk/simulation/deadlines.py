"""Another calendar: which deadlines that are open now would be other days by it."""

from datetime import date
from typing import NamedTuple

import sqlalchemy as sa

from kench.cabinet.registration.terms import DECISION, REGISTER_UPDATE
from kench.pool.calendar import CalendarRangeError, WorkingDays, day_at
from kench.pool.moments import us_of

OPEN_MAX = 500


class DeadlineChange(NamedTuple):
    """Something that waits, the day until when, and the day by the other calendar."""

    what: str
    """`application` or `notice`."""
    number: int
    day: date
    then: date


class DeadlinesFound(NamedTuple):
    """All that waits with a deadline in working days."""

    looked_at: int
    changed: list[DeadlineChange]


_APPLICATIONS = sa.text("""
    SELECT id, submitted_at AS at, queued.decide_by AS due
    FROM application_queue AS queued JOIN applications ON id = application_id
    ORDER BY queued.decide_by, id LIMIT :most
""")
_NOTICES = sa.text("""
    SELECT id, made_at AS at, due FROM notice_queue JOIN notices ON id = notice_id
    WHERE is_entered ORDER BY due, id LIMIT :most
""")


def simulate_calendar(db: sa.Connection, calendar: WorkingDays) -> DeadlinesFound:
    """Count the terms of all that waits anew."""
    looked_at, changed = 0, []
    for what, query, term in (
        ("application", _APPLICATIONS, DECISION),
        ("notice", _NOTICES, REGISTER_UPDATE),
    ):
        for row in db.execute(query, {"most": OPEN_MAX}):
            looked_at += 1
            try:
                then = term.deadline(day_at(us_of(row.at)), calendar).day
            except CalendarRangeError:
                continue
            if then != row.due:
                changed.append(DeadlineChange(what, row.id, row.due, then))
    return DeadlinesFound(looked_at, changed)
