"""A visit: who asks, in which language, from which browser; made once for each request."""

import hmac
from collections.abc import Callable
from dataclasses import dataclass
from gettext import NullTranslations
from typing import Annotated
from urllib.parse import quote, urlsplit

from fastapi import Depends, Request
from starlette.exceptions import HTTPException

from kench.cabinet.cabinet import Cabinet
from kench.cabinet.desk.viewing import refusal_entry, view_entry
from kench.cabinet.door import CHAIN
from kench.cabinet.login.logins import Login
from kench.cabinet.login.trail import keep_trail
from kench.cabinet.registration.officers import REGISTRAR
from kench.cabinet.web.address import address_of
from kench.cabinet.web.cookies import (
    BROWSER,
    LANGUAGE,
    LOGIN,
    SECRET_BYTES,
    cookie_line,
    cookie_name,
    secret_of,
)
from kench.cabinet.web.entering import login_of
from kench.cabinet.web.rights import may_enter
from kench.cabinet.words.catalogues import words_of
from kench.cabinet.words.formats import Formats
from kench.cabinet.words.languages import Language, language_of, wished_language
from kench.pool.orders.officer_roles import OfficerRole

FORM_KEY = b"kench form\0"
ENTER = "/enter"


@dataclass(frozen=True, slots=True)
class Visit:
    """One request, as far as pages care."""

    language: Language
    login: Login | None
    browser: bytes
    """The secret of this browser."""
    csrf: str
    """What each form of this visit carries, hidden."""
    address: str
    path: str
    """Path and query of the page, for links that come back to it."""
    now_us: int
    cookies: list[str]
    """Set-Cookie lines that go with the answer, whichever it is."""
    at_desk_door: bool = False
    """It came by the officers' door, where there are none but the desk's rooms."""

    @property
    def words(self) -> NullTranslations:
        """Translations: `_ = visit.words.gettext`."""
        return words_of(self.language)

    @property
    def formats(self) -> Formats:
        """How numbers and dates are written."""
        return Formats(self.language)

    def has_duty(self, *roles: str) -> bool:
        """Whether who comes is an officer with one of these roles, for what a page offers."""
        return self.login is not None and not self.login.roles.isdisjoint(roles)


class RedirectError(HTTPException):
    """The answer is another page."""

    def __init__(self, location: str) -> None:
        super().__init__(303, headers={"Location": location})


def cabinet_of(request: Request) -> Cabinet:
    """Return what the pages work with."""
    cabinet: Cabinet = request.app.state.cabinet
    return cabinet


def visit_of(request: Request) -> Visit:
    """Make the visit, its login looked up; in a thread, as all that asks the database."""
    known: Visit | None = getattr(request.state, "visit", None)
    if known is not None:
        return known
    login = login_of(cabinet_of(request), request)
    visit = plain_visit(request, login)
    request.state.visit = visit
    return visit


def plain_visit(request: Request, login: Login | None = None) -> Visit:
    """Make the visit without asking anybody; a browser without a secret is given one."""
    cabinet = cabinet_of(request)
    settings = cabinet.settings
    cookies: list[str] = request.state.cookies
    browser = secret_of(request.cookies.get(cookie_name(settings, BROWSER)))
    if browser is None:
        browser = cabinet.random_bytes(SECRET_BYTES)
        cookies.append(cookie_line(settings, BROWSER, browser.hex()))
    language = language_of(request.cookies.get(cookie_name(settings, LANGUAGE)))
    path = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    return Visit(
        language=language or wished_language(request.headers.get("accept-language", "")),
        login=login,
        browser=browser,
        csrf=form_token(browser, request.cookies.get(cookie_name(settings, LOGIN), "")),
        address=address_of(request, settings.cabinet_proxy_from),
        path=path,
        now_us=cabinet.clock.now_us(),
        cookies=cookies,
        at_desk_door=hasattr(request.state, CHAIN),
    )


def form_token(browser: bytes, login_cookie: str) -> str:
    """Return what forms of a browser carry while it has that login's cookie, or none ("")."""
    return hmac.new(browser, FORM_KEY + login_cookie.encode(), "sha256").hexdigest()


async def _cabinet_here(request: Request) -> Cabinet:
    """As `cabinet_of`; what waits for nothing is no work for a thread, which costs a switch."""
    return cabinet_of(request)


CabinetHere = Annotated[Cabinet, Depends(_cabinet_here)]
VisitHere = Annotated[Visit, Depends(visit_of)]


async def entered(request: Request, visit: VisitHere) -> Login:
    """Return the login; without one, the answer is the page to enter by."""
    if visit.login is None:
        back = visit.path if request.method == "GET" else "/"
        raise RedirectError(f"{ENTER}?next={quote(back, safe='')}")
    return visit.login


class NoDutyError(HTTPException):
    """The officer has none of the roles that this takes."""

    def __init__(self) -> None:
        super().__init__(403)


def officer(request: Request, login: "Entered", visit: VisitHere, cabinet: CabinetHere) -> Login:
    """Return the login of an officer whose roles open this room; to others it does not exist.

    What an officer opens, and what is refused for want of a role, stands in the trail.
    """
    if login.officer is None:
        raise HTTPException(404)
    if not may_enter(request.url.path, login.roles):
        raise _no_duty(request, login, visit, cabinet)
    if request.method == "GET":
        with cabinet.engine.begin() as db:
            keep_trail(
                db,
                view_entry(
                    login, path=request.url.path, query=request.url.query,
                    address=visit.address, now_us=visit.now_us,
                ),
            )  # fmt: skip
    return login


Entered = Annotated[Login, Depends(entered)]
Officer = Annotated[Login, Depends(officer)]


def acting(*roles: OfficerRole) -> Callable[[Request, Login, Visit, Cabinet], Login]:
    """Return a dependency that gives the officer's login, who must have one of these roles."""

    def acting_officer(
        request: Request, login: Officer, visit: VisitHere, cabinet: CabinetHere
    ) -> Login:
        if login.roles.isdisjoint(roles):
            raise _no_duty(request, login, visit, cabinet)
        return login

    return acting_officer


Registrar = Annotated[Login, Depends(acting(*REGISTRAR))]
"""Who decides on applications and notices, excludes, and writes to participants."""


def _no_duty(request: Request, login: Login, visit: Visit, cabinet: Cabinet) -> NoDutyError:
    """Keep that it was refused."""
    with cabinet.engine.begin() as db:
        keep_trail(
            db,
            refusal_entry(
                login, method=request.method, path=request.url.path,
                address=visit.address, now_us=visit.now_us,
            ),
        )  # fmt: skip
    return NoDutyError()


def own_path(text: str | None, default: str = "/") -> str:
    """Return a path of this cabinet to go on to; `default` for whatever leads elsewhere."""
    if not text or not text.startswith("/") or text.startswith(("//", "/\\")):
        return default
    if any(ord(letter) < 0x21 or letter == "\\" or ord(letter) > 0x7E for letter in text):
        return default
    parts = urlsplit(text)
    return default if parts.scheme or parts.netloc else text
