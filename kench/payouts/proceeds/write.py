"""Proceeds in the books: the settlement of a sold lot.

It runs in the caller's transaction, and done twice it is done once. PostgreSQL holds each line to
the settlement, and the settlement to the lot's fills and shares.
"""

from collections.abc import Iterator
from datetime import datetime
from typing import NamedTuple

import sqlalchemy as sa

from kench.payouts.accounts import (
    POOL_FEE,
    TRADE_BTC,
    TRADE_KGS,
    participant_btc,
    participant_kgs,
    venue_fee,
)
from kench.payouts.postings import Posting, Subject, write
from kench.payouts.proceeds import tables
from kench.payouts.proceeds.settlement import Line, LotSettlement, SoldPart, settle
from kench.pool.errors import KenchError
from kench.pool.orders.book import OrderBook
from kench.pool.orders.rules import Fee, InForce

WHO = "kench sell"
_ADD_LINES = sa.text("""
    INSERT INTO lot_settlement_lines (block_hash, vout, participant_id, amount_sat, net_tyiyn,
        venue_fee_tyiyn, pool_fee_tyiyn)
    SELECT :block_hash, :vout, * FROM unnest(CAST(:participants AS bigint[]),
        CAST(:amounts AS bigint[]), CAST(:nets AS bigint[]), CAST(:venue_fees AS bigint[]),
        CAST(:pool_fees AS bigint[]))
""")


class LotNotSoldError(KenchError):
    """A lot was to be settled that is not wholly sold yet."""


class Lot(NamedTuple):
    """Which lot: an output of a block."""

    block_hash: str
    vout: int


class _Row(NamedTuple):
    reference: str
    height: int
    venue: str
    state: str
    version: int


def settle_lot(
    connection: sa.Connection, lot: Lot, orders: OrderBook, at: datetime
) -> LotSettlement:
    """Settle a sold lot by the fee order of its block's height; the lot is settled with it.

    Returns what was settled, now or before. Raises LotNotSoldError, NoOrderError, and
    ProceedsDisagreeError where its fills are not its shares.
    """
    row = _lock(connection, lot)
    if row.state == "settled":
        return read_settlement(connection, lot)
    if row.state != "sold":
        raise LotNotSoldError(
            f"lot {row.reference} is {row.state}: it is settled once it is sold "
            f"(`kench lot show {row.reference}`)"
        )
    settlement = settle(
        read_fills(connection, lot), read_shares(connection, lot), orders.fee_at(row.height)
    )
    _insert(connection, lot, row, settlement, at)
    write(connection, _postings(row, settlement))
    _move(connection, lot, row, settlement, at)
    return settlement


def read_fills(connection: sa.Connection, lot: Lot) -> list[SoldPart]:
    """Return the fills of a lot in the order of time."""
    columns = tables.fills.c
    rows = connection.execute(
        sa.select(
            columns.venue,
            columns.trade_id,
            columns.amount_sat,
            columns.cost,
            columns.gross_tyiyn,
            columns.fee_tyiyn,
        )
        .where(columns.block_hash == lot.block_hash, columns.vout == lot.vout)
        .order_by(columns.at, columns.trade_id)
    )
    return [SoldPart(*row) for row in rows]


def read_shares(connection: sa.Connection, lot: Lot) -> dict[int, int]:
    """Return the satoshi that each participant sold of a lot."""
    columns = tables.lot_sold_shares.c
    rows = connection.execute(
        sa.select(columns.participant_id, columns.amount_sat)
        .where(columns.block_hash == lot.block_hash, columns.vout == lot.vout)
        .order_by(columns.participant_id)
    )
    return {row.participant_id: row.amount_sat for row in rows}


