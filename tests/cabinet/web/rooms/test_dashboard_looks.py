"""The participant's rooms in a browser: everybody can use them, scripts or none, and they move."""

from collections.abc import Iterator

import pytest
import sqlalchemy as sa
from playwright.sync_api import Browser, expect

from kench.cabinet.cabinet import Cabinet
from kench.cabinet.login.people import PeopleRole, add_person
from kench.cabinet.web.cookies import LOGIN
from kench.pool.clock import SystemClock
from kench.pool.database import open_engine
from kench.pool.register import add_participant
from tests.support.browser import PHONE, check_page, check_width, take_picture, visiting
from tests.support.cabinet import client_in, served_cabinet
from tests.support.mined import mine_twice_as_fast, mined
from tests.support.pki import PIN, SECOND_PIN

NOW_US = SystemClock().now_us()
LANGUAGES = {"ky": "Азыркы хешрейт", "ru": "Хешрейт сейчас", "en": "Hashrate now"}


@pytest.fixture(scope="module")
def cabinet(module_database: str) -> Iterator[Cabinet]:
    """Participant 1 mines, participant 2 of another has not begun."""
    owner = open_engine(module_database, application_name="test")
    with owner.begin() as db:
        for name, pin in (("ОсОО «Ала-Тоо Майнинг»", PIN), ("Нарын", SECOND_PIN)):
            made = add_participant(db, name)[0]
            add_person(db, made, pin, PeopleRole.OWNER, added_by=None, now_us=1)
        mined(db, 1, workers=60, now_us=NOW_US)
        db.execute(sa.text("UPDATE workers SET name = rpad(name, 64, 'Wm') WHERE id = 3"))
        db.execute(sa.text("SET LOCAL session_replication_role = replica"))
        db.execute(
            sa.text("""
                INSERT INTO blocks (hash, height, instance, sequence, job_key, reward_sat, finder,
                    found_at, credited, state, attempts)
                SELECT encode(sha256(number::text::bytea), 'hex'), 900000 + number, 0, number, 1,
                    312500000, '1.rig', now() - number * interval '7 hours', true, 'mature', 1
                FROM generate_series(1, 12) AS number
            """)
        )
        db.execute(
            sa.text("INSERT INTO block_credits SELECT hash, 1, 1000000, 1687512 FROM blocks")
        )
        db.execute(
            sa.text("""
                INSERT INTO refusals (participant_id, worker_id, reason, user_agent, count)
                SELECT 1, id, reason, 'agent', 7 FROM workers,
                    unnest(ARRAY['stale', 'duplicate', 'odd_one']) AS reason
            """)
        )
    owner.dispose()
    with served_cabinet(module_database, clock=SystemClock()) as served:
        yield served


def _cookies(cabinet: Cabinet, pin: str = PIN) -> list[dict[str, str]]:
    secret = client_in(cabinet, pin).cookies[LOGIN]
    return [{"name": LOGIN, "value": secret, "url": cabinet.settings.cabinet_origin}]


@pytest.mark.parametrize("language", LANGUAGES)
def test_everybody_can_use_the_dashboard(
    chromium: Browser, cabinet: Cabinet, language: str
) -> None:
    with visiting(chromium, cabinet.settings.cabinet_origin, language=language) as page:
        page.context.add_cookies(_cookies(cabinet))  # type: ignore[arg-type]
        page.goto("/p/1/")
        expect(page.get_by_role("heading", name=LANGUAGES[language])).to_be_visible()
        expect(page.locator("figure.chart canvas")).to_be_visible()
        check_page(page, f"dashboard-{language}")


@pytest.mark.parametrize("room", ["workers", "workers/3?span=7d", "equipment"])
def test_everybody_can_use_the_rooms(chromium: Browser, cabinet: Cabinet, room: str) -> None:
    with visiting(chromium, cabinet.settings.cabinet_origin, language="ru") as page:
        page.context.add_cookies(_cookies(cabinet))  # type: ignore[arg-type]
        page.goto(f"/p/1/{room}")
        check_page(page, f"{room.split('?', maxsplit=1)[0].replace('/', '-')}-ru")


def test_one_who_has_not_begun_can_use_the_dashboard(chromium: Browser, cabinet: Cabinet) -> None:
    with visiting(chromium, cabinet.settings.cabinet_origin) as page:
        page.context.add_cookies(_cookies(cabinet, SECOND_PIN))  # type: ignore[arg-type]
        page.goto("/p/2/")
        check_page(page, "dashboard-begin-en")


def test_without_scripts_all_is_there(chromium: Browser, cabinet: Cabinet) -> None:
    with visiting(chromium, cabinet.settings.cabinet_origin, scripts=False, size=PHONE) as page:
        page.context.add_cookies(_cookies(cabinet))  # type: ignore[arg-type]
        page.goto("/p/1/?span=7d")
        expect(page.get_by_role("img", name="Hashrate over time")).to_be_visible()
        page.get_by_text("The same as a table").click()
        expect(page.get_by_role("cell", name="6 PH/s").first).to_be_visible()
        take_picture(page, "dashboard-plain-360")
        page.locator(".menu.folded summary").focus()
        page.keyboard.press("Enter")
        page.get_by_role("link", name="Workers", exact=True).first.focus()
        page.keyboard.press("Enter")
        page.get_by_label("rig-00002").check()
        page.get_by_label("Name of the new group").fill("Нарын")
        page.get_by_role("button", name="Move").click()
        expect(page.get_by_role("status")).to_have_text("The workers are in their group now.")
        page.get_by_label("Part of the name").fill("rig-00002")
        page.get_by_role("button", name="Show").click()
        expect(page.get_by_role("cell", name="Нарын")).to_be_visible()


def test_the_dashboard_moves_by_itself(
    chromium: Browser, cabinet: Cabinet, module_database: str
) -> None:
    with visiting(chromium, cabinet.settings.cabinet_origin) as page:
        page.context.add_cookies(_cookies(cabinet))  # type: ignore[arg-type]
        page.goto("/p/1/")
        number = page.locator('[data-live="hashrate_1m"]')
        expect(number).to_have_text("4.8 PH/s")
        owner = open_engine(module_database, application_name="test")
        with owner.begin() as db:
            mine_twice_as_fast(db)
        owner.dispose()
        expect(number).to_have_text("9.6 PH/s")
        check_width(page)


def test_one_button_chooses_all_of_a_page(chromium: Browser, cabinet: Cabinet) -> None:
    with visiting(chromium, cabinet.settings.cabinet_origin) as page:
        page.context.add_cookies(_cookies(cabinet))  # type: ignore[arg-type]
        page.goto("/p/1/workers")
        page.get_by_role("button", name="Choose all on this page").click()
        assert page.locator('input[name="worker"]:checked').count() == 50
