"""Lots as rows: reading them, locking one, moving one; each move is one version and one event."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from operator import attrgetter
from typing import Any, NamedTuple

import sqlalchemy as sa

from kench.payouts.split import split
from kench.pool.errors import KenchError
from kench.pool.moments import moment_of
from kench.sale import tables
from kench.sale.machine import FINAL, STUCK, Actor, LotState, check_way

LOTS_MAX = 10_000
"""So many unfinished lots are worked on at a time, lowest first."""
REASON_CHARACTERS_MAX = 500
SELL = "kench sell"


class LotKey(NamedTuple):
    """Which lot: an output of a block's coinbase."""

    block_hash: str
    vout: int


class LotMovedError(KenchError):
    """Somebody else moved the lot in between; it is read again and goes on from there."""


class NoLotError(KenchError):
    """There is no such lot."""


@dataclass(frozen=True, slots=True)
class Lot:
    """A lot as its row was when it was read."""

    block_hash: str
    vout: int
    coinbase_txid: str
    height: int
    venue: str
    address: str
    output_sat: int
    carried_sat: int
    amount_sat: int
    venues_order: int
    made_at: datetime
    state: LotState
    reason: str
    who: str
    order_number: int | None
    version: int
    changed_at: datetime
    credited_at: datetime | None
    sold_sat: int
    open_sat: int
    left_sat: int

    @property
    def key(self) -> LotKey:
        """Its block's hash and the number of the output."""
        return LotKey(self.block_hash, self.vout)

    @property
    def reference(self) -> str:
        """`txid:vout`, as the chain, the venue and the ledger know it."""
        return f"{self.coinbase_txid}:{self.vout}"

    @property
    def unsold_sat(self) -> int:
        """What could still be offered."""
        return self.amount_sat - self.sold_sat - self.open_sat - self.left_sat


class Unfinished(NamedTuple):
    """A lot that is not at an end."""

    lot: Lot
    is_orphan: bool
    """Whether its block left the best chain."""
    why: str | None
    """What is said of why it stands still, if it does."""


_NAMES = tuple(field.name for field in fields(Lot))
_STATE = _NAMES.index("state")
_COLUMNS = [tables.lots.c[name] for name in _NAMES]
_VALUES = attrgetter(*_NAMES)
# Statements are built once: what a lot is read and moved by runs with each of its steps.
_IS_LOT = (
    tables.lots.c.block_hash == sa.bindparam("key_hash"),
    tables.lots.c.vout == sa.bindparam("key_vout"),
)
_READ = sa.select(*_COLUMNS).where(*_IS_LOT)
_LOCK = _READ.with_for_update()
_MOVE = (
    sa.update(tables.lots)
    .where(*_IS_LOT, tables.lots.c.version == sa.bindparam("key_version"))
    .returning(*_COLUMNS)
)
_ADD_REMAINDERS = sa.text("""
    INSERT INTO lot_remainders (block_hash, vout, participant_id, amount_sat, kind)
    SELECT :block_hash, :vout, *, :kind FROM unnest(CAST(:participants AS bigint[]),
        CAST(:amounts AS bigint[]))
""")
_UNFINISHED = (
    sa.select(*_COLUMNS, sa.text("blocks.alarm"), tables.lot_waits.c.why)
    .select_from(tables.lots)
    .join(sa.text("blocks"), sa.text("blocks.hash = lots.block_hash"))
    .outerjoin(
        tables.lot_waits,
        sa.and_(
            tables.lot_waits.c.block_hash == tables.lots.c.block_hash,
            tables.lot_waits.c.vout == tables.lots.c.vout,
        ),
    )
    .where(tables.lots.c.state.not_in([state.value for state in FINAL]))
    .order_by(tables.lots.c.height, tables.lots.c.block_hash, tables.lots.c.vout)
    .limit(LOTS_MAX)
)


def lot_of(row: Any) -> Lot:
    """Return the lot of a row with the columns of `lots`."""
    return _lot_of(_VALUES(row))


def _lot_of(values: Sequence[Any]) -> Lot:
    facts = list(values)
    facts[_STATE] = LotState(facts[_STATE])
    return Lot(*facts)


