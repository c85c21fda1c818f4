"""The people of the month, each with a browser and a key file of their own."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from playwright.sync_api import Browser, Page

from kench.cabinet.cabinet import Cabinet
from kench.pool.orders.officer_roles import OfficerRole, end_role
from tests.integration.month.world import Month
from tests.support.browser import aside, visiting
from tests.support.cabinet import served_cabinet
from tests.support.in_pages import enter, fill_application, key_file, path_of, sign_here
from tests.support.pki import PIN, SECOND_PIN
from tests.support.registers import DAYS, authority, verifier

FIRST_DUTIES = {OfficerRole.REGISTRAR, OfficerRole.INSPECTOR, OfficerRole.FINANCE}
MINERS = {"steady": "11211197800321", "refused": "10703198800654", "broken": "20406199000987"}
"""Who suspends for a while, who is refused at first, and who is excluded."""
LANGUAGES = {"steady": "ky", "refused": "ru", "broken": "en"}


@dataclass
class Human:
    """Somebody at a browser."""

    page: Page
    file: Path

    def enter(self) -> None:
        enter(self.page, self.file)

    def sign(self) -> str:
        """Sign what is asked; return the path of the page that comes then."""
        sign_here(self.page, self.file)
        return path_of(self.page)

    def go(self, path: str) -> Page:
        answer = self.page.goto(path)
        assert answer is not None
        assert answer.ok, (path, answer.status)
        return self.page

    def apply(self, name: str, pin: str) -> str:
        """Apply to be registered; return the path of the application."""
        self.go("/apply")
        fill_application(self.page, name=name, tax_number=pin, certificate_issued="2026-01-20")
        self.page.click("button[value=sign]")
        return self.sign()

    def decide(self, application: str, ground: str = "") -> None:
        """Register an applicant, or refuse by that ground."""
        page = self.go(f"/desk{application}")
        page.check(f"input[name=do][value={'refuse' if ground else 'register'}]")
        if ground:
            page.check(f"input[name=ground][value='{ground}']")
            page.fill("[name=reason]", "The certificate is not legible.")
        page.click("form[action$=decide] button")
        self.sign()


@contextlib.contextmanager
def at_work(month: Month, database: str) -> Iterator[Cabinet]:
    """Serve the cabinet of the month; of two officers one is registrar, the other head."""
    with month.owner.begin() as db:
        for role in OfficerRole:
            loses = SECOND_PIN if role in FIRST_DUTIES else PIN
            end_role(db, loses, role, month.clock.now_us())
    with served_cabinet(database, clock=month.clock, verifier=verifier()) as cabinet:
        aside(cabinet.orders.load)
        yield cabinet


@contextlib.contextmanager
def somebody(
    chromium: Browser, cabinet: Cabinet, pin: str, folder: Path, language: str = "en"
) -> Iterator[Human]:
    """Somebody who has entered."""
    person = authority().person(pin, days=DAYS)
    origin = cabinet.settings.cabinet_origin
    with visiting(chromium, origin, language=language) as page:
        human = Human(page, key_file(folder / f"{pin}.p12", person))
        human.enter()
        yield human
