"""Reading a participant's month from the books, in one snapshot, and tying it to them."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import datetime
from decimal import Decimal
from fractions import Fraction
from typing import Any

import sqlalchemy as sa

from kench.payouts.accounts import participant_btc, participant_kgs
from kench.payouts.statements.statement import (
    CoinBalance,
    CoinLine,
    FillLine,
    LotLine,
    MoneyBalance,
    PayoutLine,
    Period,
    Statement,
    StatementError,
    StatementNotTiedError,
    check_ties,
)
from kench.pool.moments import BISHKEK

SATOSHI_PER_BITCOIN = 100_000_000
LINES_MAX = 200_000
"""Movements of one participant in a month, or trades of its lots; more are refused, not cut."""

# Of a block's transfers a participant is the credit side only (`ledger_flows`), and the index of
# debits has the others alone: so both sides are found by an index.
_BALANCES = sa.text("""
    SELECT
        coalesce(sum(amount * side) FILTER (WHERE kind = 'pend'), 0)
            - coalesce(sum(amount * side) FILTER (WHERE pending_id IS NOT NULL), 0) AS open,
        coalesce(sum(amount * side) FILTER (WHERE kind = 'post'), 0) AS posted
    FROM (SELECT kind, pending_id, amount, created_at,
            CASE WHEN credit_account = :account THEN 1 ELSE -1 END AS side
          FROM transfers
          WHERE credit_account = :account OR debit_account = :account AND subject <> 'block'
         ) AS lines
    WHERE created_at < :before
""")
_ACCOUNT = sa.text("""
    SELECT credits_pending - debits_pending AS open, credits_posted - debits_posted AS posted
    FROM accounts WHERE code = :account
""")
_COINS = sa.text("""
    SELECT transfers.created_at, kind, subject, amount,
        coalesce(lots.block_hash, given_up.block_hash, blocks.hash) AS block_hash,
        coalesce(lots.height, given_up.height, blocks.height) AS height
    FROM transfers
    LEFT JOIN blocks ON subject = 'block' AND blocks.hash = transfers.reference
    LEFT JOIN lot_settlements AS settled
        ON subject = 'settlement' AND settled.reference = transfers.reference
    LEFT JOIN lots ON (lots.block_hash, lots.vout) = (settled.block_hash, settled.vout)
    LEFT JOIN lots AS given_up ON subject = 'write_off'
        AND given_up.coinbase_txid = split_part(transfers.reference, ':', 1)
        AND given_up.vout::text = split_part(transfers.reference, ':', 2)
    WHERE (credit_account = :account OR debit_account = :account AND subject <> 'block')
        AND created_at >= :begins AND created_at < :ends
    ORDER BY created_at, height, kind, transfers.reference LIMIT :most
""")
_LOTS = sa.text("""
    SELECT transfers.created_at, transfers.amount AS booked_tyiyn, lots.block_hash, lots.height,
        lots.coinbase_txid, lots.vout, lots.venue, lines.amount_sat, lines.net_tyiyn,
        settled.sold_sat, settled.gross_tyiyn, settled.fee_order,
        lines.venue_fee_tyiyn AS my_venue_fee_tyiyn,
        lines.pool_fee_tyiyn AS my_pool_fee_tyiyn, coalesce(credits.work_hashes, 0) AS work_hashes
    FROM lot_settlement_lines AS lines
    JOIN lot_settlements AS settled USING (block_hash, vout)
    JOIN lots USING (block_hash, vout)
    JOIN transfers ON transfers.subject = 'settlement' AND transfers.reference = settled.reference
        AND transfers.debit_account = :coins
    LEFT JOIN block_credits AS credits
        ON (credits.block_hash, credits.participant_id) = (lots.block_hash, lines.participant_id)
    WHERE lines.participant_id = :participant
        AND transfers.created_at >= :begins AND transfers.created_at < :ends
    ORDER BY transfers.created_at, lots.height, lots.vout LIMIT :most
""")
_FILLS = sa.text("""
    SELECT fills.block_hash, fills.vout, trade_id, fills.amount_sat, price, cost, fills.gross_tyiyn,
        fills.fee_tyiyn
    FROM fills JOIN lot_settlement_lines AS lines USING (block_hash, vout)
    JOIN lot_settlements AS settled USING (block_hash, vout)
    WHERE lines.participant_id = :participant
        AND settled.reference = ANY(CAST(:lots AS text[]))
    ORDER BY fills.at, trade_id LIMIT :most
