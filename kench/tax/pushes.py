"""Messages to the tax service: which records each holds, when it is due, what became of it.

Every function takes a connection that is in a transaction and leaves the commit to its caller.
"""

import hashlib
import uuid
from collections.abc import Callable
from typing import NamedTuple

import sqlalchemy as sa

from kench.pool.backoff import delay_after
from kench.pool.moments import moment_of, us_of
from kench.tax import reading
from kench.tax.receipts import Receipt, keep_receipts
from kench.tax.shaping import page_json
from kench.tax.tables import income_pushes, income_releases, tax_records

TRIES_MAX = 20
"""Three days and a half; a start of `kench tax` begins anew."""
FIRST_S, LONGEST_S = 30.0, 6 * 3600.0
FAULT_MAX = 200
RELEASES_AT_ONCE = 10


class Push(NamedTuple):
    """A message to be sent now."""

    id: int
    xroad_id: str
    tries: int
    doc_refs: frozenset[str]
    body: bytes


class Waiting(NamedTuple):
    """How things stand."""

    waiting: int
    failed: int
    oldest_us: int | None


def plan_pushes(
    db: sa.Connection, batch: int, now_us: int, random_bytes: Callable[[int], bytes]
) -> int:
    """Queue what was released and is in no message; return how many messages that made."""
    queued = sa.select(income_pushes.c.id).where(
        income_pushes.c.release == income_releases.c.serial
    )
    query = sa.select(income_releases).where(income_releases.c.records > 0, ~queued.exists())
    made = 0
    for release in db.execute(query.order_by(income_releases.c.serial).limit(RELEASES_AT_ONCE)):
        table = tax_records
        number = sa.func.row_number().over(order_by=table.c.sequence) - 1
        placed = sa.select(table.c.sequence, sa.func.div(number, batch).label("number")).where(
            table.c.period == release.period,
            table.c.sequence > release.after_sequence,
            table.c.sequence <= release.last_sequence,
        )
        rows = placed.subquery()
        ends = sa.select(sa.func.max(rows.c.sequence), sa.func.count()).group_by(rows.c.number)
        after = release.after_sequence
        for last, records in db.execute(ends.order_by(rows.c.number)).all():
            db.execute(
                sa.insert(income_pushes).values(
                    release=release.serial,
                    after_sequence=after,
                    last_sequence=last,
                    records=records,
                    xroad_id=str(uuid.UUID(bytes=random_bytes(16), version=4)),
                    queued_at=moment_of(now_us),
                    due_at=moment_of(now_us),
                    tries=0,
                    state="waiting",
                    fault="",
                )
            )
            after = last
            made += 1
    return made


def take_due(db: sa.Connection, now_us: int) -> Push | None:
    """Return the message to be sent now, counted as tried.

    They go in their order, so that no correction comes before what it corrects; one that was
    given up lets the next ones pass, but for what its period was closed with again.
    """
    table, failed, held = income_pushes, income_pushes.alias(), income_releases.alias()
    waits_for = (
        sa.select(failed.c.id)
        .join_from(failed, held, failed.c.release == held.c.serial)
        .where(
            failed.c.state == "failed",
            failed.c.release < table.c.release,
            held.c.period == income_releases.c.period,
        )
    )
    query = sa.select(table, income_releases.c.period, income_releases.c.version).join_from(
        table, income_releases, table.c.release == income_releases.c.serial
    )
    query = query.where(table.c.state == "waiting", ~waits_for.exists())
    row = db.execute(query.order_by(table.c.id).limit(1)).first()
    if row is None or us_of(row.due_at) > now_us:
        return None
    tries = row.tries + 1
    wait_us = round(delay_after(tries, FIRST_S, LONGEST_S) * 1_000_000)
    db.execute(
        sa.update(table)
        .where(table.c.id == row.id)
        .values(tries=tries, due_at=moment_of(now_us + wait_us))
    )
    page = reading.records_between(db, row.period, row.after_sequence, row.last_sequence)
    head = {"period": row.period, "version": row.version}
    return Push(
        row.id, str(row.xroad_id), tries,
        frozenset(db.scalars(_doc_refs(row.period, row.after_sequence, row.last_sequence))),
        page_json(head, page.items, None),
    )  # fmt: skip


def settle_push(  # noqa: PLR0913 - what an answer is
    db: sa.Connection,
    push: Push,
    *,
    consumer: str,
    rejected: list[Receipt],
    answer: bytes,
    now_us: int,
) -> None:
    """Keep an answer: what was not rejected was accepted."""
    now = moment_of(now_us)
    refused = {one.doc_ref for one in rejected}
    accepted = [Receipt(one, "accepted") for one in sorted(push.doc_refs - refused)]
    keep_receipts(db, accepted + rejected, consumer, push.xroad_id, now)
    db.execute(
        sa.update(income_pushes)
        .where(income_pushes.c.id == push.id)
        .values(
            state="sent",
            fault="",
            answered_at=now,
            answer_sha256=hashlib.sha256(answer).digest(),
        )
    )


def note_fault(db: sa.Connection, push: Push, fault: str) -> bool:
    """Keep why one did not go; return whether it is given up."""
    given_up = push.tries >= TRIES_MAX
    db.execute(
        sa.update(income_pushes)
        .where(income_pushes.c.id == push.id)
        .values(state="failed" if given_up else "waiting", fault=fault[:FAULT_MAX])
    )
    return given_up


def revive_pushes(db: sa.Connection, now_us: int) -> int:
    """Have those that were given up tried again; return how many."""
    table = income_pushes
    again = sa.update(table).where(table.c.state == "failed")
    return db.execute(again.values(state="waiting", tries=0, due_at=moment_of(now_us))).rowcount


def read_waiting(db: sa.Connection) -> Waiting:
    """How many messages wait, how many were given up, since when the oldest waits."""
    table = income_pushes
    counted = sa.select(sa.func.count(), sa.func.min(table.c.queued_at))
    waiting, oldest = db.execute(counted.where(table.c.state == "waiting")).one()
    failed = db.execute(counted.where(table.c.state == "failed")).one()[0]
    return Waiting(waiting, failed, None if oldest is None else us_of(oldest))


def _doc_refs(period: str, after: int, last: int) -> sa.Select[tuple[str]]:
    table = tax_records
    return sa.select(table.c.doc_ref).where(
        table.c.period == period, table.c.sequence > after, table.c.sequence <= last
    )
