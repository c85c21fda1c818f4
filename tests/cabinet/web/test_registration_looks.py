"""Everybody can use the pages of registration: axe, phone width, both schemes, three languages."""

from collections.abc import Iterator
from datetime import date

import pytest
from playwright.sync_api import Browser

from kench.cabinet.cabinet import Cabinet
from kench.cabinet.login.persons import know_person
from kench.cabinet.registration.accounts import Account
from kench.cabinet.registration.documents import save_draft
from kench.cabinet.registration.notices import Notice
from kench.cabinet.registration.states import NoticeKind
from kench.cabinet.words.languages import Language
from kench.pool.clock import ManualClock
from kench.pool.database import open_engine
from tests.support.applications import ROW, TODAY, draft
from tests.support.browser import check_page, visiting
from tests.support.cabinet import served_cabinet
from tests.support.looks import enter_as, look_at_pages
from tests.support.pki import PIN
from tests.support.registration import (
    NOW_US,
    OFFICER_PIN,
    OTHER_PIN,
    apply,
    barred,
    notified,
    put_officer,
    registered,
    verifier_at,
)
from tests.support.signing import SECOND_US, Draw

PAGES = [
    (PIN, "/apply?check=1"), (PIN, "/applications"), (PIN, "/applications/1"),
    (PIN, "/p/1/connection"), (PIN, "/p/1/tokens"), (PIN, "/p/1/notices"),
    (PIN, "/p/1/notices/new/equipment"),
    (PIN, "/p/1/notices/new/suspension"), (PIN, "/p/1/dossier"), (OFFICER_PIN, "/desk"),
    (OFFICER_PIN, "/desk/applications/2"), (OFFICER_PIN, "/desk/notices/1"),
    (OFFICER_PIN, "/desk/participants/1"), (PIN, "/p/1/notices/new/account"),
    (OFFICER_PIN, "/desk/notices/2"), (PIN, "/p/1/payouts"), (OFFICER_PIN, "/desk/trail"),
    (OFFICER_PIN, "/desk/templates/2"), (OFFICER_PIN, "/desk/participants/1/suspension"),
    (PIN, "/p/1/decisions/1"),
]  # fmt: skip


@pytest.fixture(scope="module")
def cabinet(module_database: str) -> Iterator[Cabinet]:
    owner = open_engine(module_database, application_name="test")
    with owner.begin() as db:
        put_officer(db)
        registered(db)
        notified(db, Notice(kind=NoticeKind.EXIT, participant=1, day=date(2026, 12, 24)))
        account = Account("Асан У.", "1090000000000001", "109018", 25_000)
        notified(db, Notice(kind=NoticeKind.ACCOUNT, participant=1, account=account))
        barred(db, 1, begins=date(2026, 12, 3))
        apply(db, OTHER_PIN)
        person = know_person(db, PIN, "Асан Усенов", NOW_US)
        typed = draft(email="?")
        typed.rows.append(ROW | {"holding": "lease", "quantity": ""})
        save_draft(db, person.id, typed, NOW_US)
    owner.dispose()
    clock = ManualClock(NOW_US + 60 * SECOND_US)
    with served_cabinet(module_database, clock=clock, verifier=verifier_at()) as made:
        yield made


@pytest.mark.parametrize("language", Language)
def test_everybody_can_use_the_pages(
    cabinet: Cabinet, chromium: Browser, language: Language
) -> None:
    look_at_pages(cabinet, chromium, language, PAGES, "registration")


def test_an_officer_is_shown_what_is_wrong_with_a_decision(
    cabinet: Cabinet, chromium: Browser
) -> None:
    assert TODAY.weekday() == 0
    with visiting(chromium, cabinet.settings.cabinet_origin, faults=("422",)) as page:
        enter_as(cabinet, page, OFFICER_PIN, Draw(50_000))
        page.goto("/desk/applications/2")
        page.get_by_label("Refuse the registration").check()
        page.get_by_role("button", name="To the signature").click()
        page.get_by_role("link", name="Choose the ground of the refusal").wait_for()
        check_page(page, "registration-decision-refused")
