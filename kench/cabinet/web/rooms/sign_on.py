"""Entering by the state's sign-on: off to it, and back with its answer."""

import hashlib
from dataclasses import dataclass

import sqlalchemy as sa
import structlog
from fastapi import APIRouter, Request
from starlette.exceptions import HTTPException
from starlette.responses import RedirectResponse, Response

from kench.cabinet.cabinet import Cabinet
from kench.cabinet.login.guard import Asked, admits, give_back
from kench.cabinet.login.logins import Entry, Way, has_entered
from kench.cabinet.login.persons import Person, find_person, know_person
from kench.cabinet.login.proofs import keep_proof
from kench.cabinet.login.trail import DONE, TrailEntry, keep_trail
from kench.cabinet.sign_on.provider import CODE_MAX, Client, Provider, Tokens
from kench.cabinet.sign_on.refusals import Refusal, SignOnError
from kench.cabinet.sign_on.requests import (
    Began,
    open_sign_on,
    secrets_of,
    take_sign_on,
)
from kench.cabinet.sign_on.tokens import Named, Wanted, check_id_token, person_in, proof_of
from kench.cabinet.web.counts import counts_of
from kench.cabinet.web.entering import begin_login
from kench.cabinet.web.forms import Posted, text_of
from kench.cabinet.web.pages import render
from kench.cabinet.web.rooms.enter import HOME, next_of
from kench.cabinet.web.visit import CabinetHere, Visit, VisitHere, own_path
from kench.cabinet.words.catalogues import N_

BEGIN, ANSWER = "/enter/sign-on", "/enter/sign-on/answer"
LET = "let"
DENIED = "access_denied"
TEXTS = {
    Refusal.DENIED: N_("You were not let in there, or you went back."),
    Refusal.UNKNOWN: N_("This entry was not begun in this browser."),
    Refusal.EXPIRED: N_("The time to enter there is over."),
    Refusal.USED: N_("This entry was used already."),
    Refusal.AWAY: N_("The state's sign-on does not answer just now. You can enter by signature."),
    Refusal.TOKEN: N_("What the state's sign-on answered does not prove who you are."),
    Refusal.PERSON: N_("The state's sign-on did not give your personal number (ПИН)."),
    Refusal.BUSY: N_("Many people enter just now. Try again in a few seconds."),
    Refusal.LIMITED: N_("Too many entries were tried. Wait some minutes, then try again."),
}
STATUSES = {
    Refusal.DENIED: 403, Refusal.UNKNOWN: 404, Refusal.EXPIRED: 410, Refusal.USED: 409,
    Refusal.AWAY: 502, Refusal.TOKEN: 502, Refusal.PERSON: 422, Refusal.BUSY: 503,
    Refusal.LIMITED: 429,
}  # fmt: skip
WRONG = frozenset({Refusal.UNKNOWN, Refusal.USED, Refusal.TOKEN})
"""What only somebody does who tries something: these count against browser and address."""
ON_TRAIL = frozenset({Refusal.DENIED, Refusal.TOKEN, Refusal.PERSON})
"""What the sign-on itself answered to an entry that was begun here."""

log = structlog.get_logger("cabinet")
room = APIRouter()


def provider_of(cabinet: Cabinet) -> Provider | None:
    """Return the sign-on that the settings name, if they do."""
    settings = cabinet.settings
    if settings.oidc_issuer is None or settings.oidc_client_id is None:
        return None
    secret = settings.oidc_client_secret
    client = Client(
        settings.oidc_issuer,
        settings.oidc_client_id,
        secret.get_secret_value() if secret else "",
        settings.oidc_scopes,
        settings.cabinet_origin + ANSWER,
        settings.oidc_timeout_s,
    )
    return Provider(client, cabinet.clock)


@room.post(BEGIN)
def go_there(request: Request, cabinet: CabinetHere, visit: VisitHere, form: Posted) -> Response:
    """Open a request of this browser, and show the way to the sign-on."""
    provider = _provider(request)
    entering = _Entering(request, cabinet, visit, provider)
    if not entering.admitted(Asked.ENTRY):
        return entering.refuse(SignOnError(Refusal.LIMITED, "too many entries"))
    try:
        with provider.turn():
            provider.metadata()
        with cabinet.engine.begin() as db:
            state = open_sign_on(
                db,
                browser=visit.browser,
                next_path=next_of(text_of(form, "next")),
                now_us=visit.now_us,
                random_bytes=cabinet.random_bytes,
            )
        secrets = secrets_of(state, visit.browser)
        url = provider.authorization_url(
            state=state, nonce=secrets.nonce, verifier=secrets.verifier
        )
    except SignOnError as error:
        return entering.refuse(error)
    counts_of(request).count_sign_on(LET)
    # A page and no redirect: by the policy of our pages, forms lead nowhere but to ourselves.
    return render(request, visit, "sign_on.html", url=url, fault=None)


@room.get(ANSWER)
def come_back(request: Request, cabinet: CabinetHere, visit: VisitHere) -> Response:
    """Take the sign-on's answer, and let in whom it proves."""
    entering = _Entering(request, cabinet, visit, _provider(request))
    if not entering.admitted(Asked.WRONG):
        return entering.refuse(SignOnError(Refusal.LIMITED, "too many wrong answers"))
    try:
        answer = entering.enter()
    except SignOnError as error:
        if error.refusal not in WRONG:
            entering.give_back()
        if error.refusal in ON_TRAIL:
            entering.keep_refused(error)
        return entering.refuse(error)
    entering.give_back()
    return answer


def _provider(request: Request) -> Provider:
    provider: Provider | None = request.app.state.sign_on
    if provider is None:
        raise HTTPException(404)
    return provider


