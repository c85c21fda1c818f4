"""Pages about money in a browser: everybody can use them, in any language, without scripts too."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page

from kench.cabinet.cabinet import Cabinet
from kench.cabinet.web.cookies import LOGIN, cookie_name
from kench.pool.clock import ManualClock
from tests.cabinet.money import NOW_US, SELLING, SETTLED, fill_books
from tests.support.browser import PHONE, check_page, visiting
from tests.support.cabinet import client_in, served_cabinet

PAGES = {
    "earnings": "earnings",
    "block": f"blocks/{SETTLED[0].block_hash}",
    "block-selling": f"blocks/{SELLING.block_hash}",
    "payouts": "payouts",
    "statements": "statements",
}


@pytest.fixture(scope="module")
def cabinet(module_database: str) -> Iterator[Cabinet]:
    fill_books(module_database)
    with served_cabinet(module_database, clock=ManualClock(NOW_US)) as served:
        yield served


@pytest.fixture(scope="module")
def login(cabinet: Cabinet) -> str:
    """The cookie of somebody who has entered."""
    secret = client_in(cabinet).cookies.get(cookie_name(cabinet.settings, LOGIN))
    assert secret is not None
    return secret


def enter(page: Page, cabinet: Cabinet, secret: str) -> None:
    name = cookie_name(cabinet.settings, LOGIN)
    page.context.add_cookies(
        [{"name": name, "value": secret, "url": cabinet.settings.cabinet_origin}]
    )


@pytest.mark.parametrize(
    ("language", "names"),
    [("ky", tuple(PAGES)), ("ru", ("earnings", "block")), ("en", ("payouts", "statements"))],
)
def test_everybody_can_use_the_pages_about_money(
    chromium: Browser, cabinet: Cabinet, login: str, language: str, names: tuple[str, ...]
) -> None:
    with visiting(chromium, cabinet.settings.cabinet_origin, language=language) as page:
        enter(page, cabinet, login)
        for name in names:
            page.goto(f"/p/1/{PAGES[name]}")
            assert page.locator("html").get_attribute("lang") == language
            check_page(page, f"{name}-{language}")


def test_the_way_to_a_trade_needs_no_scripts(
    chromium: Browser, cabinet: Cabinet, login: str
) -> None:
    origin = cabinet.settings.cabinet_origin
    with visiting(chromium, origin, scripts=False, size=PHONE) as page:
        enter(page, cabinet, login)
        page.goto("/p/1/earnings")
        page.get_by_label("Month").select_option("2026-10")
        page.get_by_role("button", name="Show").click()
        assert "month=2026-10" in page.url
        page.get_by_role("link", name="900,000").click()
        assert page.get_by_role("heading", name="Block 900,000").is_visible()
        assert page.get_by_text("14,728,680.00").first.is_visible()
        with page.expect_download() as kept:
            page.goto("/p/1/statements")
            page.get_by_role("link", name="October 2026, CSV").click()
        assert kept.value.suggested_filename == "kench-1-2026-10.csv"
