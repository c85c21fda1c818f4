"""Who acts for a participant: owner, accountant, technician, by personal number.

Every function takes a connection that is in a transaction and leaves the commit to its caller.
"""

from enum import StrEnum
from typing import NamedTuple

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from kench.cabinet.login.tables import participant_people, persons
from kench.pool.moments import moment_of, us_of
from kench.pool.register import participants
from kench.pool.signature.pin import check_pin

PEOPLE_MAX = 50


class PeopleRole(StrEnum):
    """What a person may do for a participant; the owner may all."""

    OWNER = "owner"
    ACCOUNTANT = "accountant"
    TECHNICIAN = "technician"


class PeopleRefusal(StrEnum):
    """Why somebody was not added, or not taken away."""

    ALREADY = "already"
    LIMIT = "limit"
    UNKNOWN = "unknown"
    LAST_OWNER = "last_owner"


class ActsFor(NamedTuple):
    """A participant that a person acts for."""

    participant_id: int
    name: str
    state: str
    role: PeopleRole


class PeopleLine(NamedTuple):
    """One who acts for a participant; without a name if never entered."""

    id: int
    pin: str
    name: str | None
    role: PeopleRole
    added_us: int


def add_person(  # noqa: PLR0913 - who, whom, as what
    db: sa.Connection,
    participant_id: int,
    pin: str,
    role: PeopleRole,
    *,
    added_by: int | None,
    now_us: int,
) -> PeopleRefusal | None:
    """Let a person act for a participant; raises InvalidPinError."""
    check_pin(pin)
    _take_turns(db, participant_id)
    people = people_of(db, participant_id)
    if any(one.pin == pin for one in people):
        return PeopleRefusal.ALREADY
    if len(people) >= PEOPLE_MAX:
        return PeopleRefusal.LIMIT
    try:
        with db.begin_nested():
            db.execute(
                sa.insert(participant_people).values(
                    participant_id=participant_id,
                    pin=pin,
                    role=role,
                    added_at=moment_of(now_us),
                    added_by=added_by,
                )
            )
    except IntegrityError:
        return PeopleRefusal.UNKNOWN
    return None


def end_person(
    db: sa.Connection, participant_id: int, entry_id: int, *, ended_by: int, now_us: int
) -> PeopleRefusal | None:
    """Let a person act for it no more; an owner stays always."""
    _take_turns(db, participant_id)
    people = people_of(db, participant_id)
    entry = next((one for one in people if one.id == entry_id), None)
    if entry is None:
        return PeopleRefusal.UNKNOWN
    owners = [one for one in people if one.role is PeopleRole.OWNER]
    if owners == [entry]:
        return PeopleRefusal.LAST_OWNER
    db.execute(
        sa.update(participant_people)
        .where(participant_people.c.id == entry_id)
        .values(ended_at=moment_of(now_us), ended_by=ended_by)
    )
    return None


def people_of(db: sa.Connection, participant_id: int) -> list[PeopleLine]:
    """All who act for it now, in the order in which they came."""
    table = participant_people
    rows = db.execute(
        sa.select(table.c.id, table.c.pin, persons.c.name, table.c.role, table.c.added_at)
        .outerjoin_from(table, persons, table.c.pin == persons.c.pin)
        .where(table.c.participant_id == participant_id, table.c.ended_at.is_(None))
        .order_by(table.c.id)
    )
    return [
        PeopleLine(row.id, row.pin, row.name, PeopleRole(row.role), us_of(row.added_at))
        for row in rows
    ]


def acts_for(db: sa.Connection, pin: str) -> list[ActsFor]:
    """The participants that a person acts for now."""
    return _acts_for(db, participant_people.c.pin == pin)


def acting_for(db: sa.Connection, pin: str, participant_id: int) -> ActsFor | None:
    """As what a person acts for this participant, None if not at all."""
    row = db.execute(_ACTING, {"who": pin, "participant": participant_id}).one_or_none()
    return None if row is None else ActsFor(row.id, row.name, row.state, PeopleRole(row.role))


def _acts_for(db: sa.Connection, which: sa.ColumnElement[bool]) -> list[ActsFor]:
    table = participant_people
    rows = db.execute(
        sa.select(participants.c.id, participants.c.name, participants.c.state, table.c.role)
        .join_from(table, participants, table.c.participant_id == participants.c.id)
        .where(which, table.c.ended_at.is_(None))
        .order_by(participants.c.id)
    )
    return [ActsFor(row.id, row.name, row.state, PeopleRole(row.role)) for row in rows]


# Put together once: every page of a participant asks it.
_ACTING = (
    sa.select(
        participants.c.id, participants.c.name, participants.c.state, participant_people.c.role
    )
    .join_from(
        participant_people, participants, participant_people.c.participant_id == participants.c.id
    )
    .where(
        participant_people.c.pin == sa.bindparam("who"),
        participant_people.c.participant_id == sa.bindparam("participant"),
        participant_people.c.ended_at.is_(None),
    )
)


def _take_turns(db: sa.Connection, participant_id: int) -> None:
    """Two at once must not end the last two owners."""
    db.execute(sa.select(sa.func.pg_advisory_xact_lock(_LOCK, participant_id)))


_LOCK = 0x70656F70
"""First key of the advisory lock of a participant's people ("peop")."""
