"""A participant's workers: the list, its groups, and a page for each worker."""

from typing import Annotated, Any
from urllib.parse import urlencode

import sqlalchemy as sa
from fastapi import APIRouter, Depends, Header, Query, Request
from starlette.exceptions import HTTPException
from starlette.responses import Response

from kench.cabinet.login.people import ActsFor, PeopleRole
from kench.cabinet.login.trail import DONE, TrailEntry, keep_trail
from kench.cabinet.numbers.groups import (
    GroupRefusal,
    group_named,
    move_workers,
    read_groups,
)
from kench.cabinet.numbers.live import WorkerState
from kench.cabinet.numbers.series import Span, read_series
from kench.cabinet.numbers.share_log import BEFORE_MAX_S, read_share_log
from kench.cabinet.numbers.uptime import Uptime, read_uptimes
from kench.cabinet.numbers.workers import (
    PAGES_MAX,
    SEARCH_MAX,
    Sort,
    Wanted,
    WorkerLine,
    read_refusals,
    read_worker,
)
from kench.cabinet.web.acting import Acting, acting_as, render_room
from kench.cabinet.web.forms import Posted, text_of
from kench.cabinet.web.live import LiveFeed, Shown
from kench.cabinet.web.pages import go
from kench.cabinet.web.rooms.dashboard import chart_values, follow, series_json
from kench.cabinet.web.states import STATE_TAGS, WORKER_STATES
from kench.cabinet.web.visit import CabinetHere, Entered, VisitHere
from kench.cabinet.words.catalogues import N_
from kench.pool.register import ID_MAX

SORTS = {
    Sort.NAME: N_("by name"),
    Sort.HASHRATE: N_("by hashrate of the hour"),
    Sort.DAY: N_("by hashrate of the day"),
    Sort.REFUSED: N_("by refused part"),
    Sort.LAST_SHARE: N_("by last share"),
}
REASONS = {
    "stale": N_("Stale: the block it was for had been found"),
    "job_not_found": N_("Its job is too old or unknown"),
    "low_difficulty": N_("Below the difficulty asked for"),
    "duplicate": N_("Sent twice"),
    "ntime_out_of_range": N_("Its time is outside what the job allows: check the machine's clock"),
    "invalid_version_mask": N_("It changed version bits that it may not"),
    "invalid_params": N_("Its parts cannot be read: a fault of the firmware"),
    "invalid_extranonce2": N_("Its extranonce has the wrong size: a fault of the firmware"),
    "invalid_hex": N_("Its numbers cannot be read: a fault of the firmware"),
    "not_subscribed": N_("Sent before the machine subscribed"),
    "unauthorised": N_("Sent without a login"),
    "overloaded": N_("The pool could not take it at that moment"),
}
"""Refusals that shares earn; other reasons are shown by their names."""
GROUP_FAULTS = {
    GroupRefusal.NAME: "group-name",
    GroupRefusal.LIMIT: "group-limit",
    GroupRefusal.UNKNOWN: "group-unknown",
}
NO_GROUP, NEW_GROUP = "none", "new"

room = APIRouter()
Mover = Annotated[ActsFor, Depends(acting_as(PeopleRole.OWNER, PeopleRole.TECHNICIAN))]


@room.get("/p/{participant_id}/workers")
def list_workers(  # noqa: PLR0913, PLR0917 - what the list's form has
    request: Request,
    visit: VisitHere,
    cabinet: CabinetHere,
    acting: Acting,
    search: str = "",
    state: str = "",
    group: str = "",
    sort: str = "",
    page: Annotated[int, Query(ge=1, le=PAGES_MAX)] = 1,
) -> Response:
    """Show a page of the list."""
    wanted = _wanted(search, state, group, sort, page)
    participant_id = acting.participant_id
    with cabinet.reading.connect() as db:
        live = cabinet.live.numbers(db, participant_id, visit.now_us)
        found = cabinet.live.workers(db, participant_id, wanted, visit.now_us)
        groups = read_groups(db, participant_id)
        uptimes = read_uptimes(
            db, participant_id, [worker.id for worker in found.workers], visit.now_us
        )
    path = f"/p/{participant_id}/workers"
    return render_room(
        request,
        visit,
        acting,
        "participant/workers.html",
        found=found,
        wanted=wanted,
        live=live,
        groups=groups,
        uptimes=uptimes,
        states=WORKER_STATES,
        tags=STATE_TAGS,
        sorts=SORTS,
        may_move=acting.role in {PeopleRole.OWNER, PeopleRole.TECHNICIAN},
        page_path=lambda number: f"{path}?{urlencode(_query(wanted) | {'page': number})}",
        query=_query(wanted),
    )


