"""What orders say, in words of three languages: sections, rules, and what changes. Pure."""

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import NamedTuple

from kench.cabinet.registration.gaps import Words
from kench.cabinet.words.catalogues import N_
from kench.cabinet.words.formats import Formats
from kench.pool.orders.book import OrderBook
from kench.pool.orders.document import Document
from kench.pool.orders.rules import (
    BASIS_POINTS,
    PPM,
    ApprovedVenue,
    CalendarDay,
    Fee,
    Licence,
    PayoutRule,
    Reward,
    SaleRule,
    ScreeningRule,
    Section,
)

SECTIONS: Mapping[Section, str] = {
    Section.REWARD: N_("How rewards are split"),
    Section.FEE: N_("Fee of the pool"),
    Section.VENUES: N_("Whom blocks pay"),
    Section.LICENCES: N_("Licences of venues"),
    Section.SCREENING: N_("Who checks coins"),
    Section.SALE: N_("How coins are sold"),
    Section.PAYOUT: N_("From what balance is paid out"),
    Section.CALENDAR: N_("Days moved by acts"),
}
METHODS = {
    "round": N_("by rounds: a block pays the work since the block before"),
    "pplns": N_("by a window: a block pays the last work (PPLNS)"),
    "period": N_("by days: the blocks of a day pay the work of that day"),
}


class Line(NamedTuple):
    """One thing that a rule says."""

    label: str
    value: str


class ChangedLine(NamedTuple):
    """A line as it is before an order, and with it; None where there is none."""

    label: str
    before: str | None
    then: str | None

    @property
    def changed(self) -> bool:
        """Whether the order says something else of it."""
        return self.before != self.then


class SectionChange(NamedTuple):
    """A section that an order holds, against what would be in force without it."""

    section: Section
    point: int
    """The height or moment from which it is in force."""
    before_order: int | None
    """The order that is in force there without it; None where none is."""
    lines: list[ChangedLine]


def changes_of(
    book: OrderBook, document: Document, formats: Formats, _: Words
) -> list[SectionChange]:
    """Every section that an order holds, line by line, against the book before it."""
    found = []
    for section, rule in document.rules.held().items():
        point = document.effective(section)
        before = book.in_force(section, point)
        former = dict(lines_of(before.rule, formats, _)) if before else {}
        then = dict(lines_of(rule, formats, _))
        lines = [
            ChangedLine(label, former.get(label), then.get(label))
            for label in dict.fromkeys((*former, *then))
        ]
        found.append(SectionChange(section, point, before.order if before else None, lines))
    return found


def lines_of(rule: object, formats: Formats, _: Words) -> list[Line]:
    """What a rule of any section says."""
    return [Line(label, value) for label, value in _lines(rule, formats, _)]


def _lines(rule: object, formats: Formats, _: Words) -> Iterator[tuple[str, str]]:
    match rule:
        case Reward(method, window_ppm):
            yield _(N_("Method")), _(METHODS[method])
            if window_ppm:
                yield (
                    _(N_("Window, in difficulties of the network")),
                    formats.number(Decimal(window_ppm) / PPM, 6),
                )
        case Fee(pool_ppm):
            yield _(N_("Of the gross proceeds")), formats.percent(Decimal(pool_ppm) / PPM, 4)
        case ScreeningRule(provider, refuse, officer):
            yield _(N_("Provider")), provider
            yield _(N_("An officer decides over")), _points(officer, formats)
            yield _(N_("Refused over")), _points(refuse, formats)
        case SaleRule():
            yield from _sale(rule, formats, _)
        case PayoutRule(threshold_tyiyn):
            yield _(N_("From a balance of")), formats.som(threshold_tyiyn)
        case tuple():
            for entry in rule:
                yield _entry(entry, formats, _)
        case _other:
            raise AssertionError(f"a rule that has no words: {rule!r}")


def _sale(rule: SaleRule, formats: Formats, _: Words) -> Iterator[tuple[str, str]]:
    yield _(N_("Slice, BTC")), formats.btc(rule.slice_sat)
    yield _(N_("Between two slices")), _seconds(rule.interval_s, formats, _)
    yield _(N_("Deviation of the price")), _points(rule.deviation_bp, formats)
    yield _(N_("Age of a quote")), _seconds(rule.quote_age_s, formats, _)
    yield _(N_("Share of the bids that a slice may take")), _points(rule.depth_bp, formats)
    yield _(N_("Cap of a day, BTC")), formats.btc(rule.daily_cap_sat)
    yield _(N_("Smallest sale, BTC")), formats.btc(rule.minimum_sat)
    yield _(N_("A deposit is overdue after")), _seconds(rule.deposit_overdue_s, formats, _)


def _entry(entry: object, formats: Formats, _: Words) -> tuple[str, str]:
    match entry:
        case ApprovedVenue(venue, address, weight, _script):
            return venue, _(N_("weight %(weight)s, to %(address)s")) % {
                "weight": formats.number(weight), "address": address,
            }  # fmt: skip
        case Licence(venue, name, number, from_date, until_date):
            return f"{venue}, {number}", _(N_("%(name)s, from %(from)s until %(until)s")) % {
                "name": name, "from": formats.day(from_date), "until": formats.day(until_date),
            }  # fmt: skip
        case CalendarDay(day, working, act):
            kind = N_("a working day (%(act)s)") if working else N_("a free day (%(act)s)")
            return formats.day(day), _(kind) % {"act": act}
    raise AssertionError(f"an entry that has no words: {entry!r}")


def _points(points: int, formats: Formats) -> str:
    return formats.percent(Decimal(points) / BASIS_POINTS, 2)


def _seconds(seconds: int, formats: Formats, _: Words) -> str:
    return _(N_("%(seconds)s s")) % {"seconds": formats.number(seconds)}
