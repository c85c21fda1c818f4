"""Signing: the exact text, the ways to sign it, and the signature that comes back."""

import hashlib
from dataclasses import dataclass

import sqlalchemy as sa
from fastapi import APIRouter, Request
from starlette.exceptions import HTTPException
from starlette.responses import RedirectResponse, Response

from kench.cabinet.cabinet import Cabinet
from kench.cabinet.login.guard import Asked, admits, give_back
from kench.cabinet.login.logins import Entry, Way, has_entered
from kench.cabinet.login.trail import DONE, TrailEntry, keep_trail
from kench.cabinet.registration.refusals import ActRefusedError
from kench.cabinet.signing.acts import SignedAct, certificates_of
from kench.cabinet.signing.closing import (
    Refusal,
    Refused,
    check_signature,
    finish_request,
    take_request,
)
from kench.cabinet.signing.files import FILE_BYTES_MAX, signature_of
from kench.cabinet.signing.requests import SigningRequest, read_request
from kench.cabinet.signing.wording import DOCUMENTS, TITLES, Purpose
from kench.cabinet.web.counts import TAKEN, SigningCounts, counts_of
from kench.cabinet.web.entering import begin_login
from kench.cabinet.web.forms import Posted, file_of, text_of
from kench.cabinet.web.pages import render
from kench.cabinet.web.rooms.enter import home_of
from kench.cabinet.web.visit import CabinetHere, Visit, VisitHere, own_path
from kench.cabinet.words.catalogues import N_
from kench.pool.orders.officers import in_service

TEXTS = {
    Refusal.UNKNOWN: N_("There is nothing to sign here."),
    Refusal.EXPIRED: N_("The time to sign this text is over."),
    Refusal.USED: N_("This text was signed already."),
    Refusal.TRIES: N_("Too many signatures were tried for this text."),
    Refusal.OTHER_LOGIN: N_("This text belongs to another login."),
    Refusal.SIGNATURE: N_("The signature was refused."),
    Refusal.OTHER_PERSON: N_("This was signed by somebody else than who has entered."),
    Refusal.BUSY: N_("Many people sign just now. Try again in a few seconds."),
    Refusal.LIMITED: N_("Too many signatures were refused. Wait some minutes, then try again."),
}  # fmt: skip
STATUSES = {
    Refusal.UNKNOWN: 404, Refusal.EXPIRED: 410, Refusal.USED: 409, Refusal.TRIES: 409,
    Refusal.OTHER_LOGIN: 409, Refusal.SIGNATURE: 422, Refusal.OTHER_PERSON: 422,
    Refusal.BUSY: 503, Refusal.LIMITED: 429,
}  # fmt: skip
AGAIN = frozenset({Refusal.SIGNATURE, Refusal.OTHER_PERSON, Refusal.BUSY, Refusal.LIMITED})
"""After these the same text can be signed anew."""
WRONG = frozenset({Refusal.SIGNATURE, Refusal.OTHER_PERSON})
UNREADABLE = N_("Choose a file with a signature: .p7s, .sig or .pem.")
UNKNOWN_PURPOSE = "unknown"

room = APIRouter()


@room.get("/sign/{request_id}")
def show_text(
    request: Request, cabinet: CabinetHere, visit: VisitHere, request_id: str
) -> Response:
    """Show the text and the ways to sign it."""
    with cabinet.engine.connect() as db:
        opened = read_request(db, request_id, visit.browser)
    if opened is None:
        raise HTTPException(404)
    refused = _over(opened, visit)
    return _page(request, visit, opened, refused)


@room.get("/sign/{request_id}/content")
def download(cabinet: CabinetHere, visit: VisitHere, request_id: str) -> Response:
    """Give the exact bytes, for a program that signs files."""
    with cabinet.engine.connect() as db:
        opened = read_request(db, request_id, visit.browser)
    if opened is None:
        raise HTTPException(404)
    return Response(
        opened.content,
        media_type="text/plain; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="{_file_name(opened)}"'},
    )


@room.post("/sign/{request_id}")
def take_signature(
    request: Request, cabinet: CabinetHere, visit: VisitHere, request_id: str, form: Posted
) -> Response:
    """Take a signature: from a file, or made in the page."""
    file = file_of(form, "signature")
    content = (
        file.file.read(FILE_BYTES_MAX + 1) if file else text_of(form, "signature_b64").encode()
    )
    signature = signature_of(content)
    counts = counts_of(request)
    closing = _Closing(request, cabinet, visit, counts)
    if signature is None:
        with cabinet.engine.connect() as db:
            opened = read_request(db, request_id, visit.browser)
        if opened is None:
            raise HTTPException(404)
        return _page(
            request, visit, opened, _over(opened, visit), fault=visit.words.gettext(UNREADABLE)
        )
    return closing.close(request_id, signature)


