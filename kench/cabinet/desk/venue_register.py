"""The register of venues: who sells, by which licence, until when; from the orders in force."""

from collections.abc import Iterable
from datetime import date, datetime
from typing import NamedTuple

import sqlalchemy as sa

from kench.pool.calendar import day_at
from kench.pool.orders.book import OrderBook
from kench.pool.orders.changes import FAR
from kench.pool.orders.rules import ApprovedVenue, Licence, Section

NEAR_DAYS = 60
"""A licence that ends in so many days is said to end soon."""


class LicenceLine(NamedTuple):
    """A licence that an order has named."""

    licence: Licence
    order: int
    """The order that named it last."""
    listed: bool
    """Whether the newest order about licences still names it."""
    days_left: int | None
    """Days in which it is still in force, today counted; None where it is not in force today."""

    @property
    def tone(self) -> str:
        """Class of its tag."""
        if self.days_left is None:
            return ""
        return "warn" if self.days_left <= NEAR_DAYS else "good"


class VenueEntry(NamedTuple):
    """A venue, with all its licences, the newest first."""

    venue: str
    name: str
    licences: list[LicenceLine]
    approved: ApprovedVenue | None
    """How blocks pay it now; None where they do not."""

    @property
    def current(self) -> LicenceLine | None:
        """The licence in force today."""
        return next((one for one in self.licences if one.days_left is not None), None)

    @property
    def covered_until(self) -> date | None:
        """The last day without a gap, by the licences that follow each other."""
        current = self.current
        if current is None:
            return None
        until = current.licence.until_date
        for one in sorted(self.licences, key=lambda one: one.licence.from_date):
            gap = (one.licence.from_date - until).days
            if one.listed and gap <= 1 and one.licence.until_date > until:
                until = one.licence.until_date
        return until


class VenueFigures(NamedTuple):
    """What the books say of a venue."""

    sold_sat: int
    gross_tyiyn: int
    reconciled_at: datetime | None
    differences: int


def venues_of(book: OrderBook, height: int, now_us: int) -> list[VenueEntry]:
    """Every venue that an order has named, by name."""
    today = day_at(now_us)
    known = book.in_force(Section.LICENCES, now_us)
    listed = set(known.rule) if known else set()
    newest = book.in_force(Section.LICENCES, FAR)
    listed |= set(newest.rule) if newest else set()
    approved = _approved(book, height)
    named: dict[str, dict[Licence, int]] = {}
    for document in book.documents:
        for licence in document.rules.licences or ():
            named.setdefault(licence.venue, {})[licence] = document.number
        for approval in document.rules.venues or ():
            named.setdefault(approval.venue, {})
    in_force = set(known.rule) if known else set()
    entries = []
    for venue, licences in sorted(named.items()):
        lines = [
            LicenceLine(
                licence,
                order,
                licence in listed,
                (licence.until_date - today).days + 1
                if licence in in_force and licence.is_in_force(now_us)
                else None,
            )
            for licence, order in licences.items()
        ]
        lines.sort(key=lambda one: one.licence.from_date, reverse=True)
        name = lines[0].licence.name if lines else venue
        entries.append(VenueEntry(venue, name, lines, approved.get(venue)))
    return entries


def figures_of(db: sa.Connection, venues: Iterable[str]) -> dict[str, VenueFigures]:
    """What each has sold, by the ledger, and when its books were last held against ours."""
    return {venue: _figures(db, venue) for venue in venues}


_SOLD = sa.text("""
    SELECT coalesce(sum(credits_posted) FILTER (WHERE code = :btc), 0)::bigint AS sold_sat,
        coalesce(sum(debits_posted) FILTER (WHERE code = :kgs), 0)::bigint AS gross_tyiyn
    FROM accounts WHERE code IN (:btc, :kgs)
""")
_RECONCILED = sa.text("""
    SELECT at, cardinality(differences) AS differences FROM reconciliations
    WHERE venue = :venue ORDER BY at DESC LIMIT 1
""")


def _figures(db: sa.Connection, venue: str) -> VenueFigures:
    sold = db.execute(_SOLD, {"btc": f"venue:{venue}:btc", "kgs": f"venue:{venue}:kgs"}).one()
    last = db.execute(_RECONCILED, {"venue": venue}).one_or_none()
    return VenueFigures(
        sold.sold_sat, sold.gross_tyiyn, last.at if last else None, last.differences if last else 0
    )


def _approved(book: OrderBook, height: int) -> dict[str, ApprovedVenue]:
    known = book.in_force(Section.VENUES, height)
    return {one.venue: one for one in known.rule} if known else {}
