"""Income records as pages list them: of a period, of a participant, by pages."""

from datetime import date, datetime
from typing import Any, NamedTuple
from uuid import UUID

import sqlalchemy as sa

from kench.payouts.income import tables
from kench.payouts.income.record import Totals

FIRST = 2**62


class RecordLine(NamedTuple):
    """A document and its sums."""

    sequence: int
    doc_ref: str
    doc_type: str
    corrects: str | None
    corrected: bool
    """Whether a later document stands in its place."""
    participant_id: int
    day: date
    totals: Totals
    made_at: datetime


class Receipt(NamedTuple):
    """What the tax service said of a document."""

    doc_ref: str
    consumer: str
    status: str
    code: str
    words: str
    xroad_id: UUID
    at: datetime


class Month(NamedTuple):
    """What a participant's records of a period sum to."""

    period: str
    closed: bool
    records: int
    totals: Totals


_table = tables.income_records
_later = _table.alias("later")
_IS_CORRECTED = sa.exists().where(_later.c.corrects == _table.c.doc_ref)


def list_records(
    db: sa.Connection,
    period: str,
    *,
    participant_id: int | None = None,
    before: int = FIRST,
    most: int,
) -> list[RecordLine]:
    """Documents of a period, the newest first."""
    columns = _table.c
    query = (
        sa.select(
            columns.sequence, columns.doc_ref, columns.doc_type, columns.corrects,
            _IS_CORRECTED.label("corrected"), columns.participant_id, columns.day,
            *(columns[name] for name in tables.SUMS), columns.made_at,
        )
        .where(columns.period == period, columns.sequence < before)
        .order_by(columns.sequence.desc())
        .limit(most)
    )  # fmt: skip
    if participant_id is not None:
        query = query.where(columns.participant_id == participant_id)
    return [_line(row) for row in db.execute(query)]


def receipts_of_period(db: sa.Connection, period: str, most: int) -> list[Receipt]:
    """What was said of a period's documents last: the rejected ones alone."""
    receipts, columns = tables.income_receipts, _table.c
    rows = db.execute(
        sa.select(*_receipt_columns())
        .join_from(receipts, _table, columns.doc_ref == receipts.c.doc_ref)
        .where(columns.period == period, receipts.c.status == "rejected")
        .order_by(receipts.c.id.desc())
        .limit(most)
    )
    return [Receipt(*row) for row in rows]


def receipts_of(db: sa.Connection, doc_ref: str, most: int) -> list[Receipt]:
    """What was said of one document, the last first."""
    receipts = tables.income_receipts
    rows = db.execute(
        sa.select(*_receipt_columns())
        .where(receipts.c.doc_ref == doc_ref)
        .order_by(receipts.c.id.desc())
        .limit(most)
    )
    return [Receipt(*row) for row in rows]


def months_of(db: sa.Connection, participant_id: int, most: int) -> list[Month]:
    """A participant's months that have records, the newest first."""
    columns, periods = tables.income_in_force.c, tables.income_periods
    sums = [sa.func.sum(columns[name]) for name in tables.SUMS]
    rows = db.execute(
        sa.select(columns.period, periods.c.closed, sa.func.count(), *sums)
        .join_from(tables.income_in_force, periods, periods.c.period == columns.period)
        .where(columns.participant_id == participant_id)
        .group_by(columns.period, periods.c.closed)
        .order_by(columns.period.desc())
        .limit(most)
    )
    return [Month(row[0], row[1], row[2], Totals(*map(int, row[3:]))) for row in rows]


def contents_of(db: sa.Connection, period: str, participant_id: int, most: int) -> list[bytes]:
    """The bytes of a participant's documents in a period, in the order of their sequence."""
    columns = _table.c
    rows = db.scalars(
        sa.select(columns.content)
        .where(columns.period == period, columns.participant_id == participant_id)
        .order_by(columns.sequence)
        .limit(most)
    )
    return [bytes(content) for content in rows]


def _receipt_columns() -> list[sa.Column[Any]]:
    columns = tables.income_receipts.c
    return [columns.doc_ref, columns.consumer, columns.status, columns.code, columns.words,
            columns.xroad_id, columns.at]  # fmt: skip


def _line(row: Any) -> RecordLine:
    totals = Totals(*(getattr(row, name) for name in tables.SUMS))
    return RecordLine(
        row.sequence, row.doc_ref, row.doc_type, row.corrects, row.corrected, row.participant_id,
        row.day, totals, row.made_at,
    )  # fmt: skip