@dataclass(frozen=True, slots=True)
class _Closing:
    """One signature on its way."""

    request: Request
    cabinet: Cabinet
    visit: Visit
    counts: SigningCounts

    def close(self, request_id: str, signature: bytes) -> Response:
        """Check it with no transaction open, then keep it with what follows from it."""
        cabinet, visit = self.cabinet, self.visit
        with cabinet.engine.begin() as db:
            known = has_entered(db, visit.browser)
            opened = self._take(db, request_id, known=known)
            if isinstance(opened, Refused):
                if opened.refusal is not Refusal.LIMITED:
                    self._give_back(db, known=known)
                return self._refuse(db, request_id, opened, None)
        with self.counts.seconds.time():
            signer = check_signature(
                opened, signature, login=visit.login, now_us=visit.now_us, verifier=cabinet.verifier
            )
        if not isinstance(signer, Refused) or signer.refusal not in WRONG:
            with cabinet.engine.begin() as db:
                self._give_back(db, known=known)
        if isinstance(signer, Refused):
            with cabinet.engine.begin() as db:
                return self._refuse(db, request_id, signer, opened)
        try:
            with cabinet.engine.begin() as db:
                # The clock again: a request that ran out while it was checked is over.
                now_us = cabinet.clock.now_us()
                act = finish_request(db, opened, signer, signature, now_us=now_us)
                if isinstance(act, Refused):
                    return self._refuse(db, request_id, act, opened)
                path = self._follow(db, act)
        except ActRefusedError as error:
            self.counts.count(opened.purpose, "outcome")
            return _page(
                self.request, visit, opened, None, status=409, fault=error.said(visit.words.gettext)
            )
        self.counts.count(opened.purpose, TAKEN)
        return RedirectResponse(path, 303)

    def _take(self, db: sa.Connection, request_id: str, *, known: bool) -> SigningRequest | Refused:
        """Take the request; that a signature may be wrong is counted before it is looked at."""
        visit = self.visit
        admitted = admits(
            db,
            Asked.WRONG,
            browser=visit.browser,
            address=visit.address,
            known=known,
            now_us=visit.now_us,
        )
        if not admitted:
            return Refused(Refusal.LIMITED)
        return take_request(
            db, request_id, browser=visit.browser, login=visit.login, now_us=visit.now_us
        )

    def _give_back(self, db: sa.Connection, *, known: bool) -> None:
        """It was not wrong."""
        visit = self.visit
        give_back(db, Asked.WRONG, browser=visit.browser, address=visit.address, known=known)

    def _follow(self, db: sa.Connection, act: SignedAct) -> str:
        """Do what was signed; return the page to go on to."""
        visit, login = self.visit, self.visit.login
        if act.purpose is Purpose.LOGIN:
            login_id, cookie = begin_login(
                db,
                self.cabinet,
                act.person,
                before=login,
                browser=visit.browser,
                address=visit.address,
                agent=self.request.headers.get("user-agent", ""),
                now_us=act.signed_us,
                entry=Entry(Way.SIGNATURE, certificates_of(db, act.id)),
            )
            visit.cookies.append(cookie)
            self._keep(db, "enter", DONE, act.signed_us, act.person.id, login_id)
            return own_path(act.subject, home_of(in_service(db, act.person.pin)))
        path: str = self.request.app.state.outcomes[act.purpose](db, act, self.cabinet)
        subject = f"{act.purpose} {act.subject}".strip()
        login_id_now = login.id if login else None
        self._keep(db, "sign", DONE, act.signed_us, act.person.id, login_id_now, subject)
        return path

    def _refuse(
        self, db: sa.Connection, request_id: str, refused: Refused, opened: SigningRequest | None
    ) -> Response:
        """Count a refusal, put it on the trail of who has entered, and say it."""
        visit = self.visit
        opened = opened or read_request(db, request_id, visit.browser)
        self.counts.count(opened.purpose if opened else UNKNOWN_PURPOSE, refused.refusal)
        if visit.login is not None and opened is not None:
            login = visit.login
            self._keep(
                db, "sign", refused.refusal, visit.now_us, login.person.id, login.id,
                f"{opened.purpose} {opened.subject}".strip(), refused.why,
            )  # fmt: skip
        if opened is None:
            raise HTTPException(404)
        return _page(self.request, visit, opened, refused)

    def _keep(  # noqa: PLR0913, PLR0917 - one line of the trail
        self,
        db: sa.Connection,
        act: str,
        outcome: str,
        at_us: int,
        person_id: int,
        login_id: int | None,
        subject: str = "",
        detail: str = "",
    ) -> None:
        keep_trail(
            db,
            TrailEntry(
                at_us, act, outcome, subject, self.visit.address, detail, person_id, login_id
            ),
        )


def _file_name(opened: SigningRequest) -> str:
    """By its digest, a document is the same file for all who sign it."""
    if opened.purpose in DOCUMENTS:
        return f"{opened.purpose}-{hashlib.sha256(opened.content).hexdigest()[:8]}.json"
    return f"kench-{opened.id[:8]}.txt"


def _over(opened: SigningRequest, visit: Visit) -> Refused | None:
    """Whether the text can be signed no more."""
    if opened.used:
        return Refused(Refusal.USED)
    if opened.expires_us <= visit.now_us:
        return Refused(Refusal.EXPIRED)
    return None


def _page(  # noqa: PLR0913 - what the page shows
    request: Request,
    visit: Visit,
    opened: SigningRequest,
    refused: Refused | None,
    *,
    status: int = 200,
    fault: str | None = None,
) -> Response:
    if refused is not None:
        status = STATUSES[refused.refusal]
        fault = visit.words.gettext(TEXTS[refused.refusal])
    elif fault is not None and status == 200:
        status = 422
    return render(
        request,
        visit,
        "sign.html",
        status=status,
        opened=opened,
        title=TITLES[opened.purpose][visit.language.value],
        text=opened.content.decode(),
        fault=fault,
        why=refused.why if refused else "",
        can_sign=refused is None or refused.refusal in AGAIN,
        is_entry=opened.purpose is Purpose.LOGIN,
        content_url=f"/sign/{opened.id}/content",
        seconds_left=max(0, opened.expires_us - visit.now_us) // 1_000_000,
    )
