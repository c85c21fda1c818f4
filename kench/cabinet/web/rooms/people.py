"""The people of a participant: its owner lets others act for it, by personal number."""

from typing import Annotated

from fastapi import APIRouter, Depends, Request
from starlette.responses import Response

from kench.cabinet.login.people import (
    ActsFor,
    PeopleRefusal,
    PeopleRole,
    acting_for,
    add_person,
    end_person,
    people_of,
)
from kench.cabinet.login.trail import DONE, TrailEntry, keep_trail
from kench.cabinet.web.acting import TABS, Acting, acting_as, render_room
from kench.cabinet.web.forms import Posted, text_of
from kench.cabinet.web.pages import go
from kench.cabinet.web.said import SAID, Said
from kench.cabinet.web.tabs import Tab
from kench.cabinet.web.visit import CabinetHere, Entered, VisitHere
from kench.cabinet.words.catalogues import N_
from kench.pool.signature.pin import InvalidPinError

ROLES = {
    PeopleRole.OWNER: N_("owner"),
    PeopleRole.ACCOUNTANT: N_("accountant"),
    PeopleRole.TECHNICIAN: N_("technician"),
}
SAID["person_added"] = Said(N_("This person may act for the participant now."))
SAID["person_ended"] = Said(N_("This person acts for the participant no more."))
SAID["pin_wrong"] = Said(
    N_("This is no personal number: it has 14 digits, with the day of birth in it."), good=False
)
SAID["role_wrong"] = Said(N_("Choose what the person may do."), good=False)
SAID[f"person_{PeopleRefusal.ALREADY}"] = Said(N_("This person acts for it already."), good=False)
SAID[f"person_{PeopleRefusal.LIMIT}"] = Said(
    N_("No more people can act for one participant."), good=False
)
SAID[f"person_{PeopleRefusal.UNKNOWN}"] = Said(N_("There is no such person here."), good=False)
SAID[f"person_{PeopleRefusal.LAST_OWNER}"] = Said(
    N_("A participant has one owner at least: add another first."), good=False
)

TABS.append(Tab("people", N_("People")))
Owning = Annotated[ActsFor, Depends(acting_as(PeopleRole.OWNER))]

room = APIRouter()


@room.get("/p/{participant_id}/people")
def show_people(request: Request, cabinet: CabinetHere, visit: VisitHere, acts: Acting) -> Response:
    """Show who acts for the participant."""
    with cabinet.engine.connect() as db:
        people = people_of(db, acts.participant_id)
    return render_room(
        request,
        visit,
        acts,
        "participant/people.html",
        people=people,
        roles=ROLES,
        is_owner=acts.role is PeopleRole.OWNER,
    )


@room.post("/p/{participant_id}/people")
def add(
    cabinet: CabinetHere, visit: VisitHere, login: Entered, acts: Owning, form: Posted
) -> Response:
    """Let somebody act for it."""
    page, pin = f"/p/{acts.participant_id}/people", text_of(form, "pin")
    try:
        role = PeopleRole(text_of(form, "role"))
    except ValueError:
        return go(page, "role_wrong")
    try:
        with cabinet.engine.begin() as db:
            refusal = add_person(
                db, acts.participant_id, pin, role, added_by=login.person.id, now_us=visit.now_us
            )
            keep_trail(db, TrailEntry(
                visit.now_us, "add_person", refusal or DONE,
                f"participant {acts.participant_id} {pin} {role}",
                visit.address, person_id=login.person.id, login_id=login.id,
            ))  # fmt: skip
    except InvalidPinError:
        return go(page, "pin_wrong")
    return go(page, f"person_{refusal}" if refusal else "person_added")


@room.post("/p/{participant_id}/people/{entry_id}/end")
def end(
    cabinet: CabinetHere, visit: VisitHere, login: Entered, acts: Owning, entry_id: int
) -> Response:
    """Let a person act for it no more."""
    with cabinet.engine.begin() as db:
        refusal = end_person(
            db, acts.participant_id, entry_id, ended_by=login.person.id, now_us=visit.now_us
        )
        keep_trail(db, TrailEntry(
            visit.now_us, "end_person", refusal or DONE,
            f"participant {acts.participant_id} {entry_id}",
            visit.address, person_id=login.person.id, login_id=login.id,
        ))  # fmt: skip
        mine = acting_for(db, login.person.pin, acts.participant_id)
    # Whoever ends the own acting has no page there any more.
    page = f"/p/{acts.participant_id}/people" if mine else "/account"
    return go(page, f"person_{refusal}" if refusal else "person_ended")
