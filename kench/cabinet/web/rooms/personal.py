"""Personal data: what is held and why, for everybody; a copy and forgetting, for each person."""

from fastapi import APIRouter, Request
from starlette.responses import Response

from kench.cabinet.cabinet import Cabinet
from kench.cabinet.login.trail import DONE, TrailEntry, keep_trail
from kench.cabinet.personal.copying import write_copy
from kench.cabinet.personal.forgetting import forget_unsigned
from kench.cabinet.personal.holdings import FORGETTING, HOLDINGS
from kench.cabinet.web.downloads import zip_response
from kench.cabinet.web.making import Turn
from kench.cabinet.web.pages import go, render
from kench.cabinet.web.rooms.account import ACTS
from kench.cabinet.web.said import SAID, Said
from kench.cabinet.web.visit import CabinetHere, Entered, Visit, VisitHere
from kench.cabinet.words.catalogues import N_

ACTS["copy_data"] = N_("Took a copy of one's personal data")
ACTS["forget_data"] = N_("Had forgotten what nobody signed")
SAID["forgotten"] = Said(N_("Forgotten: drafts, documents that nobody signed, past logins."))

room = APIRouter()


@room.get("/privacy")
def show_privacy(request: Request, cabinet: CabinetHere, visit: VisitHere) -> Response:
    """Show what is held of people, what for, and for how long."""
    return _page(request, cabinet, visit, "personal/privacy.html")


@room.get("/account/data")
def show_own(request: Request, cabinet: CabinetHere, visit: VisitHere, _login: Entered) -> Response:
    """Show a person what is held of it, and what it may do about that."""
    return _page(request, cabinet, visit, "personal/data.html")


@room.get("/account/data.zip")
def get_copy(cabinet: CabinetHere, visit: VisitHere, login: Entered, turn: Turn) -> Response:
    """Hand a person a copy of all that is held of it."""
    with turn, cabinet.engine.begin() as db:
        keep_trail(db, _entry(visit, login, "copy_data"))
        return zip_response(
            lambda file: write_copy(db, login.person, file, visit.now_us),
            f"kench-person-{login.person.id}.zip",
        )


@room.post("/account/data/forget")
def forget(cabinet: CabinetHere, visit: VisitHere, login: Entered) -> Response:
    """Forget what nobody signed."""
    with cabinet.engine.begin() as db:
        gone = forget_unsigned(db, login, visit.now_us)
        told = ", ".join(f"{name} {count}" for name, count in gone._asdict().items())
        keep_trail(db, _entry(visit, login, "forget_data", told))
    return go("/account/data", "forgotten")


def _page(request: Request, cabinet: Cabinet, visit: Visit, template: str) -> Response:
    return render(
        request, visit, template, holdings=HOLDINGS, forgetting=FORGETTING,
        days=cabinet.settings.personal_unsigned_d,
    )  # fmt: skip


def _entry(visit: Visit, login: Entered, act: str, detail: str = "") -> TrailEntry:
    return TrailEntry(
        visit.now_us, act, DONE, address=visit.address, detail=detail,
        person_id=login.person.id, login_id=login.id,
    )  # fmt: skip
