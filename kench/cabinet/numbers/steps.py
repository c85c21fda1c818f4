"""One block from a participant's work to its som: what it paid, its lots, their trades and fees."""

from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, NamedTuple

import sqlalchemy as sa

from kench.cabinet.numbers.earnings import BlockEarned, LotPart

FILLS_SHOWN = 200
"""Trades of a lot on its page; the month's statement has all."""


class Trade(NamedTuple):
    """A part of a lot that was sold at once."""

    trade_id: str
    at: datetime
    amount_sat: int
    price: Decimal
    gross_tyiyn: int
    fee_tyiyn: int


@dataclass(frozen=True, slots=True)
class Settled:
    """What a lot brought, and the participant's part of it."""

    settled_at: datetime
    sold_sat: int
    gross_tyiyn: int
    venue_fee_tyiyn: int
    pool_fee_tyiyn: int
    net_tyiyn: int
    pool_ppm: int
    fee_order: int
    my_sat: int
    my_net_tyiyn: int
    my_venue_fee_tyiyn: int
    my_pool_fee_tyiyn: int

    @property
    def my_gross_tyiyn(self) -> int:
        """What the part brought before fees."""
        return self.my_net_tyiyn + self.my_venue_fee_tyiyn + self.my_pool_fee_tyiyn


@dataclass(frozen=True, slots=True)
class LotSteps:
    """A lot on its way, with the orders that each step followed."""

    part: LotPart
    reference: str
    amount_sat: int
    carried_sat: int
    """Of these, what the participant's share took along of earlier lots is in `part`."""
    sold_sat: int
    changed_at: datetime
    venues_order: int
    sale_orders: tuple[int, ...]
    licence_orders: tuple[int, ...]
    trades: tuple[Trade, ...]
    trades_in_all: int
    settled: Settled | None


@dataclass(frozen=True, slots=True)
class Steps:
    """All of it."""

    block: BlockEarned
    all_work_hashes: int
    participants: int
    coinbase_txid: str | None
    has_proof: bool
    lots: tuple[LotSteps, ...]


_BLOCK = sa.text("""
    SELECT coinbase_txid,
        EXISTS (SELECT FROM manifests WHERE block_hash = hash) AS has_proof,
        (SELECT sum(work_hashes) FROM block_credits WHERE block_hash = hash) AS all_work_hashes,
        (SELECT count(*) FROM block_credits WHERE block_hash = hash) AS participants
    FROM blocks WHERE hash = :hash
""")
_LOTS = sa.text("""
    SELECT vout, coinbase_txid || '\\:' || vout AS reference, amount_sat, carried_sat, sold_sat,
        changed_at, venues_order
    FROM lots WHERE block_hash = :hash ORDER BY vout
""")
_ORDERS = sa.text("""
    SELECT vout, array_agg(DISTINCT sale_order) AS sale_orders,
        array_agg(DISTINCT licence_order) AS licence_orders
    FROM venue_orders WHERE block_hash = :hash GROUP BY vout
""")
_TRADES = sa.text("""
    SELECT vout, trade_id, at, amount_sat, price, gross_tyiyn, fee_tyiyn, of_lot FROM (
        SELECT vout, trade_id, at, amount_sat, price, gross_tyiyn, fee_tyiyn,
            count(*) OVER (PARTITION BY vout) AS of_lot,
            row_number() OVER (PARTITION BY vout ORDER BY at, trade_id) AS place
        FROM fills WHERE block_hash = :hash
    ) AS placed WHERE place <= :most ORDER BY vout, place
""")
_SETTLED = sa.text("""
    SELECT settled.vout, settled_at, sold_sat, gross_tyiyn, settled.venue_fee_tyiyn,
        settled.pool_fee_tyiyn, settled.net_tyiyn, pool_ppm, fee_order, line.amount_sat AS my_sat,
        line.net_tyiyn AS my_net_tyiyn, line.venue_fee_tyiyn AS my_venue_fee_tyiyn,
        line.pool_fee_tyiyn AS my_pool_fee_tyiyn
    FROM lot_settlements AS settled JOIN lot_settlement_lines AS line
        ON (line.block_hash, line.vout, line.participant_id)
            = (settled.block_hash, settled.vout, :participant)
    WHERE settled.block_hash = :hash
""")


def read_steps(db: sa.Connection, participant_id: int, block: BlockEarned) -> Steps:
    """Return what follows from a participant's work for a block."""
    values = {"hash": block.hash, "participant": participant_id, "most": FILLS_SHOWN}
    found = db.execute(_BLOCK, values).one()
    parts = {part.vout: part for part in block.lots}
    orders = {row.vout: row for row in db.execute(_ORDERS, values)}
    settled = {
        row.vout: Settled(**{name: row._mapping[name] for name in row._fields if name != "vout"})
        for row in db.execute(_SETTLED, values)
    }
    trades: dict[int, list[sa.Row[Any]]] = defaultdict(list)
    for row in db.execute(_TRADES, values):
        trades[row.vout].append(row)
    return Steps(
        block=block,
        all_work_hashes=int(found.all_work_hashes),
        participants=found.participants,
        coinbase_txid=found.coinbase_txid,
        has_proof=found.has_proof,
        lots=tuple(
            LotSteps(
                part=parts[row.vout],
                reference=row.reference,
                amount_sat=row.amount_sat,
                carried_sat=row.carried_sat,
                sold_sat=row.sold_sat,
                changed_at=row.changed_at,
                venues_order=row.venues_order,
                sale_orders=_numbers(orders.get(row.vout), "sale_orders"),
                licence_orders=_numbers(orders.get(row.vout), "licence_orders"),
                trades=tuple(
                    Trade(**{name: one._mapping[name] for name in Trade._fields})
                    for one in trades[row.vout]
                ),
                trades_in_all=trades[row.vout][0].of_lot if trades[row.vout] else 0,
                settled=settled.get(row.vout),
            )
            for row in db.execute(_LOTS, values)
            if row.vout in parts
        ),
    )


def _numbers(row: sa.Row[Any] | None, name: str) -> tuple[int, ...]:
    return () if row is None else tuple(sorted(row._mapping[name]))
