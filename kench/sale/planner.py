"""The sale planner, pure: how much of a lot is offered now, at what price, or why nothing is.

A lot is sold in slices of `slice_sat`, one each `interval_s`, as limit orders that are carried out
at once or cancelled. The limit is the book's middle less the order's deviation: nothing is ever
sold below it. What protects the price, by the sale rule of the order in force:

    deviation   the middle against that of the last slice at the venue; best bid against the limit
    quote age   a book older than that is no book
    depth       a slice takes no more than this share of the bids at or above the limit
    daily cap   of a day in Bishkek, all lots together
"""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Context, Decimal
from enum import StrEnum
from fractions import Fraction

from kench.pool.moments import BISHKEK, midnight_us, moment_of
from kench.pool.orders.rules import BASIS_POINTS, SaleRule
from kench.sale.venues.port import Book, Capabilities, Level

SECOND_US = 1_000_000
SKEW_US = 5 * SECOND_US
"""A venue's clock may be so far ahead of ours."""
REFERENCE_AGE_US = 3600 * SECOND_US
"""The price of a slice further back says nothing about now."""
_EXACT = Context(prec=80)


class Trip(StrEnum):
    """What a guard found wrong with the market: the sale halts until two officers resume it."""

    DEVIATION = "deviation"
    SPREAD = "spread"


class Pause(StrEnum):
    """Why nothing is offered now; it ends by itself."""

    INTERVAL = "interval"
    DAILY_CAP = "daily_cap"
    STALE_QUOTE = "stale_quote"
    ONE_SIDED = "one_sided"
    THIN_BOOK = "thin_book"
    SLICE_TOO_SMALL = "slice_too_small"


MARKET_PAUSES = frozenset(
    {Pause.STALE_QUOTE, Pause.ONE_SIDED, Pause.THIN_BOOK, Pause.SLICE_TOO_SMALL}
)
"""Pauses that are the market's doing: people should look where one lasts."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far the sale of a lot is, and what bears on its next slice."""

    left_sat: int
    """Not sold yet; no order is open."""
    sliced_us: int | None
    """When its last slice was offered."""
    today_sat: int
    """Sold or on offer of all lots, this day in Bishkek."""
    reference: Decimal | None
    """Middle of the book at the venue's last slice, if that was not long ago."""


@dataclass(frozen=True, slots=True)
class Slice:
    """Offer so much at no less than this price."""

    amount_sat: int
    limit_price: Decimal
    reference_price: Decimal


@dataclass(frozen=True, slots=True)
class Wait:
    """Offer nothing until then; `words` say what was found."""

    until_us: int
    pause: Pause
    words: str = ""


@dataclass(frozen=True, slots=True)
class Halt:
    """Offer nothing until two officers say so."""

    trip: Trip
    words: str


@dataclass(frozen=True, slots=True)
class Finished:
    """Nothing is left but what the venue takes no order for."""

    remainder_sat: int


def before_quote(
    progress: Progress, rule: SaleRule, can: Capabilities, now_us: int
) -> Wait | Finished | None:
    """Return what holds without a look at the book; None where one is needed."""
    if sellable(progress.left_sat, can) < least(rule, can):
        return Finished(progress.left_sat)
    if progress.sliced_us is not None:
        due_us = progress.sliced_us + rule.interval_s * SECOND_US
        if now_us < due_us:
            return Wait(due_us, Pause.INTERVAL)
    if sellable(rule.daily_cap_sat - progress.today_sat, can) < least(rule, can):
        words = f"{progress.today_sat} sat of {rule.daily_cap_sat} are sold or on offer today"
        return Wait(next_midnight_us(now_us), Pause.DAILY_CAP, words)
    return None


