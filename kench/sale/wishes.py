"""Wishes: resolutions that two officers signed in the cabinet, which itself may move no lot.

The cabinet writes them down; the one process that sells takes them up within seconds, checks
both signatures itself as `kench lot` does, and carries out or says why not. Each ends once.
"""

from collections.abc import Iterator
from enum import StrEnum
from typing import NamedTuple

import sqlalchemy as sa
import structlog
from sqlalchemy.exc import IntegrityError

from kench.pool.database import first_line
from kench.pool.errors import KenchError
from kench.pool.moments import moment_of, us_of
from kench.pool.signature.verifier import SignatureRefusedError, Verifier
from kench.sale.acts import carry_out, read_document
from kench.sale.desk import SECOND_US, Desk
from kench.sale.lots import LotKey
from kench.sale.officers import approvals_of
from kench.sale.tables import lot_wish_ends, lot_wish_queue, lot_wishes

LOOK_S = 1.0
"""Between two looks for wishes."""
AT_ONCE = 20
"""Wishes that one look takes up, the oldest first."""
AGAIN_S = 30.0
"""Before a signature is checked again that could not be: asking for lists holds up the sale."""
PATIENCE_S = 900.0
"""A signature that cannot be checked for so long, as lists are not to be had, is refused."""
WORDS_MAX = 1000

log = structlog.get_logger("kench.sale")


class WishState(StrEnum):
    """What became of a wish."""

    WAITS = "waits"
    DONE = "done"
    REFUSED = "refused"


class Wish(NamedTuple):
    """One, as people look at it."""

    id: int
    version: int
    document: bytes
    at_us: int
    state: WishState
    words: str
    """Of what it did, or why it was refused."""
    ended_us: int | None


def add_wish(
    connection: sa.Connection,
    document: bytes,
    *,
    signatures: tuple[bytes, bytes],
    acts: tuple[int, int],
    at_us: int,
) -> None:
    """Write down what two officers signed; whoever writes it has looked at it, no more."""
    resolution = read_document(document)
    connection.execute(
        sa.insert(lot_wishes).values(
            **resolution.lot._asdict(),
            version=resolution.version,
            document=document,
            signature_1=signatures[0],
            signature_2=signatures[1],
            act_1=acts[0],
            act_2=acts[1],
            at=moment_of(at_us),
        )
    )


def wishes_of(connection: sa.Connection, key: LotKey, at_most: int = 20) -> list[Wish]:
    """The newest wishes about a lot, the newest first."""
    rows = connection.execute(
        sa.select(
            *(lot_wishes.c.id, lot_wishes.c.version, lot_wishes.c.document, lot_wishes.c.at),
            *(lot_wish_ends.c.outcome, lot_wish_ends.c.words),
            lot_wish_ends.c.at.label("ended_at"),
        )
        .outerjoin_from(lot_wishes, lot_wish_ends, lot_wish_ends.c.wish_id == lot_wishes.c.id)
        .where(lot_wishes.c.block_hash == key.block_hash, lot_wishes.c.vout == key.vout)
        .order_by(lot_wishes.c.id.desc())
        .limit(at_most)
    )
    return [
        Wish(
            row.id,
            row.version,
            bytes(row.document),
            us_of(row.at),
            WishState(row.outcome or WishState.WAITS),
            row.words or "",
            us_of(row.ended_at) if row.ended_at else None,
        )
        for row in rows
    ]


class Wishes:
    """Takes them up; for the thread of the sale's turns."""

    def __init__(self, desk: Desk, verifier: Verifier) -> None:
        self._desk = desk
        self._verifier = verifier
        self._looked_s = float("-inf")
        self._again_s: dict[int, float] = {}
        """When those are tried again that could not be checked; of AT_ONCE at most."""

    def look(self) -> None:
        """Take up what waits, each in a transaction of its own."""
        now_s = self._desk.clock.monotonic()
        if now_s - self._looked_s < LOOK_S:
            return
        self._looked_s = now_s
        with self._desk.read() as connection:
            waiting = list(_read_waiting(connection))
        self._again_s = {one: due_s for one, due_s in self._again_s.items() if one in waiting}
        for wish_id in waiting:
            if self._again_s.get(wish_id, now_s) <= now_s:
                self._take_up(wish_id)

    def _take_up(self, wish_id: int) -> None:
        try:
            with self._desk.transact() as connection:
                words = self._carry_out(connection, wish_id)
                _end(connection, wish_id, WishState.DONE, words, self._desk.now_us())
        except SignatureRefusedError as refusal:
            with self._desk.transact() as connection:
                age_s = (self._desk.now_us() - _made_us(connection, wish_id)) / SECOND_US
                if age_s > PATIENCE_S:
                    self._refuse(connection, wish_id, refusal)
                else:
                    self._again_s[wish_id] = self._desk.clock.monotonic() + AGAIN_S
                    log.warning("wish waits", wish=wish_id, why=str(refusal))
        except (KenchError, IntegrityError) as refusal:
            # What PostgreSQL refuses is refused here: the sale goes on.
            with self._desk.transact() as connection:
                self._refuse(connection, wish_id, refusal)
        else:
            log.info("wish carried out", wish=wish_id, did=words)

    def _carry_out(self, connection: sa.Connection, wish_id: int) -> str:
        row = connection.execute(sa.select(lot_wishes).where(lot_wishes.c.id == wish_id)).one()
        document, now_us = bytes(row.document), self._desk.now_us()
        signatures = (bytes(row.signature_1), bytes(row.signature_2))
        first, second = approvals_of(connection, self._verifier, document, signatures, now_us)
        after = carry_out(connection, document, first, second, now_us)
        return f"the lot is {after.state} since then"

    def _refuse(self, connection: sa.Connection, wish_id: int, why: Exception) -> None:
        words = first_line(why) if isinstance(why, IntegrityError) else str(why)
        log.warning("wish refused", wish=wish_id, why=words)
        _end(connection, wish_id, WishState.REFUSED, words, self._desk.now_us())


def _read_waiting(connection: sa.Connection) -> Iterator[int]:
    yield from connection.scalars(
        sa.select(lot_wish_queue.c.wish_id).order_by(lot_wish_queue.c.wish_id).limit(AT_ONCE)
    )


def _made_us(connection: sa.Connection, wish_id: int) -> int:
    query = sa.select(lot_wishes.c.at).where(lot_wishes.c.id == wish_id)
    return us_of(connection.execute(query).scalar_one())


def _end(
    connection: sa.Connection, wish_id: int, outcome: WishState, words: str, now_us: int
) -> None:
    connection.execute(
        sa.insert(lot_wish_ends).values(
            wish_id=wish_id, outcome=outcome, words=words[:WORDS_MAX], at=moment_of(now_us)
        )
    )
