"""A circular is signed once, reaches those it is for, is opened by each; letters go by parts."""

from collections.abc import Iterator

import pytest
import sqlalchemy as sa
from prometheus_client import CollectorRegistry
from sqlalchemy.exc import DBAPIError

from kench.cabinet.cabinet import Cabinet
from kench.cabinet.messages.circulars import (
    Circular,
    circular_body,
    circulars_of,
    keep_circular,
    read_circular,
    recipients_of,
    tell_of_circulars,
    told_of,
)
from kench.cabinet.messages.store import count_unread
from kench.cabinet.registration.dossier import acts_of
from kench.cabinet.registration.due import DueWork
from kench.cabinet.registration.refusals import ActRefusedError
from kench.cabinet.registration.regions import Region
from kench.cabinet.registration.states import ParticipantState
from kench.cabinet.signing.wording import Purpose
from kench.pool.clock import ManualClock
from kench.pool.register import remove_participant, suspend_participant
from tests.support.applications import ROW, application, draft
from tests.support.cabinet import cabinet_of, client_in
from tests.support.letters import confirm_address
from tests.support.pki import PIN
from tests.support.registration import (
    NOW_US,
    OFFICER_PIN,
    OTHER_PIN,
    circular_to,
    put_officer,
    registered,
    sign,
    signed_in,
    verifier_at,
)
from tests.support.signing import SECOND_US

THIRD_PIN = "11211197800321"
LATER_US = NOW_US + 60 * SECOND_US


@pytest.fixture
def cabinet(database: str, engine: sa.Engine) -> Iterator[Cabinet]:
    """Three participants: of Bishkek, of Naryn and suspended, and one that was removed."""
    with engine.begin() as db:
        put_officer(db)
        registered(db)
        typed = draft(tax_number=OTHER_PIN)
        typed.rows = [ROW | {"region": "KG-N"}]
        registered(db, OTHER_PIN, application(typed, OTHER_PIN))
        registered(db, THIRD_PIN)
        suspend_participant(db, 2)
        remove_participant(db, 3)
    with cabinet_of(database, clock=ManualClock(LATER_US), verifier=verifier_at()) as made:
        yield made


def test_a_circular_needs_a_title_a_text_and_what_the_lists_offer() -> None:
    typed = {"title": "Rules", "text": "New ones.", "state": "suspended", "region": "KG-N"}
    read = read_circular(typed)
    assert read == Circular("Rules", "New ones.", ParticipantState.SUSPENDED, Region.NARYN)
    body = circular_body(read, str)
    assert "To participants in this state: suspended" in body
    assert "With sites in this region: Naryn oblast" in body
    for wrong in ({"state": "left"}, {"region": "KG-X"}, {"title": ""}, {"text": " "}):
        gaps = read_circular(typed | wrong)
        assert isinstance(gaps, list)
        assert [gap.field for gap in gaps] == list(wrong)


def test_an_officer_writes_once_and_each_recipient_opens_it(cabinet: Cabinet) -> None:
    officer, owner = client_in(cabinet, OFFICER_PIN), client_in(cabinet)
    assert officer.post_form("/desk/circulars", title="x", text=" ").status_code == 422
    nobody = officer.post_form("/desk/circulars", title="x", text="y", region="KG-B")
    assert nobody.status_code == 422
    asked = officer.post_form("/desk/circulars", title="Rules", text="New ones.")
    at = signed_in(officer, asked.headers["location"], OFFICER_PIN)
    assert at == "/desk/circulars/1?said=circular_sent"
    assert officer.get(at).text.count("unread") == 2
    assert "1 unread" in owner.get("/p/1/").text
    assert 'href="/p/1/messages/circulars/1"' in owner.get("/p/1/messages").text
    opened = owner.get("/p/1/messages/circulars/1").text
    assert "New ones." in opened
    assert "1 unread" not in opened
    assert officer.get(at).text.count("unread") == 1
    with cabinet.engine.connect() as db:
        assert told_of(db, 1)[:2] == (2, 1)
        assert count_unread(db, 2, 1) == 1
        assert acts_of(db, 1)[-1].purpose is Purpose.CIRCULAR


@pytest.mark.parametrize(
    ("circular", "reached"),
    [
        (Circular("x", "y"), [1, 2]),
        (Circular("x", "y", ParticipantState.SUSPENDED), [2]),
        (Circular("x", "y", None, Region.BISHKEK), [1]),
        (Circular("x", "y", ParticipantState.REGISTERED, Region.NARYN), []),
    ],
)
def test_it_reaches_whom_it_is_for(
    cabinet: Cabinet, circular: Circular, reached: list[int]
) -> None:
    with cabinet.engine.begin() as db:
        if not reached:
            with pytest.raises(ActRefusedError, match="no participant"):
                circular_to(db, circular)
            return
        number = circular_to(db, circular)
        found = [one.participant_id for one in recipients_of(db, number, at_most=9)]
        assert found == reached
        assert not circulars_of(db, 3, 1, at_most=9)
    others = {1, 2, 3} - set(reached)
    pins = {1: PIN, 2: OTHER_PIN, 3: THIRD_PIN}
    for whose in others:
        answer = client_in(cabinet, pins[whose]).get(f"/p/{whose}/messages/circulars/{number}")
        assert answer.status_code == 404


def test_letters_are_written_in_parts_and_once(cabinet: Cabinet) -> None:
    with cabinet.engine.begin() as db:
        person = db.scalar(sa.text("SELECT id FROM persons WHERE pin = :pin"), {"pin": PIN})
        confirm_address(db, person or 0, "asan@example.kg", NOW_US)
        circular_to(db, Circular("x", "y"))
        assert tell_of_circulars(db, LATER_US, at_most=1) == 1
        assert told_of(db, 1).waiting == 1
    DueWork(cabinet.engine, ManualClock(LATER_US), CollectorRegistry()).look()
    with cabinet.engine.begin() as db:
        assert tell_of_circulars(db, LATER_US) == 0
        letters = db.execute(
            sa.text("SELECT title, path FROM alert_messages WHERE path LIKE '%circular%'")
        ).all()
    assert [tuple(one) for one in letters] == [
        (
            "There is a circular of the authorised body for participant 1",
            "/p/1/messages/circulars/1",
        )
    ]


def test_nobody_but_an_officer_signs_one(cabinet: Cabinet) -> None:
    with cabinet.engine.begin() as db, pytest.raises(ActRefusedError, match="officer in service"):
        keep_circular(db, sign(db, Purpose.CIRCULAR, circular_body(Circular("x", "y"), str), PIN))


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE circulars SET title = 'x'", "DELETE FROM circular_reads",
        "DELETE FROM circular_recipients", "UPDATE circular_recipients SET told_at = NULL",
        "UPDATE circular_recipients SET participant_id = 2 WHERE participant_id = 1",
    ],
)  # fmt: skip
def test_what_was_sent_stays(cabinet: Cabinet, engine: sa.Engine, statement: str) -> None:
    with cabinet.engine.begin() as db:
        circular_to(db, Circular("x", "y"))
    for who in (cabinet.engine, engine):
        with who.begin() as db, pytest.raises(DBAPIError):
            db.execute(sa.text(statement))
