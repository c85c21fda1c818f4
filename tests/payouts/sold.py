"""Lots and their fills in a real database, written as the sale writes them, without a venue."""

import hashlib
from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal

import sqlalchemy as sa

from kench.payouts import ledger
from kench.payouts.accounts import (
    ALWAYS_OPEN,
    COINBASE,
    TRADE_BTC,
    TRADE_KGS,
    venue_btc,
    venue_fee,
    venue_kgs,
)
from kench.payouts.lines import open_accounts
from kench.payouts.postings import Posting, Subject, write
from kench.payouts.proceeds.settlement import SoldPart
from kench.payouts.proceeds.write import Lot
from kench.payouts.transfers import Done
from kench.pool.orders.book import OrderBook
from tests.payouts.books import add_block
from tests.support.orders import DEMO_RULES, document

AT = datetime(2026, 2, 1, tzinfo=UTC)
ORDERS = OrderBook.of([document(1, DEMO_RULES)])
VENUE = "paper"

_MOVE = sa.text("""
    UPDATE lots SET state = :state, version = version + 1, reason = 'test', changed_at = :at,
        credited_at = coalesce(credited_at, :at)
    WHERE block_hash = :block_hash AND vout = :vout
""")
_ORDER = sa.text("""
    INSERT INTO venue_orders (client_id, block_hash, vout, slice, venue, amount_sat, limit_price,
        reference_price, sale_order, licence_order, intended_at)
    VALUES (:client_id, :block_hash, :vout, :slice, :venue, :amount_sat, 1, 1, 1, 1, :at)
""")
_FILL = sa.text("""
    INSERT INTO fills (venue, trade_id, client_id, block_hash, vout, amount_sat, price, cost, fee,
        gross_tyiyn, fee_tyiyn, at, booked_at, raw)
    VALUES (:venue, :trade_id, :client_id, :block_hash, :vout, :amount_sat, 1, :cost, :fee,
        :gross_tyiyn, :fee_tyiyn, :at, :at, '{}')
""")
_END = sa.text("UPDATE venue_orders SET state = 'filled', ended_at = :at WHERE client_id = :client")


def book_deposit(
    connection: sa.Connection, coinbase_txid: str, vout: int, venue: str, amount_sat: int
) -> Done:
    """Book that a venue credited an output: the coins are at the venue."""
    reference = f"{coinbase_txid}:{vout}"
    line = Posting.direct(Subject.LOT, reference, venue_btc(venue), COINBASE, amount_sat)
    return write(connection, [line])


def book_fill(connection: sa.Connection, fill: SoldPart) -> Done:
    """Book what a fill moved; its row is in `fills` already."""
    moves = (
        (TRADE_BTC, venue_btc(fill.venue), fill.amount_sat),
        (venue_kgs(fill.venue), TRADE_KGS, fill.gross_tyiyn),
        (venue_fee(fill.venue), venue_kgs(fill.venue), fill.fee_tyiyn),
    )
    reference = f"{fill.venue}:{fill.trade_id}"
    return write(
        connection,
        [
            Posting.direct(Subject.FILL, reference, debit, credit, amount)
            for debit, credit, amount in moves
            if amount
        ],
    )


BOOKS = (
    "transfers", "lot_settlement_lines", "lot_settlements", "fills", "venue_orders",
    "lot_carries", "lot_remainders", "lot_events", "lot_shares", "lots", "payouts",
    "payout_batches", "bank_accounts", "bank_entries", "bank_files", "block_outputs",
    "block_credits", "blocks", "accounts",
)  # fmt: skip


def clear(connection: sa.Connection) -> None:
    """Empty the books with the owner's hand, as they are append-only for all others."""
    connection.execute(sa.text("SET LOCAL session_replication_role = replica"))
    for table in BOOKS:
        connection.execute(sa.text(f"DELETE FROM {table}"))
    open_accounts(connection, ALWAYS_OPEN)


def hash_of(*parts: object) -> str:
    """A hash in hexadecimal that belongs to these parts."""
    return hashlib.sha256(repr(parts).encode()).hexdigest()


def add_outputs(connection: sa.Connection, block_hash: str, outputs_sat: Sequence[int]) -> None:
    """Say what a block's coinbase pays."""
    connection.execute(
        sa.text("INSERT INTO block_outputs VALUES (:block_hash, :vout, 'x', :sat)"),
        [
            {"block_hash": block_hash, "vout": vout, "sat": output_sat}
            for vout, output_sat in enumerate(outputs_sat)
        ],
    )


def add_mature_block(
    connection: sa.Connection, block_hash: str, amounts_sat: dict[int, int], *, sequence: int = 0
) -> None:
    """Book a block that is mature, of one output."""
    add_block(connection, block_hash, amounts_sat, sequence=sequence)
    add_outputs(connection, block_hash, [sum(amounts_sat.values())])
    ledger.pend(connection, block_hash, 1)
    ledger.post(connection, block_hash, 1)


