"""The way in by the officers' door: the connection's certificate says who it is."""

import threading
from collections.abc import Sequence
from enum import StrEnum

import sqlalchemy as sa
import structlog
from fastapi import APIRouter, Request
from starlette.exceptions import HTTPException
from starlette.responses import RedirectResponse, Response

from kench.cabinet.cabinet import Cabinet
from kench.cabinet.door import CHAIN
from kench.cabinet.login.guard import Asked, admits, give_back
from kench.cabinet.login.logins import Entry, Way, has_entered
from kench.cabinet.login.persons import know_person
from kench.cabinet.login.proofs import keep_proof
from kench.cabinet.login.trail import DONE, TrailEntry, keep_trail
from kench.cabinet.signing.evidence import keep_evidence
from kench.cabinet.web.counts import counts_of
from kench.cabinet.web.entering import begin_login
from kench.cabinet.web.forms import Posted, text_of
from kench.cabinet.web.pages import go, render
from kench.cabinet.web.rooms.enter import DESK, leave, next_of
from kench.cabinet.web.visit import CabinetHere, Visit, VisitHere, own_path
from kench.cabinet.words.catalogues import N_
from kench.pool.orders.officers import in_service
from kench.pool.signature.certificates import CertificateChecker
from kench.pool.signature.trust import digest_of
from kench.pool.signature.verifier import RevokedSignatureError, SignatureRefusedError, Signer

CHECKS_AT_ONCE = 2
CHECK_WAIT_S = 5.0
_checks = threading.BoundedSemaphore(CHECKS_AT_ONCE)


class Refusal(StrEnum):
    """Why nobody entered."""

    CERTIFICATE = "certificate"
    """It is not good now, or not for this."""
    REVOKED = "revoked"
    NOT_OFFICER = "not_officer"
    BUSY = "busy"
    LIMITED = "limited"


TEXTS = {
    Refusal.CERTIFICATE: N_("Your certificate was refused."),
    Refusal.REVOKED: N_("Your certificate is revoked."),
    Refusal.NOT_OFFICER: N_("Only officers in service enter here. Others enter by signature."),
    Refusal.BUSY: N_("Many people enter just now. Try again in a few seconds."),
    Refusal.LIMITED: N_("Too many entries were tried. Wait some minutes, then try again."),
}
STATUSES = {
    Refusal.CERTIFICATE: 403, Refusal.REVOKED: 403, Refusal.NOT_OFFICER: 403,
    Refusal.BUSY: 503, Refusal.LIMITED: 429,
}  # fmt: skip

log = structlog.get_logger("cabinet")
room = APIRouter()
room.add_api_route("/leave", leave, methods=["POST"])


@room.get("/")
def show_front() -> Response:
    """Lead to the desk: there is nothing else here."""
    return go(DESK)


@room.get("/enter")
def show_way(request: Request, visit: VisitHere, next: str = "") -> Response:  # noqa: A002 - its name in the address
    """Show the button by which one enters."""
    if visit.login is not None:
        return go(own_path(next, DESK), "entered_before")
    return _page(request, visit, next_of(next))


@room.post("/enter")
def enter(request: Request, cabinet: CabinetHere, visit: VisitHere, form: Posted) -> Response:
    """Let in the officer whose certificate the connection has."""
    next_path = next_of(text_of(form, "next"))
    with cabinet.engine.begin() as db:
        known = has_entered(db, visit.browser)
        admitted = admits(
            db, Asked.WRONG, browser=visit.browser, address=visit.address, known=known,
            now_us=visit.now_us,
        )  # fmt: skip
    if not admitted:
        return _refuse(request, visit, next_path, Refusal.LIMITED)
    chain = chain_of(request)
    found, why = _check(request.app.state.checker, chain, visit.now_us)
    with cabinet.engine.begin() as db:
        if isinstance(found, Signer) and in_service(db, found.pin) is None:
            found, why = Refusal.NOT_OFFICER, ""
        if isinstance(found, Signer):
            give_back(db, Asked.WRONG, browser=visit.browser, address=visit.address, known=known)
            return _begin(db, request, cabinet, visit, found, next_path)
        _keep_refused(db, visit, chain, found, why)
        if found is Refusal.BUSY:
            give_back(db, Asked.WRONG, browser=visit.browser, address=visit.address, known=known)
    return _refuse(request, visit, next_path, found, why)


def chain_of(request: Request) -> tuple[bytes, ...]:
    """Return the connection's certificates; without any, this is not the officers' door."""
    chain: tuple[bytes, ...] = getattr(request.state, CHAIN, ())
    if not chain:
        raise HTTPException(404)
    return chain


def _check(
    checker: CertificateChecker, chain: Sequence[bytes], now_us: int
) -> tuple[Signer | Refusal, str]:
    """Return whose certificate it is, or why not; with no transaction open."""
    if not _checks.acquire(timeout=CHECK_WAIT_S):
        return Refusal.BUSY, ""
    try:
        return checker.verify(chain, now_us), ""
    except RevokedSignatureError as error:
        return Refusal.REVOKED, str(error)
    except SignatureRefusedError as error:
        return Refusal.CERTIFICATE, str(error)
    finally:
        _checks.release()


def _begin(  # noqa: PLR0913, PLR0917 - who enters, and from where
    db: sa.Connection,
    request: Request,
    cabinet: Cabinet,
    visit: Visit,
    signer: Signer,
    next_path: str,
) -> Response:
    now_us = cabinet.clock.now_us()
    person = know_person(db, signer.pin, signer.name, now_us)
    digests = keep_evidence(db, signer.evidence)
    login_id, cookie = begin_login(
        db,
        cabinet,
        person,
        before=visit.login,
        browser=visit.browser,
        address=visit.address,
        agent=request.headers.get("user-agent", ""),
        now_us=now_us,
        entry=Entry(Way.CERTIFICATE, digests.certificates),
    )
    keep_proof(
        db,
        login_id=login_id,
        person_id=person.id,
        way=Way.CERTIFICATE,
        now_us=now_us,
        digests=digests,
    )
    keep_trail(
        db,
        TrailEntry(
            now_us, "enter", DONE, Way.CERTIFICATE, visit.address,
            signer.certificate_sha256.hex(), person.id, login_id,
        ),
    )  # fmt: skip
    visit.cookies.append(cookie)
    counts_of(request).count_door(DONE)
    return RedirectResponse(own_path(next_path, DESK), 303)


def _keep_refused(
    db: sa.Connection, visit: Visit, chain: Sequence[bytes], refusal: Refusal, why: str
) -> None:
    """Keep that a certificate was refused: an authority of ours had signed it."""
    log.info("no entry at the officers' door", refusal=refusal, why=why)
    keep_trail(
        db,
        TrailEntry(
            visit.now_us, "enter", refusal, Way.CERTIFICATE, visit.address,
            digest_of(chain[0]).hex(),
        ),
    )  # fmt: skip


def _refuse(
    request: Request, visit: Visit, next_path: str, refusal: Refusal, why: str = ""
) -> Response:
    counts_of(request).count_door(refusal)
    return _page(request, visit, next_path, refusal, why)


def _page(
    request: Request, visit: Visit, next_path: str, refusal: Refusal | None = None, why: str = ""
) -> Response:
    return render(
        request,
        visit,
        "officers_enter.html",
        status=STATUSES[refusal] if refusal else 200,
        next=next_path,
        fault=visit.words.gettext(TEXTS[refusal]) if refusal else None,
        why=why,
    )
