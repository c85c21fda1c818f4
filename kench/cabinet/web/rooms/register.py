"""The Electronic Register at the desk: search, an entry with its history, signed extracts."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated
from urllib.parse import urlencode

import sqlalchemy as sa
from fastapi import APIRouter, Query, Request
from starlette.exceptions import HTTPException
from starlette.responses import Response

from kench.cabinet.measures.decisions import decisions_of
from kench.cabinet.registration.application import APPLICANT_KINDS
from kench.cabinet.registration.equipment import HOLDINGS, total_of
from kench.cabinet.registration.fields import day_of
from kench.cabinet.registration.gaps import Gap
from kench.cabinet.registration.membership import current_entry, history_of, state_of
from kench.cabinet.registration.regions import REGIONS, Region
from kench.cabinet.registration.states import PARTICIPANT_STATES, ParticipantState
from kench.cabinet.registry.extracts import (
    extract_body,
    extracts_of,
    make_extract,
    moment_for,
    read_extract,
    waiting_request,
    waiting_requests,
)
from kench.cabinet.registry.history import FIRST, steps_of
from kench.cabinet.registry.search import PAGE, Wanted, search
from kench.cabinet.registry.words import TYPED_MAX, Where
from kench.cabinet.signing.wording import SYSTEM, TITLES, Purpose
from kench.cabinet.web.asking import ask_signature
from kench.cabinet.web.desk_tabs import DESK_TABS
from kench.cabinet.web.downloads import file_response
from kench.cabinet.web.extract_files import Signed, enclosed_in, json_of, read_signed
from kench.cabinet.web.forms import Posted, text_of
from kench.cabinet.web.known import participant_name
from kench.cabinet.web.making import Turn
from kench.cabinet.web.pages import page_text, render
from kench.cabinet.web.paper import pdf_of
from kench.cabinet.web.paths import After, Before, Number
from kench.cabinet.web.said import SAID, Said
from kench.cabinet.web.tabs import Tab
from kench.cabinet.web.visit import CabinetHere, Officer, Registrar, Visit, VisitHere
from kench.cabinet.words.catalogues import N_

SAID["extract_made"] = Said(N_("The extract is signed and kept."))
DESK_TABS.append(Tab("register", N_("Electronic Register")))
UNSTATED = "none"
"""In addresses: the region of entries that state none."""
WHERE_NAMES = {
    Where.NAME: N_("in the name"),
    Where.NUMBER: N_("in numbers: participant, tax, certificate"),
    Where.SITE: N_("in addresses of sites"),
    Where.MODEL: N_("in models of equipment"),
}
Text = Annotated[str, Query(max_length=TYPED_MAX)]

room = APIRouter()


@room.get("/desk/register")
def show_register(  # noqa: PLR0913, PLR0917 - what is looked for
    request: Request,
    cabinet: CabinetHere,
    visit: VisitHere,
    _officer: Officer,
    q: Text = "",
    where: Text = "",
    state: Text = "",
    region: Text = "",
    after: After = 0,
) -> Response:
    """Show what is looked for, in the order of participants' numbers."""
    wanted = wanted_of(q, where, state, region)
    with cabinet.reading.connect() as db:
        found = search(db, wanted, after=after, at_most=PAGE + 1)
    asked = {"q": q, "where": where, "state": state, "region": region}
    return render(
        request, visit, "registry/search.html", found=found[:PAGE], wanted=wanted, asked=asked,
        path="/desk/register?" + urlencode({name: one for name, one in asked.items() if one}),
        following=found[PAGE - 1].participant_id if len(found) > PAGE else None,
        is_first=after == 0, states=PARTICIPANT_STATES, where_names=WHERE_NAMES,
    )  # fmt: skip


@room.get("/desk/register/requests")
def show_requests(
    request: Request, cabinet: CabinetHere, visit: VisitHere, _officer: Officer, after: After = 0
) -> Response:
    """Show which extracts participants wait for."""
    with cabinet.reading.connect() as db:
        waiting = waiting_requests(db, after=after, at_most=PAGE + 1)
    return render(
        request, visit, "registry/requests.html", waiting=waiting[:PAGE], is_first=after == 0,
        following=waiting[PAGE - 1][0].id if len(waiting) > PAGE else None,
    )  # fmt: skip


