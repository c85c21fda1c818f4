"""The desk's queue of periods: months that are over and not closed, and due in working days."""

from datetime import date, timedelta

import sqlalchemy as sa

from kench.cabinet.desk.queue import Queue, Waiting
from kench.cabinet.words.catalogues import N_
from kench.payouts.income.tables import income_periods
from kench.payouts.statements.statement import period_of
from kench.pool.moments import BISHKEK
from kench.pool.orders.officer_roles import OfficerRole

CLOSE_DAYS = 20
"""Days after a month in which its income is closed; the desk's own rule, no clause sets one."""
OPEN_MAX = 100


def due_of(period: str) -> date:
    """The last day on which a period is closed in time."""
    return period_of(period).ends.astimezone(BISHKEK).date() + timedelta(days=CLOSE_DAYS - 1)


def _periods(db: sa.Connection, today: date, soon: date) -> Waiting:
    columns = income_periods.c
    # Rows are one a month; those that are over and open are few.
    found = db.scalars(
        sa.select(columns.period)
        .where(sa.not_(columns.closed), columns.period < f"{today:%Y-%m}")
        .order_by(columns.period)
        .limit(OPEN_MAX)
    )
    due = [due_of(period) for period in found]
    return Waiting(
        len(due),
        sum(today <= day <= soon for day in due),
        sum(day < today for day in due),
        min(due, default=None),
    )


PERIODS = Queue(
    "income", frozenset({OfficerRole.FINANCE, OfficerRole.HEAD}), _periods, "/desk/income",
    N_("Periods of income to close"),
)  # fmt: skip
