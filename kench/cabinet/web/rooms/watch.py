"""What a watcher sees by a link: some numbers of a participant, and nothing to do with them.

The link's secret is in the address. So that it gets nowhere else, no other page is told of it, and
no link of this page has it.
"""

import dataclasses
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from starlette.exceptions import HTTPException
from starlette.responses import Response

from kench.cabinet.access.admission import Admission, Refusal, Refused
from kench.cabinet.access.grants import SECRET_LETTERS, Kind, Scope
from kench.cabinet.numbers.balances import Balances, read_balances
from kench.cabinet.numbers.listed import ListedWorker, read_listed
from kench.cabinet.numbers.series import Span, read_series
from kench.cabinet.web.pages import render
from kench.cabinet.web.rooms.dashboard import chart_values
from kench.cabinet.web.states import STATE_TAGS, WORKER_STATES
from kench.cabinet.web.visit import CabinetHere, VisitHere
from kench.cabinet.words.languages import language_of

WORKERS_SHOWN = 500
HEADERS = {"Referrer-Policy": "no-referrer"}

room = APIRouter()


@room.get("/watch/{secret}")
def show_watch(  # noqa: PLR0913, PLR0917 - what the route is given
    request: Request,
    cabinet: CabinetHere,
    visit: VisitHere,
    secret: str,
    language: str = "",
    span: Annotated[Span, Query()] = Span.DAY,
) -> Response:
    """Show what the link's scopes have."""
    visit = dataclasses.replace(
        visit, path="/", language=language_of(language) or visit.language, login=None
    )
    request.state.visit = visit
    admission: Admission = request.app.state.admission
    if len(secret) != SECRET_LETTERS:
        raise HTTPException(404, headers=HEADERS)
    found = admission.admit(Kind.LINK, secret, visit.address)
    if isinstance(found, Refused):
        headers = HEADERS | (found.reading.headers() if found.reading else {})
        raise HTTPException(404 if found.refusal is Refusal.UNKNOWN else 429, headers=headers)
    grant, whose = found.grant, found.grant.participant_id
    workers: list[ListedWorker] = []
    balances: Balances | None = None
    chart: dict[str, Any] = {}
    with cabinet.engine.connect() as db:
        if Scope.HASHRATE in grant.scopes:
            series = read_series(db, whose, span, visit.now_us)
            # The link's secret stands in no link, and so no script asks for the numbers.
            kept = f"language={visit.language.value}&" if language_of(language) else ""
            chart = chart_values(visit, series, "", "", kept)
        live = cabinet.live.numbers(db, whose, visit.now_us)
        if Scope.WORKERS in grant.scopes:
            workers = read_listed(db, whose, visit.now_us, at_most=WORKERS_SHOWN)
        if Scope.EARNINGS in grant.scopes:
            balances = read_balances(db, whose)
    return render(
        request, visit, "watch.html", headers=HEADERS, grant=grant, live=live, workers=workers,
        balances=balances, states=WORKER_STATES, tags=STATE_TAGS, **chart,
        shows_hashrate=Scope.HASHRATE in grant.scopes, shows_workers=Scope.WORKERS in grant.scopes,
    )  # fmt: skip
