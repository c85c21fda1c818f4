"""A month of the system, played at speed in browsers: figures of all views agree in the end."""

import contextlib
import json
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import NamedTuple

import pytest
import sqlalchemy as sa
from playwright.sync_api import Browser
from prometheus_client import CollectorRegistry

from kench.cabinet.cabinet import Cabinet
from kench.cabinet.registration.due import DueWork
from kench.cabinet.registration.outcomes import calendar_of
from kench.cabinet.reports.work import ReportWork
from kench.payouts.income.generate import generate
from kench.pool.moments import midnight_us
from kench.pool.orders.document import canonical
from tests.integration.month.people import LANGUAGES, MINERS, Human, at_work, somebody
from tests.integration.month.world import BLOCKS, DAYS, FIRST_DAY, MONTH, Month, month_in
from tests.sale.world import MATURE_SAT
from tests.support.browser import aside
from tests.support.orders import DEMO_RULES, content_of
from tests.support.pki import PIN, SECOND_PIN

NUMBERS = {name: number for number, name in enumerate(MINERS, 1)}
_BOOKED = sa.text("""
    SELECT participant_id, sum(amount) FILTER (WHERE asset = 'BTC') AS sat,
        sum(amount) FILTER (WHERE asset = 'KGS') AS tyiyn
    FROM (SELECT amount, transfers.asset, account.participant_id FROM transfers
          JOIN accounts AS account
            ON account.code IN (debit_account, credit_account)
          WHERE subject = 'settlement' AND account.participant_id IS NOT NULL) AS lines
    GROUP BY participant_id
""")
_FEES = sa.text("SELECT sum(venue_fee_tyiyn), sum(pool_fee_tyiyn) FROM lot_settlements")


class Figures(NamedTuple):
    """A participant's month in one view."""

    sold_sat: int
    net_tyiyn: int


@pytest.fixture
def month(database: str) -> Iterator[Month]:
    with month_in(database) as made:
        yield made


def test_a_month(chromium: Browser, month: Month, database: str, tmp_path: Path) -> None:
    with at_work(month, database) as cabinet:
        play = Play(chromium, month, cabinet, tmp_path)
        play.register()
        play.mine()
        play.report()
        play.see()