@room.post("/p/{participant_id}/workers/move")
def move(
    form: Posted, visit: VisitHere, cabinet: CabinetHere, acting: Mover, login: Entered
) -> Response:
    """Move the workers that were ticked into a group."""
    chosen = {int(one) for one in form.getlist("worker") if isinstance(one, str) and _is_id(one)}
    target, said = text_of(form, "to"), "workers-moved"
    with cabinet.engine.begin() as db:
        moved = _move(db, acting.participant_id, chosen, target, text_of(form, "name"))
        if isinstance(moved, GroupRefusal):
            said = GROUP_FAULTS[moved]
        elif not moved:
            said = "workers-none"
        else:
            entry = TrailEntry(
                visit.now_us,
                "workers_moved",
                DONE,
                subject=f"participant {acting.participant_id}",
                address=visit.address,
                detail=f"{moved} to group {target}",
                person_id=login.person.id,
                login_id=login.id,
            )
            keep_trail(db, entry)
    search, state, group, sort = (
        text_of(form, name) for name in ("search", "state", "group", "sort")
    )
    wanted = _wanted(search, state, group, sort)
    return go(f"/p/{acting.participant_id}/workers?{urlencode(_query(wanted))}", said)


def own_worker(
    visit: VisitHere, cabinet: CabinetHere, acting: Acting, worker_id: int
) -> WorkerLine:
    """Return a worker of the participant; 404 for whatever is none of its own."""
    found = None
    if 0 < worker_id <= ID_MAX:
        with cabinet.reading.connect() as db:
            found = read_worker(db, acting.participant_id, worker_id, visit.now_us)
    if found is None:
        raise HTTPException(404)
    return found


OwnWorker = Annotated[WorkerLine, Depends(own_worker)]


@room.get("/p/{participant_id}/workers/{worker_id}")
def show_worker(  # noqa: PLR0913, PLR0917 - what the route is given
    request: Request,
    visit: VisitHere,
    cabinet: CabinetHere,
    acting: Acting,
    worker: OwnWorker,
    span: Annotated[Span, Query()] = Span.DAY,
    before: Annotated[int | None, Query(ge=0, le=BEFORE_MAX_S)] = None,
) -> Response:
    """Show one worker; its share log from the newest, or from a moment back."""
    participant_id = acting.participant_id
    with cabinet.reading.connect() as db:
        series = read_series(db, participant_id, span, visit.now_us, worker.id)
        refusals = read_refusals(db, participant_id, worker.id)
        uptime = read_uptimes(db, participant_id, [worker.id], visit.now_us)
        share_log = read_share_log(db, participant_id, worker.id, before, visit.now_us)
    path = f"/p/{participant_id}/workers/{worker.id}"
    return render_room(
        request,
        visit,
        acting,
        "participant/worker.html",
        worker=worker,
        refusals=refusals,
        reasons=REASONS,
        uptime=uptime.get(worker.id, Uptime(0, 0)),
        share_log=share_log,
        before=before,
        kept_days=cabinet.settings.history_ten_minutes_d,
        states=WORKER_STATES,
        tags=STATE_TAGS,
        **chart_values(visit, series, path, f"{path}/series"),
    )


@room.get("/p/{participant_id}/workers/{worker_id}/live")
async def follow_worker(  # noqa: PLR0913, PLR0917 - what the route is given
    request: Request,
    visit: VisitHere,
    login: Entered,
    acting: Acting,
    worker: OwnWorker,
    last_event_id: Annotated[str, Header()] = "",
) -> Response:
    """Send the numbers of a worker, again whenever they change."""
    feed: LiveFeed = request.app.state.live
    shown = Shown(acting.participant_id, visit.language, worker.id)
    return follow(feed, shown, login.id, last_event_id)


@room.get("/p/{participant_id}/workers/{worker_id}/series")
def show_worker_series(
    visit: VisitHere,
    cabinet: CabinetHere,
    acting: Acting,
    worker: OwnWorker,
    span: Annotated[Span, Query()] = Span.DAY,
) -> Response:
    """Return the numbers of a worker's chart."""
    with cabinet.reading.connect() as db:
        series = read_series(db, acting.participant_id, span, visit.now_us, worker.id)
    return series_json(series)


def _move(
    db: sa.Connection, participant_id: int, chosen: set[int], target: str, name: str
) -> int | GroupRefusal:
    """Move workers to what the form calls its target; return how many."""
    if not chosen:
        return 0
    if target == NO_GROUP:
        return move_workers(db, participant_id, chosen, None)
    if target == NEW_GROUP:
        group = group_named(db, participant_id, name)
    else:
        group = int(target) if _is_id(target) else GroupRefusal.UNKNOWN
    if isinstance(group, GroupRefusal):
        return group
    return move_workers(db, participant_id, chosen, group)


def _wanted(
    search: str = "", state: str = "", group: str = "", sort: str = "", page: int = 1
) -> Wanted:
    """Read what the list's form asks for; what cannot be read asks for nothing."""
    return Wanted(
        search="".join(one for one in search.strip()[:SEARCH_MAX] if one.isprintable()),
        state=WorkerState(state) if state in set(WorkerState) else None,
        group_id=int(group) if _is_id(group) else None,
        sort=Sort(sort) if sort in set(Sort) else Sort.NAME,
        page=page,
    )


def _query(wanted: Wanted) -> dict[str, Any]:
    """Return the query that asks for the same, without the page."""
    asked = {
        "search": wanted.search,
        "state": wanted.state.value if wanted.state else "",
        "group": str(wanted.group_id or ""),
        "sort": wanted.sort.value if wanted.sort is not Sort.NAME else "",
    }
    return {name: value for name, value in asked.items() if value}


def _is_id(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= 10 and 0 < int(text) <= ID_MAX
