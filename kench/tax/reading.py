"""What may be handed over, read from the views that hold it."""

from collections.abc import Sequence
from datetime import date
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import distinct_on

from kench.tax.tables import (
    income_releases,
    tax_closings,
    tax_records,
    tax_register,
    tax_signatures,
)

PERIODS_MAX = 1200
RELEASES_AT_ONCE = 100


class Page(NamedTuple):
    """Records as they are handed over, and the place of the last."""

    items: list[bytes]
    last: int


class Released(NamedTuple):
    """How far a period may be handed over."""

    serial: int
    period: str
    version: int
    after: int
    last: int
    records: int


def newest_closings(db: sa.Connection) -> Sequence[sa.Row[Any]]:
    """Each period's newest state, oldest period first."""
    query = sa.select(tax_closings).ext(distinct_on(tax_closings.c.period))
    query = query.order_by(tax_closings.c.period, tax_closings.c.version.desc())
    return db.execute(query.limit(PERIODS_MAX)).all()


def closings_of(db: sa.Connection, period: str) -> Sequence[sa.Row[Any]]:
    """Every closing and reopening of a period, oldest first."""
    query = sa.select(tax_closings).where(tax_closings.c.period == period)
    return db.execute(query.order_by(tax_closings.c.version)).all()


def signatures_of(db: sa.Connection, period: str) -> Sequence[sa.Row[Any]]:
    """What officers signed about a period."""
    query = sa.select(tax_signatures).where(tax_signatures.c.period == period)
    return db.execute(query.order_by(tax_signatures.c.version, tax_signatures.c.act_id)).all()


def newest_release(db: sa.Connection, period: str) -> Released | None:
    """How far a period may be handed over; None where it was never closed."""
    query = sa.select(income_releases).where(income_releases.c.period == period)
    row = db.execute(query.order_by(income_releases.c.version.desc()).limit(1)).first()
    return None if row is None else _released(row)


def records_of(db: sa.Connection, period: str, after: int, limit: int) -> Page:
    """The records of a period whose sequence is above `after`."""
    # They come in order by their index. A planner that has not counted a new period's rows yet
    # would read all of them for each page, and sort.
    db.execute(sa.text("SET LOCAL enable_sort = off"))
    table = tax_records
    return _page(db, after, sa.select(table.c.sequence, table.c.content, table.c.sha256)
                 .where(table.c.period == period, table.c.sequence > after)
                 .order_by(table.c.sequence).limit(limit))  # fmt: skip


def records_between(db: sa.Connection, period: str, after: int, last: int) -> Page:
    """The records of a period from above `after` up to `last`."""
    table = tax_records
    return _page(db, after, sa.select(table.c.sequence, table.c.content, table.c.sha256)
                 .where(table.c.period == period, table.c.sequence > after,
                        table.c.sequence <= last)
                 .order_by(table.c.sequence))  # fmt: skip


def record(db: sa.Connection, doc_ref: str) -> bytes | None:
    """One record."""
    table = tax_records
    query = sa.select(table.c.sequence, table.c.content, table.c.sha256)
    found = _page(db, 0, query.where(table.c.doc_ref == doc_ref)).items
    return found[0] if found else None


def records_of_participants(  # noqa: PLR0913, PLR0917 - what is asked for
    db: sa.Connection, ids: Sequence[int], first: date, last: date, after: int, limit: int
) -> Page:
    """The records of participants on these days whose sequence is above `after`."""
    table = tax_records
    return _page(db, after, sa.select(table.c.sequence, table.c.content, table.c.sha256)
                 .where(table.c.participant_id.in_(ids), table.c.day.between(first, last),
                        table.c.sequence > after)
                 .order_by(table.c.sequence).limit(limit))  # fmt: skip


def corrections_after(
    db: sa.Connection, serial: int, after: int, limit: int
) -> tuple[list[bytes], int, int]:
    """Corrections in the order in which they were released, above a place; and the last's place.

    A period that is closed later may hold corrections that were made earlier: their own order
    would lose those to whoever has read on.
    """
    items: list[bytes] = []
    place = (serial, after)
    query = sa.select(income_releases).where(
        income_releases.c.corrections > 0, income_releases.c.serial >= serial
    )
    query = query.order_by(income_releases.c.serial).limit(RELEASES_AT_ONCE)
    for release in map(_released, db.execute(query)):
        begin = max(release.after, after if release.serial == serial else 0)
        table = tax_records
        found = _page(db, begin, sa.select(table.c.sequence, table.c.content, table.c.sha256)
                      .where(table.c.period == release.period, table.c.doc_type != "new",
                             table.c.sequence > begin, table.c.sequence <= release.last)
                      .order_by(table.c.sequence).limit(limit - len(items)))  # fmt: skip
        items += found.items
        place = (release.serial, found.last)
        if len(items) == limit:
            break
    return items, *place


def known_records(db: sa.Connection, doc_refs: Sequence[str]) -> set[str]:
    """Which of them were handed over."""
    query = sa.select(tax_records.c.doc_ref).where(tax_records.c.doc_ref.in_(doc_refs))
    return set(db.scalars(query))


def participants_called(db: sa.Connection, tax_number: str) -> list[int]:
    """The register's participants of that number, newest first."""
    query = sa.select(tax_register.c.participant_id)
    query = query.where(tax_register.c.tax_number == tax_number)
    return list(db.scalars(query.order_by(tax_register.c.participant_id.desc())))


def register_after(db: sa.Connection, after: int, limit: int) -> Sequence[sa.Row[Any]]:
    """Entries of the register of participants above that number."""
    query = sa.select(tax_register).where(tax_register.c.participant_id > after)
    return db.execute(query.order_by(tax_register.c.participant_id).limit(limit)).all()


def _page(db: sa.Connection, after: int, query: sa.Select[Any]) -> Page:
    rows = db.execute(query).all()
    # As they are kept, byte for byte: what has a digest is not written anew.
    items = [
        b'{"sha256":"' + bytes(sha256).hex().encode() + b'","record":' + bytes(content) + b"}"
        for _, content, sha256 in rows
    ]
    return Page(items, rows[-1][0] if rows else after)


def _released(row: sa.Row[Any]) -> Released:
    return Released(
        row.serial, row.period, row.version, row.after_sequence, row.last_sequence, row.records
    )
