"""A suspension by the authorised body holds until a decision or its day, whatever else happens."""

from datetime import date

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

from kench.cabinet.login.people import PeopleRole, add_person
from kench.cabinet.measures.decisions import DecisionKind, decisions_of
from kench.cabinet.measures.store import all_standing, move_suspensions, standing_of
from kench.cabinet.measures.suspension import SuspensionGround
from kench.cabinet.measures.tables import suspension_ends
from kench.cabinet.registration.bodies import exclusion_body
from kench.cabinet.registration.decisions import Exclusion
from kench.cabinet.registration.dossier import acts_of
from kench.cabinet.registration.entering import exclude
from kench.cabinet.registration.membership import history_of, move, state_of
from kench.cabinet.registration.notice_store import take_effect
from kench.cabinet.registration.notices import Notice
from kench.cabinet.registration.refusals import ActRefusedError
from kench.cabinet.registration.states import Act, NoticeKind, ParticipantState
from kench.cabinet.registration.telling import tell_what_is_near
from kench.cabinet.registry.search import Wanted, search
from kench.cabinet.signing.wording import Purpose
from kench.pool.moments import midnight_us
from kench.pool.register import Change, State, participants, remove_participant, resume_participant
from tests.support.grants import BLOCK_HASH
from tests.support.held_lots import add_held_lot
from tests.support.registration import (
    NOW_US,
    OFFICER_PIN,
    barred,
    inspected,
    lifted,
    notified,
    sign,
)
from tests.support.signing import SECOND_US

R, S, B = ParticipantState.REGISTERED, ParticipantState.SUSPENDED, ParticipantState.BARRED
ON, UNTIL = date(2026, 12, 3), date(2026, 12, 20)
LATER_US = NOW_US + 60 * SECOND_US


def number_of(db: sa.Connection, participant: int) -> int:
    standing = standing_of(db, participant)
    assert standing is not None
    return standing.id


def ends(db: sa.Connection) -> list[str]:
    table = suspension_ends
    return list(db.scalars(sa.select(table.c.how).order_by(table.c.suspension_id)))


def acts(db: sa.Connection, participant: int) -> list[str]:
    return [event.act for event in history_of(db, participant)]


def test_it_holds_at_once_and_the_ports_are_told_until_another_decision_ends_it(
    db: sa.Connection, participant: int
) -> None:
    barred(db, participant)
    assert state_of(db, participant) is B
    assert db.scalar(sa.select(participants.c.state)) == State.SUSPENDED
    resumption = Notice(kind=NoticeKind.RESUMPTION, participant=participant)
    with pytest.raises(ActRefusedError, match="no suspension of your own"):
        notified(db, resumption, now_us=LATER_US)
    assert resume_participant(db, participant) is Change.BARRED
    lifted(db, participant, number_of(db, participant))
    assert state_of(db, participant) is R
    assert db.scalar(sa.select(participants.c.state)) == State.ACTIVE
    assert acts(db, participant) == ["register", "bar", "lift"]
    assert ends(db) == ["lifted"]
    kinds = [one.kind for one in decisions_of(db, participant)]
    assert kinds == [DecisionKind.LIFTING, DecisionKind.SUSPENSION]
    purposes = [act.purpose for act in acts_of(db, participant)]
    assert purposes[-2:] == [Purpose.SUSPENSION, Purpose.LIFTING]


def test_postgresql_itself_lets_nobody_mine_who_is_suspended_so(
    owners_db: sa.Connection, participant: int
) -> None:
    db = owners_db
    barred(db, participant)
    with pytest.raises(DBAPIError, match="a signed decision ends it"), db.begin_nested():
        db.execute(sa.update(participants).values(state="active"))
    with pytest.raises(DBAPIError, match="is not what was signed"):
        db.exec_driver_sql(
            "INSERT INTO suspensions (participant_id, act_id, ground, begins, at)"
            " SELECT 1, id, 'aml', '2026-12-01', now() FROM signed_acts LIMIT 1"
        )


def test_it_begins_and_ends_by_itself_on_its_days(db: sa.Connection, participant: int) -> None:
    barred(db, participant, begins=ON, until=UNTIL)
    assert state_of(db, participant) is R
    assert move_suspensions(db, midnight_us(ON) - 1) == 0
    assert move_suspensions(db, midnight_us(ON)) == 1
    assert state_of(db, participant) is B
    assert [one.until for one in all_standing(db)] == [UNTIL]
    assert tell_what_is_near(db, midnight_us(UNTIL) - 1) == 1
    assert move_suspensions(db, midnight_us(UNTIL) - 1) == 0
    assert move_suspensions(db, midnight_us(UNTIL)) == 1
    assert move_suspensions(db, midnight_us(UNTIL)) == 0
    assert state_of(db, participant) is R
    assert acts(db, participant) == ["register", "bar", "expire"]


def test_what_never_began_ends_without_a_trace_in_the_way(
    db: sa.Connection, participant: int
) -> None:
    barred(db, participant, begins=ON)
    lifted(db, participant, number_of(db, participant))
    assert move_suspensions(db, midnight_us(ON)) == 0
    assert acts(db, participant) == ["register"]


