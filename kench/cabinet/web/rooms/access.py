"""Who else may see a participant's numbers: links for watchers, keys for programs; its owner's."""

from typing import Annotated

from fastapi import APIRouter, Depends, Request
from starlette.exceptions import HTTPException
from starlette.responses import Response

from kench.cabinet.access.grants import (
    DAYS,
    NAME_MAX,
    GrantRefusal,
    Kind,
    Scope,
    end_grant,
    grants_of,
    make_grant,
)
from kench.cabinet.login.people import ActsFor, PeopleRole
from kench.cabinet.login.trail import DONE, TrailEntry, keep_trail
from kench.cabinet.web.acting import TABS, acting_as, render_room
from kench.cabinet.web.forms import Posted, text_of
from kench.cabinet.web.pages import go
from kench.cabinet.web.said import SAID, Said
from kench.cabinet.web.tabs import Tab
from kench.cabinet.web.visit import CabinetHere, Entered, VisitHere
from kench.cabinet.words.catalogues import N_
from kench.pool.register import ID_MAX

DESCRIPTION = "/api/v1/openapi.json"
SCOPES = {
    Scope.HASHRATE: N_("hashrate, shares and how many workers"),
    Scope.WORKERS: N_("each worker by its name"),
    Scope.EARNINGS: N_("earnings"),
}
KINDS = {Kind.LINK: N_("Link for watchers"), Kind.KEY: N_("Key for programs")}
TABS.append(Tab("access", N_("Access")))
SAID["grant_ended"] = Said(N_("It opens nothing any more."))
SAID["grant_gone"] = Said(N_("It had ended before."), good=False)
SAID[f"grant_{GrantRefusal.NAME}"] = Said(
    N_("Give it a name of at most 60 letters, by which you know it again."), good=False
)
SAID[f"grant_{GrantRefusal.SCOPES}"] = Said(N_("Choose what it shows."), good=False)
SAID[f"grant_{GrantRefusal.DAYS}"] = Said(N_("Choose for how long it is good."), good=False)
SAID[f"grant_{GrantRefusal.LIMIT}"] = Said(
    N_("There are as many as one participant may have: end one first."), good=False
)

room = APIRouter()
Owner = Annotated[ActsFor, Depends(acting_as(PeopleRole.OWNER))]


@room.get("/p/{participant_id}/access")
def show_access(
    request: Request, cabinet: CabinetHere, visit: VisitHere, acting: Owner
) -> Response:
    """Show links and keys, and how to make one."""
    with cabinet.engine.connect() as db:
        lines = grants_of(db, acting.participant_id)
    return render_room(
        request, visit, acting, "participant/access.html",
        lines=lines, scopes=SCOPES, kinds=KINDS, days=DAYS, name_max=NAME_MAX,
        description=DESCRIPTION,
    )  # fmt: skip


@room.post("/p/{participant_id}/access")
def make(  # noqa: PLR0913, PLR0917 - what FastAPI hands over
    request: Request,
    cabinet: CabinetHere,
    visit: VisitHere,
    login: Entered,
    acting: Owner,
    form: Posted,
) -> Response:
    """Make one, and show its secret this once."""
    page, days = f"/p/{acting.participant_id}/access", text_of(form, "days")
    try:
        kind = Kind(text_of(form, "kind"))
    except ValueError as error:
        raise HTTPException(400) from error
    scopes = [scope for scope in form.getlist("scopes") if isinstance(scope, str)]
    name = text_of(form, "name")
    with cabinet.engine.begin() as db:
        made = make_grant(
            db,
            acting.participant_id,
            kind,
            name,
            scopes,
            int(days) if days.isascii() and days.isdigit() and len(days) < 4 else 0,
            made_by=login.person.id,
            now_us=visit.now_us,
            random_bytes=cabinet.random_bytes,
        )
        outcome = made if isinstance(made, GrantRefusal) else DONE
        keep_trail(db, TrailEntry(
            visit.now_us, f"make_{kind}", outcome, f"participant {acting.participant_id}",
            visit.address, f"{name} {' '.join(scopes)} {days}", login.person.id, login.id,
        ))  # fmt: skip
    if isinstance(made, GrantRefusal):
        return go(page, f"grant_{made}")
    origin = cabinet.settings.cabinet_origin
    return render_room(
        request, visit, acting, "participant/access_made.html",
        kind=kind, name=name, example=f'curl -H "X-API-Key: …" {origin}/api/v1/account',
        shown=f"{origin}/watch/{made}" if kind is Kind.LINK else made,
    )  # fmt: skip


@room.post("/p/{participant_id}/access/{grant_id}/end")
def end(
    cabinet: CabinetHere, visit: VisitHere, login: Entered, acting: Owner, grant_id: int
) -> Response:
    """End one; it opens nothing from the next request on."""
    if not 0 < grant_id <= ID_MAX:
        raise HTTPException(404)
    with cabinet.engine.begin() as db:
        ended = end_grant(
            db, acting.participant_id, grant_id, ended_by=login.person.id, now_us=visit.now_us
        )
        keep_trail(db, TrailEntry(
            visit.now_us, "end_grant", DONE if ended else "unknown",
            f"participant {acting.participant_id} {grant_id}", visit.address,
            person_id=login.person.id, login_id=login.id,
        ))  # fmt: skip
    return go(f"/p/{acting.participant_id}/access", "grant_ended" if ended else "grant_gone")
