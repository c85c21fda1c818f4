"""For which participant somebody acts: to all others its pages do not exist.

@room.get("/p/{participant_id}/workers")
def show(request: Request, visit: VisitHere, acting: Acting) -> Response:
    return render_room(request, visit, acting, "participant/workers.html", …)

Pages extend `participant/room.html`. What a role may enter is in `kench.cabinet.web.rights`;
`acting_as(PeopleRole.OWNER, …)` asks for a role besides.
"""

from collections.abc import Callable
from typing import Annotated, Any

from fastapi import Depends, Request
from starlette.exceptions import HTTPException
from starlette.responses import Response

from kench.cabinet.login.people import ActsFor, PeopleRole, acting_for
from kench.cabinet.measures.decisions import newest_decision
from kench.cabinet.messages.store import count_unread
from kench.cabinet.web.pages import render
from kench.cabinet.web.rights import MONEY, OWNER, RIGHTS, roles_for, word_of
from kench.cabinet.web.tabs import Tab, TabGroup
from kench.cabinet.web.visit import CabinetHere, Entered, Visit
from kench.cabinet.words.catalogues import N_
from kench.pool.register import ID_MAX, State

MONEY_ROLES = MONEY
"""Who sees what a participant earns, where a page of everybody's shows some of it."""


TABS = [
    Tab("", N_("Dashboard")),
    Tab("workers", N_("Workers")),
    Tab("equipment", N_("Equipment")),
    Tab("earnings", N_("Earnings")),
    Tab("payouts", N_("Payouts")),
    Tab("statements", N_("Statements")),
    Tab("income", N_("Income for the tax service")),
]
"""All rooms that have a page of their own in the navigation."""

NOT_ACTIVE = {
    State.SUSPENDED: N_(
        "Suspended: no machine of this participant is let in. What was earned is paid out as ever."
    ),
    State.REMOVED: N_(
        "No longer in the register: no machine is let in. What was earned, signed and paid out "
        "stays here."
    ),
}
"""What every room says of a participant that may not mine."""

GROUPS = (
    (N_("Mining"), ("", "workers", "equipment", "connection", "tokens", "alerts")),
    (N_("Money"), ("earnings", "payouts", "statements", "income")),
    (N_("Participant"), ()),
)
"""How the navigation has them; those that are named nowhere stand in the last group."""
INSIDE = {"blocks": "earnings", "groups": "workers"}
"""Pages that belong to a room with another address."""


def acting(request: Request, participant_id: int, login: Entered, cabinet: CabinetHere) -> ActsFor:
    """Return as what the person acts for the participant; 404 where there is no right to be."""
    found = None
    if 0 < participant_id <= ID_MAX:
        with cabinet.reading.connect() as db:
            found = acting_for(db, login.person.pin, participant_id)
            request.state.unread = count_unread(db, participant_id, login.person.id) if found else 0
            halted = found is not None and found.state != State.ACTIVE
            request.state.decided = newest_decision(db, participant_id) if halted else None
    if found is None or found.role not in roles_for(request.url.path):
        raise HTTPException(404)
    return found


Acting = Annotated[ActsFor, Depends(acting)]


def acting_as(*roles: PeopleRole) -> Callable[[ActsFor], ActsFor]:
    """Return a dependency that gives the same to people of these roles; 404 to others."""

    def acting_in_role(found: Acting) -> ActsFor:
        if found.role not in roles:
            raise HTTPException(404)
        return found

    return acting_in_role


def render_room(
    request: Request,
    visit: Visit,
    acting: ActsFor,
    name: str,
    /,
    *,
    status: int = 200,
    **values: Any,
) -> Response:
    """Return a page of a participant's room."""
    word = word_of(request.url.path)
    here = INSIDE.get(word, word)
    return render(
        request, visit, name, status=status, acting=acting, here=here,
        here_title=next((tab.title for tab in TABS if tab.path == here), TABS[0].title),
        tab_groups=tab_groups_for(acting.role), unread=request.state.unread,
        not_active=NOT_ACTIVE.get(State(acting.state)), decided=request.state.decided, **values,
    )  # fmt: skip


def tab_groups_for(role: PeopleRole) -> list[TabGroup]:
    """Return the rooms that a role may enter, by group, each in the order that is told here."""
    tabs = {tab.path: tab for tab in TABS if role in RIGHTS.get(tab.path, OWNER)}
    groups = [
        TabGroup(title, [tabs.pop(path) for path in paths if path in tabs])
        for title, paths in GROUPS
    ]
    groups[-1].tabs.extend(tabs.values())
    return [group for group in groups if group.tabs]
