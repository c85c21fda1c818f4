"""The Electronic Register at the desk: search, and an entry with its history."""

from typing import Annotated
from urllib.parse import urlencode

import sqlalchemy as sa
from fastapi import APIRouter, Query, Request
from starlette.exceptions import HTTPException
from starlette.responses import Response

from kench.cabinet.registration.application import APPLICANT_KINDS
from kench.cabinet.registration.equipment import HOLDINGS, total_of
from kench.cabinet.registration.membership import current_entry, history_of, state_of
from kench.cabinet.registration.regions import REGIONS, Region
from kench.cabinet.registration.states import ParticipantState
from kench.cabinet.registry.history import steps_of
from kench.cabinet.registry.search import PAGE, Wanted, search
from kench.cabinet.registry.words import TYPED_MAX, Where
from kench.cabinet.signing.wording import TITLES
from kench.cabinet.web.pages import render
from kench.cabinet.web.paths import Number
from kench.cabinet.web.rooms.notices import PARTICIPANT_STATES
from kench.cabinet.web.visit import CabinetHere, Officer, VisitHere
from kench.cabinet.words.catalogues import N_
from kench.pool.register import ID_MAX, participants

UNSTATED = "none"
"""In addresses: the region of entries that state none."""
WHERE_NAMES = {
    Where.NAME: N_("in the name"),
    Where.NUMBER: N_("in numbers: participant, tax, certificate"),
    Where.SITE: N_("in addresses of sites"),
    Where.MODEL: N_("in models of equipment"),
}
Text = Annotated[str, Query(max_length=TYPED_MAX)]
After = Annotated[int, Query(ge=0, le=ID_MAX)]

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


@room.get("/desk/register/{number}")
def show_entry(
    request: Request, cabinet: CabinetHere, visit: VisitHere, _officer: Officer, number: Number
) -> Response:
    """Show an entry: what it says now, and what changed it."""
    with cabinet.reading.connect() as db:
        return entry_page(request, visit, db, number)


def entry_page(request: Request, visit: VisitHere, db: sa.Connection, number: int) -> Response:
    """Return the page of an entry; 404 where the register has none."""
    version = current_entry(db, number)
    if version is None:
        raise HTTPException(404)
    name = db.execute(sa.select(participants.c.name).where(participants.c.id == number))
    return render(
        request, visit, "registry/entry.html", number=number, name=name.scalar_one(),
        version=version, state=state_of(db, number), history=history_of(db, number),
        steps=steps_of(db, number, visit.words.gettext), states=PARTICIPANT_STATES,
        kinds=APPLICANT_KINDS, holdings=HOLDINGS, total=total_of(version.entry.equipment),
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
