"""What the books say of participants' days, read in the order of participant and day.

The day of a fact is Bishkek's day of its line in the ledger, so that sums of records are sums of
transfers. What all parts of a block or a lot have in common is read once.
"""

from collections.abc import Iterator, Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from functools import lru_cache
from typing import Any, NamedTuple

import sqlalchemy as sa

from kench.payouts.accounts import participant_btc, participant_kgs
from kench.payouts.income.record import (
    TRADE_PRICE,
    Accrual,
    Facts,
    Payout,
    Sale,
    Screening,
    WriteOff,
)
from kench.payouts.statements.read import average_price
from kench.pool.moments import BISHKEK, us_of
from kench.pool.orders.document import read_document

FETCHED_ROWS = 2_000
"""Rows that wait in memory, of each of the four kinds of facts."""

# Final lines of participants, with their day. Of each line one side is a participant's.
MOVES = """
    SELECT CAST(split_part(account, ':', 2) AS bigint) AS participant_id,
        CAST(created_at AT TIME ZONE INTERVAL '6 hours' AS date) AS day, subject, asset, amount,
        pending_id IS NULL AS at_once, reference, created_at, id
    FROM (
        SELECT *, CASE WHEN credit_account LIKE 'participant:%' THEN credit_account
            ELSE debit_account END AS account
        FROM transfers WHERE kind = 'post' AND created_at >= :begins AND created_at < :ends
    ) AS lines
    WHERE account LIKE 'participant:%'
        AND subject IN ('block', 'settlement', 'payout', 'write_off')
"""
SUMS = """
    coalesce(sum(amount) FILTER (WHERE subject = 'block'), 0)::bigint AS accrued_sat,
    coalesce(sum(amount) FILTER (WHERE subject = 'settlement' AND asset = 'BTC'), 0)::bigint
        AS sold_sat,
    coalesce(sum(amount) FILTER (WHERE subject = 'settlement' AND asset = 'KGS'), 0)::bigint
        AS net_tyiyn,
    coalesce(sum(CASE WHEN at_once THEN -amount ELSE amount END)
        FILTER (WHERE subject = 'payout'), 0)::bigint AS paid_tyiyn
"""
"""Of MOVES; what a line about a payout gives back at once is a return."""
_CHOSEN = "day = ANY(CAST(:days AS date[])) AND moves.participant_id > :after"
# Of one participant both sides are found by an index; of a block's lines it is the credit's.
_OF_ALL, _OF_ONE = (
    "WHERE kind",
    """WHERE (credit_account = ANY(CAST(:accounts AS text[]))
        OR debit_account = ANY(CAST(:accounts AS text[])) AND subject <> 'block') AND kind""",
)
_ACCRUALS = f"""
    SELECT moves.participant_id, day, reference, created_at, id, amount,
        coalesce(credits.work_hashes, 0)::text AS work_hashes
    FROM ({MOVES} AND subject = 'block') AS moves
    LEFT JOIN block_credits AS credits
        ON (credits.block_hash, credits.participant_id) = (reference, moves.participant_id)
    WHERE {_CHOSEN}
    ORDER BY moves.participant_id, day, created_at, reference
"""  # noqa: S608 - constant parts
_SALES = f"""
    SELECT sold.participant_id, day, sold.reference, sold.created_at, ids, sat, net,
        line.venue_fee_tyiyn, line.pool_fee_tyiyn
    FROM (
        SELECT participant_id, day, reference, max(created_at) AS created_at,
            array_agg(id ORDER BY asset) AS ids,
            coalesce(sum(amount) FILTER (WHERE asset = 'BTC'), 0)::bigint AS sat,
            coalesce(sum(amount) FILTER (WHERE asset = 'KGS'), 0)::bigint AS net
        FROM ({MOVES} AND subject = 'settlement') AS moves WHERE {_CHOSEN}
        GROUP BY participant_id, day, reference
    ) AS sold
    JOIN lot_settlements AS settled USING (reference)
    JOIN lot_settlement_lines AS line ON (line.block_hash, line.vout, line.participant_id)
        = (settled.block_hash, settled.vout, sold.participant_id)
    ORDER BY sold.participant_id, day, created_at, reference
"""  # noqa: S608 - constant parts
_OTHERS = f"""
    SELECT participant_id, day, subject, reference, created_at, id, amount, at_once
    FROM ({MOVES} AND subject IN ('payout', 'write_off')) AS moves WHERE {_CHOSEN}
    ORDER BY participant_id, day, created_at, reference, at_once
"""  # noqa: S608 - constant parts
_BLOCKS = sa.text("""
    SELECT hash, height, coinbase_txid, found_at, order_number,
        (SELECT coalesce(sum(work_hashes), 0) FROM block_credits WHERE block_hash = hash)::text
            AS pool_work_hashes
    FROM blocks WHERE hash = ANY(CAST(:hashes AS text[]))
""")
_LOTS = sa.text("""
    SELECT settled.reference, lots.venue, settled_at, settled.sold_sat,
        (SELECT array_agg(ARRAY[trade_id, cost::text] ORDER BY at, trade_id) FROM fills
         WHERE (fills.block_hash, fills.vout) = (lots.block_hash, lots.vout)) AS trades,
        (SELECT max(licence_order) FROM venue_orders AS asked
         WHERE (asked.block_hash, asked.vout) = (lots.block_hash, lots.vout)) AS licence_order,
        checked.check_id, checked.provider, checked.decision, checked.score_bp
    FROM lot_settlements AS settled JOIN lots USING (block_hash, vout)
    LEFT JOIN LATERAL (
        SELECT coalesce(check_id, '') AS check_id, provider, decision, score_bp FROM screenings
        WHERE (block_hash, vout) = (lots.block_hash, lots.vout) ORDER BY attempt DESC LIMIT 1
    ) AS checked ON true
    WHERE settled.reference = :reference
""")
_ORDER = sa.text("""
    SELECT orders.content FROM order_acceptances AS accepted JOIN orders
        ON orders.id = accepted.order_id WHERE accepted.number = :number
""")


