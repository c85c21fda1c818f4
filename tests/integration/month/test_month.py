"""A month of the system, played at speed in browsers: figures of all views agree in the end."""

import contextlib
import json
import os
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from playwright.sync_api import Browser
from prometheus_client import CollectorRegistry

from kench.cabinet.cabinet import Cabinet
from kench.cabinet.registration.due import DueWork
from kench.cabinet.registration.outcomes import calendar_of
from kench.cabinet.reports.work import ReportWork
from kench.consumer.asking import Asking, Route
from kench.consumer.checking import Report, pull
from kench.payouts.income.generate import generate
from kench.pool.moments import midnight_us
from kench.pool.orders.document import canonical
from kench.sale.acts import Act
from kench.sale.machine import LotState
from kench.sale.wishes import Wishes
from tests.integration.month.figures import Figures, all_of, booked, traded
from tests.integration.month.people import LANGUAGES, MINERS, Human, at_work, somebody
from tests.integration.month.world import BLOCKS, DAYS, FIRST_DAY, MONTH, Month, month_in
from tests.sale.world import MATURE_SAT
from tests.support.applications import PDF
from tests.support.browser import aside
from tests.support.orders import DEMO_RULES, content_of
from tests.support.pki import PIN, SECOND_PIN
from tests.support.registers import verifier
from tests.support.tax import CLIENT, Asker, provider_of

NUMBERS = {name: number for number, name in enumerate(MINERS, 1)}


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
        play.close()
        play.correct()


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
        scenes = {
            2: self.suspend, 9: self.order, 12: self.screen, 16: self.halt, 20: self.exclude,
        }  # fmt: skip
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

    def screen(self, _day: date) -> None:
        """Coins that the order of three days ago refuses; two officers release them."""
        month = self.month
        month.screening.scores_bp[month.txid_of(month.blocks + 1)] = 7000
        month.mine_day(self.miners(), 1)
        self.resolve(LotState.REFUSED, Act.RELEASE)

    def halt(self, _day: date) -> None:
        """The price falls between two blocks: the sale halts, and two officers resume it."""
        month = self.month
        month.mine_day(self.miners(), 1)
        month.block({self.miners()[0]: MATURE_SAT})
        month.found += 1
        for rig in month.rigs.values():
            rig.quote("7000000")
        month.sell()
        self.resolve(LotState.HALTED, Act.RESUME)
        # Prices are compared with those of the last hour.
        month.clock.advance(2 * 3600)

    def resolve(self, state: LotState, act: Act) -> None:
        """One officer proposes, another agrees, and the sale does it within seconds."""
        standing = [lot for lot in self.month.unfinished_lots() if lot.state == state]
        assert standing
        with self.somebody(PIN) as finance, self.somebody(SECOND_PIN) as head:
            for lot in standing:
                path = f"/desk/lots/{lot.block_hash}/{lot.vout}"
                page = finance.go(path)
                page.check(f"input[name=act][value={act}]")
                page.fill("[name=why]", "Looked into, and found in order.")
                page.click("form[action$='/resolve'] button")
                finance.sign()
                head.go(path).click("form[action$='/sign'] button")
                head.sign()
        aside(Wishes(self.month.desk(), verifier()).look)
        self.month.sell()
        assert not self.month.unfinished_lots()

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
                inspector.sign()
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
        assert all_of(booked.values()).sold_sat == BLOCKS * MATURE_SAT
        stated = {number: self.stated(name) for name, number in NUMBERS.items()}
        assert stated == booked
        assert self.reported == booked
        with self.month.owner.connect() as db:
            assert db.scalar(sa.text("SELECT bool_and(balanced) FROM ledger_check"))
            assert traded(db) == all_of(booked.values())

    def booked(self) -> dict[int, Figures]:
        with self.month.owner.connect() as db:
            return booked(db)

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

    def close(self) -> None:
        """Two officers close the period; the tax service pulls it, and all of it holds."""
        self.close_period()
        report = self.pulled()
        assert (report.version, report.participants, report.differences) == (1, len(MINERS), [])
        assert self.totals_of(report) == Figures(
            *map(sum, zip(*self.booked().values(), strict=True))
        )

    def correct(self) -> None:
        """One is called otherwise: an order's reopening, a further document, a closing again."""
        self.rename()
        day = next(one for one, miners in self.mined.items() if 2 in miners)
        before = self.pulled()
        with self.somebody(PIN) as finance, self.somebody(SECOND_PIN) as head:
            page = finance.go(f"/desk/income/{MONTH}")
            page.fill("#order", "2")
            page.fill("#reason", "A name has changed.")
            page.click("form[action$='/reopen'] button")
            finance.sign()
            head.go(f"/desk/income/{MONTH}").click("form[action$='/agree'] button")
            head.sign()
            finance.go(f"/desk/income/records/KG-{MONTH}-2-{day}-1")
            finance.page.click("form[action$='/correct'] button")
        self.close_period()
        after = self.pulled()
        assert (after.version, after.records, after.differences) == (3, before.records + 1, [])
        assert self.totals_of(after) == self.totals_of(before)

    def rename(self) -> None:
        with self.miner("refused") as human, self.somebody(PIN) as registrar:
            page = human.go("/p/2/notices/new/certificate")
            page.fill("[name=happened]", str(FIRST_DAY + timedelta(days=DAYS)))
            page.fill("[name=name]", "ЖИ Renamed")
            page.select_option("#file_kind", "other")
            file = {"name": "name.pdf", "mimeType": "application/pdf", "buffer": PDF}
            page.set_input_files("#file", file)  # type: ignore[arg-type] # a dictionary is one too
            page.click("button[value=upload]")
            page.click("button[value=sign]")
            human.sign()
            registrar.go("/desk/notices").click("main td a[href^='/desk/notices/']")
            registrar.page.click("form[action$='/enter'] button")

    def close_period(self) -> None:
        """One officer closes, another agrees."""
        with self.somebody(PIN) as finance, self.somebody(SECOND_PIN) as head:
            finance.go(f"/desk/income/{MONTH}").click("form[action$='/close'] button")
            finance.sign()
            head.go(f"/desk/income/{MONTH}").click("form[action$='/agree'] button")
            head.sign()

    def pulled(self) -> Report:
        """What the tax service's consumer finds of the month."""
        database = self.month.owner.url.render_as_string(hide_password=False)
        with provider_of(database, clock=self.month.clock) as provider:
            asking = Asking(Route("http://127.0.0.1:8090", CLIENT, ""), os.urandom, Asker(provider))
            return aside(lambda: pull(asking, MONTH, verifier(), receipts=True))

    @staticmethod
    def totals_of(report: Report) -> Figures:
        return Figures(report.totals["sold_sat"], report.totals["net_tyiyn"])
