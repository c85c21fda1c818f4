"""A participant's state and entry in the Electronic Register: moved by acts, never overwritten.

The state itself is that of `kench.pool.register`, which the Stratum ports follow; events tell how
it came about. Every function takes a connection in a transaction and leaves the commit to its
caller.
"""

from datetime import date, datetime
from typing import Any, NamedTuple

import msgspec
import sqlalchemy as sa

from kench.cabinet.registration import tables
from kench.cabinet.registration.application import Applicant, Certificate
from kench.cabinet.registration.equipment import Equipment
from kench.cabinet.registration.states import (
    Act,
    Machine,
    ParticipantState,
    TransitionRefusedError,
    transition,
)
from kench.cabinet.registry.index import index_entry
from kench.cabinet.words.catalogues import N_
from kench.pool import register
from kench.pool.moments import moment_of
from kench.pool.register import State


class Entry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the Electronic Register says of a participant."""

    applicant: Applicant
    certificate: Certificate | None
    equipment: tuple[Equipment, ...]


class EntryVersion(NamedTuple):
    """An entry as it was from a moment on."""

    version: int
    entry: Entry
    act_id: int
    at: datetime


class MembershipEvent(NamedTuple):
    """One step of a participant's way."""

    act: str
    state: str
    at: datetime
    act_id: int | None
    notice_id: int | None


def state_of(
    db: sa.Connection, participant_id: int, *, for_update: bool = False
) -> ParticipantState | None:
    """What the participant is now, None if there is none; locked for who is about to move it."""
    query = sa.select(register.participants.c.state).where(
        register.participants.c.id == participant_id
    )
    found = db.scalar(query.with_for_update() if for_update else query)
    if found is None:
        return None
    if found == State.ACTIVE:
        return ParticipantState.REGISTERED
    events = history_of(db, participant_id)
    if found == State.SUSPENDED:
        barred = bool(events) and events[-1].state == ParticipantState.BARRED
        return ParticipantState.BARRED if barred else ParticipantState.SUSPENDED
    left = bool(events) and events[-1].state == ParticipantState.LEFT
    return ParticipantState.LEFT if left else ParticipantState.EXCLUDED


def move(  # noqa: PLR0913 - the facts of a step
    db: sa.Connection,
    participant_id: int,
    act: Act,
    *,
    now_us: int,
    act_id: int | None = None,
    notice_id: int | None = None,
) -> ParticipantState:
    """Do an act upon a participant; the ports follow when it is committed.

    Raises TransitionRefusedError.
    """
    before = state_of(db, participant_id, for_update=True)
    if before is None:
        raise TransitionRefusedError(N_("There is no such participant."))
    after = ParticipantState(transition(Machine.PARTICIPANT, before, act).after)
    change = {
        ParticipantState.REGISTERED: register.resume_participant,
        ParticipantState.SUSPENDED: register.suspend_participant,
        ParticipantState.BARRED: register.suspend_participant,
        ParticipantState.LEFT: register.remove_participant,
        ParticipantState.EXCLUDED: register.remove_participant,
    }[after]
    change(db, participant_id)
    note(db, participant_id, act, after, now_us=now_us, act_id=act_id, notice_id=notice_id)
    return after


def note(  # noqa: PLR0913 - one row
    db: sa.Connection,
    participant_id: int,
    act: Act,
    state: ParticipantState,
    *,
    now_us: int,
    act_id: int | None = None,
    notice_id: int | None = None,
) -> None:
    """Keep that a participant came to be what it is."""
    db.execute(
        sa.insert(tables.membership_events).values(
            participant_id=participant_id,
            act=act.value,
            state=state.value,
            at=moment_of(now_us),
            act_id=act_id,
            notice_id=notice_id,
        )
    )


def history_of(db: sa.Connection, participant_id: int) -> list[MembershipEvent]:
    """Every step, the first first."""
    table = tables.membership_events
    rows = db.execute(
        sa.select(table.c.act, table.c.state, table.c.at, table.c.act_id, table.c.notice_id)
        .where(table.c.participant_id == participant_id)
        .order_by(table.c.id)
    )
    return [MembershipEvent(*row) for row in rows]


def add_entry(  # noqa: PLR0913 - one row
    db: sa.Connection,
    participant_id: int,
    entry: Entry,
    *,
    act_id: int,
    entered_by: int,
    now_us: int,
) -> int:
    """Enter what the register says from now on; return the entry's version."""
    newest = current_entry(db, participant_id)
    version = newest.version + 1 if newest else 1
    db.execute(
        sa.insert(tables.register_entries).values(
            participant_id=participant_id,
            version=version,
            content=msgspec.to_builtins(entry),
            act_id=act_id,
            entered_by=entered_by,
            at=moment_of(now_us),
        )
    )
    index_entry(db, participant_id, version, entry.applicant, entry.certificate, entry.equipment)
    return version


def current_entry(db: sa.Connection, participant_id: int) -> EntryVersion | None:
    """What the register says now; None of a participant that came before there was one."""
    versions = _entries(db, participant_id, newest=True)
    return versions[0] if versions else None


def entries_of(db: sa.Connection, participant_id: int) -> list[EntryVersion]:
    """Every version, the first first."""
    return _entries(db, participant_id, newest=False)


def entry_on(versions: list[EntryVersion], moment: datetime) -> EntryVersion | None:
    """The version that held at a moment."""
    held = [one for one in versions if one.at <= moment]
    return held[-1] if held else None


def _entries(db: sa.Connection, participant_id: int, *, newest: bool) -> list[EntryVersion]:
    table = tables.register_entries
    query = sa.select(table.c.version, table.c.content, table.c.act_id, table.c.at).where(
        table.c.participant_id == participant_id
    )
    query = (
        query.order_by(table.c.version.desc()).limit(1)
        if newest
        else query.order_by(table.c.version)
    )
    return [
        EntryVersion(row.version, _entry(row.content), row.act_id, row.at)
        for row in db.execute(query)
    ]


def _entry(content: Any) -> Entry:
    return msgspec.convert(content, Entry)


def certificate_with(
    certificate: Certificate | None, number: str, issued: date | None
) -> Certificate | None:
    """A certificate with what changed of it."""
    if not number and issued is None:
        return certificate
    number = number or (certificate.number if certificate else "")
    issued = issued or (certificate.issued if certificate else None)
    return Certificate(number, issued) if number and issued else certificate
