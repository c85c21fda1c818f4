"""The dossier: everything that was signed, for the participant's owners and for officers."""

from fastapi import APIRouter, Request
from starlette.exceptions import HTTPException
from starlette.responses import Response

from kench.cabinet.cabinet import Cabinet
from kench.cabinet.registration.dossier import acts_of, folder_of, write_dossier
from kench.cabinet.registration.membership import current_entry, state_of
from kench.cabinet.signing.wording import TITLES
from kench.cabinet.web.acting import TABS, render_room
from kench.cabinet.web.downloads import zip_response
from kench.cabinet.web.paths import Number
from kench.cabinet.web.rooms.notices import Owning
from kench.cabinet.web.tabs import Tab
from kench.cabinet.web.visit import CabinetHere, Officer, VisitHere
from kench.cabinet.words.catalogues import N_

TABS.append(Tab("dossier", N_("Documents")))

room = APIRouter()


@room.get("/p/{participant_id}/dossier")
def show(request: Request, cabinet: CabinetHere, visit: VisitHere, acts: Owning) -> Response:
    """Show what the dossier holds."""
    with cabinet.engine.connect() as db:
        signed = acts_of(db, acts.participant_id)
        entry = current_entry(db, acts.participant_id)
    return render_room(
        request, visit, acts, "registration/dossier.html", signed=signed, entry=entry,
        titles={purpose: title[visit.language.value] for purpose, title in TITLES.items()},
        folders={act.id: folder_of(act) for act in signed},
    )  # fmt: skip


@room.get("/p/{participant_id}/dossier.zip")
def get_own(cabinet: CabinetHere, visit: VisitHere, acts: Owning) -> Response:
    """Hand the dossier to an owner."""
    return _zip(cabinet, acts.participant_id, visit.now_us)


@room.get("/desk/participants/{number}/dossier.zip")
def get_any(cabinet: CabinetHere, visit: VisitHere, _officer: Officer, number: Number) -> Response:
    """Hand a participant's dossier to an officer."""
    with cabinet.engine.connect() as db:
        if state_of(db, number) is None:
            raise HTTPException(404)
    return _zip(cabinet, number, visit.now_us)


def _zip(cabinet: Cabinet, participant_id: int, now_us: int) -> Response:
    with cabinet.engine.connect() as db:
        return zip_response(
            lambda file: write_dossier(db, participant_id, file, now_us),
            f"kench-dossier-{participant_id}.zip",
        )
