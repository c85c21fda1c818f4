"""From a signed application to the register; nothing is overwritten, nobody acts out of turn."""

from dataclasses import replace

import msgspec
import pytest
import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

from kench.cabinet.login.people import PeopleRole, acts_for
from kench.cabinet.registration.application import Certificate
from kench.cabinet.registration.attachments import AttachmentKind, AttachmentRefusal
from kench.cabinet.registration.bodies import (
    Withdrawal,
    application_body,
    decision_body,
    exclusion_body,
    withdrawal_body,
)
from kench.cabinet.registration.cases import (
    application_of,
    case_of_participant,
    closed_cases,
    open_cases,
    read_case,
    submit,
    withdraw,
)
from kench.cabinet.registration.decisions import Exclusion, Ground
from kench.cabinet.registration.documents import (
    drop_draft,
    read_content,
    read_draft_of,
    save_draft,
    take_upload,
)
from kench.cabinet.registration.entering import decide, exclude
from kench.cabinet.registration.membership import current_entry, history_of, state_of
from kench.cabinet.registration.refusals import ActRefusedError
from kench.cabinet.registration.states import ParticipantState
from kench.cabinet.signing.wording import Purpose
from kench.pool.tokens import has_token, make_token, tokens_of
from tests.support.applications import PDF, TODAY, application, attachment, draft
from tests.support.pki import PIN
from tests.support.registration import (
    CALENDAR,
    DRAW,
    NOW_US,
    OFFICER_PIN,
    OTHER_PIN,
    apply,
    decided,
    decision_on,
    registered,
    sign,
)
from tests.support.signing import SECOND_US, enter


def test_an_application_waits_ten_working_days_and_then_there_is_a_participant(
    cabinet: sa.Engine,
) -> None:
    with cabinet.begin() as db:
        number = apply(db)
        case = read_case(db, number)
        assert case is not None
        assert case.is_open
        assert case.deadline.day.isoformat() == "2026-12-07"
        assert case.deadline.version.startswith("holidays ")
        assert [one.id for one in open_cases(db)] == [number]
        decided(db, decision_on(db, number))
        case = read_case(db, number)
        assert case is not None
        assert [event.state for event in case.events] == ["submitted", "registered"]
        participant = case.participant_id
        assert participant is not None
        assert case_of_participant(db, participant) == case
        assert [(one.participant_id, one.role) for one in acts_for(db, PIN)] == [
            (participant, PeopleRole.OWNER)
        ]
        entry = current_entry(db, participant)
        assert entry is not None
        assert entry.entry.equipment == application().equipment
        assert state_of(db, participant) is ParticipantState.REGISTERED
        assert not open_cases(db)
        assert [one.id for one in closed_cases(db)] == [number]


def test_a_refusal_has_one_of_five_grounds_and_a_reason_and_makes_no_participant(
    cabinet: sa.Engine,
) -> None:
    with cabinet.begin() as db:
        number = apply(db)
        with pytest.raises(ActRefusedError, match="says why"):
            decided(db, decision_on(db, number, Ground.DATA_FALSE))
        decided(db, decision_on(db, number, Ground.DATA_FALSE, "The site does not exist."))
        case = read_case(db, number)
        assert case is not None
        assert case.state == "refused"
        assert not acts_for(db, PIN)
    assert len(Ground) == 5


def test_an_application_is_decided_once(cabinet: sa.Engine) -> None:
    with cabinet.begin() as db:
        number = apply(db)
        decision = decision_on(db, number)
        decided(db, decision)
        with pytest.raises(ActRefusedError, match="cannot be done any more"):
            decided(db, decision)
    with cabinet.connect() as db, pytest.raises(DBAPIError, match="application_ends_once"):
        db.execute(
            sa.text(
                "INSERT INTO application_events (application_id, act, state, at, act_id)"
                " SELECT application_id, 'refuse', 'refused', at, act_id FROM application_events"
                " WHERE state = 'registered'"
            )
        )


