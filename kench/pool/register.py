"""The register: who may mine (D2), and which workers each has; its tokens are in `tokens`.

Every function takes a connection that is in a transaction and leaves the commit to its caller.
A change reaches the front ends through `kench.pool.register_feed` when it is committed.
"""

import os
import unicodedata
from collections.abc import Callable
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple

import sqlalchemy as sa

from kench.pool.errors import KenchError
from kench.pool.tokens import TokenRefusal, make_token

PARTICIPANT_NAME_MAX = 200
WORKER_NAME_MAX = 64
WORKERS_LOCK = 0x776F726B
"""First key of the advisory lock under which a participant's workers are added ("work")."""
ID_MAX = 2**31 - 1

metadata = sa.MetaData()

participants = sa.Table(
    "participants",
    metadata,
    sa.Column("id", sa.Integer, sa.Identity(always=True), primary_key=True),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
)

workers = sa.Table(
    "workers",
    metadata,
    sa.Column("id", sa.Integer, sa.Identity(always=True), primary_key=True),
    sa.Column("participant_id", sa.ForeignKey("participants.id"), nullable=False),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
)


_open_suspensions = sa.table("open_suspensions", sa.column("participant_id"), sa.column("in_force"))
"""What officers of the authorised body decided; a trigger of PostgreSQL holds it too."""


class ParticipantNameError(KenchError):
    """A name that the register does not take."""


class State(StrEnum):
    """Of a participant; active and suspended change into each other, removed is final."""

    ACTIVE = "active"
    SUSPENDED = "suspended"
    REMOVED = "removed"


class Change(StrEnum):
    """What came of asking for another state."""

    DONE = "done"
    ALREADY = "already so"
    FINAL = "removed before, which is final"
    BARRED = "suspended by a signed decision of the authorised body"
    UNKNOWN = "not in the register"


class WorkerRefusal(StrEnum):
    """Why a login got no worker: outcomes that a peer may earn, each counted by its name."""

    LIMIT_REACHED = "worker_limit"
    NAME_REFUSED = "worker_name"
    NOT_ACTIVE = "participant_not_active"


class Participant(NamedTuple):
    """One entry of the register; `workers` is how many it has."""

    id: int
    name: str
    state: State
    created_at: datetime
    workers: int


def enter_participant(connection: sa.Connection, name: str) -> int:
    """Enter an active participant without a token; return its id.

    The name is kept in Unicode form NFC with control characters taken out and blanks folded.
    Raises ParticipantNameError if nothing is left of it or it is too long.
    """
    made = sa.insert(participants).values(name=clean_name(name)).returning(participants.c.id)
    entered: int = connection.execute(made).scalar_one()
    return entered


def add_participant(
    connection: sa.Connection, name: str, random_bytes: Callable[[int], bytes] = os.urandom
) -> tuple[int, str]:
    """Enter an active participant; return its id and its first token, never to be read again.

    Raises ParticipantNameError.
    """
    entered = enter_participant(connection, name)
    token = make_token(connection, entered, random_bytes=random_bytes)
    if isinstance(token, TokenRefusal):
        raise AssertionError(f"the first token of a new participant was refused: {token}")
    return entered, token


def rename_participant(connection: sa.Connection, participant_id: int, name: str) -> None:
    """Call a participant otherwise from now on; nothing else of it changes.

    Raises ParticipantNameError.
    """
    connection.execute(
        sa.update(participants)
        .where(participants.c.id == participant_id)
        .values(name=clean_name(name))
    )


def list_participants(connection: sa.Connection) -> list[Participant]:
    """Every participant ever entered, by id."""
    count = (
        sa.select(sa.func.count())
        .where(workers.c.participant_id == participants.c.id)
        .scalar_subquery()
    )
    rows = connection.execute(
        sa.select(
            participants.c.id, participants.c.name, participants.c.state,
            participants.c.created_at, count,
        ).order_by(participants.c.id)
    )  # fmt: skip
    return [
        Participant(id_, name, State(state), created_at, number)
        for id_, name, state, created_at, number in rows
    ]


