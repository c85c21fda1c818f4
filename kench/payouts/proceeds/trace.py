"""One line of a settlement traced back: tyiyn <- fees <- fills <- lot <- block <- work <- shares.

Everything that the line was computed from, and the ids of its lines in the ledger, so that whoever
is paid can compute it again. The shares themselves are in the journal, from and up to the sequences
of `spans`; `kench proof` proves the work.
"""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from fractions import Fraction
from typing import Any

import sqlalchemy as sa

from kench.payouts.accounts import TRADE_BTC, TRADE_KGS, participant_btc, participant_kgs
from kench.payouts.postings import Subject, posting_id
from kench.payouts.proceeds.settlement import Line, LotSettlement, SoldPart, average_price
from kench.payouts.proceeds.write import Lot, read_fills, read_settlement
from kench.payouts.transfers import Kind
from kench.pool.errors import KenchError

_LOT = sa.text("""
    SELECT block_hash, vout FROM lots
    WHERE coinbase_txid || '\\:' || vout = :reference
""")
_BLOCK = sa.text("""
    SELECT blocks.hash, blocks.height, found_at, method, blocks.order_number, blocks.reward_sat,
        lots.venue, venues_order, output_sat, carried_sat, lots.amount_sat,
        lot_shares.amount_sat AS share_sat,
        coalesce((SELECT amount_sat FROM lot_remainders AS remains
                  WHERE (remains.block_hash, remains.vout, remains.participant_id)
                      = (lots.block_hash, lots.vout, :participant)), 0) AS left_sat,
        coalesce(credit.work_hashes, 0) AS work_hashes,
        coalesce(credit.reward_sat, 0) AS credit_sat,
        (SELECT sum(work_hashes) FROM block_credits WHERE block_hash = lots.block_hash)
            AS all_work_hashes
    FROM lots JOIN blocks ON blocks.hash = lots.block_hash
    JOIN lot_shares ON (lot_shares.block_hash, lot_shares.vout, lot_shares.participant_id)
        = (lots.block_hash, lots.vout, :participant)
    LEFT JOIN block_credits AS credit
        ON (credit.block_hash, credit.participant_id) = (lots.block_hash, :participant)
    WHERE (lots.block_hash, lots.vout) = (:block_hash, :vout)
""")
_SPANS = sa.text("""
    SELECT instance, from_sequence, to_sequence, cut_hashes FROM block_spans
    WHERE block_hash = :block_hash ORDER BY instance
""")
_CARRIED = sa.text("""
    SELECT giver.coinbase_txid || '\\:' || giver.vout AS reference, remains.amount_sat
    FROM lot_carries AS carry
    JOIN lots AS giver USING (block_hash, vout)
    JOIN lot_remainders AS remains USING (block_hash, vout)
    WHERE (to_block_hash, to_vout) = (:block_hash, :vout) AND participant_id = :participant
        AND kind = 'carried'
    ORDER BY giver.height, reference
""")


class NoLineError(KenchError):
    """A participant has no line in a settlement."""


@dataclass(frozen=True, slots=True)
class Span:
    """Shares of a journal that a block paid; of the first only `cut_hashes`, where that is set."""

    instance: int
    from_sequence: int | None
    to_sequence: int
    cut_hashes: int | None


@dataclass(frozen=True, slots=True)
class Earned:
    """A participant's part of a block, and of its output's lot."""

    block_hash: str
    height: int
    found_at: datetime
    method: str
    reward_order: int
    spans: tuple[Span, ...]
    work_hashes: int
    all_work_hashes: int
    reward_sat: int
    credit_sat: int
    venue: str
    venues_order: int
    lot_sat: int
    share_sat: int
    left_sat: int
    carried_sat: dict[str, int]


