"""What an order would change against those before it, in words for those who are to sign it."""

from kench.pool.moments import moment_text
from kench.pool.orders.book import OrderBook
from kench.pool.orders.document import Document
from kench.pool.orders.rules import (
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

FAR = 2**62
"""A point after all that orders name: what stands there is what the newest orders set."""


def changes(book: OrderBook, document: Document) -> list[str]:
    """One line for each section that the order holds: from when, what before, what then."""
    lines = []
    for section, rule in document.rules.held().items():
        point = document.effective(section)
        since = f"height {point}" if section.by_height else moment_text(point)
        before = book.in_force(section, FAR)
        former = f"{said(before.rule)} (order {before.order})" if before else "not set"
        lines.append(f"{section} from {since}: {said(rule)}; before: {former}")
    return lines


def warnings(book: OrderBook, document: Document) -> list[str]:
    """What is allowed and may not be meant: venues that are paid and could not sell."""
    found = book.in_force(Section.VENUES, FAR)
    venues = document.rules.venues or (found.rule if found else ())
    licences = document.rules.licences
    if licences is None:
        return []
    licensed = {one.venue for one in licences}
    return [
        f"blocks go on paying venue {one.venue}, which this order leaves without a licence: "
        "nothing is sold there until it has one"
        for one in venues
        if one.venue not in licensed
    ]


def said(rule: object) -> str:
    """A rule in words."""
    match rule:
        case Reward(method, window_ppm):
            text = f"{method} over {parts(window_ppm)} difficulties" if window_ppm else method
        case Fee(pool_ppm):
            text = f"{pool_ppm} ppm ({percent(pool_ppm)})"
        case ScreeningRule(provider, refuse, officer):
            text = (
                f"{provider}, refused over {percent(refuse * 100)}, "
                f"an officer decides over {percent(officer * 100)}"
            )
        case SaleRule():
            text = ", ".join(f"{name} {getattr(rule, name)}" for name in SaleRule.__slots__)
        case PayoutRule(threshold_tyiyn):
            text = f"from {threshold_tyiyn} tyiyn"
        case tuple():
            text = "; ".join(map(_entry, rule)) or "none"
        case _:
            raise AssertionError(f"a rule that has no words: {rule!r}")
    return text


def _entry(entry: object) -> str:
    match entry:
        case ApprovedVenue(venue, address, weight, _):
            return f"{venue} weight {weight} at {address}"
        case Licence(venue, name, number, from_date, until_date):
            return f"{venue} ({name}) licence {number} from {from_date} until {until_date}"
        case CalendarDay(day, working, act):
            return f"{day} {'working' if working else 'free'} ({act})"
    raise AssertionError(f"an entry that has no words: {entry!r}")


def parts(ppm: int) -> str:
    """Parts per million as a decimal number, exactly."""
    whole, rest = divmod(ppm, 1_000_000)
    return f"{whole}.{rest:06}".rstrip("0").rstrip(".")


def percent(ppm: int) -> str:
    """Parts per million as percent, exactly."""
    return f"{parts(ppm * 100)} %"
