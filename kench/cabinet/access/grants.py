"""Grants: leave to see some of a participant's numbers, by a secret that is shown once.

A link is for people and stands in an address, a key is for programs and goes in a header; neither
opens what the other does. Every function takes a connection that is in a transaction and leaves
the commit to its caller.
"""

import base64
import hashlib
from collections.abc import Callable, Collection
from enum import StrEnum
from typing import NamedTuple

import sqlalchemy as sa

from kench.cabinet.access.tables import access_grants
from kench.pool.moments import moment_of, us_of
from kench.pool.register import participants

NAME_MAX = 60
GRANTS_MAX = 50
"""Of a kind that one participant has at once."""
SHOWN_MAX = 200
DAYS = (1, 7, 30, 90, 365)
"""For how long one may be made."""
USED_EVERY_US = 60_000_000
"""How exactly it is kept when one was used last."""
SECRET_BYTES, SECRET_LETTERS = 32, 43
_DAY_US = 86_400_000_000
_LOCK = 0x6772616E
"""First key of the advisory lock of a participant's grants ("gran")."""


class Kind(StrEnum):
    """For whom it is."""

    LINK = "link"
    KEY = "key"


class Scope(StrEnum):
    """What it shows."""

    HASHRATE = "hashrate"
    WORKERS = "workers"
    EARNINGS = "earnings"


class GrantRefusal(StrEnum):
    """Why none was made."""

    NAME = "name"
    SCOPES = "scopes"
    DAYS = "days"
    LIMIT = "limit"


class Grant(NamedTuple):
    """One that is good now, and whose numbers it shows."""

    id: int
    participant_id: int
    participant: str
    kind: Kind
    name: str
    scopes: frozenset[Scope]
    expires_us: int


class GrantLine(NamedTuple):
    """One as its owner sees it listed."""

    id: int
    kind: Kind
    name: str
    scopes: tuple[Scope, ...]
    made_us: int
    expires_us: int
    used_us: int | None
    ended_us: int | None

    def good_at(self, now_us: int) -> bool:
        """Whether it opens anything."""
        return self.ended_us is None and now_us < self.expires_us


def make_grant(  # noqa: PLR0913, PLR0917 - who grants what, for how long
    db: sa.Connection,
    participant_id: int,
    kind: Kind,
    name: str,
    scopes: Collection[str],
    days: int,
    *,
    made_by: int,
    now_us: int,
    random_bytes: Callable[[int], bytes],
) -> str | GrantRefusal:
    """Make one; return its secret, which nobody can read again, or why there is none."""
    if not 1 <= len(name) <= NAME_MAX or not name.isprintable():
        return GrantRefusal.NAME
    if not scopes or not set(scopes) <= set(Scope):
        return GrantRefusal.SCOPES
    if days not in DAYS:
        return GrantRefusal.DAYS
    db.execute(sa.select(sa.func.pg_advisory_xact_lock(_LOCK, participant_id)))
    good = sa.select(sa.func.count()).where(
        access_grants.c.participant_id == participant_id,
        access_grants.c.kind == kind,
        *_good(now_us),
    )
    if (db.scalar(good) or 0) >= GRANTS_MAX:
        return GrantRefusal.LIMIT
    secret = base64.urlsafe_b64encode(random_bytes(SECRET_BYTES)).decode().rstrip("=")
    db.execute(
        sa.insert(access_grants).values(
            participant_id=participant_id,
            kind=kind,
            name=name,
            secret_sha256=secret_digest(kind, secret),
            scopes=sorted(set(scopes)),
            made_at=moment_of(now_us),
            made_by=made_by,
            expires_at=moment_of(now_us + days * _DAY_US),
        )
    )
    return secret


def end_grant(
    db: sa.Connection, participant_id: int, grant_id: int, *, ended_by: int, now_us: int
) -> bool:
    """End one, at once; False where the participant has none such."""
    return (
        db.execute(
            sa.update(access_grants)
            .where(
                access_grants.c.id == grant_id,
                access_grants.c.participant_id == participant_id,
                access_grants.c.ended_at.is_(None),
            )
            .values(ended_at=moment_of(now_us), ended_by=ended_by)
        ).rowcount
        == 1
    )


def grants_of(db: sa.Connection, participant_id: int) -> list[GrantLine]:
    """A participant's, newest first."""
    table = access_grants
    rows = db.execute(
        sa.select(table)
        .where(table.c.participant_id == participant_id)
        .order_by(table.c.id.desc())
        .limit(SHOWN_MAX)
    )
    return [
        GrantLine(
            row.id,
            Kind(row.kind),
            row.name,
            tuple(scope for scope in Scope if scope in row.scopes),
            us_of(row.made_at),
            us_of(row.expires_at),
            us_of(row.used_at) if row.used_at else None,
            us_of(row.ended_at) if row.ended_at else None,
        )
        for row in rows
    ]


def find_grant(db: sa.Connection, kind: Kind, digest: bytes, now_us: int) -> Grant | None:
    """The grant with that digest if it is good now; keeps that it was used."""
    table = access_grants
    row = db.execute(
        sa.select(
            *(table.c.id, table.c.participant_id, participants.c.name.label("participant")),
            *(table.c.name, table.c.scopes, table.c.expires_at, table.c.used_at),
        )
        .join_from(table, participants, table.c.participant_id == participants.c.id)
        .where(table.c.secret_sha256 == digest, table.c.kind == kind, *_good(now_us))
    ).one_or_none()
    if row is None:
        return None
    if row.used_at is None or us_of(row.used_at) < now_us - USED_EVERY_US:
        db.execute(
            sa.update(table)
            .where(table.c.id == row.id, table.c.ended_at.is_(None))
            .values(used_at=moment_of(now_us))
        )
    scopes = frozenset(Scope(scope) for scope in row.scopes)
    return Grant(
        row.id, row.participant_id, row.participant, kind, row.name, scopes, us_of(row.expires_at)
    )


def secret_digest(kind: Kind, secret: str) -> bytes:
    """Return all that is kept of a secret; it is random, so a slow hash would add nothing."""
    return hashlib.sha256(b"%s\0%s" % (kind.encode(), secret.encode("utf-8", "replace"))).digest()


def _good(now_us: int) -> tuple[sa.ColumnElement[bool], ...]:
    return (access_grants.c.ended_at.is_(None), access_grants.c.expires_at > moment_of(now_us))
