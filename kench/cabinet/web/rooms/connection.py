"""Connecting machines: login, addresses, steps; as a page and as a PDF."""

from typing import Any

import sqlalchemy as sa
from fastapi import APIRouter, Request
from starlette.responses import Response

from kench.cabinet.cabinet import Cabinet
from kench.cabinet.login.people import ActsFor
from kench.cabinet.registration.instructions import (
    FIRMWARES,
    WORKER_SHOWN,
    advice_of,
    entrances_of,
)
from kench.cabinet.registration.membership import current_entry
from kench.cabinet.web.acting import TABS, Acting, render_room
from kench.cabinet.web.downloads import file_response
from kench.cabinet.web.pages import page_text
from kench.cabinet.web.paper import pdf_of
from kench.cabinet.web.rights import roles_for
from kench.cabinet.web.tabs import Tab
from kench.cabinet.web.visit import CabinetHere, VisitHere
from kench.cabinet.words.catalogues import N_
from kench.cabinet.words.languages import language_of
from kench.pool.tokens import has_token

TABS += [Tab("connection", N_("Connection")), Tab("tokens", N_("Tokens"))]

room = APIRouter()


@room.get("/p/{participant_id}/connection")
def show(request: Request, cabinet: CabinetHere, visit: VisitHere, acts: Acting) -> Response:
    """Show how machines are connected; never a token."""
    with cabinet.engine.connect() as db:
        values = _values(db, cabinet, acts)
    return render_room(request, visit, acts, "registration/connection.html", **values)


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
        "may_make_tokens": acts.role in roles_for(f"/p/{acts.participant_id}/tokens"),
        "entrances": entrances_of(plans, settings.cabinet_miners_host),
        "advice": advice_of(
            acts.participant_id, entry.entry.equipment if entry else (), plans[0].shares_per_minute
        ),
        "firmwares": FIRMWARES,
    }
