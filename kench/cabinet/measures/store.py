"""Suspensions by the authorised body in the database: decided, begun on their day, ended.

One of a participant at most stands at a time; PostgreSQL itself keeps which. Every function takes a
connection in a transaction and leaves the commit to its caller.
"""

from datetime import date, datetime
from enum import StrEnum
from typing import Any, NamedTuple

import sqlalchemy as sa

from kench.cabinet.alerts.letters import Letter
from kench.cabinet.inspections.store import read_inspection
from kench.cabinet.login.tables import persons
from kench.cabinet.measures.decisions import DecisionKind, keep_decision
from kench.cabinet.measures.suspension import Lifting, Suspension, SuspensionGround
from kench.cabinet.measures.tables import open_suspensions, suspension_ends, suspensions
from kench.cabinet.registration.bodies import data_of
from kench.cabinet.registration.gaps import Gap
from kench.cabinet.registration.membership import move, state_of
from kench.cabinet.registration.notice_store import own_suspension, take_turns
from kench.cabinet.registration.officers import check_officer, check_others
from kench.cabinet.registration.refusals import ActRefusedError
from kench.cabinet.registration.states import OPEN_STATES, Act, ParticipantState
from kench.cabinet.registration.telling import tell_participant
from kench.cabinet.signing.acts import SignedAct
from kench.cabinet.signing.tables import signed_acts
from kench.cabinet.words.catalogues import N_
from kench.pool.calendar import day_at
from kench.pool.moments import moment_of
from kench.pool.register import participants
from kench.sale.tables import lot_shares

AT_ONCE = 200
"""Suspensions that begin or end in one transaction."""
SHOWN_MAX = 200


class End(StrEnum):
    """How a suspension ended."""

    LIFTED = "lifted"
    REPLACED = "replaced"
    EXPIRED = "expired"
    LAPSED = "lapsed"


class Standing(NamedTuple):
    """A suspension that has not ended."""

    id: int
    participant_id: int
    name: str
    act_id: int
    ground: SuspensionGround
    begins: date
    until: date | None
    in_force: bool
    """Whether its day has come."""
    officer: str
    at: datetime


def keep_suspension(db: sa.Connection, act: SignedAct) -> tuple[int, int]:
    """Carry out a signed suspension; return whose, and the decision's number.

    Raises ActRefusedError, BodyError.
    """
    data = data_of(act.content, Suspension)
    _check(db, act, data.participant)
    today = day_at(act.signed_us)
    standing = standing_of(db, data.participant)
    if data.instead_of != (standing.id if standing else None):
        raise ActRefusedError(N_("Another suspension was decided meanwhile: open the page again."))
    begins = data.begins or today
    if (
        begins < today
        or (data.until is not None and data.until <= begins)
        or (standing is not None and standing.in_force and begins > today)
    ):
        raise ActRefusedError(N_("The day of the suspension has passed: open the page again."))
    if gap := find_ground_gap(db, data):
        raise ActRefusedError(gap.text)
    if standing is not None:
        _end(db, standing.id, End.REPLACED, act.signed_us, act.id)
    db.execute(
        sa.insert(suspensions).values(
            participant_id=data.participant, act_id=act.id, ground=data.ground.value,
            begins=begins, until=data.until, at=moment_of(act.signed_us),
        )
    )  # fmt: skip
    if begins == today:
        move(db, data.participant, Act.BAR, now_us=act.signed_us, act_id=act.id)
    return data.participant, _tell(db, data.participant, DecisionKind.SUSPENSION, act)


def lift_suspension(db: sa.Connection, act: SignedAct) -> tuple[int, int]:
    """Carry out the signed end of a suspension; return whose, and the decision's number.

    Raises ActRefusedError, BodyError.
    """
    data = data_of(act.content, Lifting)
    _check(db, act, data.participant)
    standing = standing_of(db, data.participant)
    if standing is None or standing.id != data.suspension:
        raise ActRefusedError(N_("This suspension has ended already."))
    _end(db, standing.id, End.LIFTED, act.signed_us, act.id)
    if standing.in_force:
        _let_go(db, data.participant, Act.LIFT, act.signed_us, act.id)
    return data.participant, _tell(db, data.participant, DecisionKind.LIFTING, act)


