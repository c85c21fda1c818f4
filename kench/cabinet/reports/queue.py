"""The desk's queues of reports: filed ones to look at, and those that are missing."""

from datetime import date

import sqlalchemy as sa

from kench.cabinet.desk.queue import Queue, Waiting
from kench.cabinet.reports.aggregates import count_queue
from kench.cabinet.words.catalogues import N_
from kench.pool.orders.officer_roles import OfficerRole

ROLES = frozenset({OfficerRole.FINANCE, OfficerRole.INSPECTOR, OfficerRole.HEAD})
"""Who looks at reports, accepts them or sends them back."""


def _filed(db: sa.Connection, today: date, soon: date) -> Waiting:
    # The law sets officers no day for it.
    return Waiting(count_queue(db, today, soon).filed)


def _missing(db: sa.Connection, today: date, soon: date) -> Waiting:
    counted = count_queue(db, today, soon)
    return Waiting(
        counted.missing + counted.near, counted.near, counted.missing, counted.oldest_due
    )


FILED = Queue("reports", ROLES, _filed, "/desk/reports/waiting", N_("Reports to be looked at"))
MISSING = Queue(
    "reports_missing", ROLES, _missing, "/desk/reports",
    N_("Reports that participants owe in the next days, or owe already"),
)  # fmt: skip
