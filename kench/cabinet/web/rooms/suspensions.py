"""Suspensions by the authorised body at the desk: what stands, deciding one, ending it."""

import sqlalchemy as sa
from fastapi import APIRouter, Request
from starlette.exceptions import HTTPException
from starlette.responses import Response

from kench.cabinet.desk.queue import NEAR_DAYS
from kench.cabinet.desk.templates import TemplateKind
from kench.cabinet.inspections.store import inspections_of
from kench.cabinet.measures.decisions import DECISION_KINDS, decisions_of
from kench.cabinet.measures.store import Standing, all_standing, find_ground_gap, standing_of
from kench.cabinet.measures.suspension import (
    FORM_FIELDS,
    SUSPENSION_GROUNDS,
    Lifting,
    Suspension,
    lifting_body,
    read_lifting,
    read_suspension,
    suspension_body,
)
from kench.cabinet.registration.gaps import Gap
from kench.cabinet.registration.membership import state_of
from kench.cabinet.registration.outcomes import calendar_of
from kench.cabinet.registration.states import OPEN_STATES, PARTICIPANT_STATES
from kench.cabinet.signing.wording import Purpose
from kench.cabinet.web.asking import ask_signature
from kench.cabinet.web.desk_tabs import DESK_TABS
from kench.cabinet.web.forms import Posted, text_of
from kench.cabinet.web.known import participant_name
from kench.cabinet.web.pages import render
from kench.cabinet.web.paths import Number
from kench.cabinet.web.picking import picking_of, text_from
from kench.cabinet.web.tabs import Tab
from kench.cabinet.web.visit import CabinetHere, Officer, Registrar, Visit, VisitHere
from kench.cabinet.words.catalogues import N_
from kench.pool.calendar import day_at

SHOWN = 50
DESK_TABS.append(Tab("suspensions", N_("Suspensions")))

room = APIRouter()


@room.get("/desk/suspensions")
def show_standing(
    request: Request, cabinet: CabinetHere, visit: VisitHere, _officer: Officer
) -> Response:
    """List what stands, what ends first first."""
    calendar, today = calendar_of(cabinet, visit.now_us), day_at(visit.now_us)
    with cabinet.reading.connect() as db:
        lines = all_standing(db)
    left = {one.id: calendar.working_days_left(today, one.until) for one in lines if one.until}
    return render(
        request, visit, "measures/suspensions.html", lines=lines, left=left, near=NEAR_DAYS,
        grounds=SUSPENSION_GROUNDS,
    )  # fmt: skip


@room.get("/desk/participants/{number}/suspension")
def show_suspension(
    request: Request, cabinet: CabinetHere, visit: VisitHere, _officer: Officer, number: Number
) -> Response:
    """Show what stands of a participant, what was decided, and the ways to decide."""
    with cabinet.reading.connect() as db:
        name = participant_name(db, number)
        typed: dict[str, str] = {}
        ending = ""
        standing = standing_of(db, number)
        chosen = picking_of(db, request, visit, _template_kind(standing)).chosen
        if chosen is not None:
            text = text_from(visit, chosen, number=number, name=name)
            if standing is None:
                typed = {"reason": text}
            else:
                ending = text
        return _page(request, visit, db, number, typed, ending, [])


@room.post("/desk/participants/{number}/suspension")
def suspend(  # noqa: PLR0913, PLR0917 - who, where, what
    request: Request,
    cabinet: CabinetHere,
    visit: VisitHere,
    officer: Registrar,
    number: Number,
    form: Posted,
) -> Response:
    """Ask the officer for the signature of a suspension."""
    typed = {name: text_of(form, name) for name in FORM_FIELDS}
    with cabinet.engine.begin() as db:
        name = participant_name(db, number)
        if state_of(db, number) not in OPEN_STATES:
            raise HTTPException(404)
        standing = standing_of(db, number)
        read = read_suspension(
            number, typed, today=day_at(visit.now_us),
            instead_of=standing.id if standing else None,
            in_force=standing is not None and standing.in_force,
        )  # fmt: skip
        if isinstance(read, Suspension) and (gap := find_ground_gap(db, read)):
            read = [gap]
        if not isinstance(read, Suspension):
            return _page(request, visit, db, number, typed, "", read, status=422)
        body = suspension_body(read, name, visit.words.gettext)
        return ask_signature(
            cabinet, visit, officer, db, Purpose.SUSPENSION, f"participant {number}", body
        )


@room.post("/desk/participants/{number}/suspension/end")
def end(  # noqa: PLR0913, PLR0917 - who, where, what
    request: Request,
    cabinet: CabinetHere,
    visit: VisitHere,
    officer: Registrar,
    number: Number,
    form: Posted,
) -> Response:
    """Ask the officer for the signature of what ends a suspension."""
    typed = text_of(form, "reason")
    with cabinet.engine.begin() as db:
        name, standing = participant_name(db, number), standing_of(db, number)
        if standing is None:
            raise HTTPException(404)
        read = read_lifting(number, standing.id, {"reason": typed})
        if not isinstance(read, Lifting):
            gaps = [Gap("end_reason", gap.text) for gap in read]
            return _page(request, visit, db, number, {}, typed, gaps, status=422)
        body = lifting_body(read, name, visit.words.gettext)
        return ask_signature(
            cabinet, visit, officer, db, Purpose.LIFTING, f"participant {number}", body
        )


def _page(  # noqa: PLR0913, PLR0917 - what the page shows
    request: Request,
    visit: Visit,
    db: sa.Connection,
    number: int,
    typed: dict[str, str],
    ending: str,
    gaps: list[Gap],
    status: int = 200,
) -> Response:
    state, standing = state_of(db, number), standing_of(db, number)
    return render(
        request, visit, "measures/suspension.html", status=status, number=number,
        name=participant_name(db, number), state=state, states=PARTICIPANT_STATES,
        standing=standing,
        is_open=state in OPEN_STATES, typed=typed, ending=ending, gaps=gaps,
        wrong={gap.field for gap in gaps}, words=visit.words.gettext, grounds=SUSPENSION_GROUNDS,
        picking=picking_of(db, request, visit, _template_kind(standing)), kinds=DECISION_KINDS,
        decisions=decisions_of(db, number, at_most=SHOWN),
        inspections=inspections_of(db, number, SHOWN),
    )  # fmt: skip


def _template_kind(standing: Standing | None) -> TemplateKind:
    """What is to be written next: the end of what stands, or a first decision."""
    return TemplateKind.LIFTING if standing else TemplateKind.SUSPENSION