""")
_CREDITED = sa.text("""
    SELECT coalesce(sum(amount), 0) FROM transfers
    WHERE subject = 'settlement' AND credit_account = :account
        AND created_at >= :begins AND created_at < :ends
""")
_PAYOUTS = sa.text("""
    SELECT transfers.created_at, transfers.kind, pending_id IS NOT NULL AS settles, amount,
        end_to_end_id, number, payouts.reason, payouts.state
    FROM transfers
    LEFT JOIN payouts ON end_to_end_id = reference
    LEFT JOIN bank_accounts ON (bank_accounts.participant_id, version)
        = (payouts.participant_id, account_version)
    WHERE subject = 'payout' AND :account IN (debit_account, credit_account)
        AND created_at >= :begins AND created_at < :ends
    ORDER BY created_at, end_to_end_id, transfers.kind LIMIT :most
""")
_COIN_KINDS = {
    ("block", "pend"): "found", ("block", "post"): "matured", ("block", "void"): "orphaned",
    ("settlement", "post"): "sold", ("write_off", "post"): "written_off",
}  # fmt: skip
_PAYOUT_KINDS = {
    ("pend", False): "ordered", ("post", True): "paid", ("void", True): "rejected",
    ("post", False): "returned",
}  # fmt: skip


def read_statement(
    connection: sa.Connection, participant_id: int, period: Period, now: datetime
) -> Statement:
    """Return a participant's month, up to now at most.

    The connection is in a transaction that sees one snapshot. Raises StatementError, and
    StatementNotTiedError where the books do not bear it out.
    """
    name = connection.scalar(
        sa.text("SELECT name FROM participants WHERE id = :id"), {"id": participant_id}
    )
    if name is None:
        raise StatementError(
            f"there is no participant {participant_id}: `kench participant list` shows all"
        )
    if now < period.begins:
        raise StatementError(f"{period.name} has not begun")
    ends = min(period.ends, now)
    reader = _Reader(connection, participant_id, period.begins, ends)
    statement = Statement(
        participant_id=participant_id,
        participant_name=name,
        month=period.name,
        begins=_moment(period.begins),
        ends=_moment(ends),
        is_whole=ends == period.ends,
        coins_opening=reader.coins_before(period.begins),
        coins=reader.coins(),
        coins_closing=reader.coins_before(ends),
        money_opening=reader.money_before(period.begins),
        lots=reader.lots(),
        payouts=reader.payouts(),
        money_closing=reader.money_before(ends),
    )
    check_ties(statement)
    reader.check_accounts()
    return statement


class _Reader:
    def __init__(
        self, connection: sa.Connection, participant_id: int, begins: datetime, ends: datetime
    ) -> None:
        self._connection, self._participant_id = connection, participant_id
        self._coins, self._money = participant_btc(participant_id), participant_kgs(participant_id)
        self._bounds = {"begins": begins, "ends": ends}

    def coins_before(self, moment: datetime) -> CoinBalance:
        """Satoshi as transfers before a moment leave them."""
        return CoinBalance(*self._balance(self._coins, moment))

    def money_before(self, moment: datetime) -> MoneyBalance:
        """Tyiyn as transfers before a moment leave them."""
        open_, posted = self._balance(self._money, moment)
        return MoneyBalance(due_tyiyn=posted, leaving_tyiyn=-open_)

    def check_accounts(self) -> None:
        """See that all transfers there are make the accounts' own balances."""
        for account in (self._coins, self._money):
            row = self._connection.execute(_ACCOUNT, {"account": account}).one_or_none()
            kept = (int(row.open), int(row.posted)) if row else (0, 0)
            if kept != self._balance(account, datetime.max.replace(tzinfo=BISHKEK)):
                raise StatementNotTiedError(
                    f"the balances of {account} are not those of its transfers: the statement is "
                    "not given out; run `kench audit`"
                )

    def coins(self) -> tuple[CoinLine, ...]:
        """Movements of satoshi in the month."""
        return tuple(
            CoinLine(
                at=_moment(row.created_at),
                kind=_kind(_COIN_KINDS, row.subject, row.kind),
                block_hash=row.block_hash or "",
                height=row.height or 0,
                amount_sat=row.amount,
            )
            for row in self._rows(_COINS, account=self._coins)
        )

    def lots(self) -> tuple[LotLine, ...]:
        """Settled lots of the month; what they are credited is what the ledger has."""
        rows = self._rows(_LOTS, participant=self._participant_id, coins=self._coins)
        fills = self._fills(f"{row.coinbase_txid}:{row.vout}" for row in rows)
        credited = self._connection.scalar(_CREDITED, {"account": self._money, **self._bounds})
        if credited != sum(row.net_tyiyn for row in rows):
            raise StatementNotTiedError(
                f"settlements of {self._money} are not what the ledger credits: the statement is "
                "not given out; run `kench audit`"
            )
        return tuple(_lot(row, fills[row.block_hash, row.vout]) for row in rows)

    def payouts(self) -> tuple[PayoutLine, ...]:
        """Movements of payouts in the month."""
        lines = []
        for row in self._rows(_PAYOUTS, account=self._money):
            kind = _kind(_PAYOUT_KINDS, row.kind, row.settles)
            why = row.reason if kind == row.state else ""
            account = row.number or ""
            lines.append(
                PayoutLine(
                    _moment(row.created_at), kind, row.end_to_end_id or "", row.amount, account,
                    why or "",
                )
            )  # fmt: skip
        return tuple(lines)

    def _balance(self, account: str, moment: datetime) -> tuple[int, int]:
        row = self._connection.execute(_BALANCES, {"account": account, "before": moment}).one()
        return int(row.open), int(row.posted)

    def _rows(self, query: sa.TextClause, **values: object) -> list[sa.Row[tuple[object, ...]]]:
        rows = self._connection.execute(
            query, {**values, **self._bounds, "most": LINES_MAX + 1}
        ).all()
        if len(rows) > LINES_MAX:
            raise StatementError(f"a month with more than {LINES_MAX} movements has no statement")
        return list(rows)

    def _fills(
        self, references: Iterable[str]
    ) -> dict[tuple[str, int], list[tuple[FillLine, Decimal]]]:
        found = defaultdict(list)
        lots = list(references)
        for row in self._rows(_FILLS, participant=self._participant_id, lots=lots):
            line = FillLine(
                row.trade_id, row.amount_sat, f"{row.price:f}", row.gross_tyiyn, row.fee_tyiyn
            )
            found[row.block_hash, row.vout].append((line, row.cost))
        return found


