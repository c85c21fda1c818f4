"""An order's document: the bytes that officers sign, read strictly into rules.

The bytes are kept as they are and never written anew: what was signed is what is read. A reader
of JSON that takes the last of two equal keys, or a number with a fraction, would let two people
read one document in two ways; here both are refused.
"""

import contextlib
import hashlib
import itertools
import json
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from kench.pool.address import InvalidAddressError, deposit_script_of
from kench.pool.coinbase import CoinbaseError
from kench.pool.coinbase_outputs import check_coinbase_fits
from kench.pool.errors import KenchError
from kench.pool.moments import us_of
from kench.pool.orders.rules import (
    BASIS_POINTS,
    PPM,
    ApprovedVenue,
    CalendarDay,
    Fee,
    Licence,
    PayoutRule,
    Reward,
    RewardMethod,
    Rules,
    SaleRule,
    ScreeningRule,
    Section,
)
from kench.pool.wire_settings import NETWORKS

DOCUMENT_BYTES_MAX = 65_536
NUMBER_MAX = 1_000_000
HEIGHT_MAX = 2**31 - 1
TITLE_MAX = 200
WINDOW_PPM_MAX = 1000 * PPM
"""A thousand network difficulties: days of work of any pool."""
COINS_SAT_MAX = 21_000_000 * 100_000_000
WEIGHT_MAX = 1_000_000
DAY_S = 86_400
_MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:Z|[+-]\d\d:\d\d)", re.ASCII)
_YEARS = frozenset(map(str, range(2000, 2200)))
_DATE = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)

Name = Annotated[str, Meta(pattern=r"\A[a-z][a-z0-9-]{0,31}\Z")]
Text = Annotated[str, Meta(min_length=1, max_length=TITLE_MAX)]
Points = Annotated[int, Meta(ge=0, le=BASIS_POINTS)]
Satoshi = Annotated[int, Meta(ge=1, le=COINS_SAT_MAX)]
Seconds = Annotated[int, Meta(ge=1, le=30 * DAY_S)]


class InvalidOrderError(KenchError):
    """A document that is no order; the message says what in it is wrong."""


@dataclass(frozen=True, slots=True)
class Document:
    """An order as read from its bytes."""

    number: int
    title: str
    issued: date
    network: str
    height: int | None
    """First block for which its height-bound sections are in force."""
    moment_us: int | None
    """Unix microseconds from which its moment-bound sections are in force."""
    rules: Rules
    content: bytes
    sha256: bytes

    def effective(self, section: Section) -> int:
        """The point from which a section that it holds is in force, on that section's scale."""
        point = self.height if section.by_height else self.moment_us
        if point is None:
            raise ValueError(f"order {self.number} has no {section}")
        return point


class _Strict(msgspec.Struct, forbid_unknown_fields=True):
    """A JSON object with these keys and no others."""


class _Effective(_Strict):
    height: Annotated[int, Meta(ge=1, le=HEIGHT_MAX)] | msgspec.UnsetType = msgspec.UNSET
    moment: str | msgspec.UnsetType = msgspec.UNSET


class _Reward(_Strict):
    method: RewardMethod
    window_ppm: Annotated[int, Meta(ge=1, le=WINDOW_PPM_MAX)] | msgspec.UnsetType = msgspec.UNSET


class _Fee(_Strict):
    pool_ppm: Annotated[int, Meta(ge=0, le=PPM)]


class _Venue(_Strict):
    venue: Name
    address: Text
    weight: Annotated[int, Meta(ge=1, le=WEIGHT_MAX)]


class _Licence(_Strict):
    venue: Name
    name: Text
    number: Text
    from_: str = msgspec.field(name="from")
    until: str


class _Screening(_Strict):
    provider: Name
    refuse_over_bp: Points
    officer_over_bp: Points


class _Sale(_Strict):
    slice_sat: Satoshi
    interval_s: Seconds
    deviation_bp: Points
    quote_age_s: Seconds
    depth_bp: Annotated[int, Meta(ge=1, le=BASIS_POINTS)]
    daily_cap_sat: Satoshi
    minimum_sat: Satoshi
    deposit_overdue_s: Seconds


class _Payout(_Strict):
    threshold_tyiyn: Annotated[int, Meta(ge=1, le=10**15)]


class _Day(_Strict):
    date: str
    working: bool
    act: Text


