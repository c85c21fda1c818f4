"""Messages in the database: kept for ever, opened by persons, answered once.

Every function takes a connection in a transaction and leaves the commit to its caller.
"""

from datetime import datetime
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from kench.cabinet.login.people import PeopleRole, acting_for
from kench.cabinet.login.tables import persons
from kench.cabinet.measures.tables import decision_reads, decisions
from kench.cabinet.messages.letter import Answer, Message
from kench.cabinet.messages.tables import (
    circular_reads,
    circular_recipients,
    message_answers,
    message_reads,
    messages,
)
from kench.cabinet.registration.bodies import data_of
from kench.cabinet.registration.membership import state_of
from kench.cabinet.registration.officers import check_officer
from kench.cabinet.registration.refusals import ActRefusedError
from kench.cabinet.signing.acts import SignedAct, read_act
from kench.cabinet.words.catalogues import N_
from kench.pool.moments import moment_of

MESSAGES_LOCK = 0x6D657373
"""First key of the advisory lock under which a message's answers take turns ("mess")."""
FIRST = 2**31 - 1
"""Beyond every message: where the newest begin."""


class MessageLine(NamedTuple):
    """A message as it is listed."""

    id: int
    participant_id: int
    title: str
    at: datetime
    officer: str
    act_id: int
    read: bool
    """By the person who asks; for officers: by anybody of the participant."""
    answered_at: datetime | None
    answer_act_id: int | None


class Reading(NamedTuple):
    """Who opened a message first, and when."""

    person: str
    at: datetime


def keep_message(db: sa.Connection, act: SignedAct) -> MessageLine:
    """Keep a signed message; raises ActRefusedError, BodyError."""
    message = data_of(act.content, Message)
    check_officer(db, act)
    if state_of(db, message.participant) is None:
        raise ActRefusedError(N_("There is no such participant."))
    made = sa.insert(messages).values(
        participant_id=message.participant,
        act_id=act.id,
        person_id=act.person.id,
        title=message.title,
        at=moment_of(act.signed_us),
    )
    number = db.execute(made.returning(messages.c.id)).scalar_one()
    return _known(read_message_line(db, number))


def keep_answer(db: sa.Connection, act: SignedAct) -> MessageLine:
    """Keep a signed answer, the only one of its message; raises ActRefusedError, BodyError."""
    answer = data_of(act.content, Answer)
    db.execute(sa.select(sa.func.pg_advisory_xact_lock(MESSAGES_LOCK, answer.message)))
    line = _known(read_message_line(db, answer.message))
    acts = acting_for(db, act.person.pin, line.participant_id)
    if acts is None or acts.role is not PeopleRole.OWNER:
        raise ActRefusedError(N_("Only an owner answers for a participant."))
    if line.answered_at is not None:
        raise ActRefusedError(N_("This message is answered already."))
    db.execute(
        sa.insert(message_answers).values(
            message_id=line.id,
            act_id=act.id,
            person_id=act.person.id,
            at=moment_of(act.signed_us),
        )
    )
    return line


def mark_read(db: sa.Connection, message_id: int, person_id: int, now_us: int) -> None:
    """Keep that a person has opened a message; the first time counts."""
    made = insert(message_reads).values(
        message_id=message_id, person_id=person_id, at=moment_of(now_us)
    )
    db.execute(made.on_conflict_do_nothing())


def count_unread(db: sa.Connection, participant_id: int, person_id: int) -> int:
    """How many messages, circulars and decisions a person who acts for it has not opened."""
    unread = sa.select(sa.func.count()).where(
        messages.c.participant_id == participant_id, ~_opened(person_id).exists()
    )
    sent = circular_recipients.c
    read = sa.select(circular_reads.c.circular_id).where(
        circular_reads.c.circular_id == sent.circular_id,
        circular_reads.c.participant_id == participant_id,
        circular_reads.c.person_id == person_id,
    )
    circulars = sa.select(sa.func.count()).where(
        sent.participant_id == participant_id, ~read.exists()
    )
    decided = sa.select(decision_reads.c.decision_id).where(
        decision_reads.c.decision_id == decisions.c.id, decision_reads.c.person_id == person_id
    )
    unseen = sa.select(sa.func.count()).where(
        decisions.c.participant_id == participant_id, ~decided.exists()
    )
    all_of_it = unread.scalar_subquery() + circulars.scalar_subquery() + unseen.scalar_subquery()
    return db.scalar(sa.select(all_of_it)) or 0


def messages_of(
    db: sa.Connection,
    participant_id: int,
    person_id: int | None = None,
    *,
    before: int = FIRST,
    at_most: int = 50,
) -> list[MessageLine]:
    """A participant's messages before one, the newest first; `person_id` is who asks."""
    mine = (messages.c.participant_id == participant_id) & (messages.c.id < before)
    query = _lines(person_id).where(mine).order_by(messages.c.id.desc()).limit(at_most)
    return [MessageLine(*row) for row in db.execute(query)]


def read_message_line(
    db: sa.Connection, message_id: int, person_id: int | None = None
) -> MessageLine | None:
    """One message."""
    row = db.execute(_lines(person_id).where(messages.c.id == message_id)).one_or_none()
    return MessageLine(*row) if row else None


def text_of_message(db: sa.Connection, line: MessageLine) -> tuple[str, str | None]:
    """What was written and what was answered, read from the signed bytes."""
    answer = line.answer_act_id and data_of(_content(db, line.answer_act_id), Answer)
    return data_of(_content(db, line.act_id), Message).text, answer.text if answer else None


def readings_of(db: sa.Connection, message_id: int) -> list[Reading]:
    """Who has opened it, the first first."""
    rows = db.execute(
        sa.select(persons.c.name, message_reads.c.at)
        .join_from(message_reads, persons, message_reads.c.person_id == persons.c.id)
        .where(message_reads.c.message_id == message_id)
        .order_by(message_reads.c.at, message_reads.c.person_id)
    )
    return [Reading(*row) for row in rows]


def _lines(person_id: int | None) -> "sa.Select[Any]":
    return (
        sa.select(
            messages.c.id, messages.c.participant_id, messages.c.title, messages.c.at,
            persons.c.name, messages.c.act_id, _opened(person_id).exists(),
            message_answers.c.at, message_answers.c.act_id,
        )
        .join_from(messages, persons, messages.c.person_id == persons.c.id)
        .outerjoin(message_answers, message_answers.c.message_id == messages.c.id)
    )  # fmt: skip


def _opened(person_id: int | None) -> "sa.Select[Any]":
    opened = sa.select(message_reads.c.message_id).where(
        message_reads.c.message_id == messages.c.id
    )
    return opened if person_id is None else opened.where(message_reads.c.person_id == person_id)


def _content(db: sa.Connection, act_id: int) -> bytes:
    act = read_act(db, act_id)
    if act is None:
        raise AssertionError(f"signed act {act_id} is gone")
    return act.content


def _known(line: MessageLine | None) -> MessageLine:
    if line is None:
        raise ActRefusedError(N_("There is no such message."))
    return line
