"""Circulars: written and signed once, for all participants or those of a state or a region.

To whom one goes is settled when it is signed. Every function takes a connection in a transaction
and leaves the commit to its caller.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, NamedTuple

import msgspec
import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from kench.cabinet.alerts.letters import Letter
from kench.cabinet.login.tables import persons
from kench.cabinet.messages.letter import Message, read_message
from kench.cabinet.messages.tables import circular_reads, circular_recipients, circulars
from kench.cabinet.registration.bodies import data_of, line, whole
from kench.cabinet.registration.gaps import Gap, Words
from kench.cabinet.registration.officers import check_officer
from kench.cabinet.registration.refusals import ActRefusedError
from kench.cabinet.registration.regions import REGIONS, Region, region_of
from kench.cabinet.registration.states import PARTICIPANT_STATES, ParticipantState
from kench.cabinet.registration.telling import tell_participant
from kench.cabinet.registry.tables import register_words
from kench.cabinet.signing.acts import SignedAct, read_act
from kench.cabinet.words.catalogues import N_
from kench.pool.moments import moment_of
from kench.pool.register import State, participants

FIRST = 2**31 - 1
"""Beyond every circular: where the newest begin."""
LETTERS_AT_ONCE = 200
"""Recipients that are written to in one transaction."""
STATES = {
    ParticipantState.REGISTERED: State.ACTIVE,
    ParticipantState.SUSPENDED: State.SUSPENDED,
}
"""To whom one may go: who is no participant any more gets none."""


class Circular(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Of an officer, to many."""

    title: str
    text: str
    state: ParticipantState | None = None
    region: Region | None = None


class CircularLine(NamedTuple):
    """A circular as it is listed."""

    id: int
    title: str
    at: datetime
    officer: str
    act_id: int
    state: str | None
    region: str | None
    read: bool
    """By the person who asks; for officers: by anybody."""


class Told(NamedTuple):
    """How far a circular has come."""

    recipients: int
    readers: int
    """Participants of which somebody has opened it."""
    waiting: int
    """Those to whom no letter was written yet."""


class Recipient(NamedTuple):
    """A participant that has it, and when somebody of its people opened it first."""

    participant_id: int
    name: str
    read_at: datetime | None


def read_circular(fields: Mapping[str, str]) -> Circular | list[Gap]:
    """The circular in a form, or what is missing."""
    message = read_message(1, fields)
    state = fields.get("state", "")
    region = region_of(fields.get("region", ""))
    gaps = [] if isinstance(message, Message) else message
    if state and state not in {one.value for one in STATES}:
        gaps.append(Gap("state", N_("Choose a state of the list")))
    if fields.get("region") and region is None:
        gaps.append(Gap("region", N_("Choose a region of the list")))
    if gaps or not isinstance(message, Message):
        return gaps
    chosen = ParticipantState(state) if state else None
    return Circular(message.title, message.text, chosen, region)


def circular_body(circular: Circular, _: Words) -> str:
    """A circular to be signed."""
    state, region = circular.state, circular.region
    lines = [
        line(_, N_("To participants in this state"),
             _(PARTICIPANT_STATES[state]) if state else _(N_("all, suspended ones too"))),
        line(_, N_("With sites in this region"),
             _(REGIONS[region]) if region else _(N_("all regions"))),
        line(_, N_("About"), circular.title),
        "",
        circular.text,
    ]  # fmt: skip
    return whole(lines, circular, _)


def count_recipients(db: sa.Connection, circular: Circular) -> int:
    """How many would get it now."""
    return db.scalar(sa.select(sa.func.count()).select_from(_chosen(circular).subquery())) or 0


def keep_circular(db: sa.Connection, act: SignedAct) -> CircularLine:
    """Keep a signed circular and for whom it is; raises ActRefusedError, BodyError."""
    circular = data_of(act.content, Circular)
    check_officer(db, act)
    made = sa.insert(circulars).values(
        act_id=act.id, person_id=act.person.id, title=circular.title,
        state=circular.state.value if circular.state else None,
        region=circular.region.value if circular.region else None, at=moment_of(act.signed_us),
    )  # fmt: skip
    number = db.execute(made.returning(circulars.c.id)).scalar_one()
    chosen = _chosen(circular).add_columns(sa.literal(number))
    sent = db.execute(
        sa.insert(circular_recipients).from_select(["participant_id", "circular_id"], chosen)
    )
    if not sent.rowcount:
        raise ActRefusedError(N_("There is no participant whom this would reach."))
    kept = read_line(db, number)
    if kept is None:
        raise AssertionError("a circular that was kept is there")
    return kept


def tell_of_circulars(db: sa.Connection, now_us: int, at_most: int = LETTERS_AT_ONCE) -> int:
    """Write to some of those who were not written to yet; return to how many."""
    table = circular_recipients
    waiting = db.execute(
        sa.select(table.c.participant_id, table.c.circular_id)
        .where(table.c.told_at.is_(None))
        .order_by(table.c.circular_id, table.c.participant_id)
        .limit(at_most)
        .with_for_update(skip_locked=True)
    ).all()
    for whose, number in waiting:
        path = f"messages/circulars/{number}"
        tell_participant(db, whose, Letter.CIRCULAR, path, now_us, number=whose)
        db.execute(
            sa.update(table)
            .where(table.c.participant_id == whose, table.c.circular_id == number)
            .values(told_at=moment_of(now_us))
        )
    return len(waiting)


