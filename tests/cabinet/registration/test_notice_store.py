"""Notices move the register on their day, not before, and what waits may be taken back."""

from datetime import date

import pytest
import sqlalchemy as sa

from kench.cabinet.registration.attachments import AttachmentKind
from kench.cabinet.registration.bodies import Withdrawal, exclusion_body, withdrawal_body
from kench.cabinet.registration.decisions import Exclusion
from kench.cabinet.registration.entering import exclude
from kench.cabinet.registration.equipment import read_rows
from kench.cabinet.registration.membership import (
    current_entry,
    entries_of,
    entry_on,
    history_of,
    state_of,
)
from kench.cabinet.registration.notice_store import (
    enter_notice,
    next_notices,
    notices_of,
    read_notice_case,
    take_effect,
    withdraw_notice,
)
from kench.cabinet.registration.notices import Changes, Notice
from kench.cabinet.registration.refusals import ActRefusedError
from kench.cabinet.registration.states import NoticeKind, ParticipantState
from kench.cabinet.signing.wording import Purpose
from kench.pool.moments import midnight_us, moment_of
from kench.pool.register import participants, suspend_participant
from tests.support.applications import ROW, TODAY, attachment
from tests.support.registration import (
    NOW_US,
    OFFICER_PIN,
    OTHER_PIN,
    notified,
    registered,
    sign,
)
from tests.support.signing import SECOND_US

SUSPENDED_ON, RETURNS_ON = date(2026, 12, 1), date(2026, 12, 10)
LEAVES_ON = date(2026, 12, 24)
R, S = ParticipantState.REGISTERED, ParticipantState.SUSPENDED


def suspension(participant: int, until: date | None = None) -> Notice:
    return Notice(
        kind=NoticeKind.SUSPENSION, participant=participant, day=SUSPENDED_ON, until=until
    )


def test_a_suspension_begins_on_its_day_and_ends_on_the_day_of_the_return(
    cabinet: sa.Engine,
) -> None:
    with cabinet.begin() as db:
        participant = registered(db)
        number = notified(db, suspension(participant, RETURNS_ON))
        assert take_effect(db, midnight_us(SUSPENDED_ON) - 1) == 0
        assert state_of(db, participant) is R
        assert take_effect(db, midnight_us(SUSPENDED_ON)) == 1
        assert state_of(db, participant) is S
        case = read_notice_case(db, number)
        assert case is not None
        assert case.state == "done"
        assert take_effect(db, midnight_us(RETURNS_ON) - 1) == 0
        assert take_effect(db, midnight_us(RETURNS_ON)) == 1
        assert take_effect(db, midnight_us(RETURNS_ON)) == 0
        assert state_of(db, participant) is R
        acts = [event.act for event in history_of(db, participant)]
        assert acts == ["register", "suspend", "return"]


def test_who_suspended_itself_resumes_when_it_will(cabinet: sa.Engine) -> None:
    with cabinet.begin() as db:
        participant = registered(db)
        resumption = Notice(kind=NoticeKind.RESUMPTION, participant=participant)
        with pytest.raises(ActRefusedError, match="no suspension of your own"):
            notified(db, resumption)
        notified(db, suspension(participant, RETURNS_ON))
        take_effect(db, midnight_us(SUSPENDED_ON))
        notified(db, resumption, now_us=midnight_us(SUSPENDED_ON) + SECOND_US)
        assert state_of(db, participant) is R
        assert take_effect(db, midnight_us(RETURNS_ON)) == 0


def test_who_was_suspended_by_the_authorised_body_does_not_resume_by_a_notice(
    cabinet: sa.Engine,
) -> None:
    with cabinet.begin() as db:
        participant = registered(db)
        suspend_participant(db, participant)
        with pytest.raises(ActRefusedError, match="no suspension of your own"):
            notified(db, Notice(kind=NoticeKind.RESUMPTION, participant=participant))
        with pytest.raises(ActRefusedError, match="suspended already"):
            notified(db, suspension(participant))


def test_an_exit_takes_thirty_days_and_ends_what_else_waits(cabinet: sa.Engine) -> None:
    with cabinet.begin() as db:
        participant = registered(db)
        exit_ = Notice(kind=NoticeKind.EXIT, participant=participant, day=LEAVES_ON)
        notified(db, exit_)
        late = Notice(kind=NoticeKind.SUSPENSION, participant=participant, day=date(2027, 1, 11))
        notified(db, late, now_us=NOW_US + 3 * SECOND_US)
        take_effect(db, midnight_us(LEAVES_ON))
        assert state_of(db, participant) is ParticipantState.LEFT
        assert [one.state for one in notices_of(db, participant)] == ["lapsed", "done"]
        with pytest.raises(ActRefusedError, match="no participant any more"):
            notified(db, exit_, now_us=midnight_us(LEAVES_ON) + 1)


