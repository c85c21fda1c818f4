"""A rejected income record waits at the desk until an officer says what was done."""

from collections.abc import Iterator
from datetime import date

import pytest
import sqlalchemy as sa

from kench.cabinet.cabinet import Cabinet
from kench.cabinet.desk.rejections import REJECTIONS
from kench.pool.clock import ManualClock
from kench.pool.moments import moment_of
from kench.pool.orders.officer_roles import OfficerRole
from kench.tax.receipts import Receipt, keep_receipts
from tests.support.cabinet import cabinet_of, client_in
from tests.support.registration import NOW_US, OFFICER_PIN, OTHER_PIN, put_officer
from tests.support.tax import close_period, new_id, provider_of, put_records

PAGE = "/desk/income/rejections"
DAY = date(2026, 1, 1)


@pytest.fixture
def cabinet(database: str) -> Iterator[Cabinet]:
    with cabinet_of(database, clock=ManualClock(NOW_US)) as made:
        yield made


@pytest.fixture
def names(database: str, engine: sa.Engine) -> list[str]:
    """Three records; the tax service took the last one alone."""
    with engine.begin() as db:
        put_officer(db, OFFICER_PIN, [OfficerRole.FINANCE])
        put_officer(db, OTHER_PIN, [OfficerRole.INSPECTOR])
        made = put_records(db, [7, 8, 9], 1)
        close_period(db, now_us=NOW_US)
    receipts = [
        Receipt(made[0], "rejected", "NO-PAYER", "<b>not found</b>"),
        Receipt(made[1], "rejected", "TOTALS"),
        Receipt(made[2], "accepted"),
    ]
    with provider_of(database) as provider, provider.engine.begin() as db:
        keep_receipts(db, receipts, "KG/GOV/1/taxes", new_id(), moment_of(NOW_US))
    return made


def count(cabinet: Cabinet) -> int:
    with cabinet.engine.connect() as db:
        return REJECTIONS.count(db, DAY, DAY).count


def test_rejected_records_wait_with_why(cabinet: Cabinet, names: list[str]) -> None:
    page = client_in(cabinet, OFFICER_PIN).get(PAGE).text
    assert names[0] in page
    assert names[1] in page
    assert names[2] not in page
    assert "&lt;b&gt;not found" in page
    assert count(cabinet) == 2
    assert "Income records that were rejected" in client_in(cabinet, OFFICER_PIN).get("/desk").text


def test_what_was_done_is_said_once_and_kept(
    engine: sa.Engine, cabinet: Cabinet, names: list[str]
) -> None:
    officer = client_in(cabinet, OFFICER_PIN)
    assert officer.post_form(f"{PAGE}/1", note=" ").status_code == 422
    wordy = officer.post_form(f"{PAGE}/2", note="so long " * 126)
    assert wordy.status_code == 422
    assert "1000 characters at most" in wordy.text
    assert wordy.text.count("so long " * 100) == 1
    done = officer.post_form(f"{PAGE}/1", note="The tax number was corrected.")
    assert done.headers["location"].endswith("said=rejection_noted")
    again = officer.post_form(f"{PAGE}/1", note="Otherwise.")
    assert again.headers["location"].endswith("said=rejection_gone")
    assert count(cabinet) == 1
    page = officer.get(PAGE).text
    assert "The tax number was corrected." in page
    assert "Otherwise." not in page
    with engine.begin() as db:
        acts = db.execute(sa.text("SELECT subject FROM acts WHERE act = 'note_rejection'")).all()
    assert [act.subject for act in acts] == [names[0]]


def test_an_accepted_record_takes_no_note(cabinet: Cabinet, names: list[str]) -> None:
    del names
    answer = client_in(cabinet, OFFICER_PIN).post_form(f"{PAGE}/3", note="x")
    assert answer.headers["location"].endswith("said=rejection_gone")


def test_officers_without_the_duty_see_none(cabinet: Cabinet, names: list[str]) -> None:
    del names
    inspector = client_in(cabinet, OTHER_PIN)
    assert inspector.get(PAGE).status_code == 403
    assert inspector.post_form(f"{PAGE}/1", note="x").status_code == 403
    assert count(cabinet) == 2
