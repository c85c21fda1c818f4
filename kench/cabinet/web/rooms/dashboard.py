"""A participant's dashboard: how its workers do now and did before, and what that earned."""

from fastapi import APIRouter, Request
from starlette.responses import Response

from kench.cabinet.numbers.live import read_live
from kench.cabinet.web.acting import Acting, render_room
from kench.cabinet.web.visit import CabinetHere, VisitHere

room = APIRouter()


@room.get("/p/{participant_id}/")
def show_dashboard(
    request: Request, visit: VisitHere, cabinet: CabinetHere, acting: Acting
) -> Response:
    """Show it."""
    participant_id = acting.participant_id
    with cabinet.engine.connect() as db:
        live = read_live(db, [participant_id], visit.now_us)[participant_id]
    return render_room(request, visit, acting, "participant/dashboard.html", live=live)
