"""Lots that stand still, and all that is known of one, as the desk shows them.

Every function takes a connection that is in a transaction.
"""

from typing import Any, NamedTuple

import sqlalchemy as sa

from kench.cabinet.desk.countersigning import PairKind, WaitingPair, waiting_pairs
from kench.cabinet.desk.lot_signing import subject_of
from kench.cabinet.registration.refusals import ActRefusedError
from kench.cabinet.signing.acts import read_act
from kench.cabinet.signing.tables import signed_acts
from kench.cabinet.words.catalogues import N_
from kench.sale import tables
from kench.sale.acts import FROM_STATES, Act, Resolution, read_document
from kench.sale.lots import Lot, LotKey, lot_of
from kench.sale.machine import STUCK
from kench.sale.waits import Waiting, read_waits
from kench.sale.wishes import Wish, wishes_of

LISTED_MAX = 200
"""Lots that are listed; all that stand still are counted."""
SHOWN_MAX = 25
"""Rows of each kind that are shown of a lot, the newest."""
RAW_MAX = 4_000
"""Characters of a provider's answer that are shown."""
_STUCK = [state.value for state in STUCK]


class StandingLot(NamedTuple):
    """A lot that people must look at, or that waits for something outside."""

    lot: Lot
    waiting: Waiting | None


class Proposed(NamedTuple):
    """A resolution that one officer has signed."""

    pair: WaitingPair
    resolution: Resolution
    document: bytes
    current: bool
    """Whether it is about the lot as it is now."""


class LotWay(NamedTuple):
    """All that is known of a lot."""

    lot: Lot
    waiting: Waiting | None
    events: list[Any]
    screenings: list[Any]
    orders: list[Any]
    fills: list[Any]
    deposits: list[Any]
    halts: list[Any]
    resolutions: list[Any]
    wishes: list[Wish]
    proposed: list[Proposed]
    participants: int
    """Whose satoshi are in it."""

    @property
    def may(self) -> list[Act]:
        """What two officers may do with it."""
        return [act for act in Act if self.lot.state in FROM_STATES[act]]


def list_standing(db: sa.Connection) -> list[StandingLot]:
    """Lots in a state that people must look at, those longest so first; then those that wait."""
    waits = read_waits(db)
    table = tables.lots
    stuck = [
        StandingLot(lot_of(row), waits.pop(LotKey(row.block_hash, row.vout), None))
        for row in db.execute(
            sa.select(table)
            .where(table.c.state.in_(_STUCK))
            .order_by(table.c.changed_at, table.c.block_hash, table.c.vout)
            .limit(LISTED_MAX)
        )
    ]
    keys = sorted(waits, key=lambda key: waits[key].since)[: LISTED_MAX - len(stuck)]
    if not keys:
        return stuck
    rows = db.execute(
        sa.select(table).where(
            sa.tuple_(table.c.block_hash, table.c.vout).in_([tuple(key) for key in keys])
        )
    )
    others = {LotKey(row.block_hash, row.vout): lot_of(row) for row in rows}
    return stuck + [StandingLot(others[key], waits[key]) for key in keys if key in others]


def read_way(db: sa.Connection, key: LotKey) -> LotWay | None:
    """All of a lot; None where there is none."""
    table = tables.lots
    row = db.execute(
        sa.select(table).where(table.c.block_hash == key.block_hash, table.c.vout == key.vout)
    ).one_or_none()
    if row is None:
        return None
    lot = lot_of(row)
    shares = tables.lot_shares
    return LotWay(
        lot,
        read_waits(db).get(key),
        _rows(db, tables.lot_events, key, "version"),
        _rows(db, tables.screenings, key, "attempt"),
        _rows(db, tables.venue_orders, key, "slice"),
        _rows(db, tables.fills, key, "at"),
        _rows(db, tables.lot_deposits, key, "told_at"),
        _rows(db, tables.sale_halts, key, "version"),
        _rows(db, tables.lot_resolutions, key, "version"),
        wishes_of(db, key),
        _proposed(db, lot),
        db.scalar(
            sa.select(sa.func.count())
            .select_from(shares)
            .where(shares.c.block_hash == key.block_hash, shares.c.vout == key.vout)
        )
        or 0,
    )


def list_proposed(db: sa.Connection) -> list[Proposed]:
    """Resolutions that wait for a second signature, about lots that have not moved since."""
    pairs = {pair.act_id: pair for pair in waiting_pairs(db, PairKind.LOT)}
    if not pairs:
        return []
    contents = db.execute(
        sa.select(signed_acts.c.id, signed_acts.c.content).where(signed_acts.c.id.in_(pairs))
    )
    documents = {row.id: bytes(row.content) for row in contents}
    wanted = {act_id: read_document(document) for act_id, document in documents.items()}
    table = tables.lots
    rows = db.execute(
        sa.select(table.c.block_hash, table.c.vout, table.c.version).where(
            sa.tuple_(table.c.block_hash, table.c.vout).in_(
                [tuple(one.lot) for one in wanted.values()]
            )
        )
    )
    versions = {LotKey(row.block_hash, row.vout): row.version for row in rows}
    return [
        Proposed(pair, wanted[act_id], documents[act_id], current=True)
        for act_id, pair in pairs.items()
        if versions.get(wanted[act_id].lot) == wanted[act_id].version
    ]


def count_proposed(db: sa.Connection) -> int:
    """How many those are."""
    return len(list_proposed(db))


def proposed_by(db: sa.Connection, key: LotKey, act_id: int) -> bytes:
    """The document that an officer has signed about a lot; raises ActRefusedError."""
    for pair in waiting_pairs(db, PairKind.LOT, subject_of(key)):
        act = read_act(db, act_id) if pair.act_id == act_id else None
        if act is not None:
            return act.content
    raise ActRefusedError(N_("There is no such resolution any more."))


def _proposed(db: sa.Connection, lot: Lot) -> list[Proposed]:
    found = []
    for pair in waiting_pairs(db, PairKind.LOT, subject_of(lot.key)):
        act = read_act(db, pair.act_id)
        if act is not None:
            resolution = read_document(act.content)
            current = resolution.version == lot.version
            found.append(Proposed(pair, resolution, act.content, current))
    return found


def _rows(db: sa.Connection, table: sa.Table, key: LotKey, order_by: str) -> list[Any]:
    """The newest rows of a lot, the newest first."""
    return list(
        db.execute(
            sa.select(table)
            .where(table.c.block_hash == key.block_hash, table.c.vout == key.vout)
            .order_by(table.c[order_by].desc())
            .limit(SHOWN_MAX)
        )
    )
