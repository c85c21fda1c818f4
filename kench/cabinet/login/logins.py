"""Logins: opened by a signature, found by a secret, ended by time, their person or newer ones.

Every function takes a connection that is in a transaction and leaves the commit to its caller.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, NamedTuple

import sqlalchemy as sa

from kench.cabinet.login.persons import Person
from kench.cabinet.login.tables import logins, persons
from kench.cabinet.signing.requests import browser_digest
from kench.pool.moments import moment_of, us_of
from kench.pool.orders.officer_roles import OfficerRole
from kench.pool.orders.officers import Officer
from kench.pool.orders.tables import officer_roles, officers

SECRET_BYTES = 32
LOGINS_MAX = 5
"""Logins that a person has at once; one more ends the oldest."""
SEEN_EVERY_US = 60 * 1_000_000
"""How exactly it is kept when a login was last used."""
KEPT_US = 90 * 86_400 * 1_000_000
"""A login that is over is shown to its person for so long."""
FORGET_AT_ONCE = 1000
ADDRESS_MAX, AGENT_MAX = 64, 300


class EndedWhy(StrEnum):
    """Why a login was ended before its time."""

    LEFT = "left"
    ENDED = "ended"
    DISPLACED = "displaced"
    REVOKED = "revoked"
    UNSERVED = "unserved"
    """It was an officer's by certificate, whose service ended."""


class Way(StrEnum):
    """By what a login was made."""

    SIGNATURE = "signature"
    CERTIFICATE = "certificate"
    """Of the connection itself, at the officers' door; good only with that certificate."""
    SIGN_ON = "sign_on"
    """Of the state; it proves who enters and no more, so it opens no officer's desk."""


@dataclass(frozen=True, slots=True)
class Entry:
    """How somebody entered; `certificates` are digests, the person's own first."""

    way: Way = Way.SIGNATURE
    certificates: tuple[bytes, ...] = ()


@dataclass(frozen=True, slots=True)
class Limits:
    """For how long a login is good: without use, and at all."""

    idle_us: int
    whole_us: int


@dataclass(frozen=True, slots=True)
class Login:
    """A web session of a person; with `officer` one of the authorised body's, in service now."""

    id: int
    person: Person
    officer: Officer | None
    opened_us: int
    seen_us: int
    expires_us: int
    way: Way = Way.SIGNATURE
    roles: frozenset[OfficerRole] = frozenset()
    """What the officer may do at the desk, as it is at this request."""


class LoginLine(NamedTuple):
    """A login as its person sees it in the list."""

    id: int
    address: str
    agent: str
    opened_us: int
    seen_us: int
    ended_us: int | None
    ended_why: str | None
    alive: bool
    way: Way


_ROLES = (
    sa.select(sa.func.array_agg(officer_roles.c.role))
    .where(officer_roles.c.officer_id == officers.c.id, officer_roles.c.until_at.is_(None))
    .correlate(officers)
)
# Put together once: every page asks it.
_FIND = (
    sa.select(
        *(logins.c.id, logins.c.opened_at, logins.c.seen_at, logins.c.expires_at),
        *(logins.c.way, logins.c.certificates),
        *(persons.c.id.label("person_id"), persons.c.pin, persons.c.name),
        *(column.label(f"officer_{column.name}") for column in officers.c),
        _ROLES.scalar_subquery().label("roles"),
    )
    .join_from(logins, persons, logins.c.person_id == persons.c.id)
    .outerjoin(officers, (officers.c.pin == persons.c.pin) & officers.c.ended_at.is_(None))
    .where(
        logins.c.cookie_sha256 == sa.bindparam("secret"),
        logins.c.ended_at.is_(None),
        logins.c.expires_at > sa.bindparam("now"),
        logins.c.seen_at > sa.bindparam("seen"),
    )
)


def open_login(  # noqa: PLR0913 - the facts of a login
    db: sa.Connection,
    person: Person,
    *,
    browser: bytes,
    address: str,
    agent: str,
    limits: Limits,
    now_us: int,
    random_bytes: Callable[[int], bytes],
    entry: Entry = Entry(),
) -> tuple[int, bytes]:
    """Open a login; return its id and its secret, which only the browser keeps.

    The secret is always new: one that was known before the entry is worth nothing after it.
    """
    now = moment_of(now_us)
    # Entries of one person take turns, so that the bound holds.
    db.execute(sa.select(persons.c.id).where(persons.c.id == person.id).with_for_update())
    alive = _alive(now_us, limits.idle_us)
    oldest = (
        sa.select(logins.c.id)
        .where(logins.c.person_id == person.id, *alive)
        .order_by(logins.c.id.desc())
        .offset(LOGINS_MAX - 1)
    )
    _end(db, logins.c.id.in_(oldest.scalar_subquery()), EndedWhy.DISPLACED, now_us)
    secret = random_bytes(SECRET_BYTES)
    opened: int = db.execute(
        sa.insert(logins)
        .values(
            cookie_sha256=_digest(secret),
            person_id=person.id,
            browser_sha256=browser_digest(browser),
            address=address[:ADDRESS_MAX],
            agent="".join(one for one in agent if one.isprintable())[:AGENT_MAX],
            opened_at=now,
            seen_at=now,
            expires_at=moment_of(now_us + limits.whole_us),
            way=entry.way,
            certificates=list(entry.certificates),
        )
        .returning(logins.c.id)
    ).scalar_one()
    return opened, secret


