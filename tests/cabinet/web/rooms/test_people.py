"""The people of a participant: its owner adds and ends them, others only see, strangers nothing."""

from collections.abc import Iterator

import pytest
import sqlalchemy as sa

from kench.cabinet.cabinet import Cabinet
from kench.cabinet.login.people import PeopleRole, add_person
from kench.pool.clock import ManualClock
from kench.pool.register import add_participant
from tests.support.cabinet import Client, cabinet_of, client_of
from tests.support.entering import acts_in, entered
from tests.support.pki import NOW_US, PIN, SECOND_PIN
from tests.support.signing import authority, signer

THIRD_PIN = "20101190000002"


@pytest.fixture
def cabinet(database: str) -> Iterator[Cabinet]:
    with cabinet_of(database, clock=ManualClock(NOW_US), verifier=authority().verifier()) as made:
        yield made


@pytest.fixture
def page(engine: sa.Engine) -> str:
    with engine.begin() as db:
        participant, _ = add_participant(db, "Ala-Too")
        add_person(db, participant, PIN, PeopleRole.OWNER, added_by=None, now_us=NOW_US)
    return f"/p/{participant}/people"


def said(client: Client, page: str, **fields: str) -> str:
    came = client.post_form(page, **fields)
    assert came.status_code == 303, came.text
    return came.headers["location"].partition("said=")[2]


def test_an_owner_lets_others_act_and_they_see_but_do_not_change(
    cabinet: Cabinet, page: str
) -> None:
    owner, other = entered(client_of(cabinet)), entered(client_of(cabinet), signer(SECOND_PIN))
    assert other.get(page).status_code == 404
    assert said(owner, page, pin=SECOND_PIN, role="technician") == "person_added"
    assert said(owner, page, pin=SECOND_PIN, role="owner") == "person_already"
    assert said(owner, page, pin="12345", role="owner") == "pin_wrong"
    assert said(owner, page, pin=THIRD_PIN, role="king") == "role_wrong"
    shown = other.get(page)
    assert shown.status_code == 200
    assert "Let this person act" not in shown.text
    assert other.post_form(page, pin=THIRD_PIN, role="owner").status_code == 404
    assert (
        "add_person",
        "done",
        f"participant {page.split('/')[2]} {SECOND_PIN} technician",
    ) in acts_in(cabinet)


def test_the_last_owner_stays_and_one_who_goes_sees_no_more(cabinet: Cabinet, page: str) -> None:
    owner = entered(client_of(cabinet))
    with cabinet.engine.connect() as db:
        (entry,) = db.exec_driver_sql("SELECT id FROM participant_people").scalars()
    assert said(owner, f"{page}/{entry}/end") == "person_last_owner"
    assert said(owner, f"{page}/{entry + 100}/end") == "person_unknown"
    assert said(owner, page, pin=SECOND_PIN, role="owner") == "person_added"
    came = owner.post_form(f"{page}/{entry}/end")
    assert came.headers["location"] == "/account?said=person_ended"
    assert owner.get(page).status_code == 404
    assert entered(client_of(cabinet), signer(SECOND_PIN)).get(page).status_code == 200