def suspend_participant(connection: sa.Connection, participant_id: int) -> Change:
    """Stop a participant from mining, until resumed; its sessions are closed within 2 s."""
    return _change(connection, participant_id, State.SUSPENDED)


def resume_participant(connection: sa.Connection, participant_id: int) -> Change:
    """Let a suspended participant mine again."""
    return _change(connection, participant_id, State.ACTIVE)


def remove_participant(connection: sa.Connection, participant_id: int) -> Change:
    """End a participant's mining for good; what it has earned stays its own."""
    return _change(connection, participant_id, State.REMOVED)


def ensure_worker(
    connection: sa.Connection, participant_id: int, name: str, limit: int
) -> int | WorkerRefusal:
    """Id of the participant's worker `name`, entered now if it is new.

    At most `limit` workers for one participant, also when several front ends add at once.
    """
    if not worker_name_allowed(name) or not 0 < participant_id <= ID_MAX:
        return WorkerRefusal.NAME_REFUSED
    if (known := _worker_id(connection, participant_id, name)) is not None:
        return known
    connection.execute(sa.select(sa.func.pg_advisory_xact_lock(WORKERS_LOCK, participant_id)))
    state = connection.scalar(
        sa.select(participants.c.state).where(participants.c.id == participant_id)
    )
    if state != State.ACTIVE:
        return WorkerRefusal.NOT_ACTIVE
    if (known := _worker_id(connection, participant_id, name)) is not None:
        return known  # Another front end was faster.
    count = connection.scalar(
        sa.select(sa.func.count()).where(workers.c.participant_id == participant_id)
    )
    if count is None or count >= limit:
        return WorkerRefusal.LIMIT_REACHED
    made = sa.insert(workers).values(participant_id=participant_id, name=name)
    added: int = connection.execute(made.returning(workers.c.id)).scalar_one()
    return added


def clean_name(name: str) -> str:
    """A participant's name as the register keeps it. Raises ParticipantNameError."""
    visible = "".join(
        " " if letter.isspace() else letter
        for letter in unicodedata.normalize("NFC", name)
        if letter.isspace() or not unicodedata.category(letter).startswith("C")
    )
    cleaned = " ".join(visible.split())
    if not 1 <= len(cleaned) <= PARTICIPANT_NAME_MAX:
        raise ParticipantNameError(
            f"a participant's name has 1 to {PARTICIPANT_NAME_MAX} characters, not {len(cleaned)}: "
            "give another NAME"
        )
    return cleaned


def worker_name_allowed(name: str) -> bool:
    """Whether a worker may be called so: 1 to 64 printable code points (A3.2)."""
    return 1 <= len(name) <= WORKER_NAME_MAX and name.isprintable()


def _change(connection: sa.Connection, participant_id: int, wanted: State) -> Change:
    if not 0 < participant_id <= ID_MAX:
        return Change.UNKNOWN
    chosen = participants.c.id == participant_id
    state = connection.scalar(sa.select(participants.c.state).where(chosen).with_for_update())
    if state is None:
        return Change.UNKNOWN
    if state == wanted:
        return Change.ALREADY
    if state == State.REMOVED:
        return Change.FINAL
    if wanted is State.ACTIVE and _is_barred(connection, participant_id):
        return Change.BARRED
    connection.execute(sa.update(participants).where(chosen).values(state=wanted.value))
    return Change.DONE


def _is_barred(connection: sa.Connection, participant_id: int) -> bool:
    barred = sa.select(_open_suspensions.c.in_force).where(
        _open_suspensions.c.participant_id == participant_id
    )
    return bool(connection.scalar(barred))


def _worker_id(connection: sa.Connection, participant_id: int, name: str) -> int | None:
    return connection.scalar(
        sa.select(workers.c.id).where(
            workers.c.participant_id == participant_id, workers.c.name == name
        )
    )
