"""Orders as the desk lists them: what is in force, what comes, what waits; all there were.

Every function takes a connection that is in a transaction.
"""

from collections import defaultdict
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import distinct_on

from kench.pool.moments import us_of
from kench.pool.orders.book import OrderBook
from kench.pool.orders.document import Document, read_document
from kench.pool.orders.register import Entry
from kench.pool.orders.rules import Section
from kench.pool.orders.tables import acceptances, officers, orders, signatures

FIRST = 2**31 - 1
"""Beyond every order: where the newest begin."""
WAITING_MAX = 50
"""Numbers that are listed of what waits; all but the next are void as soon as that is accepted."""
_ENTRIES = sa.select(
    orders.c.id, orders.c.number, orders.c.title, orders.c.content, orders.c.proposed_at,
    acceptances.c.accepted_at, acceptances.c.tip_height,
).join_from(orders, acceptances, acceptances.c.order_id == orders.c.id, isouter=True)  # fmt: skip


class Standing(NamedTuple):
    """A rule of a section, and from when until when: heights, or Unix microseconds."""

    section: Section
    order: int
    rule: object
    since: int
    until: int | None
    """Where the next order about it begins; None where there is none."""


class Signature(NamedTuple):
    """An officer's signature of an order."""

    pin: str
    name: str
    signed_us: int
    signature: bytes


def in_force(book: OrderBook, height: int, now_us: int) -> list[Standing]:
    """What is in force of each section at that height and moment."""
    found = []
    for section in Section:
        now = height if section.by_height else now_us
        standing = None
        for document in book.documents:
            if document.rules.held().get(section) is None:
                continue
            point = document.effective(section)
            if point <= now:
                rule = document.rules.held()[section]
                standing = Standing(section, document.number, rule, point, None)
            elif standing is not None and standing.until is None:
                standing = standing._replace(until=point)
        if standing is not None:
            found.append(standing)
    return found


def coming(book: OrderBook, height: int, now_us: int) -> list[Standing]:
    """What accepted orders set from later on, in the order of their numbers."""
    return [
        Standing(section, document.number, rule, document.effective(section), None)
        for document in book.documents
        for section, rule in document.rules.held().items()
        if document.effective(section) > (height if section.by_height else now_us)
    ]


def waiting_entries(db: sa.Connection) -> list[Entry]:
    """What officers may sign: of each number beyond the accepted ones the last proposal."""
    newest = sa.select(sa.func.coalesce(sa.func.max(acceptances.c.number), 0)).scalar_subquery()
    query = _ENTRIES.ext(distinct_on(orders.c.number)).where(orders.c.number > newest)
    return _entries(db, query.order_by(orders.c.number, orders.c.id.desc()).limit(WAITING_MAX))


def accepted_entries(db: sa.Connection, *, before: int = FIRST, at_most: int) -> list[Entry]:
    """Those that were accepted below a number, the newest first."""
    query = _ENTRIES.where(acceptances.c.number < before)
    return _entries(db, query.order_by(acceptances.c.number.desc()).limit(at_most))


def read_entry(db: sa.Connection, number: int) -> Entry | None:
    """Of one number the accepted proposal, or the last one."""
    query = _ENTRIES.where(orders.c.number == number)
    newest = query.order_by(acceptances.c.number.nulls_last(), orders.c.id.desc()).limit(1)
    return next(iter(_entries(db, newest)), None)


def signatures_of(db: sa.Connection, entry: Entry) -> list[Signature]:
    """Who signed an order, in turn."""
    rows = db.execute(
        sa.select(officers.c.pin, officers.c.name, signatures.c.signed_at, signatures.c.signature)
        .join_from(signatures, officers)
        .where(signatures.c.order_id == entry.id)
        .order_by(signatures.c.signed_at, officers.c.id)
    )
    return [
        Signature(row.pin, row.name, us_of(row.signed_at), bytes(row.signature)) for row in rows
    ]


def document_of(entry: Entry) -> Document:
    """What it says."""
    return read_document(bytes(entry.content))


def is_accepted(db: sa.Connection, sha256: bytes) -> bool:
    """Whether an order of these bytes was accepted."""
    query = sa.text("""
        SELECT EXISTS (SELECT FROM orders JOIN order_acceptances ON order_id = orders.id
                       WHERE content_sha256 = :sha256)
    """)
    return bool(db.scalar(query, {"sha256": sha256}))


def _entries(db: sa.Connection, query: "sa.Select[Any]") -> list[Entry]:
    """Entries with who signed each."""
    rows: list[Any] = list(db.execute(query))
    signed = (
        sa.select(signatures.c.order_id, officers.c.pin, officers.c.name)
        .join_from(signatures, officers)
        .where(signatures.c.order_id.in_([row.id for row in rows]))
        .order_by(signatures.c.signed_at, officers.c.id)
    )
    signers = defaultdict[int, list[tuple[str, str]]](list)
    for order_id, pin, name in db.execute(signed):
        signers[order_id].append((pin, name))
    return [Entry._make((*row, tuple(signers[row.id]))) for row in rows]
