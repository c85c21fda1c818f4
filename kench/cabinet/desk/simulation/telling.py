"""A simulation in words: each section that an order holds, over the last days, in a language."""

from collections.abc import Callable, Mapping
from types import MappingProxyType

import sqlalchemy as sa

from kench.cabinet.desk.simulation.deadlines import simulate_calendar
from kench.cabinet.desk.simulation.findings import ROWS_MAX, Figure, Finding, Row
from kench.cabinet.desk.simulation.money import simulate_fee, simulate_payouts
from kench.cabinet.desk.simulation.rewards import simulate_rewards
from kench.cabinet.desk.simulation.sale import (
    CLEARED,
    OFFICER,
    REFUSED,
    simulate_sale,
    simulate_screening,
    simulate_venues,
)
from kench.cabinet.registration.gaps import Words
from kench.cabinet.words.catalogues import N_
from kench.cabinet.words.formats import Formats
from kench.pool.calendar import WorkingDays
from kench.pool.moments import moment_of
from kench.pool.orders.book import OrderBook
from kench.pool.orders.document import Document
from kench.pool.orders.rules import InForce, Section

VERDICTS = MappingProxyType(
    {
        CLEARED: N_("Cleared for sale"),
        OFFICER: N_("Held for an officer"),
        REFUSED: N_("Refused"),
    }
)
WHAT = MappingProxyType({"application": N_("Application"), "notice": N_("Notice")})
Work = Callable[[], int | None]
"""Tells what a block takes of work, where a section needs it."""


