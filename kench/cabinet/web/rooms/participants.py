"""The participants that a person acts for, and applications; of only one, its dashboard."""

from fastapi import APIRouter, Request
from starlette.responses import Response

from kench.cabinet.login.people import PeopleRole, acts_for
from kench.cabinet.registration.cases import cases_of
from kench.cabinet.web.pages import go, render
from kench.cabinet.web.rooms.applications import STATES as CASE_STATES
from kench.cabinet.web.visit import CabinetHere, Entered, VisitHere
from kench.cabinet.words.catalogues import N_
from kench.pool.register import State

ROLES = {
    PeopleRole.OWNER: N_("owner"),
    PeopleRole.ACCOUNTANT: N_("accountant"),
    PeopleRole.TECHNICIAN: N_("technician"),
}
STATES = {
    State.ACTIVE: N_("may mine"),
    State.SUSPENDED: N_("suspended"),
    State.REMOVED: N_("no longer in the register"),
}

room = APIRouter()


@room.get("/p")
def list_mine(request: Request, visit: VisitHere, login: Entered, cabinet: CabinetHere) -> Response:
    """Show them."""
    with cabinet.engine.connect() as db:
        mine = acts_for(db, login.person.pin)
        cases = cases_of(db, login.person.id)
    if len(mine) == 1:
        return go(f"/p/{mine[0].participant_id}/")
    return render(
        request, visit, "participant/list.html", participants=mine, roles=ROLES, states=STATES,
        cases=cases, case_states=CASE_STATES, waiting=any(case.is_open for case in cases),
    )  # fmt: skip
