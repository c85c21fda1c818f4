"""Closing a signing request: a signature comes in, and is a signed act or refused.

Three steps, so that no transaction is open while a signature is checked: `take_request` counts the
try, `check_signature` asks who signed, `finish_request` uses the request up and keeps the act.
"""

import threading
from dataclasses import dataclass
from enum import StrEnum

import sqlalchemy as sa

from kench.cabinet.login.logins import Login
from kench.cabinet.login.persons import know_person
from kench.cabinet.signing.acts import SignedAct, keep_act
from kench.cabinet.signing.requests import (
    SigningRequest,
    count_try,
    read_request,
    use_request,
)
from kench.cabinet.signing.wording import Purpose
from kench.pool.signature.verifier import SignatureRefusedError, Signer, Verifier

TRIES_MAX = 5
"""Signatures that may be handed in for one request: the wrong file is soon taken."""
CHECKS_AT_ONCE = 2
CHECK_WAIT_S = 5.0
_checks = threading.BoundedSemaphore(CHECKS_AT_ONCE)


class Refusal(StrEnum):
    """Why a signature did not close its request."""

    UNKNOWN = "unknown"
    """No such request in this browser."""
    EXPIRED = "expired"
    USED = "used"
    TRIES = "tries"
    OTHER_LOGIN = "other_login"
    """It was opened in another login."""
    SIGNATURE = "signature"
    """It is no good signature of these bytes."""
    OTHER_PERSON = "other_person"
    """Somebody else signed than who is logged in."""
    BUSY = "busy"
    LIMITED = "limited"
    """Too many wrong ones came from this browser or its address."""


@dataclass(frozen=True, slots=True)
class Refused:
    """A refusal; `why` says more where the signature itself is at fault."""

    refusal: Refusal
    why: str = ""


def take_request(
    db: sa.Connection, request_id: str, *, browser: bytes, login: Login | None, now_us: int
) -> SigningRequest | Refused:
    """Return the request if it may be signed here and now, and count that it is tried."""
    request = read_request(db, request_id, browser, for_update=True)
    if request is None:
        return Refused(Refusal.UNKNOWN)
    if request.used:
        return Refused(Refusal.USED)
    if request.expires_us <= now_us:
        return Refused(Refusal.EXPIRED)
    # Who enters may be logged in as somebody else, in another tab.
    if request.purpose is not Purpose.LOGIN and request.login_id != (login.id if login else None):
        return Refused(Refusal.OTHER_LOGIN)
    if request.tries >= TRIES_MAX:
        return Refused(Refusal.TRIES)
    count_try(db, request.id)
    return request


def check_signature(
    request: SigningRequest,
    signature: bytes,
    *,
    login: Login | None,
    now_us: int,
    verifier: Verifier,
) -> Signer | Refused:
    """Return who signed the request's bytes, if it is who may; a few checks at once at most."""
    if not _checks.acquire(timeout=CHECK_WAIT_S):
        return Refused(Refusal.BUSY)
    try:
        signer = verifier.verify(request.content, signature, now_us)
    except SignatureRefusedError as error:
        return Refused(Refusal.SIGNATURE, str(error))
    finally:
        _checks.release()
    if request.purpose is not Purpose.LOGIN and login and signer.pin != login.person.pin:
        return Refused(Refusal.OTHER_PERSON)
    return signer


def finish_request(
    db: sa.Connection, request: SigningRequest, signer: Signer, signature: bytes, *, now_us: int
) -> SignedAct | Refused:
    """Use the request up and keep what was signed; what follows from it joins the transaction."""
    if not use_request(db, request.id, now_us):
        return Refused(Refusal.USED if request.expires_us > now_us else Refusal.EXPIRED)
    person = know_person(db, signer.pin, signer.name, now_us)
    return keep_act(db, request, person, signature, signer, now_us)


def close_request(  # noqa: PLR0913 - the facts of a signature
    db: sa.Connection,
    request_id: str,
    signature: bytes,
    *,
    browser: bytes,
    login: Login | None,
    now_us: int,
    verifier: Verifier,
) -> SignedAct | Refused:
    """Do all three steps in one transaction, which is to be committed whatever comes of it."""
    request = take_request(db, request_id, browser=browser, login=login, now_us=now_us)
    if isinstance(request, Refused):
        return request
    signer = check_signature(request, signature, login=login, now_us=now_us, verifier=verifier)
    if isinstance(signer, Refused):
        return signer
    return finish_request(db, request, signer, signature, now_us=now_us)
