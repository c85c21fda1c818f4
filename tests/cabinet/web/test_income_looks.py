"""Everybody can use the pages of income: axe, phone width, schemes, languages, keyboard."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser

from kench.cabinet.cabinet import Cabinet
from kench.cabinet.words.languages import Language
from kench.pool.clock import ManualClock
from kench.pool.database import open_engine
from tests.payouts.income.month import NOW_US, PERIOD, fill_month, force, form
from tests.support.browser import visiting
from tests.support.cabinet import served_cabinet
from tests.support.looks import enter_as, look_at_pages
from tests.support.pki import PIN
from tests.support.registration import verifier_at
from tests.support.signing import Draw
from tests.support.two_officers import FINANCE, put_officers

HERE = f"/desk/income/{PERIOD}"
FIRST = "KG-2026-10-1-2026-10-03-1"
PAGES = [
    (FINANCE, f"{HERE}/corrections"), (FINANCE, HERE), (PIN, "/p/1/income"),
    (FINANCE, f"/desk/income/records/{FIRST}"), (FINANCE, "/desk/income"),
    (FINANCE, f"{HERE}/records"), (FINANCE, "/desk/income/rejections"),
]  # fmt: skip
"""Each language looks at every third."""


@pytest.fixture(scope="module")
def cabinet(module_database: str) -> Iterator[Cabinet]:
    fill_month(module_database)
    owner = open_engine(module_database, application_name="test")
    with owner.begin() as db:
        put_officers(db)
    owner.dispose()
    form(module_database)
    # The register says otherwise by now, the ledger has lost a satoshi, a record was not taken.
    force(
        module_database,
        "UPDATE participants SET name = 'ОсОО «Жаңы Кең-Өзөн»' WHERE id = 1",
        "INSERT INTO exchange_rates VALUES ('USD', '2026-10-16', 87.5, 'test', now())",
        "UPDATE fills SET amount_sat = amount_sat + 1 WHERE trade_id = (SELECT min(trade_id) "
        "FROM fills)",
        "INSERT INTO income_receipts (doc_ref, consumer, status, code, words, xroad_id, at) VALUES "
        f"('{FIRST}', 'KG/GOV/10000001/taxes', 'rejected', 'UNKNOWN-PAYER', 'no such taxpayer', "
        "gen_random_uuid(), now())",
        "INSERT INTO income_rejection_queue SELECT id FROM income_receipts",
    )
    clock = ManualClock(NOW_US)
    with served_cabinet(module_database, clock=clock, verifier=verifier_at()) as made:
        yield made


@pytest.mark.parametrize("language", Language)
def test_everybody_can_use_the_pages(
    cabinet: Cabinet, chromium: Browser, language: Language
) -> None:
    look_at_pages(cabinet, chromium, language, PAGES, "income")


def test_many_records_are_corrected_by_the_keyboard_alone(
    cabinet: Cabinet, chromium: Browser
) -> None:
    with visiting(chromium, cabinet.settings.cabinet_origin) as page:
        enter_as(cabinet, page, FINANCE, Draw(50_000))
        page.goto(f"{HERE}/corrections")
        while page.evaluate("document.activeElement.id") != "participant":
            page.keyboard.press("Tab")
        page.keyboard.type("1")
        page.keyboard.press("Enter")
        page.wait_for_url("**participant=1")
        wanted = "Write 8 further documents"
        while page.evaluate("document.activeElement.textContent") != wanted:
            page.keyboard.press("Tab")
        page.keyboard.press("Enter")
        page.wait_for_url("**said=records_corrected")
        assert page.get_by_text("there is nothing to correct").is_visible()