class Play:
    """The month, scene by scene."""

    def __init__(self, chromium: Browser, month: Month, cabinet: Cabinet, folder: Path) -> None:
        self.chromium, self.month, self.cabinet, self.folder = chromium, month, cabinet, folder
        self.reported: dict[int, Figures] = {}
        self.mined: dict[date, list[int]] = {}
        self.due = DueWork(cabinet.engine, month.clock, CollectorRegistry())

    def somebody(self, pin: str, language: str = "en") -> contextlib.AbstractContextManager[Human]:
        return somebody(self.chromium, self.cabinet, pin, self.folder, language)

    def miner(self, name: str) -> contextlib.AbstractContextManager[Human]:
        return self.somebody(MINERS[name], LANGUAGES[name])

    def miners(self) -> list[int]:
        """Who may mine now, as the ports would be told."""
        with self.month.owner.connect() as db:
            query = "SELECT id FROM participants WHERE state = 'active' ORDER BY id"
            return list(db.scalars(sa.text(query)))

    def register(self) -> None:
        """Three apply; one is refused, applies again, and is registered too."""
        with contextlib.ExitStack() as rooms:
            registrar = rooms.enter_context(self.somebody(PIN))
            for name in MINERS:
                human = rooms.enter_context(self.miner(name))
                path = human.apply(f"ЖИ {name}", MINERS[name])
                if name == "refused":
                    registrar.decide(path, ground="30.1")
                    human.go(path)
                    path = human.apply(f"ЖИ {name}", MINERS[name])
                registrar.decide(path)
        assert self.miners() == [1, 2, 3]

    def mine(self) -> None:
        """Two hundred blocks; one suspends for a week, one is excluded."""
        scenes = {2: self.suspend, 9: self.order, 20: self.exclude}
        for number in range(DAYS):
            day = FIRST_DAY + timedelta(days=number)
            self.month.go_to(day)
            self.due.look()
            self.record()
            scenes.get(day.day, lambda _day: None)(day)
            self.mined[day] = self.miners()
            self.month.mine_day(self.mined[day], (BLOCKS * (number + 1)) // DAYS - self.month.found)
        assert self.month.found == BLOCKS
        assert self.days_without(1) == [*range(12, 19)]
        assert self.days_without(3) == [*range(20, DAYS + 1)]

    def days_without(self, participant: int) -> list[int]:
        return [day.day for day, miners in self.mined.items() if participant not in miners]

    def suspend(self, day: date) -> None:
        with self.miner("steady") as human:
            page = human.go("/p/1/notices/new/suspension")
            page.fill("[name=day]", str(day + timedelta(days=10)))
            page.fill("[name=until]", str(day + timedelta(days=17)))
            page.click("button[value=sign]")
            human.sign()

    def order(self, day: date) -> None:
        """Coins over 60 percent are refused from tomorrow on: drafted, tried out, signed by two."""
        content = content_of(
            2, {"screening": DEMO_RULES["screening"] | {"refuse_over_bp": 6000}},
            moment_us=midnight_us(day + timedelta(days=1)),
        )  # fmt: skip
        with self.somebody(PIN) as finance, self.somebody(SECOND_PIN) as head:
            page = finance.go("/desk/orders/new")
            page.click("details:has(#json) > summary")
            page.fill("#json", canonical(content).decode())
            page.click("button[value=json]")
            page.click("a[href$='/simulation']")
            page.go_back()
            page.click("form[action$='/sign'] button")
            finance.sign()
            assert not self.orders_in_force(2)
            head.go("/desk/orders/2").click("form[action$='/sign'] button")
            head.sign()
        assert self.orders_in_force(2)

    def orders_in_force(self, number: int) -> bool:
        """Whether that order is accepted; sale and cabinet take it up if so."""
        self.month.read_orders()
        aside(self.cabinet.orders.load)
        return self.month.orders.newest == number

    def exclude(self, _day: date) -> None:
        with self.somebody(PIN) as registrar:
            page = registrar.go("/desk/participants/3")
            page.fill("[name=reason]", "Equipment that is not declared.")
            page.click("form[action$=exclude] button")
            registrar.sign()
        assert 3 not in self.miners()

    def report(self) -> None:
        """The month is over: each files the simplified report, made of the system's figures."""
        self.month.go_to(FIRST_DAY + timedelta(days=DAYS + 1))
        work = ReportWork(
            self.cabinet.engine, self.month.clock,
            lambda at_us: calendar_of(self.cabinet, at_us), CollectorRegistry(),
        )  # fmt: skip
        work.look()
        assert not self.reports(), "made before the income was recorded"
        self.record()
        work.look()
        assert self.reports() == len(MINERS)
        with self.somebody(PIN) as inspector:
            for name, number in NUMBERS.items():
                with self.miner(name) as human:
                    page = human.go(f"/p/{number}/reports")
                    page.click(f"main tr:has(td:text-is('{MONTH}')) a")
                    page.click("button[value=simple]")
                    page.check("#v-only_here")
                    page.fill("#v-energy_kwh", "290000")
                    page.click("button[value=sign]")
                    path = human.sign()
                inspector.go(f"/desk/reports/{path.rpartition('/')[2]}")
                inspector.page.click("button[value=accepted]")
                self.reported[number] = self.figures_of_report(inspector, path)

    def reports(self) -> int:
        with self.month.owner.connect() as db:
            query = sa.text("SELECT count(*) FROM reports WHERE period = :month")
            return db.execute(query, {"month": MONTH}).scalar_one()

    def record(self) -> None:
        """Form the records of income of the days that are over, as settlement does each night."""
        with self.month.owner.begin() as db:
            generate(db, MONTH, self.month.clock.now_us())

    def figures_of_report(self, officer: Human, path: str) -> Figures:
        """What a filed report says."""
        with officer.page.expect_download() as download:
            officer.page.click(f"a[href$='/reports/{path.rpartition('/')[2]}/filed.json']")
        values = json.loads(download.value.path().read_text())["filing"]["contents"]
        return Figures(values["sold_sat"], values["net_tyiyn"])

    def see(self) -> None:
        """Every view of the month says the same, to the satoshi and the tyiyn."""
        booked = self.booked()
        assert sum(one.sold_sat for one in booked.values()) == BLOCKS * MATURE_SAT
        stated = {number: self.stated(name) for name, number in NUMBERS.items()}
        assert stated == booked
        assert self.reported == booked
        with self.month.owner.connect() as db:
            assert db.scalar(sa.text("SELECT bool_and(balanced) FROM ledger_check"))
            filled = db.execute(
                sa.text("SELECT sum(amount_sat), sum(gross_tyiyn) FROM fills")
            ).one()
            fees = db.execute(_FEES).one()
        net_tyiyn = sum(one.net_tyiyn for one in booked.values())
        assert tuple(filled) == (BLOCKS * MATURE_SAT, net_tyiyn + sum(fees))

    def booked(self) -> dict[int, Figures]:
        """What the ledger says of each participant."""
        with self.month.owner.connect() as db:
            return {row.participant_id: Figures(row.sat, row.tyiyn) for row in db.execute(_BOOKED)}

    def stated(self, name: str) -> Figures:
        """What the participant's statement of the month says."""
        with self.miner(name) as human:
            number = NUMBERS[name]
            with human.page.expect_download() as download:
                human.go(f"/p/{number}/statements")
                human.page.click(f"a[href$='/statements/{MONTH}.json']")
            statement = json.loads(download.value.path().read_text())
        lots = statement["lots"]
        return Figures(sum(lot["amount_sat"] for lot in lots),
                       sum(lot["net_tyiyn"] for lot in lots))  # fmt: skip
