"""Looking at pages as their people: each language at some, so that all are seen once."""

import os
from collections.abc import Sequence

from playwright.sync_api import Browser, Page

from kench.cabinet.cabinet import Cabinet
from kench.cabinet.login.logins import open_login
from kench.cabinet.login.persons import know_person
from kench.cabinet.web.cookies import BROWSER, LOGIN, cookie_name
from kench.cabinet.words.languages import Language
from tests.support.browser import check_page, visiting
from tests.support.signing import BROWSER as BROWSER_SECRET
from tests.support.signing import LIMITS, Draw


def enter_as(cabinet: Cabinet, page: Page, pin: str, draw: Draw) -> None:
    """Let a person be the one who has entered in that browser."""
    now_us = cabinet.clock.now_us()
    with cabinet.engine.begin() as db:
        person = know_person(db, pin, "Асан Усенов", now_us)
        _, secret = open_login(
            db, person, browser=BROWSER_SECRET, address="127.0.0.1", agent="test", limits=LIMITS,
            now_us=now_us, random_bytes=draw,
        )  # fmt: skip
    page.context.add_cookies(
        [
            {"name": cookie_name(cabinet.settings, name), "value": value.hex(),
             "url": cabinet.settings.cabinet_origin}
            for name, value in ((LOGIN, secret), (BROWSER, BROWSER_SECRET))
        ]
    )  # fmt: skip


def look_at_pages(
    cabinet: Cabinet,
    chromium: Browser,
    language: Language,
    pages: Sequence[tuple[str, str]],
    room: str,
) -> None:
    """See that everybody can use every third page, each with the personal number of who sees it.

    Each language begins with another one, and looks at all where pictures are wanted.
    """
    first = list(Language).index(language)
    wanted = pages if os.environ.get("KENCH_TEST_SCREENSHOTS") else pages[first::3]
    draw = Draw(10_000 * (1 + first))
    with visiting(chromium, cabinet.settings.cabinet_origin, language=language.value) as page:
        for pin, path in wanted:
            enter_as(cabinet, page, pin, draw)
            answer = page.goto(path)
            assert answer is not None
            assert answer.ok, path
            check_page(page, f"{room}{path.partition('?')[0].replace('/', '-')}-{language}")
