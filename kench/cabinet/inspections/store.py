"""Inspections in the database: planned, ended once by a signed outcome, kept for ever.

Every function takes a connection in a transaction and leaves the commit to its caller.
"""

from collections.abc import Iterable
from datetime import date, datetime
from typing import Any, NamedTuple

import msgspec
import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from kench.cabinet.alerts.letters import Letter
from kench.cabinet.inspections.outcome import Outcome
from kench.cabinet.inspections.risk import Risk
from kench.cabinet.inspections.tables import inspection_outcomes, inspection_queue, inspections
from kench.cabinet.login.tables import persons
from kench.cabinet.registration.bodies import data_of
from kench.cabinet.registration.documents import check_uploaded, drop_draft
from kench.cabinet.registration.officers import check_officer, check_others
from kench.cabinet.registration.refusals import ActRefusedError
from kench.cabinet.registration.telling import tell_participant
from kench.cabinet.signing.acts import SignedAct, read_act
from kench.cabinet.words.catalogues import N_
from kench.pool.calendar import WorkingDays, day_at
from kench.pool.moments import moment_of
from kench.pool.orders.officer_roles import OfficerRole
from kench.pool.register import participants

INSPECTORS = frozenset({OfficerRole.INSPECTOR, OfficerRole.HEAD})
FIRST = 2**31 - 1
"""Beyond every inspection: where the newest begin."""


class Inspection(NamedTuple):
    """One of them."""

    id: int
    participant_id: int
    name: str
    planned_by: str
    planned_at: datetime
    due: date
    score: int
    facts: dict[str, Any]
    """What the risk was reckoned from when it was planned."""
    act_id: int | None
    """Of its outcome; None while it is to be done."""
    inspector: str | None
    result: str | None
    ended_at: datetime | None


def plan(  # noqa: PLR0913, PLR0917 - one row
    db: sa.Connection,
    risk: Risk,
    working_days: int,
    calendar: WorkingDays,
    person_id: int,
    now_us: int,
) -> int | None:
    """Plan an inspection; return its number, None where one of that participant waits already."""
    due = calendar.within(day_at(now_us), working_days)
    db.execute(sa.select(sa.func.pg_advisory_xact_lock(_LOCK, risk.participant_id)))
    waits = sa.select(inspection_queue.c.inspection_id).where(
        inspection_queue.c.participant_id == risk.participant_id
    )
    if db.scalar(waits) is not None:
        return None
    made = insert(inspections).values(
        participant_id=risk.participant_id, planned_by=person_id, planned_at=moment_of(now_us),
        due=due.day, calendar=calendar.version, score=risk.score,
        facts=msgspec.to_builtins(risk.facts),
    )  # fmt: skip
    number: int = db.execute(made.returning(inspections.c.id)).scalar_one()
    return number


def draft_of(number: int) -> str:
    """Under which name the draft of an outcome is kept."""
    return f"i/{number}"


def keep_outcome(db: sa.Connection, act: SignedAct) -> Inspection:
    """Keep a signed outcome; raises ActRefusedError, BodyError."""
    outcome = data_of(act.content, Outcome)
    check_officer(db, act, INSPECTORS)
    found = read_inspection(db, outcome.inspection)
    if found is None or found.participant_id != outcome.participant:
        raise ActRefusedError(N_("There is no such inspection."))
    check_others(db, act, outcome.participant)
    db.execute(sa.select(sa.func.pg_advisory_xact_lock(_LOCK, outcome.participant)))
    found = read_inspection(db, outcome.inspection) or found
    if found.act_id is not None:
        raise ActRefusedError(N_("This inspection has its outcome already."))
    check_uploaded(db, act.person.id, outcome.attachments)
    db.execute(
        sa.insert(inspection_outcomes).values(
            inspection_id=found.id, act_id=act.id, person_id=act.person.id,
            result=outcome.result.value, at=moment_of(act.signed_us),
        )
    )  # fmt: skip
    drop_draft(db, act.person.id, draft_of(found.id))
    tell_participant(
        db, found.participant_id, Letter.INSPECTION, "inspections", act.signed_us,
        number=found.participant_id,
    )  # fmt: skip
    return read_inspection(db, found.id) or found


def read_inspection(db: sa.Connection, number: int) -> Inspection | None:
    """One of them."""
    row = db.execute(_lines().where(inspections.c.id == number)).one_or_none()
    return Inspection(*row) if row else None


def waiting_inspections(db: sa.Connection, *, after: int = 0, at_most: int) -> list[Inspection]:
    """Those to be done, the most urgent first, after one of them."""
    queue = inspection_queue.c
    query = _lines().join(inspection_queue, queue.inspection_id == inspections.c.id)
    if after:
        # From where it is kept for ever: it may have been done meanwhile.
        place = sa.select(inspections.c.due).where(inspections.c.id == after).scalar_subquery()
        query = query.where(
            sa.tuple_(queue.due, queue.inspection_id) > sa.tuple_(place, sa.literal(after))
        )
    query = query.order_by(queue.due, queue.inspection_id).limit(at_most)
    return [Inspection(*row) for row in db.execute(query)]


def planned_among(db: sa.Connection, of: Iterable[int]) -> set[int]:
    """Those of some participants that are to be inspected."""
    queue = inspection_queue.c
    query = sa.select(queue.participant_id).where(queue.participant_id.in_(list(of)))
    return set(db.scalars(query))


def ended_inspections(db: sa.Connection, *, before: int = FIRST, at_most: int) -> list[Inspection]:
    """Those that have an outcome, by number, the newest first."""
    ended = inspection_outcomes.c.inspection_id
    query = _lines().where(ended < before).order_by(ended.desc()).limit(at_most)
    return [Inspection(*row) for row in db.execute(query)]


def inspections_of(
    db: sa.Connection,
    participant_id: int,
    at_most: int,
    *,
    before: int = FIRST,
    planned: bool = False,
) -> list[Inspection]:
    """A participant's that have an outcome, or the planned ones too, the newest first."""
    mine = (inspections.c.participant_id == participant_id) & (inspections.c.id < before)
    query = _lines().where(mine)
    if not planned:
        query = query.where(inspection_outcomes.c.act_id.is_not(None))
    query = query.order_by(inspections.c.id.desc()).limit(at_most)
    return [Inspection(*row) for row in db.execute(query)]


def outcome_of(db: sa.Connection, inspection: Inspection) -> Outcome | None:
    """What was signed; None while it is to be done."""
    if inspection.act_id is None:
        return None
    act = read_act(db, inspection.act_id)
    if act is None:
        raise AssertionError(f"inspection {inspection.id} has no signed act")
    return data_of(act.content, Outcome)


_LOCK = 0x696E7370
"""First key of the advisory lock under which one participant's inspections take turns ("insp")."""


def _lines() -> "sa.Select[Any]":
    planned, ended = inspections.c, inspection_outcomes.c
    return (
        sa.select(
            planned.id, planned.participant_id, participants.c.name, _name_of(planned.planned_by),
            planned.planned_at, planned.due, planned.score, planned.facts, ended.act_id,
            _name_of(ended.person_id), ended.result, ended.at,
        )
        .join_from(inspections, participants, participants.c.id == planned.participant_id)
        .outerjoin(inspection_outcomes, ended.inspection_id == planned.id)
    )  # fmt: skip


def _name_of(person_id: sa.Column[int]) -> Any:
    return sa.select(persons.c.name).where(persons.c.id == person_id).scalar_subquery()
