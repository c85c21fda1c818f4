"""Signing requests in the database: opened for one browser, used once, forgotten when over.

Every function takes a connection that is in a transaction and leaves the commit to its caller.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from kench.cabinet.signing.content import Heading, SigningContentError, check_document, content_of
from kench.cabinet.signing.tables import signing_requests as table
from kench.cabinet.signing.wording import DOCUMENTS, LOGIN_BODY, Purpose
from kench.pool.errors import KenchError
from kench.pool.moments import moment_of, us_of

ID_BYTES, NONCE_BYTES = 16, 32
LIVES_US = {Purpose.LOGIN: 180 * 1_000_000}
LIFE_US = 1800 * 1_000_000
"""How long a request of another purpose waits for its signature."""
OPEN_MAX = 20
"""Requests of one browser that wait at once."""
FORGET_AT_ONCE = 1000
KEPT_US = 3600 * 1_000_000
"""A request that is over is still known for so long, to tell its person what became of it."""


class TooManyRequestsError(KenchError):
    """A browser that opens requests and signs none."""


@dataclass(frozen=True, slots=True)
class SigningRequest:
    """Exact bytes that wait for a signature."""

    id: str
    purpose: Purpose
    subject: str
    language: str
    content: bytes
    login_id: int | None
    opened_us: int
    expires_us: int
    used: bool = False
    tries: int = 0


def browser_digest(browser: bytes) -> bytes:
    """Return all that is kept of a browser's secret."""
    return hashlib.sha256(b"browser\0" + browser).digest()


def open_request(  # noqa: PLR0913 - the facts of a request
    db: sa.Connection,
    purpose: Purpose,
    subject: str,
    body: str,
    *,
    browser: bytes,
    login_id: int | None,
    language: str,
    now_us: int,
    random_bytes: Callable[[int], bytes],
    origin: str,
) -> SigningRequest:
    """Open a request that this browser, in this login, may answer with one signature.

    Raises SigningContentError, TooManyRequestsError.
    """
    if purpose in DOCUMENTS:
        raise SigningContentError(f"what is signed for {purpose} is a document without a heading")
    request_id = random_bytes(ID_BYTES).hex()
    expires_us = now_us + LIVES_US.get(purpose, LIFE_US)
    nonce = random_bytes(NONCE_BYTES).hex()
    heading = Heading(purpose, language, origin, request_id, nonce, now_us, expires_us)
    content = content_of(heading, body)
    request = SigningRequest(
        request_id, purpose, subject, language, content, login_id, now_us, expires_us
    )
    return _keep(db, request, browser)


def open_document(  # noqa: PLR0913 - the facts of a request
    db: sa.Connection,
    purpose: Purpose,
    subject: str,
    document: bytes,
    *,
    browser: bytes,
    login_id: int,
    language: str,
    now_us: int,
    random_bytes: Callable[[int], bytes],
) -> SigningRequest:
    """Open a request for a signature of a document's own bytes; several may sign the same.

    Raises SigningContentError, TooManyRequestsError.
    """
    if purpose not in DOCUMENTS:
        raise SigningContentError(f"what is signed for {purpose} has a heading")
    check_document(document)
    request = SigningRequest(
        random_bytes(ID_BYTES).hex(), purpose, subject, language, document, login_id, now_us,
        now_us + LIFE_US,
    )  # fmt: skip
    return _keep(db, request, browser)


def open_login(  # noqa: PLR0913 - the facts of a request
    db: sa.Connection,
    *,
    browser: bytes,
    language: str,
    now_us: int,
    random_bytes: Callable[[int], bytes],
    origin: str,
    subject: str = "",
) -> SigningRequest:
    """Open the request whose signature is an entry; `subject` is the page to go on to."""
    return open_request(
        db,
        Purpose.LOGIN,
        subject,
        LOGIN_BODY[language],
        browser=browser,
        login_id=None,
        language=language,
        now_us=now_us,
        random_bytes=random_bytes,
        origin=origin,
    )


def read_request(
    db: sa.Connection, request_id: str, browser: bytes, *, for_update: bool = False
) -> SigningRequest | None:
    """The request of that id, if it was opened by this browser; another's does not exist."""
    query = sa.select(table).where(
        table.c.id == request_id, table.c.browser_sha256 == browser_digest(browser)
    )
    row: Any = db.execute(query.with_for_update() if for_update else query).one_or_none()
    if row is None:
        return None
    return SigningRequest(
        row.id,
        Purpose(row.purpose),
        row.subject,
        row.language,
        bytes(row.content),
        row.login_id,
        us_of(row.opened_at),
        us_of(row.expires_at),
        row.used_at is not None,
        row.tries,
    )


def count_try(db: sa.Connection, request_id: str) -> None:
    """Count a signature that was handed in for it."""
    db.execute(sa.update(table).where(table.c.id == request_id).values(tries=table.c.tries + 1))


def use_request(db: sa.Connection, request_id: str, now_us: int) -> bool:
    """Use it up; False where somebody was quicker, or it is over."""
    now = moment_of(now_us)
    used = db.execute(
        sa.update(table)
        .where(table.c.id == request_id, table.c.used_at.is_(None), table.c.expires_at > now)
        .values(used_at=now)
    )
    return used.rowcount == 1


def _keep(db: sa.Connection, request: SigningRequest, browser: bytes) -> SigningRequest:
    digest, now = browser_digest(browser), moment_of(request.opened_us)
    waiting = db.scalar(
        sa.select(sa.func.count())
        .select_from(table)
        .where(
            table.c.browser_sha256 == digest, table.c.expires_at > now, table.c.used_at.is_(None)
        )
    )
    if waiting is not None and waiting >= OPEN_MAX:
        raise TooManyRequestsError(
            f"{OPEN_MAX} texts wait for a signature in this browser: sign one, or wait until they "
            "have expired"
        )
    db.execute(
        sa.insert(table).values(
            id=request.id,
            purpose=request.purpose,
            subject=request.subject,
            language=request.language,
            content=request.content,
            browser_sha256=digest,
            login_id=request.login_id,
            opened_at=now,
            expires_at=moment_of(request.expires_us),
        )
    )
    return request


def forget_requests(db: sa.Connection, now_us: int, at_most: int = FORGET_AT_ONCE) -> int:
    """Delete requests that are over since a while; return how many."""
    over = (
        sa.select(table.c.id)
        .where(table.c.expires_at < moment_of(now_us - KEPT_US))
        .order_by(table.c.expires_at)
        .limit(at_most)
        .with_for_update(skip_locked=True)
    )
    return db.execute(sa.delete(table).where(table.c.id.in_(over.scalar_subquery()))).rowcount
