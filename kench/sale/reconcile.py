"""Reconciliation: coinbase outputs = deposits = lots = fills + remainder, and venues' word on ours.

The sale goes on meanwhile: the books are read before the venue is asked and again after, and what
either explains is no difference, nor is what an open order may have changed, nor what is on its way
to becoming a lot. Everything else is one, in words; it is kept with the venue's own balance, and
never mended by itself.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

import sqlalchemy as sa
import structlog

from kench.payouts.accounts import venue_btc, venue_kgs
from kench.pool.moments import moment_of
from kench.sale import tables
from kench.sale.desk import SECOND_US, Desk
from kench.sale.venues.port import Balance, Deposit, DepositState, Fill, Venue

LOOK_BACK_S = 60 * 86_400
"""Trades and deposits of so long ago and since are compared."""
DEPOSIT_AGE_S = 30 * 86_400
"""A venue sees a deposit at most so long before it credits it: one credited nearer to the beginning
of what is compared may have been seen before that, and is not told any more."""
LOTS_DUE_S = 86_400
"""A mature block without lots waits for them so long, where none above it has any."""
DIFFERENCES_MAX = 1000
"""So many are listed; the last says how many more there are."""
KGS_STEP = Decimal("0.01")
RAW_CHARACTERS_MAX = 20_000

log = structlog.get_logger("kench.sale")


@dataclass(frozen=True, slots=True)
class Reconciliation:
    """What was compared, and what differs."""

    differences: list[str]
    raw: str


@dataclass(frozen=True, slots=True)
class _Ours:
    """What the books say about a venue."""

    outputs: Sequence[sa.Row[Any]]
    lots: dict[tuple[str, int], sa.Row[Any]]
    lots_ever: int
    """How many lots there were at the venue; each is rounded to tyiyn once."""
    fills: dict[str, sa.Row[Any]]
    coming: dict[tuple[str, int], int]
    """Outputs of our blocks that pay somebody and are no credited lots yet: satoshi."""
    open_ids: frozenset[str]
    open_sat: int
    btc_sat: int
    kgs_tyiyn: int


def reconcile(desk: Desk, venue: Venue) -> Reconciliation:
    """Compare the books with the chain's outputs and with a venue's word; writes nothing."""
    since_us = max(0, desk.now_us() - LOOK_BACK_S * SECOND_US)
    with desk.snapshot() as connection:
        before = _read(connection, venue.name, moment_of(since_us))
    deposits = venue.deposits(since_us)
    trades = venue.fills_since(since_us)
    balance = venue.balance()
    # Credited meanwhile or not, that is in the balance.
    last_deposits = venue.deposits(since_us)
    with desk.snapshot() as connection:
        after = _read(connection, venue.name, moment_of(since_us))
    differences = [
        *_chain(before),
        *_lots(before),
        *_deposits(before, after, deposits, since_us + DEPOSIT_AGE_S * SECOND_US),
        *_trades(before, after, trades),
        *_balance(
            before, after, balance, _arrived(before, deposits), _arrived(after, last_deposits)
        ),
    ]
    unsaid = len(differences) - DIFFERENCES_MAX
    if unsaid > 0:
        differences[DIFFERENCES_MAX:] = [f"and {unsaid} more"]
    return Reconciliation(differences, balance.raw[:RAW_CHARACTERS_MAX])


def write_reconciliation(desk: Desk, venue: str, found: Reconciliation) -> None:
    """Keep what was found, and say what differs."""
    with desk.transact() as connection:
        connection.execute(
            sa.insert(tables.reconciliations),
            {
                "venue": venue,
                "at": moment_of(desk.now_us()),
                "differences": found.differences,
                "raw": found.raw,
            },
        )
    if found.differences:
        log.critical("reconciliation differs: see `kench reconcile`", venue=venue,
                     differences=len(found.differences), first=found.differences[0])  # fmt: skip
    else:
        log.info("reconciled", venue=venue)


def _read(connection: sa.Connection, venue: str, since: datetime) -> _Ours:
    """Read the books as of one moment; the sale may go on meanwhile.

    What ended before `since` is left out: that is as long as a venue is asked about.
    """
    connection.execute(sa.text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY"))
    outputs = connection.execute(
        sa.text("""
            SELECT outputs.block_hash, outputs.vout, outputs.amount_sat
            FROM block_outputs AS outputs JOIN blocks ON blocks.hash = outputs.block_hash
            WHERE blocks.state = 'mature'
                AND NOT EXISTS (SELECT FROM lots
                WHERE (lots.block_hash, lots.vout, lots.output_sat)
                    = (outputs.block_hash, outputs.vout, outputs.amount_sat))
                -- The sale makes lots from the lowest block on, and may be behind.
                AND (blocks.height < (SELECT max(height) FROM lots)
                     OR now() - make_interval(secs => :due_s) > (
                        SELECT max(created_at) FROM transfers
                        WHERE transfers.block_hash = blocks.hash AND kind = 'post'))
        """),
        {"due_s": LOTS_DUE_S},
    ).all()
    lots = connection.execute(
        sa.text("""
            SELECT coinbase_txid, vout, state, output_sat, amount_sat, sold_sat, left_sat, open_sat,
                credited_at, (SELECT coalesce(sum(amount_sat), 0) FROM fills
                WHERE (fills.block_hash, fills.vout) = (lots.block_hash, lots.vout)) AS filled_sat
            FROM lots WHERE venue = :venue
                AND (made_at >= :since OR state NOT IN ('settled', 'written_off'))
        """),
        {"venue": venue, "since": since},
    ).all()
    lots_ever = connection.execute(
        sa.text("SELECT count(*) FROM lots WHERE venue = :venue"), {"venue": venue}
    ).scalar_one()
    coming = connection.execute(
        sa.text("""
            SELECT blocks.coinbase_txid, outputs.vout, outputs.amount_sat
            FROM block_outputs AS outputs JOIN blocks ON blocks.hash = outputs.block_hash
            LEFT JOIN lots USING (block_hash, vout)
            -- Two blocks may have one coinbase; only one of them is on the chain.
            WHERE blocks.coinbase_txid IS NOT NULL AND blocks.state <> 'orphaned'
                AND lots.credited_at IS NULL
        """)
    ).all()
    trades = tables.fills.c
    fills: Sequence[Any] = connection.execute(
        sa.select(
            trades.trade_id, trades.client_id, trades.amount_sat, trades.price, trades.cost,
            trades.fee, trades.gross_tyiyn, trades.fee_tyiyn,
        ).where(trades.venue == venue, trades.at >= since)
    ).all()  # fmt: skip
    orders = connection.execute(
        sa.text("""
            SELECT client_id, amount_sat - filled_sat AS sat FROM venue_orders
            WHERE venue = :venue AND ended_at IS NULL
        """),
        {"venue": venue},
    ).all()
    return _Ours(
        outputs=outputs,
        lots={(row.coinbase_txid, row.vout): row for row in lots},
        lots_ever=lots_ever,
        fills={row.trade_id: row for row in fills},
        coming={(row.coinbase_txid, row.vout): row.amount_sat for row in coming},
        open_ids=frozenset(row.client_id for row in orders),
        open_sat=sum(row.sat for row in orders),
        btc_sat=_account(connection, venue_btc(venue)),
        kgs_tyiyn=_account(connection, venue_kgs(venue)),
    )


def _chain(ours: _Ours) -> Iterator[str]:
    """Yield outputs of mature blocks, of all venues, that were passed over when lots were made."""
    for row in ours.outputs:
        yield f"output {row.vout} of block {row.block_hash}, {row.amount_sat} sat, is no lot"


def _lots(ours: _Ours) -> Iterator[str]:
    for (txid, vout), lot in ours.lots.items():
        if lot.filled_sat != lot.sold_sat:
            yield f"lot {txid}:{vout} counts {lot.sold_sat} sat sold, its fills {lot.filled_sat}"
        left_sat = lot.amount_sat - lot.sold_sat - lot.left_sat - lot.open_sat
        if left_sat and lot.state in {"sold", "settled", "written_off"}:
            yield f"lot {txid}:{vout} is {lot.state} with {left_sat} sat unsold"


def _deposits(
    ours: _Ours, after: _Ours, told: Sequence[Deposit], credited_since_us: int
) -> Iterator[str]:
    credited_since = moment_of(credited_since_us)
    by_outpoint = {(deposit.txid, deposit.vout): deposit for deposit in told}
    for (txid, vout), lot in ours.lots.items():
        if lot.credited_at is None or lot.credited_at < credited_since:
            continue
        deposit = by_outpoint.get((txid, vout)) or by_outpoint.get((txid, None))
        if deposit is None or deposit.state is not DepositState.CREDITED:
            yield f"lot {txid}:{vout} was credited and the venue does not say so"
        elif deposit.amount_sat != lot.output_sat:
            yield (
                f"lot {txid}:{vout} is {lot.output_sat} sat, the venue credited "
                f"{deposit.amount_sat} sat"
            )
    known = ours.lots.keys() | ours.coming.keys() | after.lots.keys() | after.coming.keys()
    txids = {txid for txid, _ in known}
    for deposit in told:
        is_ours = (deposit.txid, deposit.vout) in known or (
            deposit.vout is None and deposit.txid in txids
        )
        if deposit.state is DepositState.CREDITED and not is_ours:
            yield f"the venue credited {deposit.txid}:{deposit.vout}, which no block of ours pays"


def _arrived(ours: _Ours, told: Sequence[Deposit]) -> int:
    """Satoshi that the venue credited and the sale has not taken up yet, as it soon will."""
    coming = {txid: sat for (txid, _), sat in ours.coming.items()}
    return sum(
        deposit.amount_sat
        for deposit in told
        if deposit.state is DepositState.CREDITED
        and (
            (deposit.txid, deposit.vout) in ours.coming
            or (deposit.vout is None and deposit.txid in coming)
        )
    )


def _trades(ours: _Ours, after: _Ours, told: Sequence[Fill]) -> Iterator[str]:
    seen: dict[str, Fill] = {}
    open_ids = ours.open_ids | after.open_ids
    for trade in told:
        if trade.trade_id in seen:
            yield f"the venue tells trade {trade.trade_id} twice"
        seen[trade.trade_id] = trade
        fill = ours.fills.get(trade.trade_id) or after.fills.get(trade.trade_id)
        if fill is None:
            if trade.client_id not in open_ids:
                yield (
                    f"the venue has trade {trade.trade_id} of {trade.amount_sat} sat of order "
                    f"{trade.client_id}, which we have not booked"
                )
        elif (fill.client_id, fill.amount_sat, fill.price, fill.cost, fill.fee) != (
            trade.client_id, trade.amount_sat, trade.price, trade.cost, trade.fee
        ):  # fmt: skip
            yield f"trade {trade.trade_id} is booked with another content than the venue tells"
    for trade_id, fill in ours.fills.items():
        if trade_id not in seen:
            yield f"we have booked trade {trade_id} of {fill.amount_sat} sat, unknown to the venue"


def _balance(
    ours: _Ours, after: _Ours, told: Balance, arrived_sat: int, arrived_after_sat: int
) -> Iterator[str]:
    """Yield where a balance lies outside of what the books say before and after it was told."""
    new = [fill for trade_id, fill in after.fills.items() if trade_id not in ours.fills]
    sold_sat = sum(fill.amount_sat for fill in new)
    # Coins may have come before the answer and been sold after it, or the other way round.
    least_sat = ours.btc_sat + arrived_sat - sold_sat - after.open_sat
    most_sat = after.btc_sat + arrived_after_sat + sold_sat
    told_sat = told.free_sat + told.held_sat
    if not least_sat <= told_sat <= most_sat:
        yield f"the venue holds {told_sat} sat for us, by our books {most_sat} sat"
    # A lot's cost is floored and its fee rounded up to whole tyiyn: less than one of each.
    gained_tyiyn = sum(fill.gross_tyiyn - fill.fee_tyiyn for fill in new)
    least_kgs = (after.kgs_tyiyn - gained_tyiyn) * KGS_STEP
    most_kgs = (ours.kgs_tyiyn + gained_tyiyn + 2 * after.lots_ever) * KGS_STEP
    told_kgs = told.free_kgs + told.held_kgs
    is_open = ours.open_ids or after.open_ids
    if told_kgs < least_kgs or (told_kgs > most_kgs and not is_open):
        ours_kgs = after.kgs_tyiyn * KGS_STEP
        yield f"the venue holds {told_kgs} KGS for us, by our books {ours_kgs} KGS"


def _account(connection: sa.Connection, code: str) -> int:
    found = connection.execute(
        sa.text("SELECT debits_posted - credits_posted FROM accounts WHERE code = :code"),
        {"code": code},
    ).scalar_one_or_none()
    return int(found or 0)
