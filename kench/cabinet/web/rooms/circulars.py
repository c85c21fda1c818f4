"""Circulars: written and signed at the desk, opened by each participant they went to."""

import sqlalchemy as sa
from fastapi import APIRouter, Request
from starlette.exceptions import HTTPException
from starlette.responses import Response

from kench.cabinet.desk.templates import TemplateKind
from kench.cabinet.messages.circulars import (
    FIRST,
    STATES,
    Circular,
    all_circulars,
    circular_body,
    count_recipients,
    mark_circular_read,
    own_circular,
    read_circular,
    read_line,
    recipients_of,
    text_of_circular,
    told_of,
)
from kench.cabinet.registration.gaps import Gap
from kench.cabinet.registration.states import PARTICIPANT_STATES
from kench.cabinet.signing.wording import Purpose
from kench.cabinet.web.acting import Acting, render_room
from kench.cabinet.web.asking import ask_signature
from kench.cabinet.web.desk_tabs import DESK_TABS
from kench.cabinet.web.forms import Posted, text_of
from kench.cabinet.web.pages import render
from kench.cabinet.web.paths import After, Before, Number
from kench.cabinet.web.picking import picking_of, text_from
from kench.cabinet.web.said import SAID, Said
from kench.cabinet.web.tabs import Tab
from kench.cabinet.web.visit import CabinetHere, Entered, Officer, Registrar, Visit, VisitHere
from kench.cabinet.words.catalogues import N_

SHOWN = 50
FIELDS = ("title", "text", "state", "region")
SAID["circular_sent"] = Said(
    N_("The circular is signed and in the cabinets. Letters go out by and by.")
)
DESK_TABS.append(Tab("circulars", N_("Circulars")))

room = APIRouter()


@room.get("/desk/circulars")
def show_circulars(
    request: Request,
    cabinet: CabinetHere,
    visit: VisitHere,
    _officer: Officer,
    before: Before = FIRST,
) -> Response:
    """List them, and offer to write one."""
    typed = {}
    with cabinet.reading.connect() as db:
        chosen = picking_of(db, request, visit, TemplateKind.CIRCULAR).chosen
        if chosen is not None:
            # It goes to many: it names nobody.
            text = text_from(visit, chosen, number="", name="")
            typed = {"title": chosen.title, "text": text}
        return _desk_page(request, visit, db, typed, [], before)


@room.post("/desk/circulars")
def write(
    request: Request, cabinet: CabinetHere, visit: VisitHere, officer: Registrar, form: Posted
) -> Response:
    """Ask the officer for the signature of a circular."""
    typed = {name: text_of(form, name) for name in FIELDS}
    with cabinet.engine.begin() as db:
        read = read_circular(typed)
        if isinstance(read, Circular) and not count_recipients(db, read):
            read = [Gap("state", N_("There is no participant whom this would reach."))]
        if not isinstance(read, Circular):
            return _desk_page(request, visit, db, typed, read, FIRST, status=422)
        body = circular_body(read, visit.words.gettext)
        return ask_signature(cabinet, visit, officer, db, Purpose.CIRCULAR, "circular", body)


@room.get("/desk/circulars/{number}")
def show_circular(
    request: Request,
    cabinet: CabinetHere,
    visit: VisitHere,
    _officer: Officer,
    number: Number,
    after: After = 0,
) -> Response:
    """Show one whole: whom it went to, who has opened it."""
    with cabinet.reading.connect() as db:
        line = read_line(db, number)
        if line is None:
            raise HTTPException(404)
        recipients = recipients_of(db, number, after=after, at_most=SHOWN + 1)
        return render(
            request, visit, "messages/desk_circular.html", line=line, told=told_of(db, number),
            text=text_of_circular(db, line), recipients=recipients[:SHOWN], is_first=after == 0,
            following=recipients[SHOWN - 1].participant_id if len(recipients) > SHOWN else None,
            states=PARTICIPANT_STATES,
        )  # fmt: skip


@room.get("/p/{participant_id}/messages/circulars/{number}")
def open_circular(  # noqa: PLR0913, PLR0917 - who, where, what
    request: Request,
    cabinet: CabinetHere,
    visit: VisitHere,
    login: Entered,
    acts: Acting,
    number: Number,
) -> Response:
    """Show one to a participant, and keep that this person has opened it."""
    whose, person_id = acts.participant_id, login.person.id
    with cabinet.engine.begin() as db:
        line = own_circular(db, number, whose, person_id)
        if line is None:
            raise HTTPException(404)
        mark_circular_read(db, number, whose, person_id, visit.now_us)
        request.state.unread -= not line.read
        return render_room(
            request, visit, acts, "messages/circular.html", line=line,
            text=text_of_circular(db, line),
        )  # fmt: skip


def _desk_page(  # noqa: PLR0913, PLR0917 - what the page shows
    request: Request,
    visit: Visit,
    db: sa.Connection,
    typed: dict[str, str],
    gaps: list[Gap],
    before: int,
    status: int = 200,
) -> Response:
    lines = all_circulars(db, before=before, at_most=SHOWN + 1)
    return render(
        request, visit, "messages/desk_circulars.html", status=status, lines=lines[:SHOWN],
        older=lines[SHOWN - 1].id if len(lines) > SHOWN else None, typed=typed, gaps=gaps,
        wrong={gap.field for gap in gaps}, words=visit.words.gettext, states=PARTICIPANT_STATES,
        offered=tuple(STATES), picking=picking_of(db, request, visit, TemplateKind.CIRCULAR),
    )  # fmt: skip
