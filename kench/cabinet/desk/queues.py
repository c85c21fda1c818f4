"""All queues of the desk, in the order in which its first page has them."""

from collections.abc import Iterator
from datetime import date
from typing import NamedTuple

import sqlalchemy as sa

from kench.cabinet.desk.money_queues import CASES, HALTS, ORDERS, RESOLUTIONS
from kench.cabinet.desk.queue import NEAR_DAYS, Queue, Waiting
from kench.cabinet.desk.rejections import REJECTIONS
from kench.cabinet.income.queue import PERIODS
from kench.cabinet.inspections.queue import INSPECTIONS
from kench.cabinet.measures.queue import SUSPENSIONS
from kench.cabinet.registration.desk_queues import APPLICATIONS, CHANGES, DAYS_TO_COME
from kench.cabinet.registry.queue import EXTRACTS
from kench.cabinet.reports.queue import FILED, MISSING
from kench.pool.calendar import WorkingDays
from kench.pool.orders.officer_roles import OfficerRole

QUEUES: tuple[Queue, ...] = (
    APPLICATIONS,
    CHANGES,
    DAYS_TO_COME,
    SUSPENSIONS,
    EXTRACTS,
    PERIODS,
    REJECTIONS,
    FILED,
    MISSING,
    INSPECTIONS,
    ORDERS,
    RESOLUTIONS,
    CASES,
    HALTS,
)


class QueueLine(NamedTuple):
    """A queue as it is now."""

    queue: Queue
    waiting: Waiting
    left: int | None
    """Working days until the oldest deadline; negative when it has passed."""

    @property
    def tone(self) -> str:
        """Class of what is said of its deadlines: red from the last day on."""
        if self.left is None:
            return ""
        return "bad" if self.left <= 0 else "warn" if self.left <= NEAR_DAYS else ""


def read_queues(
    db: sa.Connection, roles: frozenset[OfficerRole], calendar: WorkingDays, today: date
) -> Iterator[QueueLine]:
    """Yield the queues of an officer of these roles."""
    soon = calendar.add_working_days(today, NEAR_DAYS)
    for queue in QUEUES:
        if roles & queue.roles:
            waiting = queue.count(db, today, soon)
            due = waiting.oldest_due
            left = None if due is None else calendar.working_days_left(today, due)
            yield QueueLine(queue, waiting, left)