@pytest.mark.parametrize("announced_first", [True, False])
def test_a_suspension_of_its_own_runs_beneath_and_comes_to_light_again(
    db: sa.Connection, participant: int, *, announced_first: bool
) -> None:
    day = date(2026, 12, 1)
    own = Notice(kind=NoticeKind.SUSPENSION, participant=participant, day=day, until=UNTIL)
    during_us = midnight_us(date(2026, 12, 5))
    notified(db, own)
    if announced_first:
        take_effect(db, midnight_us(day))
        assert state_of(db, participant) is S
        barred(db, participant, now_us=midnight_us(day) + SECOND_US)
    else:
        barred(db, participant)
        assert take_effect(db, midnight_us(day)) == 1
    assert state_of(db, participant) is B
    lifted(db, participant, number_of(db, participant), now_us=during_us)
    assert state_of(db, participant) is S
    if announced_first:
        resumption = Notice(kind=NoticeKind.RESUMPTION, participant=participant)
        notified(db, resumption, now_us=during_us + SECOND_US)
    else:
        assert take_effect(db, midnight_us(UNTIL)) == 1
    assert state_of(db, participant) is R


def test_one_that_ended_beneath_does_not_come_back(db: sa.Connection, participant: int) -> None:
    day = date(2026, 12, 1)
    own = Notice(kind=NoticeKind.SUSPENSION, participant=participant, day=day, until=UNTIL)
    notified(db, own)
    take_effect(db, midnight_us(day))
    barred(db, participant, now_us=midnight_us(day) + SECOND_US)
    assert take_effect(db, midnight_us(UNTIL)) == 0
    assert state_of(db, participant) is B
    lifted(db, participant, number_of(db, participant), now_us=midnight_us(UNTIL) + SECOND_US)
    assert state_of(db, participant) is R


def test_another_decision_takes_the_place_of_what_stands_without_a_gap(
    db: sa.Connection, participant: int
) -> None:
    barred(db, participant, until=ON)
    first = number_of(db, participant)
    with pytest.raises(ActRefusedError, match="decided meanwhile"):
        barred(db, participant, until=UNTIL)
    with pytest.raises(ActRefusedError, match="has passed"):
        barred(db, participant, begins=ON, instead_of=first)
    barred(db, participant, until=UNTIL, instead_of=first)
    assert ends(db) == ["replaced"]
    assert move_suspensions(db, midnight_us(ON)) == 0
    assert state_of(db, participant) is B
    with pytest.raises(ActRefusedError, match="has ended already"):
        lifted(db, participant, first)


@pytest.mark.parametrize("leaves", [True, False])
def test_who_is_no_participant_any_more_has_none(
    db: sa.Connection, participant: int, *, leaves: bool
) -> None:
    barred(db, participant)
    if leaves:
        day = date(2026, 12, 24)
        notified(db, Notice(kind=NoticeKind.EXIT, participant=participant, day=day))
        assert take_effect(db, midnight_us(day)) == 1
    else:
        body = exclusion_body(Exclusion(participant, "Worse."), "", str)
        assert exclude(db, sign(db, Purpose.EXCLUSION, body, OFFICER_PIN)) == participant
    assert not all_standing(db)
    assert ends(db) == ["lapsed"]
    with pytest.raises(ActRefusedError, match="no such participant"):
        barred(db, participant, now_us=LATER_US)


def test_one_taken_out_by_command_does_not_stop_what_is_due(
    db: sa.Connection, participant: int
) -> None:
    barred(db, participant, begins=ON)
    remove_participant(db, participant)
    assert move_suspensions(db, midnight_us(ON)) == 1
    assert ends(db) == ["lapsed"]


def test_what_it_rests_on_is_of_this_participant(
    owners_db: sa.Connection, participant: int
) -> None:
    lot = f"{BLOCK_HASH}:0"
    db = owners_db
    add_held_lot(db, BLOCK_HASH, at_us=NOW_US)
    with pytest.raises(ActRefusedError, match="no inspection"):
        barred(db, participant, ground=SuspensionGround.INSPECTION, inspection=1)
    with pytest.raises(ActRefusedError, match="No lot"):
        barred(db, participant, ground=SuspensionGround.AML, lot=lot)
    number = inspected(db, participant)
    barred(db, participant, ground=SuspensionGround.INSPECTION, inspection=number)
    assert state_of(db, participant) is B


def test_nobody_decides_on_their_own(db: sa.Connection, participant: int) -> None:
    add_person(db, participant, OFFICER_PIN, PeopleRole.TECHNICIAN, added_by=1, now_us=NOW_US)
    with pytest.raises(ActRefusedError, match="own participant"):
        barred(db, participant)


def test_the_register_tells_who_suspended_whom(db: sa.Connection, participant: int) -> None:
    barred(db, participant)
    assert [one.state for one in search(db, Wanted(state=B))] == [B]
    assert not search(db, Wanted(state=S))
    seen = db.exec_driver_sql("SELECT state FROM membership_events ORDER BY id DESC").scalar()
    assert seen == "barred"
    lifted(db, participant, number_of(db, participant))
    move(db, participant, Act.SUSPEND, now_us=LATER_US, act_id=1)
    assert not search(db, Wanted(state=B))
    assert [one.state for one in search(db, Wanted(state=S))] == [S]
