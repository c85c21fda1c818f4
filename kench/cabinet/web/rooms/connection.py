"""Connecting machines: login, token, addresses, steps; as a page and as a PDF."""

from typing import Any

import sqlalchemy as sa
from fastapi import APIRouter, Request
from starlette.exceptions import HTTPException
from starlette.responses import Response

from kench.cabinet.cabinet import Cabinet
from kench.cabinet.login.people import ActsFor, PeopleRole
from kench.cabinet.login.trail import DONE, TrailEntry, keep_trail
from kench.cabinet.registration.entering import has_token, make_token
from kench.cabinet.registration.instructions import FIRMWARES, advice_of, entrances_of
from kench.cabinet.registration.membership import current_entry, state_of
from kench.cabinet.registration.states import ParticipantState
from kench.cabinet.web.acting import TABS, Acting, Tab, render_room
from kench.cabinet.web.downloads import file_response
from kench.cabinet.web.pages import page_text
from kench.cabinet.web.paper import pdf_of
from kench.cabinet.web.rooms.notices import Owning
from kench.cabinet.web.visit import CabinetHere, Entered, VisitHere
from kench.cabinet.words.catalogues import N_
from kench.cabinet.words.languages import language_of

TABS.append(Tab("connection", N_("Connection")))
WORKER_SHOWN = "rig-01"

room = APIRouter()


@room.get("/p/{participant_id}/connection")
def show(request: Request, cabinet: CabinetHere, visit: VisitHere, acts: Acting) -> Response:
    """Show how machines are connected; never a token."""
    with cabinet.engine.connect() as db:
        values = _values(db, cabinet, acts)
    return render_room(request, visit, acts, "registration/connection.html", token=None, **values)


@room.post("/p/{participant_id}/connection/token")
def renew_token(
    request: Request, cabinet: CabinetHere, visit: VisitHere, login: Entered, acts: Owning
) -> Response:
    """Make a token and show it this once; sessions under the former one end."""
    with cabinet.engine.begin() as db:
        if state_of(db, acts.participant_id) not in {
            ParticipantState.REGISTERED, ParticipantState.SUSPENDED,
        }:  # fmt: skip
            raise HTTPException(404)
        token = make_token(
            db, acts.participant_id, login.person.id,
            now_us=visit.now_us, random_bytes=cabinet.random_bytes,
        )  # fmt: skip
        keep_trail(
            db,
            TrailEntry(
                visit.now_us, "token", DONE, subject=f"participant {acts.participant_id}",
                address=visit.address, person_id=login.person.id, login_id=login.id,
            ),
        )  # fmt: skip
        values = _values(db, cabinet, acts)
    return render_room(request, visit, acts, "registration/connection.html", token=token, **values)


@room.get("/p/{participant_id}/connection.pdf")
def get_pdf(
    request: Request, cabinet: CabinetHere, visit: VisitHere, acts: Acting, language: str = ""
) -> Response:
    """Hand out the instructions on paper, without any token."""
    chosen = language_of(language) or visit.language
    with cabinet.engine.connect() as db:
        values = _values(db, cabinet, acts)
    named = {"acting": acts, "lang": chosen.value, **values}
    html = page_text(request, chosen, "registration/instructions.html", named)
    name = f"kench-{acts.participant_id}-{chosen.value}.pdf"
    return file_response(pdf_of(html), name, "application/pdf")


def _values(db: sa.Connection, cabinet: Cabinet, acts: ActsFor) -> dict[str, Any]:
    settings = cabinet.settings
    entry = current_entry(db, acts.participant_id)
    plans = list(settings.all_doors)
    return {
        "login_name": f"{acts.participant_id}.{WORKER_SHOWN}",
        "has_token": has_token(db, acts.participant_id),
        "is_owner": acts.role is PeopleRole.OWNER,
        "entrances": entrances_of(plans, settings.cabinet_miners_host),
        "advice": advice_of(entry.entry.equipment, plans[0].shares_per_minute) if entry else [],
        "firmwares": FIRMWARES,
    }
