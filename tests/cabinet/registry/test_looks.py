"""Everybody can use the register's pages: axe, phone width, both schemes, each in one language."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser

from kench.cabinet.cabinet import Cabinet
from kench.cabinet.inspections.reading import read_risks
from kench.cabinet.inspections.store import plan
from kench.cabinet.messages.circulars import Circular
from kench.cabinet.registration.attachments import AttachmentKind
from kench.cabinet.words.languages import Language
from kench.pool.clock import ManualClock
from kench.pool.database import open_engine
from kench.pool.moments import moment_of
from tests.support.applications import attachment
from tests.support.cabinet import served_cabinet
from tests.support.looks import look_at_pages
from tests.support.pki import PIN
from tests.support.registration import (
    CALENDAR,
    NOW_US,
    OFFICER_PIN,
    circular_to,
    extracted,
    inspected,
    put_officer,
    registered,
    verifier_at,
)
from tests.support.signing import SECOND_US

PAGES = [
    (OFFICER_PIN, "/desk/register"), (OFFICER_PIN, "/desk/register/1"),
    (OFFICER_PIN, "/desk/country"), (OFFICER_PIN, "/desk/circulars"),
    (OFFICER_PIN, "/desk/inspections/2"), (PIN, "/p/1/inspections"),
]  # fmt: skip


@pytest.fixture(scope="module")
def cabinet(module_database: str) -> Iterator[Cabinet]:
    owner = open_engine(module_database, application_name="test")
    with owner.begin() as db:
        put_officer(db)
        registered(db)
        extracted(db, 1)
        circular_to(db, Circular("Rules", "New ones."))
        inspected(db, 1, attachment(AttachmentKind.OTHER))
        (risk,) = read_risks(db, moment_of(NOW_US), 1)
        assert plan(db, risk, 5, CALENDAR, 1, NOW_US + 30 * SECOND_US) == 2
    owner.dispose()
    clock = ManualClock(NOW_US + 60 * SECOND_US)
    with served_cabinet(module_database, clock=clock, verifier=verifier_at()) as made:
        yield made


@pytest.mark.parametrize("language", Language)
def test_everybody_can_use_the_pages(
    cabinet: Cabinet, chromium: Browser, language: Language
) -> None:
    look_at_pages(cabinet, chromium, language, PAGES, "register")