class Simulation:
    """One order against the last days, told in one language."""

    def __init__(  # noqa: PLR0913, PLR0917 - against what, when, in which words
        self,
        db: sa.Connection,
        book: OrderBook,
        document: Document,
        now_us: int,
        network_work: Work,
        formats: Formats,
        words: Words,
    ) -> None:
        self._db = db
        self._book = book
        self._document = document
        self._now_us = now_us
        self._network_work = network_work
        self._formats = formats
        self._words = words

    def findings(self) -> list[Finding]:
        """Every section that the order holds, in the sections' order."""
        tellers: Mapping[Section, Callable[[Finding], None]] = {
            Section.REWARD: self._reward,
            Section.FEE: self._fee,
            Section.VENUES: self._venues,
            Section.LICENCES: self._licences,
            Section.SCREENING: self._screening,
            Section.SALE: self._sale,
            Section.PAYOUT: self._payout,
            Section.CALENDAR: self._calendar,
        }
        found = []
        for section in self._document.rules.held():
            finding = Finding(section)
            tellers[section](finding)
            found.append(finding)
        return found

    def _before(self, section: Section) -> InForce[object] | None:
        return self._book.in_force(section, self._document.effective(section))

    def _reward(self, finding: Finding) -> None:
        rule = self._document.rules.reward
        _ = self._words
        if rule is None:
            return
        network_work = self._network_work()
        if network_work is None and rule.method == "pplns":
            finding.without = _(N_("No node tells the difficulty of the network."))
            return
        with_work = simulate_rewards(
            self._db, self._book, rule, now_us=self._now_us, network_work_hashes=network_work
        )
        number, btc = self._formats.number, self._formats.btc
        finding.figures = [
            self._same(_(N_("Blocks")), number(with_work.blocks)),
            self._same(_(N_("Participants who would have been paid")),
                       number(with_work.participants)),
            Figure(_(N_("Participants who would have been paid another amount")), "",
                   number(with_work.affected)),
            Figure(_(N_("Paid, BTC")), btc(with_work.before_sat), btc(with_work.then_sat)),
            Figure(_(N_("Gone to others, BTC")), "", btc(with_work.moved_sat)),
        ]  # fmt: skip
        finding.rows_title = _(N_("The largest changes, BTC"))
        finding.rows = [
            Row(f"{one.participant_id}, {one.name}", btc(one.before_sat), btc(one.then_sat))
            for one in with_work.largest
        ]
        finding.assumes = [
            _(N_("The same blocks were found at the same times."))
            ,
            _(N_("Work is taken from the statistics of hours, spread evenly within an hour; both "
                 "columns are counted so, and differ a little from what was paid."))
            if with_work.by_hours
            else _(N_("Work is taken from the statistics of days, spread evenly within a day; both "
                      "columns are counted so, and differ somewhat from what was paid.")),
            _(N_("Windows are measured by the difficulty of now.")),
        ]  # fmt: skip

    def _fee(self, finding: Finding) -> None:
        rule = self._document.rules.fee
        _ = self._words
        if rule is None:
            return
        found = simulate_fee(self._db, rule.pool_ppm, now_us=self._now_us)
        som = self._formats.som
        finding.figures = [
            self._same(_(N_("Settled lots")), self._formats.number(found.lots)),
            self._same(_(N_("Gross proceeds")), som(found.gross_tyiyn)),
            Figure(_(N_("Fee of the pool")), som(found.before_tyiyn), som(found.then_tyiyn)),
            Figure(_(N_("To participants, more or less")), "",
                   som(found.before_tyiyn - found.then_tyiyn)),
        ]  # fmt: skip
        finding.assumes = [
            _(N_("The lots that were settled in those days, by the same rounding; before is what "
                 "was kept, by the orders of then.")),
        ]  # fmt: skip

    def _payout(self, finding: Finding) -> None:
        rule, before = self._document.rules.payout, self._before(Section.PAYOUT)
        _ = self._words
        if rule is None:
            return
        former: object = before.rule if before else None
        found = simulate_payouts(
            self._db, rule.threshold_tyiyn, getattr(former, "threshold_tyiyn", None),
            now_us=self._now_us,
        )  # fmt: skip
        number = self._formats.number
        finding.figures = [
            self._same(_(N_("Payouts")), number(found.payouts)),
            Figure(_(N_("Payouts that would have waited")), "", number(found.would_wait)),
            Figure(_(N_("Their sum")), "", self._formats.som(found.would_wait_tyiyn)),
            Figure(_(N_("Participants whose balance of now waits")), number(found.balances_before),
                   number(found.balances_then)),
        ]  # fmt: skip
        finding.assumes = [
            _(N_("Each payout by itself: what waits is paid later, with what comes to it.")),
        ]

    def _screening(self, finding: Finding) -> None:
        rule, before = self._document.rules.screening, self._before(Section.SCREENING)
        _ = self._words
        if rule is None:
            return
        found = simulate_screening(
            self._db, rule, before.rule if before else None,  # type: ignore[arg-type]
            now_us=self._now_us,
        )  # fmt: skip
        number = self._formats.number
        finding.figures = [self._same(_(N_("Lots with a score")), number(found.lots))] + [
            Figure(_(words), number(found.before[verdict]), number(found.then[verdict]))
            for verdict, words in VERDICTS.items()
        ]
        finding.rows_title = _(N_("Lots that would have been decided about otherwise"))
        finding.rows = [
            Row(
                _(N_("Lot of block %(height)s, score %(score)s")) % {
                    "height": number(one.height),
                    "score": self._formats.percent(one.score_bp / 10_000, 2),
                },
                _(VERDICTS[one.before]), _(VERDICTS[one.then]),
            )
            for one in found.changed[:ROWS_MAX]
        ]  # fmt: skip
        finding.assumes = [_(N_("The last score of each lot, by whichever provider gave it."))]

    def _sale(self, finding: Finding) -> None:
        rule, before = self._document.rules.sale, self._before(Section.SALE)
        _ = self._words
        if rule is None:
            return
        found = simulate_sale(
            self._db, rule, before.rule if before else None,  # type: ignore[arg-type]
            now_us=self._now_us,
        )  # fmt: skip
        number, btc = self._formats.number, self._formats.btc
        finding.figures = [
            self._same(_(N_("Days with a sale")), number(found.days)),
            self._same(_(N_("Sold, BTC")), btc(found.sold_sat)),
            Figure(_(N_("What a day lets one venue sell, BTC")), btc(found.day_sat_before),
                   btc(found.day_sat_then)),
            Figure(_(N_("Days that would have come to that end")), number(len(found.over_before)),
                   number(len(found.over_then))),
        ]  # fmt: skip
        finding.rows_title = _(N_("Those days, and what was sold on them, BTC"))
        finding.rows = [
            Row(self._formats.day(day), btc(sold), btc(found.day_sat_then))
            for day, sold in found.over_then[:ROWS_MAX]
        ]
        finding.assumes = [
            _(N_("What was sold each day in Bishkek; the guards on price, quote and depth are "
                 "not tried again, since the books of then are not kept.")),
        ]  # fmt: skip

    def _venues(self, finding: Finding) -> None:
        rule = self._document.rules.venues
        _ = self._words
        if rule is None:
            return
        found = simulate_venues(self._db, self._book, rule, now_us=self._now_us)
        btc = self._formats.btc
        names = sorted(found.before_sat.keys() | found.then_sat.keys())
        finding.figures = [
            self._same(_(N_("Blocks")), self._formats.number(found.blocks)),
            *(
                Figure(name or _(N_("before the first order")), btc(found.before_sat[name]),
                       btc(found.then_sat[name]))
                for name in names
            ),
        ]  # fmt: skip
        finding.assumes = [_(N_("The same blocks, shared by these weights as a coinbase shares."))]

    def _licences(self, finding: Finding) -> None:
        _ = self._words
        licences = self._document.rules.licences or ()
        paid = self._document.rules.venues
        if paid is None:
            known = self._book.in_force(Section.VENUES, 2**31 - 1)
            paid = known.rule if known else ()
        at_us = self._document.effective(Section.LICENCES)
        number = self._formats.number
        for venue in paid:
            own = [one for one in licences if one.venue == venue.venue]
            ends_us = max((one.until_us for one in own if one.is_in_force(at_us)), default=None)
            days = None if ends_us is None else (ends_us - at_us) // 86_400_000_000
            said = _(N_("none in force")) if days is None else (
                _(N_("%(days)s days, until %(until)s"))
                % {"days": number(days), "until": self._formats.day(moment_of((ends_us or 1) - 1))}
            )  # fmt: skip
            finding.figures.append(Figure(venue.venue, "", said))
        finding.assumes = [_(N_("Counted from the moment from which the order is in force."))]

    def _calendar(self, finding: Finding) -> None:
        rule = self._document.rules.calendar
        _ = self._words
        if rule is None:
            return
        calendar = WorkingDays(InForce(self._document.number, rule))
        found = simulate_calendar(self._db, calendar)
        number = self._formats.number
        finding.figures = [
            self._same(_(N_("Open deadlines in working days")), number(found.looked_at)),
            Figure(_(N_("That would be another day")), "", number(len(found.changed))),
        ]
        finding.rows_title = _(N_("Deadlines by the other calendar"))
        finding.rows = [
            Row(f"{_(WHAT[one.what])} {one.number}", self._formats.day(one.day),
                self._formats.day(one.then))
            for one in found.changed[:ROWS_MAX]
        ]  # fmt: skip
        finding.assumes = [
            _(N_("A deadline that runs already keeps its day: the order moves those that begin "
                 "from its moment on. This is how they would have been counted.")),
        ]  # fmt: skip

    @staticmethod
    def _same(label: str, value: str) -> Figure:
        return Figure(label, value, value)