def test_who_is_suspended_may_leave(cabinet: sa.Engine) -> None:
    with cabinet.begin() as db:
        participant = registered(db)
        notified(db, suspension(participant))
        notified(db, Notice(kind=NoticeKind.EXIT, participant=participant, day=LEAVES_ON))
        assert take_effect(db, midnight_us(LEAVES_ON)) == 2
        acts = [event.act for event in history_of(db, participant)]
        assert acts == ["register", "suspend", "leave"]


def test_one_notice_of_a_kind_waits_and_may_be_withdrawn_by_the_owner(
    cabinet: sa.Engine,
) -> None:
    with cabinet.begin() as db:
        participant = registered(db)
        number = notified(db, suspension(participant))
        with pytest.raises(ActRefusedError, match="waits already"):
            notified(db, suspension(participant))
        body = withdrawal_body(Withdrawal(notice=number), "1", str)
        with pytest.raises(ActRefusedError, match="Only an owner"):
            withdraw_notice(db, sign(db, Purpose.WITHDRAWAL, body, OTHER_PIN), number)
        assert withdraw_notice(db, sign(db, Purpose.WITHDRAWAL, body), number) == participant
        with pytest.raises(ActRefusedError, match="any more"):
            withdraw_notice(db, sign(db, Purpose.WITHDRAWAL, body), number)
        assert take_effect(db, midnight_us(LEAVES_ON)) == 0
        notified(db, suspension(participant))


def test_a_day_that_came_too_near_while_the_page_was_open_is_refused(
    cabinet: sa.Engine,
) -> None:
    with cabinet.begin() as db:
        participant = registered(db)
        midnight = midnight_us(date(2026, 11, 24))
        with pytest.raises(ActRefusedError, match="2026-12-02 or later"):
            notified(db, suspension(participant), now_us=midnight)


def test_only_an_owner_notifies(cabinet: sa.Engine) -> None:
    with cabinet.begin() as db:
        participant = registered(db)
        with pytest.raises(ActRefusedError, match="Only an owner"):
            notified(db, suspension(participant), OTHER_PIN)


def test_officers_enter_changes_and_every_version_stays(cabinet: sa.Engine) -> None:
    rows, _ = read_rows([ROW | {"quantity": "7"}])
    with cabinet.begin() as db:
        participant = registered(db)
        moved = Notice(
            kind=NoticeKind.CERTIFICATE, participant=participant, happened=TODAY,
            changes=Changes(name="ОсОО «Кенч»", address="Ош, ул. Ленина, 2",
                            certificate_number="M-99"),
            attachments=(attachment(AttachmentKind.OTHER),),
        )  # fmt: skip
        fewer = Notice(
            kind=NoticeKind.EQUIPMENT, participant=participant, happened=date(2026, 11, 2),
            equipment=rows,
        )  # fmt: skip
        first, second = notified(db, moved), notified(db, fewer)
        assert [(one.id, one.late) for one in next_notices(db)] == [
            (first, False), (second, True),
        ]  # fmt: skip
        case = read_notice_case(db, first)
        assert case is not None
        assert case.enter_by is not None
        assert case.enter_by.day == date(2026, 11, 26)
        officer = sign(db, Purpose.DECISION, "x", OFFICER_PIN).person.id
        for number in (first, second):
            enter_notice(db, number, officer, NOW_US + number * 60 * SECOND_US)
        with pytest.raises(ActRefusedError, match="any more"):
            enter_notice(db, first, officer, NOW_US)
        entry = current_entry(db, participant)
        assert entry is not None
        assert entry.entry.applicant.address == "Ош, ул. Ленина, 2"
        assert entry.entry.applicant.name == name_of(db, participant) == "ОсОО «Кенч»"
        assert entry.entry.certificate is not None
        assert entry.entry.certificate.number == "M-99"
        assert entry.entry.certificate.issued == date(2026, 10, 1)
        assert [row.quantity for row in entry.entry.equipment] == [7]
        versions = entries_of(db, participant)
        assert [one.version for one in versions] == [1, 2, 3]
        held = entry_on(versions, moment_of(NOW_US + 90 * SECOND_US))
        assert held is not None
        assert held.version == 2
        assert entry_on(versions, moment_of(NOW_US - 1)) is None


def test_what_waits_lapses_with_an_exclusion(cabinet: sa.Engine) -> None:
    with cabinet.begin() as db:
        participant = registered(db)
        notified(db, suspension(participant))
        body = exclusion_body(Exclusion(participant, "Clause 36.3."), "x", str)
        exclude(db, sign(db, Purpose.EXCLUSION, body, OFFICER_PIN, now_us=NOW_US + 5 * SECOND_US))
        assert [one.state for one in notices_of(db, participant)] == ["lapsed"]
        assert take_effect(db, midnight_us(LEAVES_ON)) == 0


def name_of(db: sa.Connection, participant: int) -> str | None:
    return db.scalar(sa.select(participants.c.name).where(participants.c.id == participant))