class _Rules(_Strict):
    reward: _Reward | msgspec.UnsetType = msgspec.UNSET
    fee: _Fee | msgspec.UnsetType = msgspec.UNSET
    venues: Annotated[list[_Venue], Meta(min_length=1)] | msgspec.UnsetType = msgspec.UNSET
    licences: list[_Licence] | msgspec.UnsetType = msgspec.UNSET
    screening: _Screening | msgspec.UnsetType = msgspec.UNSET
    sale: _Sale | msgspec.UnsetType = msgspec.UNSET
    payout: _Payout | msgspec.UnsetType = msgspec.UNSET
    calendar: list[_Day] | msgspec.UnsetType = msgspec.UNSET


class _Order(_Strict):
    kench_order: Annotated[int, Meta(ge=1, le=1)]
    number: Annotated[int, Meta(ge=1, le=NUMBER_MAX)]
    title: Text
    issued: str
    network: str
    effective: _Effective
    rules: _Rules


def canonical(order: Mapping[str, Any]) -> bytes:
    """Write an order's content as the bytes to sign: UTF-8, two blanks deep, keys as given."""
    return (json.dumps(order, ensure_ascii=False, indent=2) + "\n").encode()


def read_document(content: bytes) -> Document:
    """Read an order from its bytes; raises InvalidOrderError."""
    try:
        order = msgspec.convert(parse_json(content), _Order)
    except msgspec.ValidationError as error:
        raise InvalidOrderError(f"the order is not in the form that docs/orders.md gives: {error}")\
            from error  # fmt: skip
    if order.network not in NETWORKS:
        raise InvalidOrderError(f"network must be one of {', '.join(NETWORKS)}")
    rules = _rules(order.rules, order.network)
    height, moment = _effective(order.effective, rules)
    return Document(
        number=order.number,
        title=_text("title", order.title),
        issued=_date("issued", order.issued),
        network=order.network,
        height=height,
        moment_us=moment,
        rules=rules,
        content=content,
        sha256=hashlib.sha256(content).digest(),
    )


def parse_json(content: bytes) -> object:
    """Read JSON in which nothing can be read in two ways; raises InvalidOrderError."""
    if len(content) > DOCUMENT_BYTES_MAX:
        raise InvalidOrderError(f"an order has {DOCUMENT_BYTES_MAX} bytes at most")

    def keys_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        twice = [key for key, count in Counter(key for key, _ in pairs).items() if count > 1]
        if twice:
            raise InvalidOrderError(f"key {twice[0]!r} stands twice in one object")
        return dict(pairs)

    def no_fraction(text: str) -> object:
        raise InvalidOrderError(f"{text} is no whole number, and all numbers in an order are")

    try:
        parsed = json.loads(
            content.decode("utf-8"),
            object_pairs_hook=keys_once,
            parse_float=no_fraction,
            parse_constant=no_fraction,
        )
        # An escape may name half a character, which is no text.
        json.dumps(parsed, ensure_ascii=False).encode()
    except UnicodeError as error:
        raise InvalidOrderError("an order is UTF-8 text") from error
    except (ValueError, RecursionError) as error:
        raise InvalidOrderError(f"an order is JSON: {error}") from error
    return parsed


def _effective(given: _Effective, rules: Rules) -> tuple[int | None, int | None]:
    """Both points, each there exactly if a section needs it."""
    held = rules.held()
    if not held:
        raise InvalidOrderError("rules holds no section: an order changes one at least")
    height = None if given.height is msgspec.UNSET else given.height
    moment = None if given.moment is msgspec.UNSET else _moment("effective.moment", given.moment)
    for name, point, by_height in (("height", height, True), ("moment", moment, False)):
        needing = [section for section in held if section.by_height is by_height]
        if needing and point is None:
            raise InvalidOrderError(f"{needing[0]} needs effective.{name}, which is not there")
        if not needing and point is not None:
            raise InvalidOrderError(f"effective.{name} is there, but no section that it is for")
    return height, moment


def _rules(given: _Rules, network: str) -> Rules:
    return Rules(
        reward=None if given.reward is msgspec.UNSET else _reward(given.reward),
        fee=None if given.fee is msgspec.UNSET else Fee(given.fee.pool_ppm),
        venues=None if given.venues is msgspec.UNSET else _venues(given.venues, network),
        licences=None if given.licences is msgspec.UNSET else _licences(given.licences),
        screening=None if given.screening is msgspec.UNSET else _screening(given.screening),
        sale=None if given.sale is msgspec.UNSET else _sale(given.sale),
        payout=None
        if given.payout is msgspec.UNSET
        else PayoutRule(threshold_tyiyn=given.payout.threshold_tyiyn),
        calendar=None if given.calendar is msgspec.UNSET else _calendar(given.calendar),
    )