def read_settlement(connection: sa.Connection, lot: Lot) -> LotSettlement:
    """Return the settlement of a settled lot as it is in the books."""
    settled, lines = tables.lot_settlements.c, tables.lot_settlement_lines.c
    row = connection.execute(
        sa.select(tables.lot_settlements).where(
            settled.block_hash == lot.block_hash, settled.vout == lot.vout
        )
    ).one()
    rows = connection.execute(
        sa.select(
            lines.participant_id,
            lines.amount_sat,
            lines.net_tyiyn,
            lines.venue_fee_tyiyn,
            lines.pool_fee_tyiyn,
        )
        .where(lines.block_hash == lot.block_hash, lines.vout == lot.vout)
        .order_by(lines.participant_id)
    )
    return LotSettlement(
        sold_sat=row.sold_sat,
        gross_tyiyn=row.gross_tyiyn,
        venue_fee_tyiyn=row.venue_fee_tyiyn,
        pool_fee_tyiyn=row.pool_fee_tyiyn,
        net_tyiyn=row.net_tyiyn,
        fee=InForce(row.fee_order, Fee(row.pool_ppm)),
        lines={line.participant_id: Line(*line[1:]) for line in rows},
    )


def _lock(connection: sa.Connection, lot: Lot) -> _Row:
    """Read a lot and keep others from moving it until the transaction ends."""
    columns = tables.lots.c
    row = connection.execute(
        sa.select(
            columns.coinbase_txid, columns.height, columns.venue, columns.state, columns.version
        )
        .where(columns.block_hash == lot.block_hash, columns.vout == lot.vout)
        .with_for_update()
    ).one_or_none()
    if row is None:
        raise LotNotSoldError(
            f"there is no lot of output {lot.vout} of block {lot.block_hash}: `kench lot list` "
            "names those that there are"
        )
    return _Row(f"{row.coinbase_txid}:{lot.vout}", row.height, row.venue, row.state, row.version)


def _insert(
    connection: sa.Connection, lot: Lot, row: _Row, settlement: LotSettlement, at: datetime
) -> None:
    connection.execute(
        sa.insert(tables.lot_settlements).values(
            block_hash=lot.block_hash,
            vout=lot.vout,
            reference=row.reference,
            sold_sat=settlement.sold_sat,
            gross_tyiyn=settlement.gross_tyiyn,
            venue_fee_tyiyn=settlement.venue_fee_tyiyn,
            pool_fee_tyiyn=settlement.pool_fee_tyiyn,
            net_tyiyn=settlement.net_tyiyn,
            pool_ppm=settlement.fee.rule.pool_ppm,
            fee_order=settlement.fee.order,
            settled_at=at,
        )
    )
    connection.execute(
        _ADD_LINES,
        {
            "block_hash": lot.block_hash,
            "vout": lot.vout,
            "participants": list(settlement.lines),
            "amounts": [line.amount_sat for line in settlement.lines.values()],
            "nets": [line.net_tyiyn for line in settlement.lines.values()],
            "venue_fees": [line.venue_fee_tyiyn for line in settlement.lines.values()],
            "pool_fees": [line.pool_fee_tyiyn for line in settlement.lines.values()],
        },
    )


def _postings(row: _Row, settlement: LotSettlement) -> Iterator[Posting]:
    """Yield the lines by which nothing of the lot is left in the accounts of trade."""

    def line(debit: str, credit: str, amount: int) -> Posting:
        return Posting.direct(Subject.SETTLEMENT, row.reference, debit, credit, amount)

    for participant_id, due in settlement.lines.items():
        yield line(participant_btc(participant_id), TRADE_BTC, due.amount_sat)
        if due.net_tyiyn:
            yield line(TRADE_KGS, participant_kgs(participant_id), due.net_tyiyn)
    if settlement.pool_fee_tyiyn:
        yield line(TRADE_KGS, POOL_FEE, settlement.pool_fee_tyiyn)
    if settlement.venue_fee_tyiyn:
        yield line(TRADE_KGS, venue_fee(row.venue), settlement.venue_fee_tyiyn)


def _move(
    connection: sa.Connection, lot: Lot, row: _Row, settlement: LotSettlement, at: datetime
) -> None:
    columns = tables.lots.c
    connection.execute(
        sa.update(tables.lots)
        .where(columns.block_hash == lot.block_hash, columns.vout == lot.vout)
        .values(
            state="settled",
            version=row.version + 1,
            reason=f"{settlement.net_tyiyn} tyiyn are owed to its participants",
            who=WHO,
            order_number=settlement.fee.order,
            changed_at=at,
        )
    )