def mark_circular_read(
    db: sa.Connection, circular_id: int, participant_id: int, person_id: int, now_us: int
) -> None:
    """Keep that a person has opened it for a participant; the first time counts."""
    made = insert(circular_reads).values(
        circular_id=circular_id, participant_id=participant_id, person_id=person_id,
        at=moment_of(now_us),
    )  # fmt: skip
    db.execute(made.on_conflict_do_nothing())


def circulars_of(
    db: sa.Connection, participant_id: int, person_id: int, *, before: int = FIRST, at_most: int
) -> list[CircularLine]:
    """Those that a participant has, the newest first."""
    sent = circular_recipients.c
    query = (
        _lines(_opened(participant_id, person_id))
        .join(circular_recipients, sent.circular_id == circulars.c.id)
        .where(sent.participant_id == participant_id, sent.circular_id < before)
        .order_by(sent.circular_id.desc())
    )
    return [CircularLine(*row) for row in db.execute(query.limit(at_most))]


def own_circular(
    db: sa.Connection, circular_id: int, participant_id: int, person_id: int
) -> CircularLine | None:
    """One that a participant has; None where it went to others."""
    sent = circular_recipients.c
    row = db.execute(
        _lines(_opened(participant_id, person_id))
        .join(circular_recipients, sent.circular_id == circulars.c.id)
        .where(sent.participant_id == participant_id, sent.circular_id == circular_id)
    ).one_or_none()
    return CircularLine(*row) if row else None


def all_circulars(db: sa.Connection, *, before: int = FIRST, at_most: int) -> list[CircularLine]:
    """All of them, the newest first."""
    query = _lines(_opened()).where(circulars.c.id < before).order_by(circulars.c.id.desc())
    return [CircularLine(*row) for row in db.execute(query.limit(at_most))]


def read_line(db: sa.Connection, circular_id: int) -> CircularLine | None:
    """One of them."""
    row = db.execute(_lines(_opened()).where(circulars.c.id == circular_id)).one_or_none()
    return CircularLine(*row) if row else None


def text_of_circular(db: sa.Connection, line: CircularLine) -> str:
    """What was written, read from the signed bytes."""
    act = read_act(db, line.act_id)
    if act is None:
        raise AssertionError(f"circular {line.id} has no signed act")
    return data_of(act.content, Circular).text


def told_of(db: sa.Connection, circular_id: int) -> Told:
    """How far one has come."""
    sent, read = circular_recipients.c, circular_reads.c
    recipients, waiting = db.execute(
        sa.select(sa.func.count(), sa.func.count().filter(sent.told_at.is_(None))).where(
            sent.circular_id == circular_id
        )
    ).one()
    readers = db.scalar(
        sa.select(sa.func.count(sa.distinct(read.participant_id))).where(
            read.circular_id == circular_id
        )
    )
    return Told(recipients, readers or 0, waiting)


def recipients_of(
    db: sa.Connection, circular_id: int, *, after: int = 0, at_most: int
) -> list[Recipient]:
    """Who has it, by participants' numbers, beyond one of them."""
    sent, read = circular_recipients.c, circular_reads.c
    first = (
        sa.select(sa.func.min(read.at))
        .where(read.circular_id == sent.circular_id, read.participant_id == sent.participant_id)
        .scalar_subquery()
    )
    rows = db.execute(
        sa.select(sent.participant_id, participants.c.name, first)
        .join_from(circular_recipients, participants, participants.c.id == sent.participant_id)
        .where(sent.circular_id == circular_id, sent.participant_id > after)
        .order_by(sent.participant_id)
        .limit(at_most)
    )
    return [Recipient(*row) for row in rows]


def _chosen(circular: Circular) -> "sa.Select[Any]":
    """Select whom it is for."""
    states = [STATES[circular.state]] if circular.state in STATES else list(STATES.values())
    query = sa.select(participants.c.id).where(
        participants.c.state.in_([one.value for one in states])
    )
    if circular.region is not None:
        words = register_words.c
        query = query.join(register_words, words.participant_id == participants.c.id).where(
            words.regions.contains([circular.region.value])
        )
    return query


def _lines(opened: sa.ColumnElement[bool]) -> "sa.Select[Any]":
    return sa.select(
        circulars.c.id, circulars.c.title, circulars.c.at, persons.c.name, circulars.c.act_id,
        circulars.c.state, circulars.c.region, opened,
    ).join_from(circulars, persons, circulars.c.person_id == persons.c.id)  # fmt: skip


def _opened(participant_id: int | None = None, person_id: int | None = None) -> Any:
    read = circular_reads.c
    opened = sa.select(read.circular_id).where(read.circular_id == circulars.c.id)
    if participant_id is not None:
        opened = opened.where(read.participant_id == participant_id, read.person_id == person_id)
    return opened.exists()