class Span(NamedTuple):
    """Which days, and whose: of everybody for 0, or of those with higher numbers."""

    days: tuple[date, ...]
    whose: int = 0
    after: int = 0

    def values(self) -> dict[str, object]:
        """What the questions are asked with."""
        begins = datetime.combine(self.days[0], datetime.min.time(), BISHKEK)
        ends = datetime.combine(self.days[-1], datetime.min.time(), BISHKEK) + timedelta(days=1)
        return {"begins": begins, "ends": ends, "days": list(self.days), "after": self.after}


class Day(NamedTuple):
    """A participant's day and what the books say of it."""

    participant_id: int
    day: date
    facts: Facts


def read_days(db: sa.Connection, span: Span) -> Iterator[Day]:
    """Yield every participant's day of the span that has facts, in order; days are sorted."""
    if not span.days:
        return
    shared = _Shared(db)
    streams = [
        _Stream(_rows(db, _ACCRUALS, span), shared.accrual),
        _Stream(_rows(db, _SALES, span), shared.sale),
        _Stream(_rows(db, _OTHERS, span), shared.other),
    ]
    while heads := [stream.head for stream in streams if stream.head is not None]:
        participant_id, day = key = min(heads)
        accruals, sales, others = (stream.take(key) for stream in streams)
        payouts = tuple(one for one in others if isinstance(one, Payout))
        written_off = tuple(one for one in others if isinstance(one, WriteOff))
        yield Day(participant_id, day, Facts(tuple(accruals), tuple(sales), payouts, written_off))


def _rows(db: sa.Connection, query: str, span: Span) -> Iterator[Any]:
    options = {"stream_results": True, "max_row_buffer": FETCHED_ROWS}
    values = span.values()
    if not span.whose:
        query = f"/* comparison */ {query}"
    else:
        query = query.replace(_OF_ALL, _OF_ONE, 1)
        values["accounts"] = [participant_btc(span.whose), participant_kgs(span.whose)]
    return iter(db.execute(sa.text(query), values, execution_options=options))