@pytest.mark.parametrize("who", [OTHER_PIN, PIN])
def test_only_an_officer_decides_and_not_on_an_own_application(
    cabinet: sa.Engine, engine: sa.Engine, who: str
) -> None:
    with cabinet.begin() as db:
        number = apply(db)
        decision = decision_on(db, number)
        with pytest.raises(ActRefusedError, match="Only an officer"):
            decided(db, decision, who)
        own = apply(db, OFFICER_PIN, application(draft(tax_number=OFFICER_PIN), OFFICER_PIN))
        with pytest.raises(ActRefusedError, match="own application"):
            decided(db, decision_on(db, own))


def test_a_decision_is_on_the_bytes_that_the_officer_saw(cabinet: sa.Engine) -> None:
    with cabinet.begin() as db:
        number = apply(db)
        other = msgspec.structs.replace(decision_on(db, number), application_sha256="00" * 32)
        with pytest.raises(ActRefusedError, match="another text"):
            decided(db, other)
        missing = msgspec.structs.replace(decision_on(db, number), application=number + 1)
        with pytest.raises(ActRefusedError, match="no such application"):
            decided(db, missing)


def test_a_joint_application_is_registered_with_the_certificate_that_was_issued(
    cabinet: sa.Engine,
) -> None:
    given = draft(way="joint")
    given.attachments.append(attachment(AttachmentKind.CERTIFICATE_SET))
    with cabinet.begin() as db:
        number = apply(db, given=application(given))
        decision = decision_on(db, number)
        with pytest.raises(ActRefusedError, match=r"30\.5"):
            decided(db, decision)
        certificate = Certificate("M-18", TODAY)
        decided(db, msgspec.structs.replace(decision, certificate=certificate))
        case = read_case(db, number)
        assert case is not None
        entry = current_entry(db, case.participant_id or 0)
        assert entry is not None
        assert entry.entry.certificate == certificate


def test_what_one_takes_back_is_ones_own_and_open(cabinet: sa.Engine) -> None:
    with cabinet.begin() as db:
        number = apply(db)
        body = withdrawal_body(Withdrawal(application=number), "1", str)
        foreign = sign(db, Purpose.WITHDRAWAL, body, OTHER_PIN)
        with pytest.raises(ActRefusedError, match="not yours"):
            withdraw(db, foreign, number)
        own = sign(db, Purpose.WITHDRAWAL, body)
        withdraw(db, own, number)
        with pytest.raises(ActRefusedError, match="any more"):
            withdraw(db, own, number)
        case = read_case(db, number)
        assert case is not None
        assert case.state == "withdrawn"


def test_one_application_for_a_number_is_open_at_a_time(cabinet: sa.Engine) -> None:
    with cabinet.begin() as db:
        apply(db)
        act = sign(db, Purpose.APPLICATION, application_body(application(), str))
        with pytest.raises(ActRefusedError, match="open already"):
            submit(db, act, CALENDAR)


def test_documents_of_others_cannot_be_named(cabinet: sa.Engine) -> None:
    with cabinet.begin() as db:
        apply(db)
        given = application(draft(tax_number=OTHER_PIN), OTHER_PIN)
        act = sign(db, Purpose.APPLICATION, application_body(given, str), OTHER_PIN)
        with pytest.raises(ActRefusedError, match="never uploaded"):
            submit(db, act, CALENDAR)


def test_an_application_is_read_from_the_signed_bytes(cabinet: sa.Engine) -> None:
    with cabinet.begin() as db:
        number = apply(db)
        case = read_case(db, number)
        assert case is not None
        given, act = application_of(db, case)
        assert given == application()
        assert act.person.pin == PIN
        assert read_content(db, given.attachments[0]) == PDF


def test_a_draft_is_kept_as_typed_and_forgotten_when_signed(cabinet: sa.Engine) -> None:
    with cabinet.begin() as db:
        login, _ = enter(db, now_us=NOW_US, draw=DRAW)
        typed = draft(name="", phone="?")
        save_draft(db, login.person.id, typed, NOW_US)
        save_draft(db, login.person.id, typed, NOW_US + 1)
        assert read_draft_of(db, login.person.id) == typed
        assert not read_draft_of(db, login.person.id + 1).fields
        apply(db)
        assert not read_draft_of(db, login.person.id).rows
        drop_draft(db, login.person.id)


