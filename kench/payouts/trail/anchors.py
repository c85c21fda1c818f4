"""Anchors: how far the chain went when a day was over, signed with the pool's evidence key.

What is signed is canonical JSON, so `openssl pkeyutl -verify` checks it too. An anchor of a day
covers every act of that day: it is made when all of them are sealed.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

import sqlalchemy as sa
import structlog
from sqlalchemy.dialects.postgresql import insert

from kench.payouts.proofs.canonical import encode
from kench.payouts.proofs.errors import ProofRefusedError
from kench.payouts.proofs.evidence import EvidenceKey, check_signature
from kench.payouts.trail.tables import trail_anchors, trail_queue, trail_seals
from kench.pool.calendar import day_at
from kench.pool.moments import midnight_us, moment_of

AFTER_MIDNIGHT_US = 60 * 1_000_000
"""So long after a day's end its anchor is made: whoever was acting then has committed."""

log = structlog.get_logger("kench.payouts")


@dataclass(frozen=True, slots=True)
class Anchor:
    """Of one day, Bishkek's."""

    day: date
    number: int
    hash: bytes
    signature: bytes
    public_key: bytes
    at: datetime

    @property
    def content(self) -> bytes:
        """What is signed."""
        return content_of(self.day, self.number, self.hash, self.public_key, self.at)

    def is_good(self) -> bool:
        """Whether the signature is of its key."""
        try:
            check_signature(self.public_key, self.signature, self.content)
        except ProofRefusedError:
            return False
        return True


def content_of(day: date, number: int, hash_: bytes, key: bytes, at: datetime) -> bytes:
    """Return the text of an anchor."""
    return encode(
        {
            "day": day.isoformat(),
            "hash": hash_.hex(),
            "kench_trail_anchor": 1,
            "key": key.hex(),
            "made_at": at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "number": number,
        }
    )


class Anchorer:
    """Anchors each day when it is over, and all of it is sealed."""

    def __init__(self, key: EvidenceKey) -> None:
        self._key = key
        self._done = date.min

    def turn(self, connection: sa.Connection, now_us: int) -> Anchor | None:
        """Anchor yesterday if that is due; in the caller's transaction."""
        day = day_at(now_us - AFTER_MIDNIGHT_US) - timedelta(days=1)
        if day <= self._done:
            return None
        anchors = trail_anchors.c
        if connection.scalar(sa.select(anchors.day).where(anchors.day >= day).limit(1)):
            self._done = day
            return None
        ends = moment_of(midnight_us(day + timedelta(days=1)))
        if connection.scalar(sa.select(trail_queue.c.act_id).where(trail_queue.c.at < ends)):
            return None
        head = connection.execute(
            sa.select(trail_seals.c.number, trail_seals.c.hash)
            .order_by(trail_seals.c.number.desc())
            .limit(1)
        ).one_or_none()
        if head is None:
            return None
        made = self._sign(day, head.number, bytes(head.hash), now_us)
        connection.execute(
            insert(trail_anchors)
            .values({name: getattr(made, name) for name in Anchor.__slots__})
            .on_conflict_do_nothing()
        )
        # Outside the database too: whoever rewrites it cannot rewrite what was logged.
        log.info("trail anchored", day=str(day), number=made.number, hash=made.hash.hex())
        return made

    def _sign(self, day: date, number: int, hash_: bytes, now_us: int) -> Anchor:
        at = moment_of(now_us).replace(microsecond=0)
        content = content_of(day, number, hash_, self._key.public, at)
        return Anchor(day, number, hash_, self._key.sign(content), self._key.public, at)


def read_anchors(
    connection: sa.Connection, *, before: date | None = None, at_most: int
) -> list[Anchor]:
    """The newest anchors, newest first."""
    query = sa.select(trail_anchors)
    if before is not None:
        query = query.where(trail_anchors.c.day < before)
    rows = connection.execute(query.order_by(trail_anchors.c.day.desc()).limit(at_most))
    return [anchor_of(row) for row in rows]


def anchors_of_numbers(connection: sa.Connection, after: int, until: int) -> Iterable[Anchor]:
    """Anchors of a range of the chain, oldest first."""
    numbers = trail_anchors.c.number
    rows = connection.execute(
        sa.select(trail_anchors)
        .where(numbers > after, numbers <= until)
        .order_by(numbers, trail_anchors.c.day)
    )
    return [anchor_of(row) for row in rows]


def anchor_of(row: Any) -> Anchor:
    """Return the anchor of a row."""
    return Anchor(
        row.day, row.number, bytes(row.hash), bytes(row.signature), bytes(row.public_key), row.at
    )