@room.get("/desk/register/extracts/{number}.{form}")
def give_extract(  # noqa: PLR0913, PLR0917 - who asks for what
    request: Request,
    cabinet: CabinetHere,
    visit: VisitHere,
    _officer: Officer,
    turn: Turn,
    number: Number,
    form: str,
) -> Response:
    """Hand out an extract, as PDF or JSON."""
    with cabinet.reading.connect() as db:
        line = read_extract(db, number)
        if line is None:
            raise HTTPException(404)
        signed = read_signed(db, line)
    with turn:
        return extract_response(request, visit, signed, form)


@room.post("/desk/register/{number}/extract")
def make(  # noqa: PLR0913, PLR0917 - who, where, what
    request: Request,
    cabinet: CabinetHere,
    visit: VisitHere,
    officer: Registrar,
    number: Number,
    form: Posted,
) -> Response:
    """Ask a registrar for the signature of an extract."""
    typed = text_of(form, "day")
    day = day_of(typed)
    with cabinet.engine.begin() as db:
        wanted = waiting_request(db, number) if not typed else None
        extract = None
        if day is not None or not typed:
            moment = moment_for(day, visit.now_us)
            extract = make_extract(
                db, number, moment, visit.now_us, wanted.id if wanted else None
            )  # fmt: skip
        if extract is None:
            gaps = [Gap("day", N_("The register had no entry of this participant on that day"))]
            return entry_page(request, visit, db, number, gaps, typed, status=422)
        body = extract_body(extract, visit.words.gettext)
        subject = f"participant {number}"
        return ask_signature(cabinet, visit, officer, db, Purpose.EXTRACT, subject, body)


@room.get("/desk/register/{number}")
def show_entry(
    request: Request,
    cabinet: CabinetHere,
    visit: VisitHere,
    _officer: Officer,
    number: Number,
    before: Before = FIRST,
) -> Response:
    """Show an entry: what it says now, and what changed it."""
    with cabinet.reading.connect() as db:
        return entry_page(request, visit, db, number, before=before)


def extract_response(request: Request, visit: Visit, signed: Signed, form: str) -> Response:
    """Return an extract as a file; 404 for a form that there is not."""
    if form == "json":
        return file_response(json_of(signed), f"{signed.name}.json", "application/json")
    if form != "pdf":
        raise HTTPException(404)
    language = visit.language
    values = {
        "lang": language.value, "signed": signed, "extract": signed.extract,
        "states": PARTICIPANT_STATES, "kinds": APPLICANT_KINDS, "holdings": HOLDINGS,
        "total": total_of(signed.extract.entry.equipment), "at": datetime.fromisoformat,
        "title": TITLES[Purpose.EXTRACT][language.value], "system": SYSTEM[language.value],
    }  # fmt: skip
    html = page_text(request, language, "registry/extract.html", values)
    pdf = pdf_of(html, enclosed_in(signed), signed.line.at)
    return file_response(pdf, f"{signed.name}.pdf", "application/pdf")


def entry_page(  # noqa: PLR0913, PLR0917 - what the page shows
    request: Request,
    visit: Visit,
    db: sa.Connection,
    number: int,
    gaps: Sequence[Gap] = (),
    typed: str = "",
    *,
    before: int = FIRST,
    status: int = 200,
) -> Response:
    """Return the page of an entry; 404 where the register has none."""
    version = current_entry(db, number)
    if version is None:
        raise HTTPException(404)
    steps = steps_of(db, number, visit.words.gettext, before=before)
    return render(
        request, visit, "registry/entry.html", status=status, number=number,
        name=participant_name(db, number),
        version=version, state=state_of(db, number), history=history_of(db, number),
        steps=steps, older=steps and steps[-1].version.version > 1, states=PARTICIPANT_STATES,
        kinds=APPLICANT_KINDS, holdings=HOLDINGS, total=total_of(version.entry.equipment),
        extracts=extracts_of(db, number), wanted=waiting_request(db, number), gaps=gaps,
        typed=typed, wrong={gap.field for gap in gaps}, words=visit.words.gettext,
        decided={one.act_id: one.id for one in decisions_of(db, number)},
        titles={purpose: title[visit.language.value] for purpose, title in TITLES.items()},
    )  # fmt: skip


def wanted_of(q: str, where: str, state: str, region: str) -> Wanted:
    """Return what an address asks for; what it does not know it leaves out."""
    return Wanted(
        typed=q,
        where=next((one for one in Where if one.name.lower() == where), None),
        state=next((one for one in ParticipantState if one == state), None),
        region=Region.UNSTATED if region == UNSTATED
        else next((one for one in REGIONS if one == region), None),
    )  # fmt: skip
