"""Tokens: what a participant's machines log in with; of each only a digest is kept.

A participant has several, one for each place or whoever sets machines up, and each can be revoked
by itself. Every function takes a connection that is in a transaction and leaves the commit to its
caller. What is committed reaches the front ends through `kench.pool.register_feed`.
"""

import hashlib
import os
from collections.abc import Callable
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple

import sqlalchemy as sa

TOKEN_BYTES = 16
FIRST_LABEL = "first"
LABEL_MAX = 60
TOKENS_MAX = 50
"""In force at once, of one participant: a front end compares a password with each."""
MADE_A_DAY_MAX = 100
"""Of one participant: none is ever deleted."""
SHOWN_MAX = 200
_LOCK = 0x746F6B65
"""First key of the advisory lock under which a participant's tokens are made ("toke")."""

metadata = sa.MetaData()

participant_tokens = sa.Table(
    "participant_tokens",
    metadata,
    sa.Column("id", sa.Integer, sa.Identity(always=True), primary_key=True),
    sa.Column("participant_id", sa.Integer, nullable=False),
    sa.Column("sha256", sa.LargeBinary, nullable=False),
    sa.Column("label", sa.Text, nullable=False),
    sa.Column("made_at", sa.DateTime(timezone=True), nullable=False),
    sa.Column("made_by", sa.Integer),
    sa.Column("revoked_at", sa.DateTime(timezone=True)),
    sa.Column("revoked_by", sa.Integer),
    sa.Column("used_at", sa.DateTime(timezone=True)),
)
_IN_FORCE = participant_tokens.c.revoked_at.is_(None)


class TokenRefusal(StrEnum):
    """Why no token was made."""

    LABEL = "label"
    LIMIT = "limit"
    TOO_MANY_TODAY = "today"


class Token(NamedTuple):
    """What may be shown of one; `made_by` and `revoked_by` are persons, None is the operator."""

    id: int
    label: str
    made_at: datetime
    made_by: int | None
    revoked_at: datetime | None
    revoked_by: int | None
    used_at: datetime | None
    """When it was last seen in use, to about an hour."""


def new_token(random_bytes: Callable[[int], bytes] = os.urandom) -> str:
    """Make a token: 32 hex digits, 128 bits that nobody can guess."""
    return random_bytes(TOKEN_BYTES).hex()


def token_digest(token: str) -> bytes:
    """SHA-256 of a token, which is all that is stored; blanks around it and its case do not count.

    A token has 128 random bits, so a slow password hash would add nothing but load at login.
    """
    return hashlib.sha256(token.strip().lower().encode("utf-8", "surrogatepass")).digest()


def make_token(  # noqa: PLR0913 - who makes it, for whom, when
    db: sa.Connection,
    participant_id: int,
    label: str = FIRST_LABEL,
    *,
    made_by: int | None = None,
    at: datetime | None = None,
    random_bytes: Callable[[int], bytes] = os.urandom,
) -> str | TokenRefusal:
    """Make one more; return it, which nobody can read again, or why there is none.

    Those before stay in force. Whose it may be is the caller's to check.
    """
    if not 1 <= len(label) <= LABEL_MAX or not label.isprintable() or label != label.strip():
        return TokenRefusal.LABEL
    db.execute(sa.select(sa.func.pg_advisory_xact_lock(_LOCK, participant_id)))
    table, now = participant_tokens, sa.func.now() if at is None else sa.literal(at)
    day = sa.func.make_interval(0, 0, 0, 1)
    in_force, made = db.execute(
        sa.select(
            sa.func.count().filter(_IN_FORCE),
            sa.func.count().filter(table.c.made_at > now - day),
        ).where(table.c.participant_id == participant_id)
    ).one()
    if in_force >= TOKENS_MAX:
        return TokenRefusal.LIMIT
    if made >= MADE_A_DAY_MAX:
        return TokenRefusal.TOO_MANY_TODAY
    token = new_token(random_bytes)
    db.execute(
        sa.insert(table).values(
            participant_id=participant_id,
            sha256=token_digest(token),
            label=label,
            made_at=now,
            made_by=made_by,
        )
    )
    return token


def revoke_token(
    db: sa.Connection,
    participant_id: int,
    token_id: int,
    *,
    revoked_by: int | None = None,
    at: datetime | None = None,
) -> bool:
    """End one for good: who came in by it is cut off within 2 s; False if none was in force."""
    table = participant_tokens
    done = db.execute(
        sa.update(table)
        .where(table.c.id == token_id, table.c.participant_id == participant_id, _IN_FORCE)
        .values(revoked_at=sa.func.now() if at is None else at, revoked_by=revoked_by)
    )
    return done.rowcount == 1


def tokens_of(db: sa.Connection, participant_id: int) -> list[Token]:
    """A participant's: those in force first, then those revoked, each the newest first."""
    table = participant_tokens
    columns = [table.c[name] for name in Token._fields]
    rows = db.execute(
        sa.select(*columns)
        .where(table.c.participant_id == participant_id)
        .order_by(_IN_FORCE.desc(), table.c.id.desc())
        .limit(SHOWN_MAX)
    )
    return [Token(*row) for row in rows]


def has_token(db: sa.Connection, participant_id: int) -> bool:
    """Whether any is in force."""
    table = participant_tokens
    mine = sa.select(table.c.id).where(table.c.participant_id == participant_id, _IN_FORCE)
    return db.scalar(mine.limit(1)) is not None


def is_in_force(db: sa.Connection, participant_id: int, token: str) -> bool:
    """Whether this is one of the participant's; for roles that may read digests."""
    table = participant_tokens
    found = sa.select(table.c.id).where(
        table.c.participant_id == participant_id, table.c.sha256 == token_digest(token), _IN_FORCE
    )
    return db.scalar(found) is not None
