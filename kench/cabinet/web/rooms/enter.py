"""The way in and out: what is needed to enter, the text to sign for it, leaving.

Another way in is another button of this page, and ends where this one does: in `begin_login` for a
person whose ПИН is proven.
"""

from fastapi import APIRouter, Request
from starlette.exceptions import HTTPException
from starlette.responses import Response

from kench.cabinet.login.guard import Asked, admits
from kench.cabinet.login.logins import end_login, has_entered
from kench.cabinet.login.trail import DONE, TrailEntry, keep_trail
from kench.cabinet.signing.requests import TooManyRequestsError, open_login
from kench.cabinet.web.counts import counts_of
from kench.cabinet.web.entering import no_login
from kench.cabinet.web.forms import Posted, text_of
from kench.cabinet.web.pages import go, render
from kench.cabinet.web.said import SAID, Said
from kench.cabinet.web.visit import CabinetHere, VisitHere, own_path
from kench.cabinet.words.catalogues import N_

HOME, DESK = "/p", "/desk"
"""Where an entry leads: to the participants that a person acts for, officers to their desk."""
NEXT_MAX = 200
LET, LIMITED = "let", "limited"

SAID["entered_before"] = Said(N_("You have entered already."))

room = APIRouter()


@room.get("/enter")
def show_ways(request: Request, visit: VisitHere, next: str = "") -> Response:  # noqa: A002 - its name in the address
    """Show what is needed to enter."""
    if visit.login is not None:
        return go(own_path(next, home_of(visit.login.officer)), "entered_before")
    return render(
        request,
        visit,
        "enter.html",
        next=next_of(next),
        sign_on=request.app.state.sign_on is not None,
    )


@room.post("/enter")
def ask_for_text(
    request: Request, cabinet: CabinetHere, visit: VisitHere, form: Posted
) -> Response:
    """Open a request to sign in this browser, and show it."""
    counts = counts_of(request)
    with cabinet.engine.begin() as db:
        known = has_entered(db, visit.browser)
        if not admits(
            db,
            Asked.ENTRY,
            browser=visit.browser,
            address=visit.address,
            known=known,
            now_us=visit.now_us,
        ):
            counts.count_entry(LIMITED)
            raise HTTPException(429, headers={"Retry-After": "30"})
        try:
            opened = open_login(
                db,
                browser=visit.browser,
                language=visit.language.value,
                subject=next_of(text_of(form, "next")),
                now_us=visit.now_us,
                random_bytes=cabinet.random_bytes,
                origin=cabinet.settings.cabinet_origin,
            )
        except TooManyRequestsError:
            counts.count_entry(LIMITED)
            raise HTTPException(429, headers={"Retry-After": "60"}) from None
    counts.count_entry(LET)
    return go(f"/sign/{opened.id}")


@room.post("/leave")
def leave(cabinet: CabinetHere, visit: VisitHere) -> Response:
    """End the login."""
    if visit.login is not None:
        with cabinet.engine.begin() as db:
            end_login(db, visit.login, visit.now_us)
            keep_trail(
                db,
                TrailEntry(
                    visit.now_us,
                    "leave",
                    DONE,
                    address=visit.address,
                    person_id=visit.login.person.id,
                    login_id=visit.login.id,
                ),
            )
    visit.cookies.append(no_login(cabinet))
    return go("/", "left")


def home_of(officer: object | None) -> str:
    """Return where a person goes who did not say where to."""
    return HOME if officer is None else DESK


def next_of(text: str) -> str:
    """Return where to go on to after the entry, empty where that is nowhere of ours."""
    path = own_path(text, "")
    return path if len(path) <= NEXT_MAX else ""
