"""What a statement says, in whole satoshi and tyiyn, and whether it ties."""

import hashlib
import re
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import date, datetime, timedelta
from typing import Any, NamedTuple

from kench.payouts.proofs.canonical import encode
from kench.pool.errors import KenchError
from kench.pool.moments import BISHKEK, moment_of

_MONTH = re.compile(r"(20[0-9]{2})-(0[1-9]|1[0-2])")


class StatementError(KenchError):
    """A statement that cannot be made as it was asked for."""


class StatementNotTiedError(KenchError):
    """The books do not bear the statement out: it is not given to anybody."""


class Period(NamedTuple):
    """A month of Bishkek's calendar: from its first moment to that after its last."""

    name: str
    begins: datetime
    ends: datetime


@dataclass(frozen=True, slots=True)
class CoinBalance:
    """Satoshi of rewards that wait for maturity, and of those that are the participant's own."""

    pending_sat: int
    mature_sat: int


@dataclass(frozen=True, slots=True)
class MoneyBalance:
    """Tyiyn that are due, and how much of them is on its way to the bank account."""

    due_tyiyn: int
    leaving_tyiyn: int


@dataclass(frozen=True, slots=True)
class CoinLine:
    """One movement of satoshi: found, matured, orphaned, sold, written_off."""

    at: str
    kind: str
    block_hash: str
    height: int
    amount_sat: int


@dataclass(frozen=True, slots=True)
class FillLine:
    """One trade at the venue that the lot was sold in."""

    trade_id: str
    amount_sat: int
    price_kgs: str
    gross_tyiyn: int
    fee_tyiyn: int


@dataclass(frozen=True, slots=True)
class LotLine:
    """The participant's part of a lot that was sold and settled.

    Fees are split as the net is, so that those of all participants sum to the lot's.
    """

    at: str
    block_hash: str
    height: int
    coinbase_txid: str
    vout: int
    venue: str
    work_hashes: str
    amount_sat: int
    lot_sold_sat: int
    lot_gross_tyiyn: int
    price_kgs: str
    gross_tyiyn: int
    venue_fee_tyiyn: int
    pool_fee_tyiyn: int
    net_tyiyn: int
    fee_order: int
    fills: tuple[FillLine, ...]


@dataclass(frozen=True, slots=True)
class PayoutLine:
    """One movement of a payout: ordered, paid, rejected, returned."""

    at: str
    kind: str
    end_to_end_id: str
    amount_tyiyn: int
    account: str
    reason: str


@dataclass(frozen=True, slots=True)
class Statement:
    """A participant's month."""

    participant_id: int
    participant_name: str
    month: str
    begins: str
    ends: str
    is_whole: bool
    """Whether the month was over when it was made; the same month is then the same bytes."""
    coins_opening: CoinBalance
    coins: tuple[CoinLine, ...]
    coins_closing: CoinBalance
    money_opening: MoneyBalance
    lots: tuple[LotLine, ...]
    payouts: tuple[PayoutLine, ...]
    money_closing: MoneyBalance

    def canonical(self) -> bytes:
        """Return it as JSON: keys in order, no blanks, UTF-8."""
        content: dict[str, Any] = {"kench_statement": 1, **asdict(self)}
        return encode(content)

    @property
    def sha256(self) -> bytes:
        """Digest of its JSON."""
        return hashlib.sha256(self.canonical()).digest()


# How a movement changes what is pending or leaving, and what is posted.
COIN_SIGNS = {
    "found": (1, 0), "matured": (-1, 1), "orphaned": (-1, 0), "sold": (0, -1),
    "written_off": (0, -1),
}  # fmt: skip
PAYOUT_SIGNS = {"ordered": (1, 0), "paid": (-1, -1), "rejected": (-1, 0), "returned": (0, 1)}


