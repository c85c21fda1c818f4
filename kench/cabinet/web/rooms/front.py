"""The front page: what this is, how the pool does, the way in."""

from fastapi import APIRouter, Request
from starlette.responses import RedirectResponse, Response

from kench.cabinet.cabinet import Cabinet
from kench.cabinet.numbers.kept import Kept
from kench.cabinet.numbers.public import PublicNumbers, read_public
from kench.cabinet.web.pages import Pages, render
from kench.cabinet.web.visit import VisitHere

KEPT_S = 5.0

room = APIRouter()


@room.get("/")
def show_front(request: Request, visit: VisitHere) -> Response:
    """Show the page."""
    kept: Kept[PublicNumbers] = request.app.state.public
    return render(request, visit, "front.html", numbers=kept.value())


@room.get("/favicon.ico")
def show_icon(request: Request) -> Response:
    """Lead browsers to the icon, where they ask for it by its old name."""
    pages: Pages = request.app.state.pages
    return RedirectResponse(pages.assets.url("icon.svg"), 301)


def keep_public(cabinet: Cabinet) -> Kept[PublicNumbers]:
    """Return the public numbers, read by one visitor for all of the next seconds."""

    def read() -> PublicNumbers:
        with cabinet.engine.connect() as db:
            return read_public(db)

    return Kept(read, cabinet.clock, KEPT_S)