def move_suspensions(db: sa.Connection, now_us: int) -> int:
    """Begin and end what has fallen due; return how many."""
    table, today, done = open_suspensions.c, day_at(now_us), 0
    to_begin = sa.select(table.participant_id).where(~table.in_force, table.begins <= today)
    for whose in db.scalars(to_begin.order_by(table.begins).limit(AT_ONCE)).all():
        take_turns(db, whose)
        found = standing_of(db, whose)
        if found is not None and not found.in_force and found.begins <= today:
            if state_of(db, whose, for_update=True) in OPEN_STATES:
                move(db, whose, Act.BAR, now_us=now_us, act_id=found.act_id)
            else:
                # Taken out of the register by command.
                _end(db, found.id, End.LAPSED, now_us)
            done += 1
    to_end = sa.select(table.participant_id).where(table.in_force, table.until <= today)
    for whose in db.scalars(to_end.order_by(table.until).limit(AT_ONCE)).all():
        take_turns(db, whose)
        found = standing_of(db, whose)
        if found is not None and found.until is not None and found.until <= today:
            _end(db, found.id, End.EXPIRED, now_us)
            _let_go(db, whose, Act.EXPIRE, now_us, found.act_id)
            done += 1
    return done


def find_ground_gap(db: sa.Connection, suspension: Suspension) -> Gap | None:
    """What is not so of that on which a suspension rests: another's inspection, no such lot."""
    if suspension.inspection is not None:
        found = read_inspection(db, suspension.inspection)
        if found is None or found.participant_id != suspension.participant or not found.act_id:
            return Gap(
                "inspection",
                N_("This participant has no inspection of that number with an outcome"),
            )
    if suspension.lot:
        block_hash, _, vout = suspension.lot.partition(":")
        share = sa.select(lot_shares.c.amount_sat).where(
            lot_shares.c.block_hash == block_hash, lot_shares.c.vout == int(vout),
            lot_shares.c.participant_id == suspension.participant,
        )  # fmt: skip
        if db.scalar(share) is None:
            return Gap("lot", N_("No lot of that name holds coins of this participant"))
    return None


def standing_of(db: sa.Connection, participant_id: int) -> Standing | None:
    """The suspension of a participant that has not ended."""
    query = _lines().where(open_suspensions.c.participant_id == participant_id)
    row = db.execute(query).one_or_none()
    return _standing(row) if row else None


def all_standing(db: sa.Connection, at_most: int = SHOWN_MAX) -> list[Standing]:
    """All that have not ended, those that end first first."""
    query = _lines().order_by(open_suspensions.c.until, open_suspensions.c.participant_id)
    return [_standing(row) for row in db.execute(query.limit(at_most))]


def _check(db: sa.Connection, act: SignedAct, participant_id: int) -> None:
    check_officer(db, act)
    take_turns(db, participant_id)
    if state_of(db, participant_id, for_update=True) not in OPEN_STATES:
        raise ActRefusedError(N_("There is no such participant."))
    check_others(db, act, participant_id)


def _tell(db: sa.Connection, participant_id: int, kind: DecisionKind, act: SignedAct) -> int:
    number = keep_decision(db, participant_id, kind, act)
    tell_participant(
        db, participant_id, Letter.DECISION, f"decisions/{number}", act.signed_us,
        number=participant_id,
    )  # fmt: skip
    return number


def _end(
    db: sa.Connection, suspension_id: int, how: End, now_us: int, act_id: int | None = None
) -> None:
    db.execute(
        sa.insert(suspension_ends).values(
            suspension_id=suspension_id, how=how.value, act_id=act_id, at=moment_of(now_us)
        )
    )


def _let_go(db: sa.Connection, participant_id: int, act: Act, now_us: int, act_id: int) -> None:
    """Let it mine again, unless it announced a suspension of its own that still runs."""
    if state_of(db, participant_id) is not ParticipantState.BARRED:
        return
    move(db, participant_id, act, now_us=now_us, act_id=act_id)
    notice_id = own_suspension(db, participant_id, day_at(now_us))
    if notice_id is not None:
        move(db, participant_id, Act.SUSPEND, now_us=now_us, notice_id=notice_id)


def _lines() -> "sa.Select[Any]":
    return (
        sa.select(
            suspensions.c.id, suspensions.c.participant_id, participants.c.name,
            suspensions.c.act_id, suspensions.c.ground, suspensions.c.begins,
            suspensions.c.until, open_suspensions.c.in_force, persons.c.name, suspensions.c.at,
        )
        .join_from(
            open_suspensions, suspensions, suspensions.c.id == open_suspensions.c.suspension_id
        )
        .join(participants, participants.c.id == suspensions.c.participant_id)
        .join(signed_acts, signed_acts.c.id == suspensions.c.act_id)
        .join(persons, persons.c.id == signed_acts.c.person_id)
    )  # fmt: skip


def _standing(row: Any) -> Standing:
    number, whose, name, act_id, ground, *others = row
    return Standing(number, whose, name, act_id, SuspensionGround(ground), *others)
