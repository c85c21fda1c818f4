"""The order book: which rule of which order is in force at a height or a moment. Pure.

An order replaces each section that it holds, from its effective point on. Points of a section
never go back from one order to the next, so the rule in force at a point is that of the newest
order whose point is not after it, and an accepted order never changes what was before it.
"""

from bisect import bisect_right
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, cast

from kench.pool.errors import KenchError
from kench.pool.moments import moment_text
from kench.pool.orders.document import Document
from kench.pool.orders.rules import (
    ApprovedVenue,
    CalendarDay,
    Fee,
    InForce,
    Licence,
    PayoutRule,
    Reward,
    SaleRule,
    ScreeningRule,
    Section,
)

BEFORE_ORDERS = InForce(0, Reward("round"))
"""How blocks were split before the first order about it."""
NO_DAYS_CHANGED: InForce[tuple[CalendarDay, ...]] = InForce(0, ())
"""What acts had changed of the calendar before the first order about it."""
# Orders that were accepted are accepted again at each loading, so rules of acceptance may be
# loosened, never tightened, without a version in the document that says by which it was taken.
AHEAD_BLOCKS_MAX = 52_560
AHEAD_US_MAX = 366 * 86_400 * 1_000_000
"""A year: a point further ahead is mistyped, and would bar its section till then."""
NOTICE_BLOCKS = 6
"""Venues and reward change no sooner: miners work at the next block, which may be found already."""


class NoOrderError(KenchError):
    """No order sets what is asked for at that point."""


class OrderRefusedError(KenchError):
    """An order cannot follow those accepted before it; the message says why."""


class OrderConflictError(OrderRefusedError):
    """Its point for a section lies before that of an order accepted earlier."""


class OrderLateError(OrderRefusedError):
    """It would be in force for what is past already, or is too far ahead."""


@dataclass(frozen=True, slots=True)
class _Line:
    """One section through all orders; `points` never falls."""

    points: tuple[int, ...] = ()
    rules: tuple[InForce[Any], ...] = ()

    def at(self, point: int) -> InForce[Any] | None:
        index = bisect_right(self.points, point)
        return self.rules[index - 1] if index else None


_EMPTY: Mapping[Section, _Line] = MappingProxyType({section: _Line() for section in Section})