@dataclass(slots=True)
class _Entering:
    """One entry on its way; no transaction is open while the sign-on is asked."""

    request: Request
    cabinet: Cabinet
    visit: Visit
    provider: Provider
    known: bool = False
    """Somebody entered by this browser before."""

    def admitted(self, asked: Asked) -> bool:
        """Whether this browser may ask once more."""
        visit = self.visit
        with self.cabinet.engine.begin() as db:
            self.known = has_entered(db, visit.browser)
            return admits(
                db,
                asked,
                browser=visit.browser,
                address=visit.address,
                known=self.known,
                now_us=visit.now_us,
            )

    def give_back(self) -> None:
        """It was not wrong."""
        visit = self.visit
        with self.cabinet.engine.begin() as db:
            give_back(
                db, Asked.WRONG, browser=visit.browser, address=visit.address, known=self.known
            )

    def enter(self) -> Response:
        """Check the answer and begin the login; raises SignOnError."""
        state, code = self._one("state"), self._one("code")
        with self.cabinet.engine.begin() as db:
            began = take_sign_on(db, state, browser=self.visit.browser, now_us=self.visit.now_us)
        if isinstance(began, Refusal):
            raise SignOnError(began, "no such request")
        with self.provider.turn():
            self._check_issuer()
            if not code:
                error = self._one("error")
                kind = Refusal.DENIED if error == DENIED else Refusal.AWAY
                raise SignOnError(kind, "the sign-on answers with an error")
            secrets = secrets_of(state, self.visit.browser)
            tokens = self.provider.exchange(code, secrets.verifier)
            claims = check_id_token(
                tokens.id_token,
                self._wanted(began, secrets.nonce, tokens),
                self.provider.key,
            )
            claims = self._completed(claims, tokens)
        settings = self.cabinet.settings
        named = person_in(claims, settings.oidc_pin_claim, settings.oidc_name_claim)
        return self._begin(began, named, claims, tokens)

    def keep_refused(self, error: SignOnError) -> None:
        """Put a refusal on the trail; whose it was, nobody knows."""
        with self.cabinet.engine.begin() as db:
            keep_trail(
                db,
                TrailEntry(
                    self.visit.now_us, "enter", error.refusal, Way.SIGN_ON, self.visit.address,
                    str(error),
                ),
            )  # fmt: skip

    def refuse(self, error: SignOnError) -> Response:
        """Count a refusal, and say it."""
        log.info("no entry by the sign-on", refusal=error.refusal, why=str(error))
        counts_of(self.request).count_sign_on(error.refusal)
        return render(
            self.request,
            self.visit,
            "sign_on.html",
            status=STATUSES[error.refusal],
            url=None,
            fault=self.visit.words.gettext(TEXTS[error.refusal]),
        )

    def _one(self, name: str) -> str:
        """Return a parameter that stands there once; empty where it does not."""
        found = self.request.query_params.getlist(name)
        return found[0] if len(found) == 1 and len(found[0]) <= CODE_MAX else ""

    def _check_issuer(self) -> None:
        """An answer of another sign-on, brought here, is none of ours (RFC 9207)."""
        said = self.request.query_params.getlist("iss")
        if not said and not self.provider.metadata().names_itself:
            return
        if said != [self.provider.client.issuer]:
            raise SignOnError(Refusal.TOKEN, "the answer is of another sign-on")

    def _wanted(self, began: Began, nonce: str, tokens: Tokens) -> Wanted:
        client = self.provider.client
        return Wanted(
            client.issuer,
            client.id,
            nonce,
            began.opened_us // 1_000_000,
            self.cabinet.clock.now_us() // 1_000_000,
            tokens.access_token,
        )

    def _completed(self, claims: dict[str, object], tokens: Tokens) -> dict[str, object]:
        """Ask for the person's claims where the id_token does not have them."""
        if self.cabinet.settings.oidc_pin_claim in claims:
            return claims
        more = self.provider.person_of(tokens)
        if more and more.get("sub") != claims["sub"]:
            raise SignOnError(Refusal.TOKEN, "the sign-on tells of another person")
        return more | claims

    def _begin(
        self, began: Began, named: Named, claims: dict[str, object], tokens: Tokens
    ) -> Response:
        visit = self.visit
        with self.cabinet.engine.begin() as db:
            # The clock again: an entry that ran out while the sign-on was asked is still its own.
            now_us = self.cabinet.clock.now_us()
            person = _person(db, named, now_us)
            login_id, cookie = begin_login(
                db,
                self.cabinet,
                person,
                before=visit.login,
                browser=visit.browser,
                address=visit.address,
                agent=self.request.headers.get("user-agent", ""),
                now_us=now_us,
                entry=Entry(Way.SIGN_ON),
            )
            keep_proof(
                db,
                login_id=login_id,
                person_id=person.id,
                way=Way.SIGN_ON,
                now_us=now_us,
                claims=proof_of(claims, named),
                token_sha256=hashlib.sha256(tokens.id_token.encode()).digest(),
            )
            keep_trail(
                db,
                TrailEntry(
                    now_us, "enter", DONE, Way.SIGN_ON, visit.address,
                    person_id=person.id, login_id=login_id,
                ),
            )  # fmt: skip
        visit.cookies.append(cookie)
        counts_of(self.request).count_sign_on(DONE)
        return RedirectResponse(own_path(began.next_path, HOME), 303)


def _person(db: sa.Connection, named: Named, now_us: int) -> Person:
    """Return the person; the name that a certificate gave stays."""
    return find_person(db, named.pin) or know_person(db, named.pin, named.name, now_us)
