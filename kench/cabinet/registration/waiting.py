"""What waits, the most urgent first: pages of it, how much it is, and how much is overdue.

Asked of two tables that hold nothing else, so that what ended years ago costs nothing. Every
function takes a connection in a transaction.
"""

from datetime import date
from typing import NamedTuple

import sqlalchemy as sa

from kench.cabinet.registration.states import NoticeKind
from kench.cabinet.registration.tables import (
    application_queue,
    applications,
    notice_queue,
    notices,
)

PAGE = 25
"""Of a list on one page."""
TOLD_MAX = 100
"""Missed deadlines that are named; all are counted."""
DUE_AT_ONCE = 200
"""Notices that take effect in one transaction."""
_APPLICATIONS = application_queue.c
_NOTICES = notice_queue.c


class Waiting(NamedTuple):
    """How much waits, and how much of it should have been done before today."""

    applications: int
    notices: int
    overdue: int


class Overdue(NamedTuple):
    """One thing whose deadline was missed."""

    what: str
    day: date


def open_applications(db: sa.Connection, *, after: int | None = None, at_most: int) -> list[int]:
    """Numbers of applications that wait for a decision, after one of them."""
    query = sa.select(_APPLICATIONS.application_id)
    if after is not None:
        # From where it is kept for ever: it may have been decided meanwhile.
        place = sa.select(applications.c.decide_by).where(applications.c.id == after)
        query = query.where(
            sa.tuple_(_APPLICATIONS.decide_by, _APPLICATIONS.application_id)
            > sa.tuple_(place.scalar_subquery(), after)
        )
    query = query.order_by(_APPLICATIONS.decide_by, _APPLICATIONS.application_id)
    return list(db.scalars(query.limit(at_most)))


def waiting_notices(db: sa.Connection, *, after: int | None = None, at_most: int) -> list[int]:
    """Numbers of notices that wait, after one of them."""
    query = sa.select(_NOTICES.notice_id)
    if after is not None:
        day = sa.func.coalesce(notices.c.enter_by, notices.c.day)
        place = sa.select(day).where(notices.c.id == after)
        query = query.where(
            sa.tuple_(_NOTICES.due, _NOTICES.notice_id) > sa.tuple_(place.scalar_subquery(), after)
        )
    return list(db.scalars(query.order_by(_NOTICES.due, _NOTICES.notice_id).limit(at_most)))


def due_notices(db: sa.Connection, today: date) -> list[int]:
    """Numbers of notices that take effect by themselves, today at the latest."""
    query = sa.select(_NOTICES.notice_id).where(_NOTICES.due <= today, ~_NOTICES.is_entered)
    return list(db.scalars(query.order_by(_NOTICES.due, _NOTICES.notice_id).limit(DUE_AT_ONCE)))


def waiting_of(db: sa.Connection, participant_id: int) -> dict[int, NoticeKind]:
    """Every notice of a participant that waits, by its number."""
    rows = db.execute(
        sa.select(_NOTICES.notice_id, _NOTICES.kind)
        .where(_NOTICES.participant_id == participant_id)
        .order_by(_NOTICES.notice_id)
    )
    return {row.notice_id: NoticeKind(row.kind) for row in rows}


def count_waiting(db: sa.Connection, today: date) -> Waiting:
    """Count all that waits."""
    late_applications, late_notices = _late(today)
    cases, overdue = db.execute(
        sa.select(sa.func.count(), sa.func.count().filter(late_applications)).select_from(
            application_queue
        )
    ).one()
    told, more = db.execute(
        sa.select(sa.func.count(), sa.func.count().filter(late_notices)).select_from(notice_queue)
    ).one()
    return Waiting(cases, told, overdue + more)


def read_overdue(db: sa.Connection, today: date) -> list[Overdue]:
    """What should have been done before today, a bounded number, the longest first."""
    late_applications, late_notices = _late(today)
    cases = db.execute(
        sa.select(_APPLICATIONS.application_id, _APPLICATIONS.decide_by)
        .where(late_applications)
        .order_by(_APPLICATIONS.decide_by, _APPLICATIONS.application_id)
        .limit(TOLD_MAX)
    )
    late = db.execute(
        sa.select(_NOTICES.notice_id, _NOTICES.due)
        .where(late_notices)
        .order_by(_NOTICES.due, _NOTICES.notice_id)
        .limit(TOLD_MAX)
    )
    return [Overdue(f"application {number} is not decided", day) for number, day in cases] + [
        Overdue(f"notice {number} is not entered", day) for number, day in late
    ]


def _late(today: date) -> tuple[sa.ColumnElement[bool], sa.ColumnElement[bool]]:
    return _APPLICATIONS.decide_by < today, (_NOTICES.due < today) & _NOTICES.is_entered
