"""Corrections: a further document that says what books and register say now; nothing is edited.

It names the document before it, and each is corrected once: whoever reads them in their order knows
what a day is. A day of which the books say nothing is taken back; one that was taken back can be
corrected again.
"""

from datetime import datetime
from typing import NamedTuple

import sqlalchemy as sa

from kench.payouts.income import tables
from kench.payouts.income.errors import IncomeError
from kench.payouts.income.generate import Known, facts_of, read_known, refuse_closed, take_turn
from kench.payouts.income.rates import RateTable
from kench.payouts.income.record import (
    DocType,
    Facts,
    Record,
    make_record,
    read_record,
    read_reference,
)
from kench.payouts.income.writing import write_records


class Document(NamedTuple):
    """A document that is kept."""

    sequence: int
    record: Record
    content: bytes
    sha256: bytes
    made_at: datetime


def read_document(db: sa.Connection, doc_ref: str) -> Document | None:
    """The document of that name."""
    read_reference(doc_ref)
    columns = tables.income_records.c
    row = db.execute(
        sa.select(columns.sequence, columns.content, columns.sha256, columns.made_at).where(
            columns.doc_ref == doc_ref
        )
    ).one_or_none()
    if row is None:
        return None
    content = bytes(row.content)
    return Document(row.sequence, read_record(content), content, bytes(row.sha256), row.made_at)


def history_of(db: sa.Connection, doc_ref: str) -> list[Document]:
    """All documents of the same participant's day, the first first."""
    reference = read_reference(doc_ref)
    columns = tables.income_records.c
    rows = db.execute(
        sa.select(columns.sequence, columns.content, columns.sha256, columns.made_at)
        .where(
            columns.participant_id == reference.participant_id,
            columns.period == reference.period,
            columns.day == sa.cast(reference.day, sa.Date),
        )
        .order_by(columns.sequence)
    )
    return [
        Document(row.sequence, read_record(bytes(row.content)), bytes(row.content),
                 bytes(row.sha256), row.made_at)
        for row in rows
    ]  # fmt: skip


def correction_of(db: sa.Connection, doc_ref: str) -> Record | None:
    """What a correction would say now; None where books and register say what it says.

    Raises IncomeError where it is not the last document of its day, PeriodClosedError.
    """
    reference = read_reference(doc_ref)
    documents = history_of(db, doc_ref)
    names = [one.record.doc_ref for one in documents]
    if doc_ref not in names:
        raise IncomeError(f"there is no income record {doc_ref}")
    if doc_ref != names[-1]:
        raise IncomeError(f"{doc_ref} was corrected by {names[-1]}: correct that one")
    refuse_closed(db, reference.period)
    last = documents[-1].record
    known = read_known(db, reference.participant_id)
    facts = facts_of(db, reference.participant_id, last.day)
    return replacing(last, known, facts, RateTable(db, last.day, last.day))


def replacing(last: Record, known: Known, facts: Facts, rates: RateTable) -> Record | None:
    """Return what takes the place of the last document of a day; None where nothing differs."""
    reference = read_reference(last.doc_ref)
    new = make_record(
        reference._replace(number=reference.number + 1),
        known.participant,
        facts,
        doc_type=DocType.DELETE if facts.is_nothing else DocType.CORRECT,
        corrects=last.doc_ref,
        official_rate=rates.of(last.day),
        electricity_declared_kwh=known.planned_kwh_month,
    )
    taken_back = last.doc_type is DocType.DELETE
    if taken_back == facts.is_nothing and (taken_back or last.says_the_same(new)):
        return None
    return new


def correct(db: sa.Connection, doc_ref: str, now: datetime) -> Record:
    """Write the correction of a document; raises IncomeError where there is nothing to correct."""
    take_turn(db)
    new = correction_of(db, doc_ref)
    if new is None:
        raise IncomeError(
            f"books and register say what {doc_ref} says: there is nothing to correct"
        )
    write_records(db, [new], now)
    return new
