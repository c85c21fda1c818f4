"""Everybody can use the desk's pages of orders, lots and venues: axe, phone width, schemes."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser

from kench.cabinet.cabinet import Cabinet
from kench.cabinet.words.languages import Language
from kench.pool.clock import ManualClock
from kench.pool.database import open_engine
from kench.pool.register import add_participant
from tests.cabinet.pictures.orders_world import add_orders
from tests.support.browser import check_page, visiting
from tests.support.cabinet import served_cabinet
from tests.support.grants import BLOCK_HASH, credit_block
from tests.support.held_lots import add_held_lot
from tests.support.looks import enter_as
from tests.support.registration import NOW_US, OFFICER_PIN, put_officer, verifier_at
from tests.support.signing import SECOND_US, Draw

PAGES = {
    Language.KY: "/desk/orders/new",
    Language.RU: f"/desk/lots/{BLOCK_HASH}/0",
    Language.EN: "/desk/orders/drafts/1",
}
"""Each in one language; pictures show them in all."""


@pytest.fixture(scope="module")
def cabinet(module_database: str) -> Iterator[Cabinet]:
    owner = open_engine(module_database, application_name="test")
    with owner.begin() as db:
        put_officer(db)
        add_orders(db)
        credit_block(db, add_participant(db, "Ала-Тоо")[0])
        add_held_lot(db, BLOCK_HASH, at_us=NOW_US)
    owner.dispose()
    clock = ManualClock(NOW_US + 3_600 * SECOND_US)
    with served_cabinet(module_database, clock=clock, verifier=verifier_at()) as made:
        made.orders.load()
        yield made


@pytest.mark.parametrize("language", Language)
def test_everybody_can_use_the_pages(
    cabinet: Cabinet, chromium: Browser, language: Language
) -> None:
    draw = Draw(70_000 * (1 + list(Language).index(language)))
    with visiting(chromium, cabinet.settings.cabinet_origin, language=language.value) as page:
        enter_as(cabinet, page, OFFICER_PIN, draw)
        answer = page.goto(PAGES[language])
        assert answer is not None
        assert answer.ok
        check_page(page, f"orders{PAGES[language].replace('/', '-')[:40]}-{language}")