def find_login(
    db: sa.Connection,
    secret: bytes,
    *,
    idle_us: int,
    now_us: int,
    certificate: bytes | None = None,
) -> Login | None:
    """Return the login of that secret, if it is good now, and keep that it was used.

    `certificate` is the digest of the connection's at the officers' door: there a login is good
    that was made by that very one, by an officer in service, and nowhere else.
    """
    good = {
        "secret": _digest(secret),
        "now": moment_of(now_us),
        "seen": moment_of(now_us - idle_us),
    }
    row: Any = db.execute(_FIND, good).one_or_none()
    if row is None or not _is_at_its_door(row, certificate):
        return None
    officer = _officer_of(row, moment_of(now_us))
    if officer is None and row.way == Way.CERTIFICATE:
        return None
    if us_of(row.seen_at) < now_us - SEEN_EVERY_US:
        db.execute(
            sa.update(logins)
            .where(logins.c.id == row.id, logins.c.ended_at.is_(None))
            .values(seen_at=moment_of(now_us))
        )
    return Login(
        row.id,
        Person(row.person_id, row.pin, row.name),
        officer,
        us_of(row.opened_at),
        us_of(row.seen_at),
        us_of(row.expires_at),
        Way(row.way),
        frozenset(OfficerRole(role) for role in row.roles or ()) if officer else frozenset(),
    )


def end_login(db: sa.Connection, login: Login, now_us: int) -> None:
    """End the login itself: its person leaves."""
    _end(db, logins.c.id == login.id, EndedWhy.LEFT, now_us)


def end_one(db: sa.Connection, login: Login, login_id: int, now_us: int) -> bool:
    """End another login of the same person; False where there is none such."""
    mine = (logins.c.id == login_id) & (logins.c.person_id == login.person.id)
    return _end(db, mine, EndedWhy.ENDED, now_us) == 1


def end_others(db: sa.Connection, login: Login, now_us: int) -> int:
    """End all other logins of the person; return how many."""
    others = (logins.c.person_id == login.person.id) & (logins.c.id != login.id)
    return _end(db, others & (logins.c.expires_at > moment_of(now_us)), EndedWhy.ENDED, now_us)


def logins_of(db: sa.Connection, person_id: int, *, idle_us: int, now_us: int) -> list[LoginLine]:
    """A person's logins, newest first, of the last weeks."""
    rows = db.execute(
        sa.select(logins)
        .where(logins.c.person_id == person_id)
        .order_by(logins.c.id.desc())
        .limit(50)
    )
    return [
        LoginLine(
            row.id,
            row.address,
            row.agent,
            us_of(row.opened_at),
            us_of(row.seen_at),
            us_of(row.ended_at) if row.ended_at else None,
            row.ended_why,
            row.ended_at is None
            and us_of(row.expires_at) > now_us
            and us_of(row.seen_at) > now_us - idle_us,
            Way(row.way),
        )
        for row in rows
    ]


def has_entered(db: sa.Connection, browser: bytes) -> bool:
    """Whether somebody entered with this browser before, in the time that logins are kept."""
    query = sa.select(logins.c.id).where(logins.c.browser_sha256 == browser_digest(browser))
    return db.scalar(query.limit(1)) is not None


def forget_logins(db: sa.Connection, now_us: int, at_most: int = FORGET_AT_ONCE) -> int:
    """Delete logins that are over since long; return how many. The trail keeps that they were."""
    over = (
        sa.select(logins.c.id)
        .where(logins.c.expires_at < moment_of(now_us - KEPT_US))
        .order_by(logins.c.expires_at)
        .limit(at_most)
        .with_for_update(skip_locked=True)
    )
    return db.execute(sa.delete(logins).where(logins.c.id.in_(over.scalar_subquery()))).rowcount


def end_for(db: sa.Connection, login_id: int, why: EndedWhy, now_us: int) -> bool:
    """End a login that its person did not end; False where it is over already."""
    return _end(db, logins.c.id == login_id, why, now_us) == 1


def _is_at_its_door(row: Any, certificate: bytes | None) -> bool:
    """Whether a login comes by the door that it was made at, with what it was made by."""
    way = Way(row.way)
    if way is not Way.CERTIFICATE or certificate is None:
        return (way is Way.CERTIFICATE) == (certificate is not None)
    own: bytes = row.certificates[0]
    return bytes(own) == certificate


def _officer_of(row: Any, now: datetime) -> Officer | None:
    if row.officer_id is None or row.way == Way.SIGN_ON:
        return None
    officer = Officer(*(getattr(row, f"officer_{name}") for name in Officer._fields))
    return officer if officer.served_at(now) else None


def _alive(now_us: int, idle_us: int) -> tuple[sa.ColumnElement[bool], ...]:
    return (
        logins.c.ended_at.is_(None),
        logins.c.expires_at > moment_of(now_us),
        logins.c.seen_at > moment_of(now_us - idle_us),
    )


def _end(db: sa.Connection, which: sa.ColumnElement[bool], why: EndedWhy, now_us: int) -> int:
    return db.execute(
        sa.update(logins)
        .where(which, logins.c.ended_at.is_(None))
        .values(ended_at=moment_of(now_us), ended_why=why)
    ).rowcount


def _digest(secret: bytes) -> bytes:
    """Return all that is kept of a secret; it is random, so a slow hash would add nothing."""
    return hashlib.sha256(b"login\0" + secret).digest()
