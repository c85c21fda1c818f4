"""Access, alerts and what a watcher sees, in a browser: for everybody, on any screen."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page

from kench.cabinet.access.grants import Kind
from kench.cabinet.cabinet import Cabinet
from kench.cabinet.web.cookies import LOGIN, cookie_name
from kench.pool.clock import SystemClock
from tests.support.browser import PHONE, check_page, visiting
from tests.support.cabinet import served_cabinet
from tests.support.grants import Two, granted
from tests.support.pki import PIN
from tests.support.signing import Draw, enter


@pytest.fixture(scope="module")
def cabinet(module_database: str, two: Two) -> Iterator[Cabinet]:
    del two
    with served_cabinet(
        module_database, clock=SystemClock(), alerts_smtp_host="127.0.0.1"
    ) as served:
        yield served


def enter_in(page: Page, cabinet: Cabinet, number: int) -> None:
    """Give the browser the owner's login."""
    with cabinet.engine.begin() as db:
        _, secret = enter(db, PIN, now_us=cabinet.clock.now_us(), draw=Draw(2**80 + number))
    page.context.add_cookies(
        [{"name": cookie_name(cabinet.settings, LOGIN), "value": secret.hex(),
          "url": cabinet.settings.cabinet_origin}]
    )  # fmt: skip


@pytest.mark.parametrize(("number", "language"), list(enumerate(["ky", "ru", "en"])))
def test_the_rooms_of_an_owner(
    chromium: Browser, cabinet: Cabinet, two: Two, number: int, language: str
) -> None:
    with visiting(chromium, cabinet.settings.cabinet_origin, language=language) as page:
        enter_in(page, cabinet, number)
        page.goto(f"/p/{two.first}/access")
        page.locator("#kind-key").check()
        page.locator("#name").fill("Grafana")
        page.locator("main form").last.locator("button").click()
        assert len(page.locator("code.secret").inner_text()) == 43
        check_page(page, f"access-made-{language}")
        page.goto(f"/p/{two.first}/access")
        check_page(page, f"access-{language}")
        page.goto(f"/p/{two.first}/alerts")
        page.locator("#channel-webhook").check()
        page.locator("#target").fill("https://example.com/hooks/" + "x" * 60)
        page.locator("#quiet-from").fill("22:00")
        page.locator("#quiet-until").fill("07:30")
        page.locator("main form").last.locator("button").click()
        assert len(page.locator("code.secret").inner_text()) == 64
        check_page(page, f"alerts-{language}")


def test_a_watcher_without_scripts_changes_the_language(
    chromium: Browser, cabinet: Cabinet, two: Two
) -> None:
    with cabinet.engine.begin() as db:
        secret = granted(db, two.first, Kind.LINK, now_us=cabinet.clock.now_us())
    with visiting(chromium, cabinet.settings.cabinet_origin, scripts=False, size=PHONE) as page:
        page.goto(f"/watch/{secret}")
        assert page.get_by_role("heading", name="Ала-Тоо").is_visible()
        page.get_by_role("link", name="Русский").click()
        assert page.url.endswith(f"/watch/{secret}?language=ru")
        assert page.get_by_role("heading", name="Хешрейт сейчас").is_visible()


def test_everybody_can_use_the_watchers_page(chromium: Browser, cabinet: Cabinet, two: Two) -> None:
    with cabinet.engine.begin() as db:
        secret = granted(db, two.first, Kind.LINK, now_us=cabinet.clock.now_us())
    with visiting(chromium, cabinet.settings.cabinet_origin) as page:
        page.goto(f"/watch/{secret}")
        check_page(page, "watch-en")
