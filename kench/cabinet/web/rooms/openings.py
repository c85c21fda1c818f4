"""Which officers opened a participant's papers and when: its owners see it."""

from typing import Annotated

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from kench.cabinet.desk.searching import PAGE, Place, openings_of, place_of
from kench.cabinet.registration.cases import case_of_participant
from kench.cabinet.web.acting import TABS, Acting, render_room
from kench.cabinet.web.tabs import Tab
from kench.cabinet.web.visit import CabinetHere, VisitHere
from kench.cabinet.words.catalogues import N_

TABS.append(Tab("openings", N_("Who opened")))
KINDS = {
    "applications": N_("application"), "notices": N_("notice"), "messages": N_("message"),
    "participants": N_("entry in the register"), "register": N_("entry in the register"),
    "reports": N_("report"), "inspections": N_("inspection"), "decisions": N_("decision"),
    "income": N_("records of income"),
}  # fmt: skip
PARTS = {"messages": N_("messages"), "dossier.zip": N_("dossier"), "documents": N_("document"),
         "suspension": N_("suspension")}  # fmt: skip

room = APIRouter()


@room.get("/p/{participant_id}/openings")
def show_openings(
    request: Request,
    cabinet: CabinetHere,
    visit: VisitHere,
    acting: Acting,
    before: Annotated[str, Query(max_length=40)] = "",
) -> Response:
    """List what officers opened, newest first."""
    with cabinet.reading.connect() as db:
        case = case_of_participant(db, acting.participant_id)
        numbers = [case.id] if case else []
        place = Place.read(before)
        lines = openings_of(db, acting.participant_id, numbers, place, PAGE + 1)
    return render_room(
        request, visit, acting, "participant/openings.html",
        lines=[(line, what_of(line.path)) for line in lines[:PAGE]], is_first=place is None,
        following=place_of(lines[PAGE - 1]).text() if len(lines) > PAGE else None,
    )  # fmt: skip


def what_of(path: str) -> list[str]:
    """Return what an address of the desk shows: words to be translated, and numbers."""
    words = path.split("/")[2:]
    kind = KINDS.get(words[0]) if words else None
    if kind is None:
        return [path]
    said = [kind]
    if words[0] == "income":
        return [kind]
    if words[0] == "register" and words[1:2] == ["extracts"]:
        return [N_("extract"), words[2].partition(".")[0]]
    if words[0] not in {"participants", "register"} and len(words) > 1:
        said.append(words[1])
    if len(words) > 2 and words[2] in PARTS:
        said.append(PARTS[words[2]])
    return said