def read_unfinished(connection: sa.Connection) -> list[Unfinished]:
    """Return lots that are not at an end, lowest first."""
    found = connection.execute(_UNFINISHED)
    return [Unfinished(_lot_of(row[:-2]), bool(row[-2]), row[-1]) for row in found]


def read_lot(connection: sa.Connection, key: LotKey, *, lock: bool = False) -> Lot:
    """Return a lot; with `lock` nobody else changes it before the transaction ends."""
    named = {"key_hash": key.block_hash, "key_vout": key.vout}
    row = connection.execute(_LOCK if lock else _READ, named).one_or_none()
    if row is None:
        raise NoLotError(f"there is no lot {key.block_hash}:{key.vout}: see `kench lot list`")
    return _lot_of(row)


def lock_as_read(connection: sa.Connection, lot: Lot) -> Lot:
    """Lock a lot that was read before; raises LotMovedError where it has moved since."""
    now = read_lot(connection, lot.key, lock=True)
    if now.version != lot.version:
        raise LotMovedError(
            f"lot {lot.block_hash}:{lot.vout} went from {lot.state} to {now.state} meanwhile: "
            "look at it again with `kench lot show`"
        )
    return now


def move(  # noqa: PLR0913 - an event has so many facts
    connection: sa.Connection,
    lot: Lot,
    goes_to: LotState,
    why: str,
    at_us: int,
    *,
    order_number: int | None = None,
    actor: Actor = Actor.KENCH,
    who: str = SELL,
    credited_us: int | None = None,
) -> Lot:
    """Move a lot from the state in which it was read, and return it as it is then.

    Raises WayError and LotMovedError.
    """
    check_way(lot.state, goes_to, actor)
    values: dict[str, Any] = {
        "state": goes_to.value,
        "reason": why[:REASON_CHARACTERS_MAX],
        "who": who,
        "order_number": order_number,
        "version": lot.version + 1,
        "changed_at": moment_of(at_us),
    }
    if credited_us is not None and lot.credited_at is None:
        values["credited_at"] = moment_of(credited_us)
    named = {"key_hash": lot.block_hash, "key_vout": lot.vout, "key_version": lot.version}
    row = connection.execute(_MOVE, values | named).one_or_none()
    if row is None:
        raise LotMovedError(f"lot {lot.block_hash}:{lot.vout} moved meanwhile: look at it again")
    return _lot_of(row)


def came_from(connection: sa.Connection, lot: Lot) -> LotState | None:
    """Return the state that a lot was in before the one it is in."""
    events = tables.lot_events.c
    return LotState(
        connection.execute(
            sa.select(events.came_from).where(
                events.block_hash == lot.block_hash,
                events.vout == lot.vout,
                events.version == lot.version,
            )
        ).scalar_one()
    )


def leave_rest(connection: sa.Connection, lot: Lot, kind: str) -> dict[int, int]:
    """Write what is unsold of a lot as its remainder, split by its shares; return whose it is."""
    if not lot.unsold_sat:
        return {}
    split_sat = split(lot.unsold_sat, read_shares(connection, lot.key))
    left_sat = {who: amount_sat for who, amount_sat in sorted(split_sat.items()) if amount_sat}
    connection.execute(
        _ADD_REMAINDERS,
        {
            "block_hash": lot.block_hash,
            "vout": lot.vout,
            "kind": kind,
            "participants": list(left_sat),
            "amounts": list(left_sat.values()),
        },
    )
    return left_sat


def read_shares(connection: sa.Connection, key: LotKey) -> Mapping[int, int]:
    """Return the satoshi of each participant in a lot."""
    shares = tables.lot_shares.c
    rows = connection.execute(
        sa.select(shares.participant_id, shares.amount_sat).where(
            shares.block_hash == key.block_hash, shares.vout == key.vout
        )
    )
    return {row.participant_id: row.amount_sat for row in rows}


def count_stuck(connection: sa.Connection) -> dict[LotState, int]:
    """Return how many lots people must look at, by state."""
    rows = connection.execute(
        sa.select(tables.lots.c.state, sa.func.count().label("lots"))
        .where(tables.lots.c.state.in_([state.value for state in STUCK]))
        .group_by(tables.lots.c.state)
    )
    return {LotState(row.state): row.lots for row in rows}
