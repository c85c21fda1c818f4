"""Income records that the tax service did not take, and what an officer says was done."""

from typing import Annotated

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from kench.cabinet.desk.rejections import (
    NOTE_MAX,
    count_waiting,
    note_rejection,
    noted_rejections,
    waiting_rejections,
)
from kench.cabinet.login.trail import DONE, TrailEntry, keep_trail
from kench.cabinet.registration.fields import paragraphs_of
from kench.cabinet.registration.gaps import Gap
from kench.cabinet.web.forms import Posted, text_of
from kench.cabinet.web.pages import go, render
from kench.cabinet.web.paths import Number
from kench.cabinet.web.said import SAID, Said
from kench.cabinet.web.visit import CabinetHere, Officer, Visit, VisitHere
from kench.cabinet.words.catalogues import N_

PAGE = 25
NOTED = 25
HERE = "/desk/income/rejections"
SAY_WHAT = N_("Say what was done, in 1000 characters at most")
SAID["rejection_noted"] = Said(N_("It is kept what was done about the record."))
SAID["rejection_gone"] = Said(N_("Something was said about that record before."), good=False)
After = Annotated[int, Query(ge=0, lt=2**63)]

room = APIRouter()


@room.get(HERE)
def show_rejections(
    request: Request, cabinet: CabinetHere, visit: VisitHere, _officer: Officer, after: After = 0
) -> Response:
    """Show a page of those that wait, and the last about which something was said."""
    return _page(request, cabinet, visit, after)


@room.post(HERE + "/{number}")
def note(  # noqa: PLR0913, PLR0917 - who, where, what
    request: Request,
    cabinet: CabinetHere,
    visit: VisitHere,
    officer: Officer,
    number: Number,
    form: Posted,
) -> Response:
    """Keep what was done about one."""
    typed = text_of(form, "note")
    said = paragraphs_of(typed, NOTE_MAX)
    if said is None:
        return _page(request, cabinet, visit, number - 1, wrong=number, typed=typed, status=422)
    with cabinet.engine.begin() as db:
        doc_ref = note_rejection(db, number, said, officer.person.id, visit.now_us)
        if doc_ref is not None:
            entry = TrailEntry(
                visit.now_us, "note_rejection", DONE, doc_ref, visit.address,
                person_id=officer.person.id, login_id=officer.id,
            )  # fmt: skip
            keep_trail(db, entry)
    return go(HERE, "rejection_noted" if doc_ref is not None else "rejection_gone")


def _page(  # noqa: PLR0913 - what the page shows
    request: Request,
    cabinet: CabinetHere,
    visit: Visit,
    after: int,
    *,
    wrong: int | None = None,
    typed: str = "",
    status: int = 200,
) -> Response:
    with cabinet.reading.connect() as db:
        waiting = waiting_rejections(db, after=after, at_most=PAGE + 1)
        count, noted = count_waiting(db), noted_rejections(db, NOTED)
    return render(
        request, visit, "desk/rejections.html", waiting=waiting[:PAGE], noted=noted, count=count,
        wrong=wrong, typed=typed, is_first=after == 0, status=status,
        gaps=[Gap(f"note-{wrong}", SAY_WHAT)] if wrong else [], words=visit.words.gettext,
        following=waiting[PAGE - 1].id if len(waiting) > PAGE else None,
    )  # fmt: skip