@dataclass(frozen=True, slots=True)
class Trace:
    """All that one line of a settlement follows from."""

    participant_id: int
    reference: str
    earned: Earned
    fills: tuple[SoldPart, ...]
    settlement: LotSettlement
    line: Line
    price: Fraction
    transfers: tuple[str, ...]

    def as_object(self) -> dict[str, Any]:
        """Return it as JSON takes it; money and work are whole numbers, prices are text."""
        earned, settled = self.earned, self.settlement
        return {
            "participant": self.participant_id,
            "shares": [
                {
                    "journal": span.instance,
                    "from": span.from_sequence,
                    "to": span.to_sequence,
                    "first_share_hashes": span.cut_hashes and str(span.cut_hashes),
                }
                for span in earned.spans
            ],
            "block": {
                "hash": earned.block_hash,
                "height": earned.height,
                "found_at": earned.found_at.isoformat(),
                "method": earned.method,
                "order": earned.reward_order,
                "work_hashes": str(earned.work_hashes),
                "all_work_hashes": str(earned.all_work_hashes),
                "reward_sat": earned.reward_sat,
                "credit_sat": earned.credit_sat,
            },
            "lot": {
                "reference": self.reference,
                "venue": earned.venue,
                "order": earned.venues_order,
                "amount_sat": earned.lot_sat,
                "share_sat": earned.share_sat,
                "carried_sat": earned.carried_sat,
                "left_sat": earned.left_sat,
            },
            "fills": [
                {
                    "trade": fill.trade_id,
                    "amount_sat": fill.amount_sat,
                    "cost": str(fill.cost),
                    "gross_tyiyn": fill.gross_tyiyn,
                    "fee_tyiyn": fill.fee_tyiyn,
                }
                for fill in self.fills
            ],
            "settlement": {
                "sold_sat": settled.sold_sat,
                "gross_tyiyn": settled.gross_tyiyn,
                "venue_fee_tyiyn": settled.venue_fee_tyiyn,
                "pool_fee_tyiyn": settled.pool_fee_tyiyn,
                "pool_ppm": settled.fee.rule.pool_ppm,
                "order": settled.fee.order,
                "net_tyiyn": settled.net_tyiyn,
                "price": price_text(self.price),
            },
            "line": {"amount_sat": self.line.amount_sat, "net_tyiyn": self.line.net_tyiyn},
            "transfers": list(self.transfers),
        }


def price_text(price: Fraction) -> str:
    """Return KGS for one bitcoin with two digits, the rest cut off."""
    return str(Decimal(int(price * 100)).scaleb(-2))


def lot_of(connection: sa.Connection, reference: str) -> Lot:
    """Return the lot that is called `txid:vout`. Raises NoLineError."""
    row = connection.execute(_LOT, {"reference": reference}).one_or_none()
    if row is None:
        raise NoLineError(f"there is no lot {reference}: `kench lot list` names them")
    return Lot(row.block_hash, row.vout)


def trace(connection: sa.Connection, participant_id: int, lot: Lot) -> Trace:
    """Return what a participant's line of a settled lot follows from.

    Raises NoLineError where there is none: the lot is not settled, or nothing in it was theirs.
    """
    reference = connection.execute(
        sa.text(
            "SELECT reference FROM lot_settlements WHERE (block_hash, vout) = (:block_hash, :vout)"
        ),
        lot._asdict(),
    ).scalar_one_or_none()
    settlement = None if reference is None else read_settlement(connection, lot)
    if reference is None or settlement is None or participant_id not in settlement.lines:
        raise NoLineError(
            f"participant {participant_id} has no line in a settlement of output {lot.vout} of "
            f"block {lot.block_hash}: `kench lot list` says which lots are settled"
        )
    fills = tuple(read_fills(connection, lot))
    line = settlement.lines[participant_id]
    moves = [(participant_btc(participant_id), TRADE_BTC)]
    if line.net_tyiyn:
        moves.append((TRADE_KGS, participant_kgs(participant_id)))
    return Trace(
        participant_id=participant_id,
        reference=reference,
        earned=_earned(connection, participant_id, lot),
        fills=fills,
        settlement=settlement,
        line=line,
        price=average_price(fills),
        transfers=tuple(
            posting_id(Kind.POST, Subject.SETTLEMENT, reference, debit, credit).hex()
            for debit, credit in moves
        ),
    )


def _earned(connection: sa.Connection, participant_id: int, lot: Lot) -> Earned:
    values = {**lot._asdict(), "participant": participant_id}
    row = connection.execute(_BLOCK, values).one()
    spans = connection.execute(_SPANS, values)
    carried = connection.execute(_CARRIED, values)
    return Earned(
        block_hash=row.hash,
        height=row.height,
        found_at=row.found_at,
        method=row.method,
        reward_order=row.order_number,
        spans=tuple(
            Span(
                span.instance,
                span.from_sequence,
                span.to_sequence,
                None if span.cut_hashes is None else int(span.cut_hashes),
            )
            for span in spans
        ),
        work_hashes=int(row.work_hashes),
        all_work_hashes=int(row.all_work_hashes),
        reward_sat=row.reward_sat,
        credit_sat=row.credit_sat,
        venue=row.venue,
        venues_order=row.venues_order,
        lot_sat=row.amount_sat,
        share_sat=row.share_sat,
        left_sat=row.left_sat,
        carried_sat={one.reference: one.amount_sat for one in carried},
    )
