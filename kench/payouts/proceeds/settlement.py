"""What each participant of a sold lot is due: pure, in whole satoshi and tyiyn.

    gross      what the lot's fills brought
    venue fee  what the venue took of it; never more than the gross is borne by participants
    pool fee   gross * parts per million, rounded down; never more than what the venue left
    net        the rest, split by the satoshi that each participant sold

The split is that of rewards: whole parts at once, what is left to the largest fractions, equal ones
by the lower participant id. The sum is the net. Each fee is split the same way, so that gross, fees
and net of all participants sum to those of the lot.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction

from kench.payouts.split import split
from kench.pool.errors import KenchError
from kench.pool.orders.rules import PPM, Fee, InForce

SATOSHI_PER_BITCOIN = 100_000_000


class ProceedsDisagreeError(KenchError):
    """What was sold of a lot, by its fills and by its shares, is not the same."""


@dataclass(frozen=True, slots=True)
class SoldPart:
    """One fill of a lot; `cost` is KGS as the venue said it."""

    venue: str
    trade_id: str
    amount_sat: int
    cost: Decimal
    gross_tyiyn: int
    fee_tyiyn: int


@dataclass(frozen=True, slots=True)
class Line:
    """What one participant sold of a lot and is due for it."""

    amount_sat: int
    net_tyiyn: int
    venue_fee_tyiyn: int
    pool_fee_tyiyn: int


@dataclass(frozen=True, slots=True)
class LotSettlement:
    """A lot's proceeds, and whose they are; `lines` by participant id, 0 for nobody's."""

    sold_sat: int
    gross_tyiyn: int
    venue_fee_tyiyn: int
    pool_fee_tyiyn: int
    net_tyiyn: int
    fee: InForce[Fee]
    lines: Mapping[int, Line]


def settle(
    fills: Iterable[SoldPart], shares_sat: Mapping[int, int], fee: InForce[Fee]
) -> LotSettlement:
    """Return what a lot brought and whom it is owed to; `shares_sat` is what each sold of it.

    Raises ProceedsDisagreeError where fills and shares are not the same satoshi.
    """
    parts = list(fills)
    sold_sat = sum(part.amount_sat for part in parts)
    if sold_sat != sum(shares_sat.values()):
        raise ProceedsDisagreeError(
            f"the fills of a lot are {sold_sat} sat, and what its participants sold is "
            f"{sum(shares_sat.values())} sat: run `kench audit`"
        )
    gross_tyiyn = sum(part.gross_tyiyn for part in parts)
    venue_fee_tyiyn = min(sum(part.fee_tyiyn for part in parts), gross_tyiyn)
    pool_fee_tyiyn = min(gross_tyiyn * fee.rule.pool_ppm // PPM, gross_tyiyn - venue_fee_tyiyn)
    net_tyiyn = gross_tyiyn - venue_fee_tyiyn - pool_fee_tyiyn
    sellers = {who: share_sat for who, share_sat in sorted(shares_sat.items()) if share_sat}
    # A lot of which nothing could be sold, all of it left to the next, owes nobody anything.
    due_tyiyn, venue_tyiyn, pool_tyiyn = (
        split(whole, sellers) if sellers else {}
        for whole in (net_tyiyn, venue_fee_tyiyn, pool_fee_tyiyn)
    )
    return LotSettlement(
        sold_sat=sold_sat,
        gross_tyiyn=gross_tyiyn,
        venue_fee_tyiyn=venue_fee_tyiyn,
        pool_fee_tyiyn=pool_fee_tyiyn,
        net_tyiyn=net_tyiyn,
        fee=fee,
        lines={
            who: Line(share_sat, due_tyiyn[who], venue_tyiyn[who], pool_tyiyn[who])
            for who, share_sat in sellers.items()
        },
    )


def average_price(fills: Iterable[SoldPart]) -> Fraction:
    """Return KGS for one bitcoin over all fills, weighted by their satoshi, exactly."""
    parts = list(fills)
    cost = sum((Fraction(part.cost) for part in parts), Fraction(0))
    return Fraction(cost * SATOSHI_PER_BITCOIN, sum(part.amount_sat for part in parts))