def period_of(month: str) -> Period:
    """Return the month such as 2026-11. Raises StatementError."""
    known = _MONTH.fullmatch(month)
    if known is None:
        raise StatementError(f"{month[:20]!r} is no month: write it as 2026-11")
    first = date(int(known[1]), int(known[2]), 1)
    after = date(first.year + first.month // 12, first.month % 12 + 1, 1)
    begins, ends = (datetime(day.year, day.month, 1, tzinfo=BISHKEK) for day in (first, after))
    return Period(month, begins, ends)


def present_month(now_us: int) -> Period:
    """Return the month of now, in Bishkek."""
    return period_of(moment_of(now_us).astimezone(BISHKEK).strftime("%Y-%m"))


def month_before(month: Period) -> Period:
    """Return the month before."""
    return period_of((month.begins - timedelta(days=1)).strftime("%Y-%m"))


def check_ties(statement: Statement) -> None:
    """See that opening, lines and closing tie in both assets. Raises StatementNotTiedError."""
    opening, closing = statement.coins_opening, statement.coins_closing
    pending = opening.pending_sat + _sum(statement.coins, COIN_SIGNS, 0, "amount_sat")
    mature = opening.mature_sat + _sum(statement.coins, COIN_SIGNS, 1, "amount_sat")
    _tie("pending satoshi", pending, closing.pending_sat)
    _tie("satoshi", mature, closing.mature_sat)
    had, has = statement.money_opening, statement.money_closing
    due = had.due_tyiyn + sum(lot.net_tyiyn for lot in statement.lots)
    due += _sum(statement.payouts, PAYOUT_SIGNS, 1, "amount_tyiyn")
    leaving = had.leaving_tyiyn + _sum(statement.payouts, PAYOUT_SIGNS, 0, "amount_tyiyn")
    _tie("tyiyn", due, has.due_tyiyn)
    _tie("tyiyn on their way", leaving, has.leaving_tyiyn)
    sold = sum(line.amount_sat for line in statement.coins if line.kind == "sold")
    _tie("satoshi sold", sum(lot.amount_sat for lot in statement.lots), sold)
    for lot in statement.lots:
        net = lot.gross_tyiyn - lot.venue_fee_tyiyn - lot.pool_fee_tyiyn
        _tie(f"tyiyn of lot {lot.coinbase_txid}:{lot.vout}", net, lot.net_tyiyn)


def turnover(statement: Statement) -> list[tuple[str, tuple[int, int, int, int]]]:
    """Return what each kind of movement adds to pending and mature satoshi, due and leaving tyiyn.

    Kinds without a movement are left out. Opening and all of them are the closing.
    """
    found = []
    for kind, (pending, mature) in COIN_SIGNS.items():
        sat = sum(line.amount_sat for line in statement.coins if line.kind == kind)
        found.append((kind, (pending * sat, mature * sat, 0, 0)))
    found.append(("credited", (0, 0, sum(lot.net_tyiyn for lot in statement.lots), 0)))
    for kind, (leaving, due) in PAYOUT_SIGNS.items():
        tyiyn = sum(line.amount_tyiyn for line in statement.payouts if line.kind == kind)
        found.append((kind, (0, 0, due * tyiyn, leaving * tyiyn)))
    return [(kind, changes) for kind, changes in found if any(changes)]


def _sum(
    lines: Iterable[CoinLine | PayoutLine],
    signs: dict[str, tuple[int, int]],
    which: int,
    amount: str,
) -> int:
    return sum(signs[line.kind][which] * getattr(line, amount) for line in lines)


def _tie(what: str, computed: int, booked: int) -> None:
    if computed != booked:
        raise StatementNotTiedError(
            f"the statement has {computed} {what} and the books {booked}: it is not given out; "
            "run `kench audit`"
        )


def totals(lots: Sequence[LotLine]) -> dict[str, int]:
    """Return the sums of all lots of a month."""
    names = ("amount_sat", "gross_tyiyn", "venue_fee_tyiyn", "pool_fee_tyiyn", "net_tyiyn")
    return {name: sum(getattr(lot, name) for lot in lots) for name in names}
