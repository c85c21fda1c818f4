"""The register of venues: for everybody, and with addresses and figures at the desk."""

from fastapi import APIRouter, Request
from starlette.responses import Response

from kench.cabinet.desk.chain import newest_known_height
from kench.cabinet.desk.venue_register import figures_of, venues_of
from kench.cabinet.web.desk_tabs import DESK_TABS
from kench.cabinet.web.pages import render
from kench.cabinet.web.tabs import Tab
from kench.cabinet.web.visit import CabinetHere, Officer, VisitHere
from kench.cabinet.words.catalogues import N_

DESK_TABS.append(Tab("venues", N_("Register of venues")))

room = APIRouter()


@room.get("/venues")
def show_public(request: Request, cabinet: CabinetHere, visit: VisitHere) -> Response:
    """Show venues and their licences."""
    # Nothing of it is bound to a height but addresses, which are not shown here.
    entries = venues_of(cabinet.orders.book, 0, visit.now_us)
    return render(request, visit, "venues/public.html", entries=entries)


@room.get("/desk/venues")
def show_at_desk(
    request: Request, cabinet: CabinetHere, visit: VisitHere, _officer: Officer
) -> Response:
    """Show all that is known of them."""
    book, tip = cabinet.orders.book, cabinet.chain.tip()
    with cabinet.engine.connect() as db:
        entries = venues_of(book, newest_known_height(db) if tip is None else tip, visit.now_us)
        figures = figures_of(db, [entry.venue for entry in entries])
    return render(request, visit, "venues/desk.html", entries=entries, figures=figures)