def test_uploads_are_bounded(cabinet: sa.Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kench.cabinet.registration.documents.PERSON_BYTES_MAX", len(PDF) + 1)

    def take(db: sa.Connection, already: int = 0) -> object:
        return take_upload(
            db, person, "a.pdf", AttachmentKind.OTHER, PDF, already=already, now_us=NOW_US
        )

    with cabinet.begin() as db:
        person = enter(db, now_us=NOW_US, draw=DRAW)[0].person.id
        assert take(db, 20) is AttachmentRefusal.TOO_MANY
        take(db)
        assert take(db) is AttachmentRefusal.SPACE_USED


def test_who_is_registered_has_no_token_until_somebody_makes_one(cabinet: sa.Engine) -> None:
    with cabinet.begin() as db:
        participant = registered(db)
        assert not has_token(db, participant)
        person = enter(db, now_us=NOW_US, draw=DRAW)[0].person.id
        assert isinstance(make_token(db, participant, "Ош", made_by=person), str)
        assert has_token(db, participant)
        (kept,) = tokens_of(db, participant)
    assert (kept.label, kept.made_by) == ("Ош", person)


def test_an_exclusion_is_final_and_only_an_officers(cabinet: sa.Engine) -> None:
    with cabinet.begin() as db:
        participant = registered(db)
        body = exclusion_body(Exclusion(participant, "Clause 36.3."), "x", str)
        with pytest.raises(ActRefusedError, match="Only an officer"):
            exclude(db, sign(db, Purpose.EXCLUSION, body))
        act = sign(db, Purpose.EXCLUSION, body, OFFICER_PIN, now_us=NOW_US + 2 * SECOND_US)
        assert exclude(db, act) == participant
        assert state_of(db, participant) is ParticipantState.EXCLUDED
        assert [event.act for event in history_of(db, participant)] == ["register", "exclude"]
        with pytest.raises(ActRefusedError, match="any more"):
            exclude(db, act)
        nobody = exclusion_body(Exclusion(participant + 1, "x"), "x", str)
        with pytest.raises(ActRefusedError, match="no such participant"):
            exclude(db, sign(db, Purpose.EXCLUSION, nobody, OFFICER_PIN))


TABLES = (
    "attachments", "uploads", "applications", "application_events", "register_entries",
    "membership_events", "former_names",
)  # fmt: skip


def test_nothing_that_was_entered_can_be_changed_or_deleted_by_anybody(
    cabinet: sa.Engine, engine: sa.Engine
) -> None:
    with cabinet.begin() as db:
        registered(db)
    for table in TABLES:
        for statement in (f"DELETE FROM {table}", f"TRUNCATE {table} CASCADE"):
            for who in (cabinet, engine):
                with who.connect() as db, pytest.raises(DBAPIError):
                    db.execute(sa.text(statement))
        column = {
            "attachments": "media_type = ''", "applications": "name = ''",
            "former_names": "name = ''",
        }.get(table)  # fmt: skip
        change = sa.text(f"UPDATE {table} SET {column or 'at = now()'}")
        for who in (cabinet, engine):
            with who.connect() as db, pytest.raises(DBAPIError):
                db.execute(change)
    with cabinet.connect() as db, pytest.raises(DBAPIError, match="permission"):
        db.execute(sa.text("UPDATE participants SET created_at = now()"))


def test_what_an_officer_signs_for_one_purpose_is_none_for_another(cabinet: sa.Engine) -> None:
    with cabinet.begin() as db:
        number = apply(db)
        act = sign(
            db, Purpose.DECISION, decision_body(decision_on(db, number), "", str), OFFICER_PIN,
            now_us=NOW_US + SECOND_US,
        )  # fmt: skip
        with pytest.raises(ActRefusedError, match="Only an officer"):
            decide(db, replace(act, signed_us=NOW_US - 10 * SECOND_US))