class _Stream:
    """Rows in order, taken a participant's day at a time."""

    def __init__(self, rows: Iterator[Any], read: Any) -> None:
        self._rows, self._read = rows, read
        self._row: Any = None
        self.head: tuple[int, date] | None = None
        self._step()

    def take(self, key: tuple[int, date]) -> list[Any]:
        found = []
        while self.head == key:
            found.append(self._read(self._row))
            self._step()
        return found

    def _step(self) -> None:
        self._row = next(self._rows, None)
        self.head = None if self._row is None else (self._row[0], self._row[1])


class _Shared:
    """What many facts have in common: blocks and lots of the span, each asked for once."""

    def __init__(self, db: sa.Connection) -> None:
        self._db = db
        self._blocks: dict[str, tuple[Any, ...]] = {}
        self._lots: dict[str, tuple[Any, ...]] = {}
        self._licences: dict[int, Sequence[Any]] = {}

    def accrual(self, row: Any) -> Accrual:
        """A line of a block, matured."""
        height, txid, found_at, order, pool_work = self._block(row.reference)
        return Accrual(
            row.reference, height, txid, found_at, moment_of_line(row.created_at), row.amount,
            row.work_hashes, pool_work, order, row.id.hex(),
        )  # fmt: skip

    def sale(self, row: Any) -> Sale:
        """A part of a settled lot."""
        venue, licence, price, trades, screening = self._lot(row.reference)
        venue_fee, pool_fee = row.venue_fee_tyiyn, row.pool_fee_tyiyn
        return Sale(
            row.reference, venue, licence, moment_of_line(row.created_at), row.sat, price,
            row.net + venue_fee + pool_fee, venue_fee, pool_fee, row.net, TRADE_PRICE, trades,
            screening, tuple([one.hex() for one in row.ids]),
        )  # fmt: skip

    @staticmethod
    def other(row: Any) -> Payout | WriteOff:
        """A payout that the bank booked or sent back, or coins that were written off."""
        at, transfer = moment_of_line(row.created_at), row.id.hex()
        if row.subject == "write_off":
            return WriteOff(row.reference, at, row.amount, transfer)
        amount, kind = (-row.amount, "returned") if row.at_once else (row.amount, "paid")
        return Payout(row.reference, at, amount, kind, transfer)

    def _block(self, block_hash: str) -> tuple[Any, ...]:
        if block_hash not in self._blocks:
            row = self._db.execute(_BLOCKS, {"hashes": [block_hash]}).one()
            self._blocks[block_hash] = (
                row.height, row.coinbase_txid, moment_of_line(row.found_at), row.order_number,
                row.pool_work_hashes,
            )  # fmt: skip
        return self._blocks[block_hash]

    def _lot(self, reference: str) -> tuple[Any, ...]:
        if reference not in self._lots:
            row: Any = self._db.execute(_LOTS, {"reference": reference}).one()
            trades = row.trades or []
            screening = (
                Screening(row.check_id, row.provider, row.decision, row.score_bp)
                if row.provider
                else None
            )
            costs = [Decimal(cost) for _, cost in trades]
            price = average_price(costs, row.sold_sat) if row.sold_sat else "0.00"
            self._lots[reference] = (
                row.venue, self._licence(row.licence_order, row.venue, row.settled_at),
                price, tuple(trade for trade, _ in trades),
                screening,
            )  # fmt: skip
        return self._lots[reference]

    def _licence(self, number: int | None, venue: str, at: datetime) -> str | None:
        """Return the number of the licence under which a venue sold, by that order."""
        if number is None:
            return None
        if number not in self._licences:
            content = self._db.execute(_ORDER, {"number": number}).scalar_one_or_none()
            known = read_document(bytes(content)).rules.licences if content else None
            self._licences[number] = known or ()
        own = [one for one in self._licences[number] if one.venue == venue]
        covering = [one for one in own if one.is_in_force(us_of(at))]
        return next((one.number for one in (*covering, *reversed(own))), None)


@lru_cache(maxsize=4_096)
def moment_of_line(at: datetime) -> str:
    """Return a moment as records have it: RFC 3339 with Bishkek's offset."""
    return at.astimezone(BISHKEK).isoformat()