@dataclass(frozen=True, slots=True)
class OrderBook:
    """All accepted orders; immutable. Each answer carries the number of its order."""

    documents: tuple[Document, ...] = ()
    _lines: Mapping[Section, _Line] = field(
        default_factory=lambda: _EMPTY, repr=False, compare=False
    )

    @classmethod
    def of(cls, documents: Iterable[Document]) -> "OrderBook":
        """Book of these orders, in the order of their numbers; raises OrderRefusedError."""
        book = cls()
        for document in documents:
            book = book.followed_by(document)
        return book

    def followed_by(self, document: Document) -> "OrderBook":
        """Book with one order more; raises OrderRefusedError where it cannot follow."""
        self._check(document)
        lines = dict(self._lines)
        for section, rule in document.rules.held().items():
            line, point = lines[section], document.effective(section)
            lines[section] = _Line(
                (*line.points, point), (*line.rules, InForce(document.number, rule))
            )
        return OrderBook((*self.documents, document), MappingProxyType(lines))

    def accept(self, document: Document, *, tip_height: int | None, now_us: int) -> "OrderBook":
        """Book with an order accepted at that moment, when the chain was so high.

        A height that nobody knows (None) does where no section is bound to one.

        Raises OrderRefusedError as `followed_by` does, and for an order that is late.
        """
        for what, point, now, ahead in (
            ("height", document.height, tip_height, AHEAD_BLOCKS_MAX),
            ("moment", document.moment_us, now_us, AHEAD_US_MAX),
        ):
            if point is None:
                continue
            if now is None:
                raise OrderRefusedError(
                    f"order {document.number} needs a height, and how high the chain is nobody "
                    "knows: a node must answer (KENCH_NODE_URLS, or `kench up` beside this)"
                )
            by_height = what == "height"
            if point <= now:
                raise OrderLateError(
                    f"order {document.number} would be in force from {_said(point, by_height)}, "
                    f"and it is {_said(now, by_height)} already: draft it anew with a later "
                    f"effective.{what}"
                )
            if point > now + ahead:
                raise OrderLateError(
                    f"order {document.number} would be in force from {_said(point, by_height)}, "
                    f"more than a year ahead: draft it anew with a nearer effective.{what}"
                )
        if tip_height is not None:
            self._check_notice(document, tip_height)
        for venue in document.rules.venues or ():
            if not any(
                licence.venue == venue.venue and licence.until_us > now_us
                for licence in self._licences_with(document)
            ):
                raise OrderRefusedError(
                    f"the licence of venue {venue.venue} has ended: order {document.number} must "
                    "hold a section licences with one in force"
                )
        return self.followed_by(document)

    @property
    def newest(self) -> int:
        """Number of the newest order; 0 without any."""
        return len(self.documents)

    @property
    def digests(self) -> list[bytes]:
        """The SHA-256 of each order's bytes, by number."""
        return [document.sha256 for document in self.documents]

    @property
    def network(self) -> str | None:
        """The network that all orders are for; None without any."""
        return self.documents[0].network if self.documents else None

    def reward_at(self, height: int) -> InForce[Reward]:
        """How a block of that height is split; by rounds before the first order about it."""
        found = self._lines[Section.REWARD].at(height)
        return BEFORE_ORDERS if found is None else found

    def fee_at(self, height: int) -> InForce[Fee]:
        """Fee on the proceeds of a block of that height; raises NoOrderError."""
        return self._at(Section.FEE, height)

    def venues_at(self, height: int) -> InForce[tuple[ApprovedVenue, ...]]:
        """Whom a block of that height pays, by name; raises NoOrderError."""
        return self._at(Section.VENUES, height)

    def licences_at(self, moment_us: int) -> InForce[tuple[Licence, ...]]:
        """The licences on record at that moment, in force or not; raises NoOrderError."""
        return self._at(Section.LICENCES, moment_us)

    def licence_of(self, venue: str, moment_us: int) -> InForce[Licence] | None:
        """The venue's licence in force at that moment; None if it has none. Raises NoOrderError."""
        known = self.licences_at(moment_us)
        for licence in known.rule:
            if licence.venue == venue and licence.is_in_force(moment_us):
                return InForce(known.order, licence)
        return None

    def screening_at(self, moment_us: int) -> InForce[ScreeningRule]:
        """Who checks coins at that moment, and what is refused; raises NoOrderError."""
        return self._at(Section.SCREENING, moment_us)

    def sale_at(self, moment_us: int) -> InForce[SaleRule]:
        """How lots are sold at that moment; raises NoOrderError."""
        return self._at(Section.SALE, moment_us)

    def payout_at(self, moment_us: int) -> InForce[PayoutRule]:
        """From which balance participants are paid at that moment; raises NoOrderError."""
        return self._at(Section.PAYOUT, moment_us)

    def calendar_at(self, moment_us: int) -> InForce[tuple[CalendarDay, ...]]:
        """The days that acts changed, as known at that moment; none before the first order."""
        found = self._lines[Section.CALENDAR].at(moment_us)
        return NO_DAYS_CHANGED if found is None else found

    def in_force(self, section: Section, point: int) -> InForce[Any] | None:
        """The rule of any section at a point of its scale; None where no order sets it."""
        return self._lines[section].at(point)

    def _at(self, section: Section, point: int) -> InForce[Any]:
        line = self._lines[section]
        found = line.at(point)
        if found is not None:
            return found
        if line.points:
            first = (
                f"order {line.rules[0].order} does from {_said(line.points[0], section.by_height)}"
            )
        else:
            first = "no order does at all"
        raise NoOrderError(
            f"no order sets {section} at {_said(point, section.by_height)}, {first}: have one "
            "accepted (`kench order --help`)"
        )

    def _check(self, document: Document) -> None:
        number = document.number
        if number != self.newest + 1:
            raise OrderRefusedError(
                f"an order with number {number} cannot follow order {self.newest}: its number "
                f"must be {self.newest + 1}"
            )
        if self.network not in (None, document.network):
            raise OrderRefusedError(
                f"order {number} is for network {document.network} and those before it for "
                f"{self.network}: keep to one network in one database"
            )
        for section in document.rules.held():
            line, point = self._lines[section], document.effective(section)
            if line.points and point < line.points[-1]:
                raise OrderConflictError(
                    f"order {number} would set {section} from {_said(point, section.by_height)}, "
                    f"before order {line.rules[-1].order} does from "
                    f"{_said(line.points[-1], section.by_height)}: draft it anew with that point "
                    "or a later one"
                )
        licensed = {licence.venue for licence in self._licences_with(document)}
        for venue in document.rules.venues or ():
            if venue.venue not in licensed:
                raise OrderRefusedError(
                    f"order {number} approves venue {venue.venue}, which has no licence: add one "
                    "to its section licences"
                )

    def _check_notice(self, document: Document, tip_height: int) -> None:
        height = document.height
        if height is None or height > tip_height + NOTICE_BLOCKS:
            return
        for section in (Section.VENUES, Section.REWARD):
            if section in document.rules.held() and self.in_force(section, height):
                raise OrderLateError(
                    f"order {document.number} would change {section} from height {height}, and "
                    f"miners work at {tip_height + 1} already: draft it anew with an "
                    f"effective.height above {tip_height + NOTICE_BLOCKS}"
                )

    def _licences_with(self, document: Document) -> tuple[Licence, ...]:
        """The licences as they will be with this order."""
        if document.rules.licences is not None:
            return document.rules.licences
        rules = self._lines[Section.LICENCES].rules
        return cast("tuple[Licence, ...]", rules[-1].rule) if rules else ()


def _said(point: int, by_height: bool) -> str:
    return f"height {point}" if by_height else moment_text(point)
