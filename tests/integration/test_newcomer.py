"""The whole way of a newcomer, in a browser and over the real processes of `kench up`.

From a key file to som on the page: application, decision, connection, the first share, the sale.
KENCH_TEST_SCREENSHOTS=folder keeps pictures of it, KENCH_TEST_LANGUAGE=ky|ru|en says in which
language (ky). Nothing here reads words of the pages, so that it holds in each of them.
"""

import contextlib
import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from kench.pki.people import PASSWORD
from tests.support.browser import PHONE, WIDE, take_picture, visiting
from tests.support.in_pages import enter, fill_application, sign_here
from tests.support.nodes import Rpc
from tests.support.site import KENCH, WAIT_S, RunningUp
from tests.support.waiting import await_that

LANGUAGE = os.environ.get("KENCH_TEST_LANGUAGE", "ky")
ADDRESS = "bcrt1qqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqdku202"
"""Whose blocks bury those of the pool."""
MATURITY_BLOCKS = 101
MOVES_MS = 60_000
SOLD_MS = 60_000
FOUND_MS = 240_000
"""A CPU finds a block when it finds one, and other tests want it too."""


@pytest.fixture
def up(tmp_path: Path) -> Iterator[RunningUp]:
    running = RunningUp(tmp_path / "data", "--no-miner")
    yield running
    if running.process.poll() is None:
        running.stop()


def test_a_newcomer_applies_connects_a_miner_and_sees_its_som(
    chromium: Browser, up: RunningUp
) -> None:
    up.await_ready()
    origin = up.await_cabinet()
    with visiting(chromium, origin, language=LANGUAGE) as page:
        page.goto("/")
        _picture(page, "front")
        enter(page, up.data / "run/pki/participant-one-rsa.p12", PASSWORD)
        application = _apply(page, up.data / "run/pki/participant-one-rsa.p12")
        with visiting(chromium, origin, language=LANGUAGE) as desk:
            _decide(desk, up.data / "run/pki/officer-one.p12", application)
        login, token, url = _connection_of(page, application)
        dashboard = urlsplit(page.url).path.removesuffix("connection")
        page.goto(dashboard)
        _picture(page, "dashboard-before")
        moving = _live(page, "accepted"), _live(page, "hashrate_1m")
        before = [one.inner_text() for one in moving]
        with _mining(url, login, token):
            await_that(lambda: up.accepted() > 0)
            for one, text in zip(moving, before, strict=True):
                expect(one).not_to_have_text(text, timeout=MOVES_MS)
            _picture(page, "dashboard")
            page.goto(f"{dashboard}earnings")
            _earn(page, up)


def _apply(page: Page, key_file: Path) -> str:
    """Apply; return the path of the application."""
    _picture(page, "home-newcomer")
    page.click("main a[href='/apply']")
    fill_application(page)
    _picture(page, "apply")
    page.click("button[value=sign]")
    page.wait_for_url("**/sign/*")
    _picture(page, "sign-application")
    sign_here(page, key_file, PASSWORD)
    page.wait_for_url("**/applications/*")
    _picture(page, "application")
    path = urlsplit(page.url).path
    page.goto("/p")
    expect(page.locator(f"main a[href='{path}']")).to_be_visible()
    _picture(page, "home-applied")
    return path


def _decide(page: Page, key_file: Path, application: str) -> None:
    """Register the applicant."""
    enter(page, key_file, PASSWORD)
    page.wait_for_url("**/desk*")
    _picture(page, "desk")
    page.click(f"main a[href='/desk{application}']")
    page.check("input[name=do][value=register]")
    _picture(page, "desk-application")
    page.click("form[action$=decide] button")
    sign_here(page, key_file, PASSWORD)
    page.wait_for_url("**/desk/**")
    _picture(page, "desk-decided")


def _connection_of(page: Page, application: str) -> tuple[str, str, str]:
    """Take login, token and address from the connection page."""
    page.goto(application)
    _picture(page, "application-registered")
    page.click("main a[href$='/connection']")
    page.click("main a[href$='/tokens']")
    page.fill("#label", "Нарын")
    page.click("form[action$='/tokens'] button")
    token = page.locator("#secret").inner_text()
    _picture(page, "token")
    page.click("main a[href$='/connection']")
    _picture(page, "connection")
    codes = page.locator("main code").all_inner_texts()
    login = next(code for code in codes if re.fullmatch(r"\d+\.[\w-]+", code))
    url = next(code for code in codes if code.startswith("stratum+tcp://"))
    return login, token, url


@contextlib.contextmanager
def _mining(url: str, login: str, token: str) -> Iterator[None]:
    miner = subprocess.Popen(
        [*KENCH, "mine", url, login, "-", "--nice", "10"],
        env={**os.environ, "KENCH_MINE_PASSWORD": token},
        stdout=subprocess.DEVNULL,
    )
    try:
        yield
        assert miner.poll() is None
    finally:
        miner.terminate()
        miner.wait(WAIT_S)


def _earn(page: Page, up: RunningUp) -> None:
    """See a block on the page; bury it, and see what its coins were sold for."""
    stages = page.locator("ol.steps h3")
    nothing = stages.all_inner_texts()
    _reload_until_moved(page, stages.nth(0), nothing[0], FOUND_MS)
    url, _, cookie = up.record["node_url"].partition("?cookie=")
    node = Rpc(urlsplit(url).port or 0, Path(cookie).read_text())
    node.call("generatetoaddress", MATURITY_BLOCKS, ADDRESS)
    node.close()
    _reload_until_moved(page, stages.nth(3), nothing[3])
    _picture(page, "earnings")
    page.click("#blocks ~ table tbody tr:last-child a")
    _picture(page, "block")


def _reload_until_moved(page: Page, shown: Locator, text: str, most_ms: int = SOLD_MS) -> None:
    def moved() -> bool:
        page.reload()
        return shown.inner_text() != text

    await_that(moved, most_ms / 1000)


def _live(page: Page, name: str) -> Locator:
    return page.locator(f"[data-live={name}]").first


def _picture(page: Page, name: str) -> None:
    """Keep it wide and as on a phone; the tests of each room see that everybody can use it."""
    for size in (PHONE, WIDE) if os.environ.get("KENCH_TEST_SCREENSHOTS") else ():
        page.set_viewport_size({"width": size[0], "height": size[1]})
        take_picture(page, f"newcomer-{name}-{LANGUAGE}-{size[0]}")