def add_lot(
    connection: sa.Connection, lot: Lot, shares_sat: dict[int, int], *, height: int = 101
) -> None:
    """Add a lot of these shares of a mature block, waiting for its deposit."""
    connection.execute(
        sa.text("""
            INSERT INTO lots (block_hash, vout, coinbase_txid, height, venue, address, output_sat,
                amount_sat, venues_order, made_at, changed_at)
            VALUES (:block_hash, :vout, :txid, :height, :venue, 'a', :sat, :sat, 1, :at, :at)
        """),
        {
            **lot._asdict(),
            "txid": txid_of(lot),
            "height": height,
            "venue": VENUE,
            "sat": sum(shares_sat.values()),
            "at": AT,
        },
    )
    connection.execute(
        sa.text("INSERT INTO lot_shares VALUES (:block_hash, :vout, :who, :sat)"),
        [{**lot._asdict(), "who": who, "sat": sat} for who, sat in shares_sat.items() if sat],
    )


def txid_of(lot: Lot) -> str:
    """The coinbase transaction of a lot's block."""
    return hash_of("coinbase", lot.block_hash)


def reference_of(lot: Lot) -> str:
    """The lot as lines of the ledger name it."""
    return f"{txid_of(lot)}:{lot.vout}"


def move(connection: sa.Connection, lot: Lot, *states: str) -> None:
    """Move a lot through states."""
    for state in states:
        connection.execute(_MOVE, {**lot._asdict(), "state": state, "at": AT})


def credit(connection: sa.Connection, lot: Lot, output_sat: int) -> None:
    """The venue credits a lot's output; it is cleared and may be sold."""
    move(connection, lot, "screening", "cleared", "selling")
    book_deposit(connection, txid_of(lot), lot.vout, VENUE, output_sat)


def part(lot: Lot, number: int, amount_sat: int, gross_tyiyn: int, fee_tyiyn: int = 0) -> SoldPart:
    """One fill of a lot."""
    return SoldPart(
        VENUE,
        f"{lot.block_hash[:8]}-{lot.vout}-{number}",
        amount_sat,
        Decimal(gross_tyiyn).scaleb(-2),
        gross_tyiyn,
        fee_tyiyn,
    )


def add_fill(connection: sa.Connection, lot: Lot, fill: SoldPart, number: int) -> None:
    """Add a fill with an order of its own, unbooked."""
    client_id = hash_of("client", lot, number)[:32]
    values = {**lot._asdict(), "client_id": client_id, "venue": VENUE, "at": AT}
    connection.execute(_ORDER, {**values, "slice": number + 1, "amount_sat": fill.amount_sat})
    connection.execute(
        _FILL,
        {
            **values,
            "trade_id": fill.trade_id,
            "amount_sat": fill.amount_sat,
            "cost": fill.cost,
            "fee": Decimal(fill.fee_tyiyn).scaleb(-2),
            "gross_tyiyn": fill.gross_tyiyn,
            "fee_tyiyn": fill.fee_tyiyn,
        },
    )
    connection.execute(_END, {"client": client_id, "at": AT})


def sell(connection: sa.Connection, lot: Lot, fills: Sequence[SoldPart]) -> None:
    """Sell a lot that is being sold wholly by these fills."""
    for number, fill in enumerate(fills):
        add_fill(connection, lot, fill, number)
        book_fill(connection, fill)
    move(connection, lot, "sold")


def add_sold_lot(
    connection: sa.Connection,
    lot: Lot,
    shares_sat: dict[int, int],
    fills: Sequence[SoldPart],
    *,
    sequence: int = 0,
) -> None:
    """A mature block of one output, deposited and sold."""
    add_mature_block(connection, lot.block_hash, shares_sat, sequence=sequence)
    add_lot(connection, lot, shares_sat)
    credit(connection, lot, sum(shares_sat.values()))
    sell(connection, lot, fills)


def tell_credit(connection: sa.Connection, reference: str, tyiyn: int) -> None:
    """Keep that the bank told of a venue's money; its line has to be in the same transaction."""
    values = {"reference": reference, "tyiyn": tyiyn, "at": AT}
    for statement in (
        (
            "INSERT INTO bank_files VALUES (sha256('x'), 'camt.053', 'x.xml', 'x', :at) "
            "ON CONFLICT DO NOTHING"
        ),
        (
            "INSERT INTO bank_entries VALUES (sha256(convert_to(:reference, 'UTF8')), "
            "sha256('x'), 'venue_credited', 'credit', :reference, '', :tyiyn, 'KGS', '', '', "
            "'', :at)"
        ),
    ):
        connection.execute(sa.text(statement), values)


def add_payout(connection: sa.Connection, name: str, who: int, tyiyn: int, batch: int = 1) -> None:
    """Add a payout in a batch of its own; its pend has to be in the same transaction."""
    values = {"name": name, "who": who, "tyiyn": tyiyn, "batch": batch, "at": AT}
    for statement in (
        (
            "INSERT INTO bank_accounts VALUES (:who, 1, 'h', '1', '109018', NULL, :at) "
            "ON CONFLICT DO NOTHING"
        ),
        (
            "INSERT INTO payout_batches VALUES (:batch, 'clients', 'M-' || :batch, "
            ":at, 1, 1, :tyiyn, 'x', sha256('x'))"
        ),
        (
            "INSERT INTO payouts (end_to_end_id, participant_id, amount_tyiyn, batch, "
            "account_version, changed_at) VALUES (:name, :who, :tyiyn, :batch, 1, :at)"
        ),
    ):
        connection.execute(sa.text(statement), values)


def move_payout(connection: sa.Connection, name: str, state: str) -> None:
    """Say what became of a payout; its line has to be in the same transaction."""
    connection.execute(
        sa.text("UPDATE payouts SET state = :state WHERE end_to_end_id = :name"),
        {"state": state, "name": name},
    )
