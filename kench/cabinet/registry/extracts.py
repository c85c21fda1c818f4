"""Extracts: what the register says of a participant at a moment, signed by a registrar, kept.

What is signed is the extract itself, readable and as data; it is read from the register again when
the signature comes. Every function takes a connection in a transaction and leaves the commit to
its caller.
"""

from datetime import date, datetime, timedelta
from typing import Any, NamedTuple

import msgspec
import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from kench.cabinet.alerts.letters import Letter
from kench.cabinet.login.tables import persons
from kench.cabinet.registration.application import APPLICANT_KINDS
from kench.cabinet.registration.bodies import data_of, line, whole
from kench.cabinet.registration.gaps import Words
from kench.cabinet.registration.membership import (
    Entry,
    entries_of,
    entry_on,
    history_of,
    state_of,
)
from kench.cabinet.registration.officers import check_officer
from kench.cabinet.registration.refusals import ActRefusedError
from kench.cabinet.registration.states import PARTICIPANT_STATES, ParticipantState
from kench.cabinet.registration.telling import tell_participant
from kench.cabinet.registry.history import row_text
from kench.cabinet.registry.tables import extract_queue, extract_requests, register_extracts
from kench.cabinet.signing.acts import SignedAct
from kench.cabinet.signing.requests import LIFE_US
from kench.cabinet.words.catalogues import N_
from kench.pool.moments import midnight_us, moment_of, moment_text, us_of
from kench.pool.register import participants

FORMAT = 1
SHOWN = 50


