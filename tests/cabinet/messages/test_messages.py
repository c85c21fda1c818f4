"""Messages are signed by officers, opened by who acts for the participant, answered once."""

from collections.abc import Iterator

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError, ProgrammingError

from kench.cabinet.cabinet import Cabinet
from kench.cabinet.login.people import PeopleRole, add_person
from kench.cabinet.messages.letter import (
    Answer,
    Message,
    answer_body,
    message_body,
    read_message,
)
from kench.cabinet.messages.store import (
    count_unread,
    keep_answer,
    keep_message,
    messages_of,
    readings_of,
    text_of_message,
)
from kench.cabinet.registration.bodies import data_of
from kench.cabinet.registration.dossier import acts_of
from kench.cabinet.registration.refusals import ActRefusedError
from kench.cabinet.signing.wording import Purpose
from kench.pool.clock import ManualClock
from tests.support.cabinet import cabinet_of, client_in
from tests.support.pki import PIN
from tests.support.registration import (
    NOW_US,
    OFFICER_PIN,
    OTHER_PIN,
    message_to,
    put_officer,
    registered,
    sign,
    signed_in,
    verifier_at,
)
from tests.support.signing import SECOND_US


@pytest.fixture
def cabinet(database: str, engine: sa.Engine) -> Iterator[Cabinet]:
    with engine.begin() as db:
        put_officer(db)
    clock = ManualClock(NOW_US + 60 * SECOND_US)
    with cabinet_of(database, clock=clock, verifier=verifier_at()) as made:
        yield made


def test_a_message_needs_a_title_and_a_text_in_bounds() -> None:
    assert read_message(7, {"title": " a  b ", "text": "c\n\nd"}) == Message(7, "a b", "c\nd")
    for title, text, wrong in (("", "x", ["title"]), ("x", "\n", ["text"]),
                               ("x" * 151, "x" * 4001, ["title", "text"])):  # fmt: skip
        made = read_message(7, {"title": title, "text": text})
        assert [gap.field for gap in made] == wrong  # type: ignore[union-attr]
    body = message_body(Message(7, "Meter", "one\ntwo"), "Асан", str)
    assert "About: Meter" in body
    assert data_of(body.encode(), Message) == Message(7, "Meter", "one\ntwo")


def test_an_officer_writes_an_owner_opens_and_answers_and_both_see_it(cabinet: Cabinet) -> None:
    with cabinet.engine.begin() as db:
        number = registered(db)
    officer, owner = client_in(cabinet, OFFICER_PIN), client_in(cabinet)
    page, mine = f"/desk/participants/{number}/messages", f"/p/{number}/messages"
    assert f'href="{page}"' in officer.get(f"/desk/participants/{number}").text
    assert officer.post_form(page, title="Meter", text=" ").status_code == 422
    asked = officer.post_form(page, title="Meter", text="Show its passport.")
    assert signed_in(officer, asked.headers["location"], OFFICER_PIN).startswith(page)
    assert "unread" in officer.get(page).text
    assert "1 unread" in owner.get(f"/p/{number}/").text
    shown = owner.get(f"{mine}/1").text
    assert "Show its passport." in shown
    assert "1 unread" not in shown
    assert "unread" not in owner.get(mine).text
    assert "Nobody yet" not in officer.get("/desk/messages/1").text
    assert owner.post_form(f"{mine}/1/answer", text="").status_code == 422
    asked = owner.post_form(f"{mine}/1/answer", text="On Monday.")
    assert signed_in(owner, asked.headers["location"]).startswith(f"{mine}/1?")
    assert "On Monday." in owner.get(f"{mine}/1").text
    assert "On Monday." in officer.get("/desk/messages/1").text
    assert owner.post_form(f"{mine}/1/answer", text="No.").status_code == 409
    with cabinet.engine.connect() as db:
        purposes = [act.purpose.value for act in acts_of(db, number)]
    assert purposes[-2:] == ["message", "answer"]


def test_each_person_reads_for_themselves_and_only_an_owner_answers(cabinet: Cabinet) -> None:
    with cabinet.engine.begin() as db:
        number = registered(db)
        add_person(db, number, OTHER_PIN, PeopleRole.TECHNICIAN, added_by=None, now_us=NOW_US)
        message_to(db, number)
    technician = client_in(cabinet, OTHER_PIN)
    assert "<textarea" not in technician.get(f"/p/{number}/messages/1").text
    assert technician.post_form(f"/p/{number}/messages/1/answer", text="x").status_code == 404
    assert "1 unread" in client_in(cabinet).get(f"/p/{number}/messages").text
    with cabinet.engine.connect() as db:
        assert len(readings_of(db, 1)) == 1


def test_nobody_else_writes_or_answers_and_nothing_is_answered_twice(cabinet: Cabinet) -> None:
    with cabinet.engine.begin() as db:
        number = registered(db)
        written = message_to(db, number)
        body = message_body(Message(number, "x", "y"), "", str)
        with pytest.raises(ActRefusedError, match="officer in service"):
            keep_message(db, sign(db, Purpose.MESSAGE, body, PIN))
        nobody = message_body(Message(999, "x", "y"), "", str)
        with pytest.raises(ActRefusedError, match="no such participant"):
            keep_message(db, sign(db, Purpose.MESSAGE, nobody, OFFICER_PIN, now_us=NOW_US + 1))
        answer = answer_body(Answer(written, "yes"), "x", str)
        with pytest.raises(ActRefusedError, match="Only an owner"):
            keep_answer(db, sign(db, Purpose.ANSWER, answer, OTHER_PIN))
        keep_answer(db, sign(db, Purpose.ANSWER, answer, PIN))
        with pytest.raises(ActRefusedError, match="answered already"):
            keep_answer(db, sign(db, Purpose.ANSWER, answer, PIN))
        missing = answer_body(Answer(999, "yes"), "x", str)
        with pytest.raises(ActRefusedError, match="no such message"):
            keep_answer(db, sign(db, Purpose.ANSWER, missing, PIN))
        (line,) = messages_of(db, number)
        assert text_of_message(db, line) == ("Show its passport.\nBy Friday.", "yes")


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE messages SET title = 'x'",
        "DELETE FROM messages",
        "DELETE FROM message_reads",
        "UPDATE message_answers SET at = now()",
    ],
)
def test_what_was_written_stays(cabinet: Cabinet, engine: sa.Engine, statement: str) -> None:
    with cabinet.engine.begin() as db:
        message_to(db, registered(db))
    with cabinet.engine.begin() as db, pytest.raises(ProgrammingError):
        db.execute(sa.text(statement))
    with engine.begin() as db, pytest.raises(IntegrityError):
        db.execute(sa.text(statement))


def test_messages_turn_their_pages(cabinet: Cabinet) -> None:
    with cabinet.engine.begin() as db:
        number = registered(db)
        for title in ("first", "second", "third"):
            message_to(db, number, title)
        newest = messages_of(db, number, at_most=2)
        assert [line.title for line in newest] == ["third", "second"]
        older = messages_of(db, number, before=newest[-1].id)
        assert [line.title for line in older] == ["first"]
        assert count_unread(db, number, 1) == 3
