"""Writing income records by COPY, a batch at a time: they never change afterwards.

PostgreSQL takes one batch in a thread while the bytes of the next are put together here.
"""

import contextlib
import io
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from itertools import islice

import psycopg2
import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

from kench.payouts.income.record import Record, digest_of

BATCH = 2_000
"""Records in one COPY; so many wait in memory."""
_COPY = """
    COPY income_records (doc_ref, period, participant_id, day, asset, doc_type, corrects,
        accrued_sat, sold_sat, gross_tyiyn, venue_fee_tyiyn, pool_fee_tyiyn, net_tyiyn, paid_tyiyn,
        content, sha256, made_at) FROM STDIN
"""
_NULL = "\\N"


def write_records(
    db: sa.Connection,
    records: Iterable[Record],
    now: datetime,
    show: Callable[[int], None] = lambda _written: None,
) -> int:
    """Write them in their order; returns how many. Raises DBAPIError, as other statements do."""
    written, text = 0, ""
    with ThreadPoolExecutor(1, "income") as behind:
        # Reading goes by the same connection, so no batch is under way while the next is read.
        for batch in batched(records):
            under_way = behind.submit(_copy, db, text)
            text = "".join([_line(record, now) for record in batch])
            written += under_way.result()
            show(written)
    return written + _copy(db, text)


def batched(records: Iterable[Record]) -> Iterator[list[Record]]:
    """Yield them so many at a time."""
    rest = iter(records)
    while batch := list(islice(rest, BATCH)):
        yield batch


def _copy(db: sa.Connection, text: str) -> int:
    if not text:
        return 0
    with contextlib.closing(db.connection.cursor()) as cursor:
        try:
            cursor.copy_expert(_COPY, io.StringIO(text))
        except psycopg2.Error as error:
            # It goes past SQLAlchemy, whose errors alone are waited for.
            raise DBAPIError.instance(_COPY, None, error, psycopg2.Error) from error
        return cursor.rowcount


def _line(record: Record, now: datetime) -> str:
    """Return a row as COPY reads it; nothing in it needs an escape but the bytes' own mark."""
    content, totals = record.canonical(), record.totals
    return (
        f"{record.doc_ref}\t{record.period}\t{record.participant.id}\t{record.day}\t"
        f"{record.asset}\t{record.doc_type}\t{record.corrects or _NULL}\t{totals.accrued_sat}\t"
        f"{totals.sold_sat}\t{totals.gross_tyiyn}\t{totals.venue_fee_tyiyn}\t"
        f"{totals.pool_fee_tyiyn}\t{totals.net_tyiyn}\t{totals.paid_tyiyn}\t"
        f"\\\\x{content.hex()}\t\\\\x{digest_of(content).hex()}\t{now.isoformat()}\n"
    )