def _reward(given: _Reward) -> Reward:
    window = None if given.window_ppm is msgspec.UNSET else given.window_ppm
    if (given.method == "pplns") != (window is not None):
        raise InvalidOrderError("reward.window_ppm is for the method pplns, which needs it")
    return Reward(given.method, window)


def _venues(given: list[_Venue], network: str) -> tuple[ApprovedVenue, ...]:
    """The venues by name, each once and with an address of its own; they fit one coinbase."""
    venues = []
    for entry in given:
        try:
            script = deposit_script_of(entry.address, network)
        except InvalidAddressError as error:
            raise InvalidOrderError(f"venue {entry.venue}: {error}") from error
        venues.append(ApprovedVenue(entry.venue, entry.address, entry.weight, script))
    for what, values in (("name", [one.venue for one in venues]),
                         ("address", [one.script for one in venues])):  # fmt: skip
        if len(set(values)) < len(values):
            raise InvalidOrderError(f"two venues have one {what}: each has its own, once")
    check_fits(venues)
    return tuple(sorted(venues, key=lambda one: one.venue))


def check_fits(venues: list[ApprovedVenue]) -> None:
    """Raise InvalidOrderError where a coinbase could become too long for miners (A7.8)."""
    try:
        check_coinbase_fits([one.script for one in venues])
    except CoinbaseError as error:
        raise InvalidOrderError(str(error)) from error


def _licences(given: list[_Licence]) -> tuple[Licence, ...]:
    licences = sorted(
        (
            Licence(
                entry.venue,
                _text("licences.name", entry.name),
                _text("licences.number", entry.number),
                _date("licences.from", entry.from_),
                _date("licences.until", entry.until),
            )
            for entry in given
        ),
        key=lambda one: (one.venue, one.from_date),
    )
    for one in licences:
        if one.until_date < one.from_date:
            raise InvalidOrderError(f"licence {one.number} ends before it begins")
    for former, latter in itertools.pairwise(licences):
        if former.venue == latter.venue and latter.from_date <= former.until_date:
            raise InvalidOrderError(
                f"licences {former.number} and {latter.number} of venue {former.venue} overlap: "
                "let the first end on the day before the second begins"
            )
    return tuple(licences)


def _screening(given: _Screening) -> ScreeningRule:
    if given.officer_over_bp > given.refuse_over_bp:
        raise InvalidOrderError("screening: officer_over_bp may not be above refuse_over_bp")
    return ScreeningRule(given.provider, given.refuse_over_bp, given.officer_over_bp)


def _sale(given: _Sale) -> SaleRule:
    if not given.minimum_sat <= given.slice_sat <= given.daily_cap_sat:
        raise InvalidOrderError("sale: minimum_sat <= slice_sat <= daily_cap_sat must hold")
    return SaleRule(**{name: getattr(given, name) for name in SaleRule.__slots__})


def _calendar(given: list[_Day]) -> tuple[CalendarDay, ...]:
    """The days in their order, each once."""
    days = sorted(
        (
            CalendarDay(
                _date("calendar.date", entry.date), entry.working, _text("calendar.act", entry.act)
            )
            for entry in given
        ),
        key=lambda one: one.day,
    )
    for former, latter in itertools.pairwise(days):
        if former.day == latter.day:
            raise InvalidOrderError(f"calendar: {latter.day} stands twice: a day is one or other")
    return tuple(days)


def _text(name: str, value: str) -> str:
    if not value.isprintable() or value != value.strip():
        raise InvalidOrderError(f"{name} has characters that nobody can see, or blanks around it")
    return value


def _date(name: str, value: str) -> date:
    if _DATE.fullmatch(value) and value[:4] in _YEARS:
        with contextlib.suppress(ValueError):
            return date.fromisoformat(value)
    raise InvalidOrderError(f"{name} must be a day such as 2026-12-01, not {value!r}")


def _moment(name: str, value: str) -> int:
    if _MOMENT.fullmatch(value) and value[:4] in _YEARS:
        with contextlib.suppress(ValueError):
            return us_of(datetime.fromisoformat(value))
    raise InvalidOrderError(
        f"{name} must be a moment such as 2026-12-01T00:00:00+06:00, not {value!r}"
    )
