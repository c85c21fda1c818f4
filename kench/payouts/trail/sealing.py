"""Sealing: acts that were committed become numbered lines of the chain, a bounded number at once.

Acts are sealed in the order of their ids as far as they are committed; one that is committed later
gets a later number. What waits stands in a queue that triggers keep, so that a crash at any moment
loses nothing and seals nothing twice.
"""

from typing import Any

import sqlalchemy as sa

from kench.payouts.trail.lines import COLUMNS, START, Head, hash_of, line_of
from kench.payouts.trail.tables import acts, trail_queue, trail_seals
from kench.pool.errors import KenchError

SEAL_LOCK = 0x6B656E6368736561
"""Key of the advisory lock of whoever seals ("kenchsea")."""
BATCH = 1_000
COUNTED_MAX = 10_000


class ChainBrokenError(KenchError):
    """What was sealed a moment ago is not there any more, or not the same."""


def seal_batch(db: sa.Connection, known: Head = START) -> tuple[Head, int] | None:
    """Seal what waits, a batch; return the new head and how many lines it has got.

    In the caller's transaction; None where another process seals. `known` is a head that was there
    before: raises ChainBrokenError where it is not in the chain any more.
    """
    if not db.scalar(sa.select(sa.func.pg_try_advisory_xact_lock(SEAL_LOCK))):
        return None
    if known.number:
        _check_known(db, known)
    head = read_head(db)
    queued = sa.select(trail_queue.c.act_id).order_by(trail_queue.c.act_id).limit(BATCH)
    ids = db.scalars(queued).all()
    waiting: Any = ()
    if ids:
        waiting = db.execute(
            sa.select(*COLUMNS).where(acts.c.id.in_(ids)).order_by(acts.c.id)
        ).all()
    seals = []
    for row in waiting:
        number, previous = head.number + 1, head.hash
        head = Head(number, hash_of(previous, line_of(row, number)))
        seals.append({"number": number, "act_id": row.id, "previous": previous, "hash": head.hash})
    if seals:
        db.execute(sa.insert(trail_seals), seals)
    return head, len(seals)


def read_head(db: sa.Connection) -> Head:
    """How far the chain goes."""
    row = db.execute(
        sa.select(trail_seals.c.number, trail_seals.c.hash)
        .order_by(trail_seals.c.number.desc())
        .limit(1)
    ).one_or_none()
    return Head(row.number, bytes(row.hash)) if row else Head()


def count_unsealed(db: sa.Connection) -> int:
    """How many acts wait for their seal; COUNTED_MAX says no more than that it is many."""
    some = sa.select(trail_queue.c.act_id).limit(COUNTED_MAX).subquery()
    return db.execute(sa.select(sa.func.count()).select_from(some)).scalar_one()


def _check_known(db: sa.Connection, known: Head) -> None:
    found = db.scalar(sa.select(trail_seals.c.hash).where(trail_seals.c.number == known.number))
    if found is None or bytes(found) != known.hash:
        raise ChainBrokenError(
            f"the trail's line {known.number} was sealed as {known.hash.hex()} and is "
            f"{'gone' if found is None else bytes(found).hex()} now: run `kench trail verify`"
        )