def _lot(row: "sa.Row[tuple[object, ...]]", fills: list[tuple[FillLine, Decimal]]) -> LotLine:
    return LotLine(
        at=_moment(row.created_at),
        block_hash=row.block_hash,
        height=row.height,
        coinbase_txid=row.coinbase_txid,
        vout=row.vout,
        venue=row.venue,
        work_hashes=str(int(row.work_hashes)),
        amount_sat=row.amount_sat,
        lot_sold_sat=row.sold_sat,
        lot_gross_tyiyn=row.gross_tyiyn,
        price_kgs=average_price([cost for _, cost in fills], row.sold_sat),
        gross_tyiyn=row.net_tyiyn + row.my_venue_fee_tyiyn + row.my_pool_fee_tyiyn,
        venue_fee_tyiyn=row.my_venue_fee_tyiyn,
        pool_fee_tyiyn=row.my_pool_fee_tyiyn,
        net_tyiyn=row.net_tyiyn,
        fee_order=row.fee_order,
        fills=tuple(line for line, _ in fills),
    )


def average_price(costs: Iterable[Decimal], sold_sat: int) -> str:
    """KGS for one bitcoin, weighted by volume, to the tyiyn (halves to the even)."""
    cost = sum((Fraction(cost) for cost in costs), Fraction(0))
    tyiyn = round(cost * SATOSHI_PER_BITCOIN * 100 / sold_sat)
    return f"{tyiyn // 100}.{tyiyn % 100:02}"


def _kind(kinds: Mapping[Any, str], *key: object) -> str:
    if key not in kinds:
        raise StatementNotTiedError(
            f"the ledger has a movement that statements do not know ({key[0]}, {key[1]})"
        )
    return kinds[key]


def _moment(at: datetime) -> str:
    return at.astimezone(BISHKEK).isoformat(timespec="seconds")
