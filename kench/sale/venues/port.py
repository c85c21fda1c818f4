"""The port of a venue: what the sale asks of any licensed exchange, and how its answers may fail.

Amounts are whole satoshi, money is Decimal in KGS, times are Unix microseconds by the venue's
clock. Each answer keeps the venue's own text in `raw`, for the auditor. An answer checks itself
when it is made: what contradicts itself never reaches the sale.

Of an order, four errors tell four different things. Refused: it was certainly not carried out.
Uncertain: it may have been; only `look_up` tells. Busy: it was not taken, come again later.
Unreadable: the venue said something that cannot be true, so it may have been carried out.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from itertools import pairwise
from typing import Protocol

from kench.pool.errors import KenchError

SATOSHI_PER_BITCOIN = 100_000_000
SATOSHI_MAX = 21_000_000 * SATOSHI_PER_BITCOIN
"""No amount of bitcoin is larger."""
KGS_MAX = Decimal(10) ** 18
"""No price, cost or balance is larger: beyond it, somebody plays with exponents."""
DIGITS_MAX = 30
"""No sum of money has more digits after its point."""
COST_SLACK_KGS = Decimal("0.01")
"""Venues round costs; by more than a tyiyn, price and cost of a fill contradict each other."""
RAW_CHARACTERS_MAX = 65_536
"""Of a venue's own text so much is kept."""
ID_CHARACTERS_MAX = 128
TOLD_CHARACTERS_MAX = 200
US_MAX = 2**62
KGS = "KGS"
BTC = "BTC"


class VenueError(KenchError):
    """A venue did not do what it was asked; each subclass says what is known of it."""


class VenueUncertainError(VenueError):
    """No answer, or a broken one: what was asked may have been carried out. Look it up."""


class VenueDuplicateError(VenueUncertainError):
    """The venue has an order with this client id already. Look it up; never send another."""


class VenueRefusedError(VenueError):
    """The venue said no: what was asked was certainly not carried out."""


class VenueBusyError(VenueError):
    """The venue takes no more questions now; what was asked was certainly not carried out."""

    def __init__(self, message: str, retry_after_s: float) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class VenueUnreadableError(VenueError):
    """An answer that cannot be read, or contradicts itself. What was asked may have been done."""


class DepositState(StrEnum):
    """How far a deposit is at the venue."""

    SEEN = "seen"
    CREDITED = "credited"
    REJECTED = "rejected"


class OrderState(StrEnum):
    """State of a venue order; the last three are final."""

    OPEN = "open"
    FILLED = "filled"
    CANCELLED = "cancelled"
    REJECTED = "rejected"


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What the venue's market can do."""

    minimum_sat: int
    """The least that an order may sell."""
    step_sat: int
    """An order's amount is a multiple of this."""
    price_step: Decimal
    """An order's price is a multiple of this."""
    client_ids: bool
    """Orders can be looked up by our id, which the venue never carries out twice."""
    immediate_or_cancel: bool
    deposits: bool
    """The venue tells of deposits."""
    request_window_s: int
    """An order without an answer can still arrive for so long after the moment that it says it was
    made at; only after it `look_up`'s None means that there was none and will be none."""

    def __post_init__(self) -> None:
        _require(0 < self.step_sat <= SATOSHI_MAX, "the market's amount step is no amount")
        _require(0 < self.minimum_sat <= SATOSHI_MAX, "the market's minimum is no amount")
        _require(_is_positive(self.price_step), "the market's price step is no price")


@dataclass(frozen=True, slots=True)
class Deposit:
    """One output of a transaction that paid the venue's deposit address."""

    txid: str
    vout: int | None
    """None where the venue tells transactions only."""
    amount_sat: int
    state: DepositState
    credited_us: int | None
    raw: str = field(repr=False)

    def __post_init__(self) -> None:
        _require(len(self.txid) == 64 and _is_hex(self.txid), "a deposit's txid is none")
        _require(0 < self.amount_sat <= SATOSHI_MAX, "a deposit's amount is none")
        _require(self.vout is None or 0 <= self.vout < 2**32, "a deposit's output is none")
        _require(self.credited_us is None or _is_moment(self.credited_us), "a moment is none")
        credited = self.state is DepositState.CREDITED
        _require(credited or self.credited_us is None, "a deposit is credited and is not")


@dataclass(frozen=True, slots=True)
class Balance:
    """What the venue holds for us; held is in open orders."""

    free_sat: int
    held_sat: int
    free_kgs: Decimal
    held_kgs: Decimal
    raw: str = field(repr=False)

    def __post_init__(self) -> None:
        amounts = (self.free_sat, self.held_sat)
        _require(all(0 <= amount <= SATOSHI_MAX for amount in amounts), "a balance is none")
        money = (self.free_kgs, self.held_kgs)
        _require(all(_is_money(amount) for amount in money), "a balance is none")


@dataclass(frozen=True, slots=True)
class Level:
    """One price of the book, and how much it takes."""

    price: Decimal
    amount_sat: int

    def __post_init__(self) -> None:
        _require(_is_positive(self.price), "a price of the book is none")
        _require(0 < self.amount_sat <= SATOSHI_MAX, "an amount of the book is none")


