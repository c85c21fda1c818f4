"""A participant's own entry in the Electronic Register: what it says, and its extracts."""

from fastapi import APIRouter, Request
from starlette.exceptions import HTTPException
from starlette.responses import Response

from kench.cabinet.login.trail import DONE, TrailEntry, keep_trail
from kench.cabinet.registration.application import APPLICANT_KINDS
from kench.cabinet.registration.equipment import HOLDINGS, total_of
from kench.cabinet.registration.membership import current_entry, state_of
from kench.cabinet.registration.states import PARTICIPANT_STATES
from kench.cabinet.registry.extracts import (
    ask_extract,
    extracts_of,
    read_extract,
    waiting_request,
)
from kench.cabinet.web.acting import TABS, Acting, render_room
from kench.cabinet.web.extract_files import read_signed
from kench.cabinet.web.making import Turn
from kench.cabinet.web.pages import go
from kench.cabinet.web.paths import Number
from kench.cabinet.web.rooms.register import extract_response
from kench.cabinet.web.said import SAID, Said
from kench.cabinet.web.tabs import Tab
from kench.cabinet.web.visit import CabinetHere, Entered, VisitHere
from kench.cabinet.words.catalogues import N_

SAID["extract_asked"] = Said(N_("You have asked for an extract: a registrar signs it."))
SAID["extract_waits"] = Said(N_("You wait for an extract already."), good=False)
TABS.append(Tab("register", N_("Entry of the register")))

room = APIRouter()


@room.get("/p/{participant_id}/register")
def show_entry(request: Request, cabinet: CabinetHere, visit: VisitHere, acts: Acting) -> Response:
    """Show it."""
    number = acts.participant_id
    with cabinet.reading.connect() as db:
        version = current_entry(db, number)
        state = state_of(db, number)
        extracts, wanted = extracts_of(db, number), waiting_request(db, number)
    return render_room(
        request, visit, acts, "registry/own.html", states=PARTICIPANT_STATES,
        kinds=APPLICANT_KINDS, holdings=HOLDINGS,
        total=total_of(version.entry.equipment) if version else None,
        version=version, state=state, extracts=extracts, wanted=wanted,
    )  # fmt: skip


@room.post("/p/{participant_id}/register/request")
def ask(cabinet: CabinetHere, visit: VisitHere, login: Entered, acts: Acting) -> Response:
    """Keep that an extract is wanted."""
    with cabinet.engine.begin() as db:
        if current_entry(db, acts.participant_id) is None:
            raise HTTPException(404)
        asked = ask_extract(db, acts.participant_id, login.person.id, visit.now_us)
        if asked:
            keep_trail(
                db,
                TrailEntry(
                    visit.now_us, "ask_extract", DONE, f"participant {acts.participant_id}",
                    visit.address, person_id=login.person.id, login_id=login.id,
                ),
            )  # fmt: skip
    return go(f"/p/{acts.participant_id}/register", "extract_asked" if asked else "extract_waits")


@room.get("/p/{participant_id}/register/extracts/{number}.{form}")
def give_extract(  # noqa: PLR0913, PLR0917 - who asks for what
    request: Request,
    cabinet: CabinetHere,
    visit: VisitHere,
    acts: Acting,
    turn: Turn,
    number: Number,
    form: str,
) -> Response:
    """Hand out an extract of its own, as PDF or JSON."""
    with cabinet.reading.connect() as db:
        line = read_extract(db, number)
        if line is None or line.participant_id != acts.participant_id:
            raise HTTPException(404)
        signed = read_signed(db, line)
    with turn:
        return extract_response(request, visit, signed, form)
