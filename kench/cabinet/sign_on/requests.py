"""Requests to the sign-on in the database: of one browser, used once, soon over.

What only the browser that began may know (PKCE's verifier, the nonce) is made of its secret and
the state, so that nothing of it is kept, and any process of the cabinet can go on.
Every function takes a connection that is in a transaction and leaves the commit to its caller.
"""

import base64
import hashlib
import hmac
from collections.abc import Callable
from typing import NamedTuple

import sqlalchemy as sa

from kench.cabinet.login.tables import sign_on_requests as table
from kench.cabinet.sign_on.refusals import Refusal, SignOnError
from kench.cabinet.signing.requests import browser_digest
from kench.pool.moments import moment_of, us_of

STATE_BYTES = 32
LIFE_US = 600 * 1_000_000
"""For so long a person may take to enter there."""
OPEN_MAX = 20
FORGET_AT_ONCE = 1000
KEPT_US = 3600 * 1_000_000


class Began(NamedTuple):
    """A request that was taken: where its person wanted to go, and when it began."""

    next_path: str
    opened_us: int


class Secrets(NamedTuple):
    """What only the browser that began can say."""

    verifier: str
    nonce: str


def open_sign_on(
    db: sa.Connection,
    *,
    browser: bytes,
    next_path: str,
    now_us: int,
    random_bytes: Callable[[int], bytes],
) -> str:
    """Open a request of this browser; return its state. Raises SignOnError for too many."""
    digest, now = browser_digest(browser), moment_of(now_us)
    waiting = db.scalar(
        sa.select(sa.func.count())
        .select_from(table)
        .where(
            table.c.browser_sha256 == digest, table.c.expires_at > now, table.c.used_at.is_(None)
        )
    )
    if waiting is not None and waiting >= OPEN_MAX:
        raise SignOnError(Refusal.LIMITED, f"{OPEN_MAX} entries of this browser wait")
    state = random_bytes(STATE_BYTES).hex()
    db.execute(
        sa.insert(table).values(
            state_sha256=_digest(state),
            browser_sha256=digest,
            next=next_path,
            opened_at=now,
            expires_at=moment_of(now_us + LIFE_US),
        )
    )
    return state


def take_sign_on(db: sa.Connection, state: str, *, browser: bytes, now_us: int) -> Began | Refusal:
    """Use a request up, whatever will come of it; another browser's does not exist."""
    now = moment_of(now_us)
    mine = (table.c.state_sha256 == _digest(state)) & (
        table.c.browser_sha256 == browser_digest(browser)
    )
    row = db.execute(
        sa.update(table)
        .where(mine, table.c.used_at.is_(None), table.c.expires_at > now)
        .values(used_at=now)
        .returning(table.c.next, table.c.opened_at)
    ).one_or_none()
    if row is not None:
        return Began(row.next, us_of(row.opened_at))
    used = db.execute(sa.select(table.c.used_at).where(mine)).one_or_none()
    if used is None:
        return Refusal.UNKNOWN
    return Refusal.EXPIRED if used.used_at is None else Refusal.USED


def secrets_of(state: str, browser: bytes) -> Secrets:
    """Return what goes with a state in its browser."""
    return Secrets(
        _token(hmac.digest(browser, b"sign-on verifier\0" + state.encode(), "sha256")),
        _token(hmac.digest(browser, b"sign-on nonce\0" + state.encode(), "sha256")),
    )


def forget_sign_ons(db: sa.Connection, now_us: int, at_most: int = FORGET_AT_ONCE) -> int:
    """Delete requests that are over since a while; return how many."""
    over = (
        sa.select(table.c.state_sha256)
        .where(table.c.expires_at < moment_of(now_us - KEPT_US))
        .order_by(table.c.expires_at)
        .limit(at_most)
        .with_for_update(skip_locked=True)
    )
    query = sa.delete(table).where(table.c.state_sha256.in_(over.scalar_subquery()))
    return db.execute(query).rowcount


def _digest(state: str) -> bytes:
    return hashlib.sha256(b"sign-on\0" + state.encode("utf-8", "replace")).digest()


def _token(secret: bytes) -> str:
    return base64.urlsafe_b64encode(secret).rstrip(b"=").decode()
