"""What orders say, as frozen values: one class for each section of an order's rules."""

from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum
from typing import Generic, Literal, TypeVar, get_args

from kench.pool.moments import midnight_us

T = TypeVar("T")

RewardMethod = Literal["round", "pplns", "period"]
METHODS: tuple[str, ...] = get_args(RewardMethod)
PPM = 1_000_000
"""Parts in a whole; fees and windows are in parts per million."""
BASIS_POINTS = 10_000
"""Basis points (hundredths of a percent) in a whole."""


class Section(StrEnum):
    """A part of an order's rules, replaced as a whole by the next order that holds it."""

    REWARD = "reward"
    FEE = "fee"
    VENUES = "venues"
    LICENCES = "licences"
    SCREENING = "screening"
    SALE = "sale"
    PAYOUT = "payout"
    CALENDAR = "calendar"

    @property
    def by_height(self) -> bool:
        """Whether it is in force from a block height on; the others are from a moment on."""
        return self in HEIGHT_BOUND


HEIGHT_BOUND = frozenset({Section.REWARD, Section.FEE, Section.VENUES})


@dataclass(frozen=True, slots=True)
class Reward:
    """How a block's reward is split; `window_ppm` (pplns) is in network difficulties x 1e6."""

    method: RewardMethod
    window_ppm: int | None = None


@dataclass(frozen=True, slots=True)
class Fee:
    """What the pool keeps of a lot's gross proceeds."""

    pool_ppm: int


@dataclass(frozen=True, slots=True)
class ApprovedVenue:
    """A venue that coinbases pay, with its deposit address and the script of that address."""

    venue: str
    address: str
    weight: int
    script: bytes


@dataclass(frozen=True, slots=True)
class Licence:
    """A venue's licence; both days, Bishkek's, are days on which it is in force."""

    venue: str
    name: str
    number: str
    from_date: date
    until_date: date

    @property
    def from_us(self) -> int:
        """First microsecond at which it is in force."""
        return midnight_us(self.from_date)

    @property
    def until_us(self) -> int:
        """First microsecond at which it is in force no more."""
        return midnight_us(self.until_date + timedelta(days=1))

    def is_in_force(self, moment_us: int) -> bool:
        """Whether a sale at that moment has its cover."""
        return self.from_us <= moment_us < self.until_us


@dataclass(frozen=True, slots=True)
class ScreeningRule:
    """Who checks coins, and the risk over which they are refused or shown to the officer."""

    provider: str
    refuse_over_bp: int
    officer_over_bp: int


@dataclass(frozen=True, slots=True)
class SaleRule:
    """How lots are sold: slices, guards, caps."""

    slice_sat: int
    interval_s: int
    deviation_bp: int
    quote_age_s: int
    depth_bp: int
    daily_cap_sat: int
    minimum_sat: int
    deposit_overdue_s: int


@dataclass(frozen=True, slots=True)
class PayoutRule:
    """The balance from which a participant is paid."""

    threshold_tyiyn: int


@dataclass(frozen=True, slots=True)
class CalendarDay:
    """A day that an act made working or free, whatever the calendar says of it."""

    day: date
    working: bool
    act: str
    """The act of the government that says so."""


@dataclass(frozen=True, slots=True)
class Rules:
    """What one order holds; None is a section that it leaves as it was."""

    reward: Reward | None = None
    fee: Fee | None = None
    venues: tuple[ApprovedVenue, ...] | None = None
    licences: tuple[Licence, ...] | None = None
    screening: ScreeningRule | None = None
    sale: SaleRule | None = None
    payout: PayoutRule | None = None
    calendar: tuple[CalendarDay, ...] | None = None

    def held(self) -> dict[Section, object]:
        """The sections that it holds."""
        rules = {section: getattr(self, section.value) for section in Section}
        return {section: rule for section, rule in rules.items() if rule is not None}


@dataclass(frozen=True, slots=True)
class InForce(Generic[T]):
    """A rule, and the number of the order that it is from (0: of before there were orders)."""

    order: int
    rule: T
