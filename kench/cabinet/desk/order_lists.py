"""Orders as the desk lists them: what is in force, what comes, what waits, all there were.

Every function takes a connection that is in a transaction.
"""

from typing import NamedTuple

import sqlalchemy as sa

from kench.pool.moments import us_of
from kench.pool.orders.book import OrderBook
from kench.pool.orders.document import Document, read_document
from kench.pool.orders.register import Entry, list_orders
from kench.pool.orders.rules import Section
from kench.pool.orders.tables import officers, signatures


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


def newest_entries(db: sa.Connection) -> list[Entry]:
    """Of each number the accepted proposal, or the last one; the newest first."""
    chosen: dict[int, Entry] = {}
    for entry in list_orders(db):
        known = chosen.get(entry.number)
        if known is None or known.accepted_at is None:
            chosen[entry.number] = entry
    return sorted(chosen.values(), key=lambda entry: -entry.number)


def read_entry(db: sa.Connection, number: int) -> Entry | None:
    """That of one number."""
    return next((entry for entry in newest_entries(db) if entry.number == number), None)


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


def book_before(db: sa.Connection, number: int) -> OrderBook:
    """The orders that were accepted under lower numbers, as a book; checked when it was loaded."""
    contents = [
        bytes(entry.content)
        for entry in sorted(newest_entries(db), key=lambda entry: entry.number)
        if entry.accepted_at is not None and entry.number < number
    ]
    return OrderBook.of(map(read_document, contents))


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
