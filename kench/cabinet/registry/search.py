"""Searching the Electronic Register, page by page, by indexes of what it says now."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec
import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import TSQUERY

from kench.cabinet.measures.tables import open_suspensions
from kench.cabinet.registration.application import ApplicantKind
from kench.cabinet.registration.membership import Entry
from kench.cabinet.registration.regions import Region
from kench.cabinet.registration.states import ParticipantState
from kench.cabinet.registration.tables import membership_events, register_entries
from kench.cabinet.registry.tables import register_words
from kench.cabinet.registry.words import Where, query_of
from kench.pool.register import ID_MAX, State, participants

PAGE = 25
_STATES = {
    ParticipantState.REGISTERED: State.ACTIVE,
    ParticipantState.SUSPENDED: State.SUSPENDED,
    ParticipantState.BARRED: State.SUSPENDED,
    ParticipantState.LEFT: State.REMOVED,
    ParticipantState.EXCLUDED: State.REMOVED,
}


@dataclass(frozen=True, slots=True)
class Wanted:
    """What somebody looks for; empty finds all."""

    typed: str = ""
    where: Where | None = None
    state: ParticipantState | None = None
    region: Region | None = None
    """UNSTATED finds entries with equipment whose region is not stated; None finds all."""


@dataclass(frozen=True, slots=True)
class Found:
    """An entry as it is listed."""

    participant_id: int
    name: str
    state: ParticipantState
    kind: ApplicantKind
    tax_number: str
    certificate: str
    regions: tuple[Region, ...]
    models: tuple[str, ...]
    version: int
    since: datetime
    """When it was entered first."""


_first = register_entries.alias("first_entry")
_left = (
    sa.select(membership_events.c.id)
    .where(
        membership_events.c.participant_id == participants.c.id,
        membership_events.c.state == ParticipantState.LEFT.value,
    )
    .exists()
)
_barred = (
    sa.select(open_suspensions.c.suspension_id)
    .where(open_suspensions.c.participant_id == participants.c.id, open_suspensions.c.in_force)
    .exists()
)


def search(
    db: sa.Connection, wanted: Wanted, *, after: int = 0, at_most: int = PAGE
) -> list[Found]:
    """Return entries beyond a participant's number, in the order of numbers."""
    conditions = [register_words.c.participant_id > after]
    if wanted.typed.strip():
        conditions.append(_matches(register_words.c.words, wanted.typed, wanted.where))
    if wanted.state is not None:
        conditions += _in_state(wanted.state)
    if wanted.region is not None:
        conditions.append(register_words.c.regions.contains([wanted.region.value]))
    return [_found(row) for row in db.execute(_listed(conditions, at_most))]


def search_public(
    db: sa.Connection, typed: str, *, after: int = 0, at_most: int = PAGE
) -> list[Found]:
    """Return what everybody may look for: legal entities by name and certificate, all by number."""
    conditions = [register_words.c.participant_id > after]
    if typed.strip():
        conditions.append(_matches(register_words.c.public_words, typed, None))
    return [_found(row) for row in db.execute(_listed(conditions, at_most))]


def _matches(column: Any, typed: str, where: Where | None) -> sa.ColumnElement[bool]:
    query, number = query_of(typed, where), typed.strip()
    matches = [column.op("@@")(sa.cast(query, TSQUERY))] if query else []
    is_number = number.isascii() and number.isdigit() and len(number) <= len(str(ID_MAX))
    if is_number and where in {None, Where.NUMBER} and int(number) <= ID_MAX:
        matches.append(register_words.c.participant_id == int(number))
    return sa.or_(sa.false(), *matches)


def _in_state(state: ParticipantState) -> list[sa.ColumnElement[bool]]:
    conditions: list[sa.ColumnElement[bool]] = [participants.c.state == _STATES[state].value]
    if state is ParticipantState.LEFT:
        conditions.append(_left)
    elif state is ParticipantState.EXCLUDED:
        conditions.append(~_left)
    elif state is ParticipantState.BARRED:
        conditions.append(_barred)
    elif state is ParticipantState.SUSPENDED:
        conditions.append(~_barred)
    return conditions


def _listed(conditions: Sequence[sa.ColumnElement[bool]], at_most: int) -> "sa.Select[Any]":
    words, entries = register_words.c, register_entries.c
    return (
        sa.select(
            words.participant_id, participants.c.name, participants.c.state, words.version,
            entries.content, _first.c.at.label("since"), _left.label("has_left"),
            _barred.label("barred"),
        )
        .join_from(register_words, participants, participants.c.id == words.participant_id)
        .join(
            register_entries,
            (entries.participant_id == words.participant_id) & (entries.version == words.version),
        )
        .join(
            _first, (_first.c.participant_id == words.participant_id) & (_first.c.version == 1)
        )
        .where(*conditions)
        .order_by(words.participant_id)
        .limit(at_most)
    )  # fmt: skip


def _found(row: Any) -> Found:
    entry = msgspec.convert(row.content, Entry)
    return Found(
        participant_id=row.participant_id,
        name=row.name,
        state=_state(row.state, has_left=row.has_left, barred=row.barred),
        kind=entry.applicant.kind,
        tax_number=entry.applicant.tax_number,
        certificate=entry.certificate.number if entry.certificate else "",
        regions=tuple(dict.fromkeys(one.region for one in entry.equipment)),
        models=tuple(dict.fromkeys(one.model for one in entry.equipment)),
        version=row.version,
        since=row.since,
    )


def _state(state: str, *, has_left: bool, barred: bool) -> ParticipantState:
    if state == State.REMOVED:
        return ParticipantState.LEFT if has_left else ParticipantState.EXCLUDED
    if state == State.ACTIVE:
        return ParticipantState.REGISTERED
    return ParticipantState.BARRED if barred else ParticipantState.SUSPENDED
