"""Decisions on participants as these see them: each whole, and who has opened it.

Every function takes a connection in a transaction and leaves the commit to its caller.
"""

from datetime import datetime
from enum import StrEnum
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from kench.cabinet.login.tables import persons
from kench.cabinet.measures.tables import decision_reads, decisions
from kench.cabinet.signing.acts import SignedAct, read_act
from kench.cabinet.signing.tables import signed_acts
from kench.cabinet.words.catalogues import N_
from kench.pool.moments import moment_of

FIRST = 2**31 - 1
"""Beyond every decision: where the newest begin."""


class DecisionKind(StrEnum):
    """What was decided."""

    EXCLUSION = "exclusion"
    SUSPENSION = "suspension"
    LIFTING = "lifting"


DECISION_KINDS = {
    DecisionKind.EXCLUSION: N_("exclusion from the State System"),
    DecisionKind.SUSPENSION: N_("suspension by the authorised body"),
    DecisionKind.LIFTING: N_("end of the suspension by the authorised body"),
}


class DecisionLine(NamedTuple):
    """A decision as it is listed."""

    id: int
    participant_id: int
    kind: DecisionKind
    act_id: int
    officer: str
    at: datetime
    read: bool
    """By the person who asks; for officers: by anybody of the participant."""


class DecisionReading(NamedTuple):
    """Who opened a decision first, and when."""

    person: str
    at: datetime


def keep_decision(
    db: sa.Connection, participant_id: int, kind: DecisionKind, act: SignedAct
) -> int:
    """Keep that an act is a decision on a participant; return its number."""
    made = sa.insert(decisions).values(
        participant_id=participant_id, kind=kind.value, act_id=act.id, at=moment_of(act.signed_us)
    )
    number: int = db.execute(made.returning(decisions.c.id)).scalar_one()
    return number


def decisions_of(
    db: sa.Connection,
    participant_id: int,
    person_id: int | None = None,
    *,
    before: int = FIRST,
    at_most: int = 50,
) -> list[DecisionLine]:
    """A participant's, the newest first; `person_id` is who asks."""
    mine = (decisions.c.participant_id == participant_id) & (decisions.c.id < before)
    query = _lines(person_id).where(mine).order_by(decisions.c.id.desc()).limit(at_most)
    return [_line(row) for row in db.execute(query)]


def read_decision(
    db: sa.Connection, number: int, person_id: int | None = None
) -> DecisionLine | None:
    """One of them."""
    row = db.execute(_lines(person_id).where(decisions.c.id == number)).one_or_none()
    return _line(row) if row else None


def newest_decision(db: sa.Connection, participant_id: int) -> int | None:
    """The number of a participant's last one, where that is not the end of a measure."""
    query = sa.select(decisions.c.id, decisions.c.kind)
    query = query.where(decisions.c.participant_id == participant_id)
    row = db.execute(query.order_by(decisions.c.id.desc()).limit(1)).one_or_none()
    return None if row is None or row.kind == DecisionKind.LIFTING else int(row.id)


def act_of(db: sa.Connection, line: DecisionLine) -> SignedAct:
    """The act by which it was decided."""
    act = read_act(db, line.act_id)
    if act is None:
        raise AssertionError(f"decision {line.id} has no signed act")
    return act


def mark_decision_read(db: sa.Connection, number: int, person_id: int, now_us: int) -> None:
    """Keep that a person has opened it; the first time counts."""
    made = insert(decision_reads).values(
        decision_id=number, person_id=person_id, at=moment_of(now_us)
    )
    db.execute(made.on_conflict_do_nothing())


def decision_readings(db: sa.Connection, number: int) -> list[DecisionReading]:
    """Who has opened it, the first first."""
    rows = db.execute(
        sa.select(persons.c.name, decision_reads.c.at)
        .join_from(decision_reads, persons, decision_reads.c.person_id == persons.c.id)
        .where(decision_reads.c.decision_id == number)
        .order_by(decision_reads.c.at, decision_reads.c.person_id)
    )
    return [DecisionReading(*row) for row in rows]


def _lines(person_id: int | None) -> "sa.Select[Any]":
    opened = sa.select(decision_reads.c.decision_id).where(
        decision_reads.c.decision_id == decisions.c.id
    )
    if person_id is not None:
        opened = opened.where(decision_reads.c.person_id == person_id)
    return (
        sa.select(
            decisions.c.id, decisions.c.participant_id, decisions.c.kind, decisions.c.act_id,
            persons.c.name, decisions.c.at, opened.exists(),
        )
        .join_from(decisions, signed_acts, signed_acts.c.id == decisions.c.act_id)
        .join(persons, persons.c.id == signed_acts.c.person_id)
    )  # fmt: skip


def _line(row: Any) -> DecisionLine:
    number, participant_id, kind, *others = row
    return DecisionLine(number, participant_id, DecisionKind(kind), *others)