@dataclass(frozen=True, slots=True)
class Book:
    """The order book, best first."""

    bids: tuple[Level, ...]
    asks: tuple[Level, ...]
    at_us: int
    raw: str = field(repr=False)

    def __post_init__(self) -> None:
        _require(_is_moment(self.at_us), "a moment is none")
        _require(_descend([level.price for level in self.bids]), "the bids are out of order")
        _require(_descend([-level.price for level in self.asks]), "the asks are out of order")
        crossed = self.bids and self.asks and self.bids[0].price >= self.asks[0].price
        _require(not crossed, "the book is crossed")


@dataclass(frozen=True, slots=True)
class OrderView:
    """An order as the venue sees it."""

    client_id: str
    venue_order_id: str
    state: OrderState
    amount_sat: int
    filled_sat: int
    reason: str
    raw: str = field(repr=False)

    def __post_init__(self) -> None:
        _require(0 < self.amount_sat <= SATOSHI_MAX, "an order's amount is none")
        ids = (self.client_id, self.venue_order_id)
        _require(all(_is_id(one) for one in ids), "an order's id is none")
        _require(0 <= self.filled_sat <= self.amount_sat, "an order sold more than it had")
        whole = self.filled_sat == self.amount_sat
        _require(self.state is not OrderState.FILLED or whole, "a filled order is not full")
        _require(self.state is not OrderState.REJECTED or not self.filled_sat,
                 "a rejected order sold something")  # fmt: skip


@dataclass(frozen=True, slots=True)
class Fill:
    """One trade of one of our orders."""

    trade_id: str
    client_id: str
    venue_order_id: str
    amount_sat: int
    price: Decimal
    cost: Decimal
    """What the buyer paid, before the fee."""
    fee: Decimal
    fee_asset: str
    at_us: int
    raw: str = field(repr=False)

    def __post_init__(self) -> None:
        ids = (self.trade_id, self.client_id, self.venue_order_id, self.fee_asset)
        _require(all(_is_id(one) for one in ids), "a fill's id is none")
        _require(_is_moment(self.at_us), "a moment is none")
        _require(0 < self.amount_sat <= SATOSHI_MAX, "a fill's amount is none")
        _require(_is_positive(self.price), "a fill's price is none")
        _require(_is_money(self.cost) and _is_money(self.fee), "a fill's money is none")
        exact = self.price * self.amount_sat / SATOSHI_PER_BITCOIN
        _require(abs(self.cost - exact) <= COST_SLACK_KGS, "a fill's cost is not its price's")


@dataclass(frozen=True, slots=True)
class Fees:
    """What the venue takes of a sale's cost, in parts per million."""

    taker_ppm: int
    raw: str = field(repr=False)

    def __post_init__(self) -> None:
        _require(0 <= self.taker_ppm <= 1_000_000, "a fee is no share")


class Venue(Protocol):
    """A licensed exchange. Every call is bounded in time and raises VenueError's subclasses."""

    @property
    def name(self) -> str:
        """Its name in the orders of the authorised body."""
        ...

    def capabilities(self) -> Capabilities:
        """Return what its market can do."""
        ...

    def deposits(self, since_us: int) -> Sequence[Deposit]:
        """Return deposits that it saw first at or after this moment, oldest first."""
        ...

    def balance(self) -> Balance:
        """Return what it holds for us."""
        ...

    def book(self) -> Book:
        """Return the order book of now."""
        ...

    def fees(self) -> Fees:
        """Return what it takes."""
        ...

    def place_limit_ioc(
        self, client_id: str, amount_sat: int, limit_price: Decimal, intended_us: int
    ) -> OrderView:
        """Sell at once as much as buyers pay `limit_price` or more for; the rest is cancelled.

        The request says that it was made at `intended_us`, however late it is sent: the venue takes
        none of before its window. An order that it rejected is VenueRefusedError, never a view.
        """
        ...

    def look_up(self, client_id: str) -> OrderView | None:
        """Return the order of this id; None if the venue has none (see `request_window_s`)."""
        ...

    def cancel(self, client_id: str) -> OrderView | None:
        """Cancel what is open of an order and return it; None if the venue has none of this id."""
        ...

    def fills(self, client_id: str) -> Sequence[Fill]:
        """Return the trades of an order, oldest first; none of an id that it does not know."""
        ...

    def fills_since(self, since_us: int) -> Sequence[Fill]:
        """Return all our trades at or after this moment, oldest first."""
        ...


def told(text: str) -> str:
    """Return words of a venue fit for a log and a database: printable, and not many."""
    return "".join(sign for sign in text if sign.isprintable())[:TOLD_CHARACTERS_MAX]


def _require(holds: bool, what: str) -> None:
    if not holds:
        raise VenueUnreadableError(f"the venue's answer cannot be true: {what}; ask the venue")


def _is_money(amount: Decimal) -> bool:
    if not amount.is_finite() or not 0 <= amount <= KGS_MAX:
        return False
    exponent = amount.as_tuple().exponent
    return isinstance(exponent, int) and exponent >= -DIGITS_MAX


def _is_positive(amount: Decimal) -> bool:
    return _is_money(amount) and amount > 0


def _descend(prices: Sequence[Decimal]) -> bool:
    return all(upper > lower for upper, lower in pairwise(prices))


def _is_moment(at_us: int) -> bool:
    return 0 <= at_us < US_MAX


def _is_id(text: str) -> bool:
    return 0 < len(text) <= ID_CHARACTERS_MAX and text.isascii() and text.isprintable()


def _is_hex(text: str) -> bool:
    return all(digit in "0123456789abcdef" for digit in text)
