"""The shell's pages in a browser: everybody can use them, on any screen, in any language."""

from collections.abc import Iterator

import pytest
import sqlalchemy as sa
from playwright.sync_api import Browser

from kench.cabinet.cabinet import Cabinet
from kench.pool.database import open_engine
from tests.support.browser import PHONE, check_page, visiting
from tests.support.cabinet import served_cabinet

BLOCKS = sa.text("""
    INSERT INTO blocks (hash, height, instance, sequence, job_key, reward_sat, finder, found_at,
        credited, state)
    SELECT encode(sha256(number::text::bytea), 'hex'), 900000 + number, 0, number, 1, 312512345,
        '1.rig', '2026-11-23 04:00+00'::timestamptz - number * interval '37 minutes', true,
        (ARRAY['pending', 'mature', 'orphaned'])[1 + number % 3]
    FROM generate_series(1, 12) AS number
""")
LIVE = sa.text("""
    INSERT INTO pool_live SELECT 0, now() + interval '1 day', 123456, 9, 1e17, 1.23e17, 1e17, 9e16,
        1, 0, 0, 0, 0
""")


@pytest.fixture(scope="module")
def cabinet(module_database: str) -> Iterator[Cabinet]:
    owner = open_engine(module_database, application_name="test")
    with owner.begin() as db:
        db.execute(sa.text("SET LOCAL session_replication_role = replica"))
        db.execute(BLOCKS)
        db.execute(LIVE)
    owner.dispose()
    with served_cabinet(module_database) as served:
        yield served


@pytest.mark.parametrize("language", ["ky", "ru", "en"])
def test_everybody_can_use_the_front_page(
    chromium: Browser, cabinet: Cabinet, language: str
) -> None:
    with visiting(chromium, cabinet.settings.cabinet_origin, language=language) as page:
        page.goto("/")
        assert page.locator("html").get_attribute("lang") == language
        assert page.locator("tbody tr").count() == 10
        check_page(page, f"front-{language}")


def test_everybody_can_use_the_page_of_a_fault(chromium: Browser, cabinet: Cabinet) -> None:
    with visiting(chromium, cabinet.settings.cabinet_origin, faults=("404",)) as page:
        page.goto("/nowhere")
        check_page(page, "fault-en")


def test_the_language_is_kept_and_works_without_scripts(
    chromium: Browser, cabinet: Cabinet
) -> None:
    with visiting(chromium, cabinet.settings.cabinet_origin, scripts=False, size=PHONE) as page:
        page.goto("/?x=1")
        page.get_by_role("link", name="Русский").click()
        assert page.url.endswith("/?x=1")
        assert page.get_by_role("heading", name="Пул сейчас").is_visible()
        page.goto("/")
        assert page.locator("html").get_attribute("lang") == "ru"


def test_the_keyboard_alone_gets_to_the_content(chromium: Browser, cabinet: Cabinet) -> None:
    with visiting(chromium, cabinet.settings.cabinet_origin) as page:
        page.goto("/")
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.className") == "skip"
        page.keyboard.press("Enter")
        assert page.evaluate("document.activeElement.id") == "main"
