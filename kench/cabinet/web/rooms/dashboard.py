"""A participant's dashboard: how its workers do now and did before, and what that earned."""

from typing import Annotated, Any

from fastapi import APIRouter, Header, Query, Request
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response, StreamingResponse

from kench.cabinet.numbers.earnings import read_blocks, read_stages
from kench.cabinet.numbers.live import LiveNumbers
from kench.cabinet.numbers.public import EstimateBasis
from kench.cabinet.numbers.series import Series, Span, read_series
from kench.cabinet.reports.store import owed_by
from kench.cabinet.web.acting import MONEY_ROLES, Acting, render_room
from kench.cabinet.web.charts import drawing_of
from kench.cabinet.web.live import LiveFeed, Shown, live_texts
from kench.cabinet.web.rights import RIGHTS
from kench.cabinet.web.visit import CabinetHere, Entered, Visit, VisitHere
from kench.cabinet.words.catalogues import N_
from kench.pool.calendar import day_at

SPAN_NAMES = {
    Span.DAY: N_("24 hours"),
    Span.WEEK: N_("7 days"),
    Span.MONTH: N_("30 days"),
    Span.YEAR: N_("1 year"),
}

BLOCKS_SHOWN = 5

room = APIRouter()


@room.get("/p/{participant_id}/")
def show_dashboard(
    request: Request,
    visit: VisitHere,
    cabinet: CabinetHere,
    acting: Acting,
    span: Annotated[Span, Query()] = Span.DAY,
) -> Response:
    """Show it."""
    participant_id, basis = acting.participant_id, cabinet.basis.value()
    with cabinet.reading.connect() as db:
        live = cabinet.live.numbers(db, participant_id, visit.now_us)
        series = read_series(db, participant_id, span, visit.now_us)
        stages, blocks, owed = None, [], []
        if acting.role in MONEY_ROLES:
            stages = read_stages(db, [participant_id])[participant_id]
            blocks = read_blocks(db, participant_id, most=BLOCKS_SHOWN)
            owed = owed_by(db, participant_id)
    return render_room(
        request,
        visit,
        acting,
        "participant/dashboard.html",
        live=live,
        texts=live_texts(live, visit.formats),
        pool_part=_pool_part(live, basis),
        expected_sat=_expected_sat(live, basis),
        basis=basis,
        stages=stages,
        blocks=blocks,
        owed=owed,
        today=day_at(visit.now_us),
        may_see_workers=acting.role in RIGHTS["workers"],
        **chart_values(visit, series, f"/p/{participant_id}/", f"/p/{participant_id}/series"),
    )


@room.get("/p/{participant_id}/series")
def show_series(
    visit: VisitHere,
    cabinet: CabinetHere,
    acting: Acting,
    span: Annotated[Span, Query()] = Span.DAY,
) -> Response:
    """Return the chart's numbers for the script that draws it."""
    with cabinet.reading.connect() as db:
        series = read_series(db, acting.participant_id, span, visit.now_us)
    return series_json(series)


@room.get("/p/{participant_id}/live")
async def follow_live(
    request: Request,
    visit: VisitHere,
    login: Entered,
    acting: Acting,
    last_event_id: Annotated[str, Header()] = "",
) -> Response:
    """Send the numbers of now, again whenever they change."""
    feed: LiveFeed = request.app.state.live
    return follow(feed, Shown(acting.participant_id, visit.language), login.id, last_event_id)


def follow(feed: LiveFeed, shown: Shown, login_id: int, last_event_id: str) -> Response:
    """Return the events of what a page shows; 429 where too many are open."""
    viewer = feed.open(shown, login_id)
    if viewer is None:
        raise HTTPException(429, headers={"Retry-After": "60"})
    return StreamingResponse(
        feed.events(viewer, last_event_id),
        media_type="text/event-stream",
        headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
    )


def chart_values(
    visit: Visit, series: Series, page: str, data: str, query: str = ""
) -> dict[str, Any]:
    """Return what `participant/chart.html` is drawn from; `query` is what its links keep."""
    return {
        "series": series,
        "drawing": drawing_of(series, visit.formats),
        "spans": list(Span),
        "span_names": SPAN_NAMES,
        "chart_path": page,
        "chart_query": query,
        "data_path": data,
    }


def series_json(series: Series) -> Response:
    """Return a series as columns: Unix seconds, hashes a second."""
    return JSONResponse(
        {
            "span": series.span.value,
            "step_s": series.step_s,
            "at_s": [point.at_s for point in series.points],
            "hashrate": [point.hashrate for point in series.points],
        }
    )


def _pool_part(live: LiveNumbers, basis: EstimateBasis) -> float | None:
    """Return which part of the pool's day of work is the participant's."""
    if not basis.hashrate_24h:
        return None
    return min(1.0, live.hashrate_24h / basis.hashrate_24h)


def _expected_sat(live: LiveNumbers, basis: EstimateBasis) -> int | None:
    """Return what a day brings if the pool finds blocks as it did and the part stays."""
    part = _pool_part(live, basis)
    if part is None or not basis.days or not basis.blocks:
        return None
    return int(basis.reward_sat / basis.days * part)