class Extract(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the register says at a moment."""

    kench_register_extract: int
    participant: int
    as_of: str
    state: ParticipantState
    since: str
    """When the participant was entered."""
    version: int
    entered_at: str
    """When this version was."""
    entry: Entry
    request: int | None = None
    """The participant's own wish that it answers."""

    @property
    def as_of_us(self) -> int:
        """The moment in Unix microseconds."""
        return us_of(datetime.fromisoformat(self.as_of))


class ExtractLine(NamedTuple):
    """An extract as it is listed."""

    id: int
    participant_id: int
    version: int
    as_of: datetime
    act_id: int
    officer: str
    at: datetime


class Request(NamedTuple):
    """A participant's wish for one."""

    id: int
    participant_id: int
    at: datetime


def moment_for(day: date | None, now_us: int) -> int:
    """Return the moment of an extract: now, or the end of a day that is over."""
    if day is None:
        return now_us
    return min(now_us, midnight_us(day + timedelta(days=1)) - 1)


def make_extract(
    db: sa.Connection, participant_id: int, as_of_us: int, now_us: int, request: int | None = None
) -> Extract | None:
    """Return what the register says; None where it said nothing then."""
    versions = entries_of(db, participant_id)
    held = entry_on(versions, moment_of(as_of_us))
    if held is None:
        return None
    return Extract(
        FORMAT, participant_id, moment_text(as_of_us),
        _state(db, participant_id, as_of_us, now_us), moment_text(us_of(versions[0].at)),
        held.version, moment_text(us_of(held.at)), held.entry, request,
    )  # fmt: skip


def extract_body(extract: Extract, _: Words) -> str:
    """The extract to be signed."""
    applicant, certificate = extract.entry.applicant, extract.entry.certificate
    lines = [
        line(_, N_("Participant"), f"{extract.participant}, {applicant.name}"),
        line(_, N_("Applicant"), _(APPLICANT_KINDS[applicant.kind])),
        line(_, N_("The register at this moment"), extract.as_of),
        line(_, N_("State"), _(PARTICIPANT_STATES[extract.state])),
        line(_, N_("In the register since"), extract.since),
        line(_, N_("Version of the entry"), f"{extract.version}, {extract.entered_at}"),
        line(_, N_("Tax number (ИНН)"), applicant.tax_number),
        line(_, N_("Address"), applicant.address),
        line(_, N_("Telephone"), applicant.phone),
        line(_, N_("E-mail"), applicant.email),
    ]
    if certificate is not None:
        lines += [
            line(_, N_("Number of the mining certificate"), certificate.number),
            line(_, N_("Mining certificate issued on"), certificate.issued),
        ]
    lines += ["", _(N_("Equipment"))]
    rows = enumerate(extract.entry.equipment, start=1)
    lines += [f"{number}. {row_text(row, _)}" for number, row in rows]
    return whole(lines, extract, _)


def keep_extract(db: sa.Connection, act: SignedAct) -> ExtractLine:
    """Keep a signed extract; raises ActRefusedError, BodyError."""
    extract = data_of(act.content, Extract)
    check_officer(db, act)
    # Of two registrars at once the second finds the request answered.
    _take_turns(db, extract.participant)
    now = make_extract(
        db, extract.participant, extract.as_of_us, act.signed_us, extract.request
    )  # fmt: skip
    if now != extract:
        raise ActRefusedError(N_("The register says something else by now: make it anew."))
    if extract.request is not None:
        waiting = waiting_request(db, extract.participant)
        if waiting is None or waiting.id != extract.request:
            raise ActRefusedError(N_("This request has been answered."))
    made = sa.insert(register_extracts).values(
        participant_id=extract.participant, version=extract.version,
        as_of=moment_of(extract.as_of_us), act_id=act.id, person_id=act.person.id,
        request_id=extract.request, at=moment_of(act.signed_us),
    )  # fmt: skip
    number = db.execute(made.returning(register_extracts.c.id)).scalar_one()
    if extract.request is not None:
        tell_participant(
            db, extract.participant, Letter.EXTRACT, "register", act.signed_us,
            number=extract.participant,
        )  # fmt: skip
    kept = read_extract(db, number)
    if kept is None:
        raise AssertionError("an extract that was kept is there")
    return kept


def extracts_of(db: sa.Connection, participant_id: int, at_most: int = SHOWN) -> list[ExtractLine]:
    """A participant's extracts, the newest first."""
    mine = register_extracts.c.participant_id == participant_id
    query = _lines().where(mine).order_by(register_extracts.c.id.desc()).limit(at_most)
    return [ExtractLine(*row) for row in db.execute(query)]


def read_extract(db: sa.Connection, number: int) -> ExtractLine | None:
    """One extract."""
    row = db.execute(_lines().where(register_extracts.c.id == number)).one_or_none()
    return ExtractLine(*row) if row else None


def ask_extract(db: sa.Connection, participant_id: int, person_id: int, now_us: int) -> bool:
    """Keep that a participant wants one; False while one is waited for already."""
    _take_turns(db, participant_id)
    if waiting_request(db, participant_id) is not None:
        return False
    db.execute(
        insert(extract_requests).values(
            participant_id=participant_id, person_id=person_id, at=moment_of(now_us)
        )
    )
    return True


def waiting_request(db: sa.Connection, participant_id: int) -> Request | None:
    """What a participant waits for."""
    row = db.execute(_waiting().where(extract_queue.c.participant_id == participant_id))
    found = row.one_or_none()
    return Request(*found) if found else None


def waiting_requests(
    db: sa.Connection, *, after: int = 0, at_most: int = SHOWN
) -> list[tuple[Request, str]]:
    """What waits, the oldest first, beyond one, and whose each is."""
    query = (
        _waiting()
        .add_columns(participants.c.name)
        .join(participants, participants.c.id == extract_queue.c.participant_id)
        .where(extract_queue.c.request_id > after)
        .order_by(extract_queue.c.request_id)
    )
    return [(Request(*row[:3]), row[3]) for row in db.execute(query.limit(at_most))]


_LOCK = 0x65787472
"""First key of the advisory lock under which one participant's extracts take turns ("extr")."""


def _take_turns(db: sa.Connection, participant_id: int) -> None:
    db.execute(sa.select(sa.func.pg_advisory_xact_lock(_LOCK, participant_id)))


def _lines() -> "sa.Select[Any]":
    table = register_extracts.c
    return sa.select(
        table.id, table.participant_id, table.version, table.as_of, table.act_id, persons.c.name,
        table.at,
    ).join_from(register_extracts, persons, table.person_id == persons.c.id)  # fmt: skip


def _waiting() -> "sa.Select[Any]":
    return sa.select(extract_queue.c.request_id, extract_queue.c.participant_id, extract_queue.c.at)


def _state(db: sa.Connection, participant_id: int, as_of_us: int, now_us: int) -> ParticipantState:
    """The state then: of now by the register itself, of before by its history."""
    if as_of_us > now_us - LIFE_US:
        now = state_of(db, participant_id)
        if now is not None:
            return now
    before = [one for one in history_of(db, participant_id) if one.at <= moment_of(as_of_us)]
    return ParticipantState(before[-1].state) if before else ParticipantState.REGISTERED
