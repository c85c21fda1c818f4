"""Everybody can use the pages of reports: axe, phone width, both schemes, three languages."""

from collections.abc import Iterator

import pytest
import sqlalchemy as sa
from playwright.sync_api import Browser

from kench.cabinet.cabinet import Cabinet
from kench.cabinet.words.languages import Language
from kench.pool.clock import ManualClock
from kench.pool.database import open_engine
from tests.support.cabinet import served_cabinet
from tests.support.looks import look_at_pages
from tests.support.pki import PIN
from tests.support.registration import OFFICER_PIN, put_officer, registered, verifier_at
from tests.support.reports import after_us, filed, report_made

PAGES = [
    (PIN, "/p/1/reports/1"), (OFFICER_PIN, "/desk/reports"), (PIN, "/p/1/reports/3"),
    (PIN, "/p/1/reports"), (OFFICER_PIN, "/desk/reports/2"), (PIN, "/p/1/reports/2"),
    (OFFICER_PIN, "/desk/reports/forms"), (OFFICER_PIN, "/desk/reports/list"),
    (OFFICER_PIN, "/desk/reports/forms/1"),
]  # fmt: skip
"""Each language looks at every third."""


@pytest.fixture(scope="module")
def cabinet(module_database: str) -> Iterator[Cabinet]:
    owner = open_engine(module_database, application_name="test")
    with owner.begin() as db:
        put_officer(db)
        whose = registered(db)
        report_made(db, whose)
        filed(db, report_made(db, whose, "2026-10"), {
            "v-energy_kwh": "1", "v-energy_paid_tyiyn": "1", "v-energy_supplier": "x",
            "v-staff": "1", "v-tax_number": PIN, "v-machines": "1",
        }, now_us=after_us("2026-11"))  # fmt: skip
        report_made(db, whose, "2026-Q3", "quarterly")
        db.execute(
            sa.text("INSERT INTO report_runs VALUES ('monthly', '2026-10', 1, now(), now())")
        )
    owner.dispose()
    clock = ManualClock(after_us("2026-11"))
    with served_cabinet(module_database, clock=clock, verifier=verifier_at()) as made:
        yield made


@pytest.mark.parametrize("language", Language)
def test_everybody_can_use_the_pages(
    cabinet: Cabinet, chromium: Browser, language: Language
) -> None:
    look_at_pages(cabinet, chromium, language, PAGES, "reports")
