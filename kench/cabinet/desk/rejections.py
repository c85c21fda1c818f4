"""Income records that the tax service did not take: each a case until it is said what was done.

Every function takes a connection that is in a transaction and leaves the commit to its caller.
"""

from datetime import date, datetime
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from kench.cabinet.desk.queue import Queue, Waiting
from kench.cabinet.words.catalogues import N_
from kench.pool.moments import moment_of
from kench.pool.orders.officer_roles import OfficerRole

NOTE_MAX = 1000
_receipts = sa.table(
    "income_receipts",
    *(sa.column(name) for name in ("id", "doc_ref", "consumer", "status", "code", "words", "at")),
)
_queue = sa.table("income_rejection_queue", sa.column("receipt_id"))
_notes = sa.table(
    "income_rejection_notes",
    *(sa.column(name) for name in ("receipt_id", "note", "person_id", "at")),
)


class Rejection(NamedTuple):
    """A record that was rejected, and what was done about it."""

    id: int
    doc_ref: str
    consumer: str
    code: str
    words: str
    at: datetime
    note: str = ""
    noted_at: datetime | None = None


def waiting_rejections(db: sa.Connection, *, after: int, at_most: int) -> list[Rejection]:
    """Those that wait, oldest first, from above a number on."""
    query = _rejections(_queue.c.receipt_id).where(_queue.c.receipt_id > after)
    rows = db.execute(query.order_by(_queue.c.receipt_id).limit(at_most))
    return [Rejection(*row) for row in rows]


def noted_rejections(db: sa.Connection, at_most: int) -> list[Rejection]:
    """Those about which something was said, newest first."""
    query = _rejections(_notes.c.receipt_id).add_columns(_notes.c.note, _notes.c.at.label("said"))
    rows = db.execute(query.order_by(_notes.c.at.desc()).limit(at_most))
    return [Rejection(*row) for row in rows]


def count_waiting(db: sa.Connection) -> int:
    """How many wait."""
    return db.scalar(sa.select(sa.func.count()).select_from(_queue)) or 0


def note_rejection(
    db: sa.Connection, number: int, note: str, person_id: int, now_us: int
) -> str | None:
    """Keep what was done about one; return its record, None where none of that number waits."""
    waits = sa.select(_receipts.c.doc_ref).join_from(
        _queue, _receipts, _queue.c.receipt_id == _receipts.c.id
    )
    found = db.scalar(waits.where(_queue.c.receipt_id == number))
    if found is None:
        return None
    # Of two officers at once the second waits here, and finds the note of the first.
    kept = db.execute(
        insert(_notes)
        .values(receipt_id=number, note=note, person_id=person_id, at=moment_of(now_us))
        .on_conflict_do_nothing()
    )
    return str(found) if kept.rowcount else None


def _rejections(number: sa.ColumnClause[int]) -> sa.Select[Any]:
    table = _receipts
    return sa.select(
        table.c.id, table.c.doc_ref, table.c.consumer, table.c.code, table.c.words, table.c.at
    ).join(number.table, number == table.c.id)  # type: ignore[arg-type]


def _count(db: sa.Connection, _today: date, _soon: date) -> Waiting:
    # No term is set for them.
    return Waiting(count_waiting(db))


REJECTIONS = Queue(
    "rejections", frozenset({OfficerRole.FINANCE, OfficerRole.HEAD}), _count,
    "/desk/income/rejections", N_("Income records that were rejected"),
)  # fmt: skip