def plan(
    progress: Progress, rule: SaleRule, can: Capabilities, book: Book, now_us: int
) -> Slice | Wait | Halt | Finished:
    """Return the next step of a lot's sale by this book."""
    early = before_quote(progress, rule, can, now_us)
    if early is not None:
        return early
    retry_us = now_us + rule.interval_s * SECOND_US
    age_us = now_us - book.at_us
    if not -SKEW_US <= age_us <= rule.quote_age_s * SECOND_US:
        words = f"the book is {age_us // SECOND_US} s old, {rule.quote_age_s} s at most"
        if age_us < 0:
            words = f"the venue's clock is {-age_us // SECOND_US} s ahead"
        return Wait(retry_us, Pause.STALE_QUOTE, words)
    if not book.bids or not book.asks:
        return Wait(retry_us, Pause.ONE_SIDED, "no bids" if not book.bids else "no asks")
    middle = _EXACT.divide(_EXACT.add(book.bids[0].price, book.asks[0].price), Decimal(2))
    limit = limit_price(middle, rule.deviation_bp, can.price_step)
    halt = _guard(progress.reference, middle, limit, book.bids[0], rule)
    if halt is not None:
        return halt
    deep_sat = _depth(book.bids, limit) * rule.depth_bp // BASIS_POINTS
    cap_sat = min(rule.daily_cap_sat - progress.today_sat, deep_sat)
    amount_sat = slice_amount(progress.left_sat, rule, can, cap_sat)
    if amount_sat is None:
        return _too_little(cap_sat, rule, can, retry_us)
    return Slice(amount_sat, limit, middle)


def _too_little(cap_sat: int, rule: SaleRule, can: Capabilities, retry_us: int) -> Wait:
    least_sat = least(rule, can)
    if sellable(cap_sat, can) < least_sat:
        words = f"{cap_sat} sat may be offered at once, an order is {least_sat} sat at least"
        return Wait(retry_us, Pause.THIN_BOOK, words)
    words = f"a slice is {rule.slice_sat} sat, an order is {least_sat} sat at least"
    return Wait(retry_us, Pause.SLICE_TOO_SMALL, words)


def slice_amount(left_sat: int, rule: SaleRule, can: Capabilities, cap_sat: int) -> int | None:
    """Return the satoshi of the next slice, at most `cap_sat`; None where that is too little.

    What would stay below the minimum goes along with the last slice where the cap allows it, else
    a whole minimum is left for another slice where that can be.
    """
    minimum_sat = least(rule, can)
    amount_sat = sellable(min(rule.slice_sat, left_sat, cap_sat), can)
    whole_sat = sellable(left_sat, can)
    if whole_sat - amount_sat < minimum_sat:
        if whole_sat <= cap_sat:
            return whole_sat
        spared_sat = sellable(left_sat - minimum_sat, can)
        if minimum_sat <= spared_sat < amount_sat:
            amount_sat = spared_sat
    return amount_sat if amount_sat >= minimum_sat else None


def least(rule: SaleRule, can: Capabilities) -> int:
    """Return the least that an order may sell, by the rule and by the venue."""
    minimum_sat = max(rule.minimum_sat, can.minimum_sat)
    return -(-minimum_sat // can.step_sat) * can.step_sat


def sellable(amount_sat: int, can: Capabilities) -> int:
    """Return an amount without what the venue's step leaves over."""
    return max(0, amount_sat // can.step_sat * can.step_sat)


def limit_price(middle: Decimal, deviation_bp: int, price_step: Decimal) -> Decimal:
    """Return the lowest price of the venue's steps that deviates from the middle by no more."""
    bound = Fraction(middle) * (BASIS_POINTS - deviation_bp) / BASIS_POINTS
    steps = -(-bound // Fraction(price_step))
    return _EXACT.multiply(price_step, Decimal(max(1, steps)))


def _guard(
    reference: Decimal | None, middle: Decimal, limit: Decimal, bid: Level, rule: SaleRule
) -> Halt | None:
    if reference is not None:
        away = abs(Fraction(middle) - Fraction(reference)) * BASIS_POINTS
        if away > rule.deviation_bp * Fraction(reference):
            words = f"the middle went from {reference} to {middle}"
            return Halt(Trip.DEVIATION, f"{words}, over {rule.deviation_bp} basis points")
    if bid.price < limit:
        words = f"the best bid is {bid.price}, below {limit}"
        return Halt(Trip.SPREAD, f"{words}: over {rule.deviation_bp} basis points off the middle")
    return None


def _depth(bids: Sequence[Level], limit: Decimal) -> int:
    return sum(level.amount_sat for level in bids if level.price >= limit)


def day_begin_us(now_us: int) -> int:
    """Return the moment at which the day of `now_us` began in Bishkek."""
    return midnight_us(moment_of(now_us).astimezone(BISHKEK).date())


def next_midnight_us(now_us: int) -> int:
    """Return the moment at which the day after that of `now_us` begins in Bishkek."""
    return day_begin_us(now_us) + 86_400 * SECOND_US
