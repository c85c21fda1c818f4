"""What a queue of the desk is: whose it is, how much waits in it, and until when."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from typing import Any

import sqlalchemy as sa

from kench.pool.orders.officer_roles import OfficerRole

NEAR_DAYS = 2
"""Working days before a deadline in which it is said to be near."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """How much waits; deadlines are days, the last on which it is in time."""

    count: int
    due_soon: int = 0
    """Due within the next working days, and not overdue."""
    overdue: int = 0
    oldest_due: date | None = None


@dataclass(frozen=True, slots=True)
class Queue:
    """A queue; each part of the cabinet has its own, and lists it in `queues.QUEUES`.

    `count` is asked with today and the last day that is near (`NEAR_DAYS` working days on). It is
    asked whenever the desk is opened, so what it reads is indexed, or holds only what waits.
    """

    name: str
    roles: frozenset[OfficerRole]
    count: Callable[[sa.Connection, date, date], Waiting]
    address: str
    title: str


def count_due(
    db: sa.Connection,
    due: sa.ColumnElement[date],
    today: date,
    soon: date,
    *where: sa.ColumnElement[bool],
) -> Waiting:
    """Count rows of a table that holds little but what waits, by their column of deadlines."""
    row: Any = db.execute(
        sa.select(
            sa.func.count(),
            sa.func.count().filter(due >= today, due <= soon),
            sa.func.count().filter(due < today),
            sa.func.min(due),
        ).where(*where)
    ).one()
    return Waiting(*row)
