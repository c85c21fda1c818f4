"""The application: every room, with what stands around all of them."""

import contextlib
from collections.abc import AsyncIterator, Callable

from fastapi import APIRouter, Depends, FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware

from kench.cabinet.cabinet import Cabinet
from kench.cabinet.numbers.kept_country import KeptCountry
from kench.cabinet.registration.due import DueWork
from kench.cabinet.registration.outcomes import calendar_of
from kench.cabinet.reports.work import ReportWork
from kench.cabinet.web.assets import ASSETS_PATH, AssetFiles, read_assets
from kench.cabinet.web.faults import on_fault, on_http_error, on_invalid
from kench.cabinet.web.forms import checked
from kench.cabinet.web.live import LiveFeed
from kench.cabinet.web.making import Making
from kench.cabinet.web.metrics import Metrics
from kench.cabinet.web.pages import Pages
from kench.cabinet.web.rooms import (
    applications,
    apply,
    blocks,
    circulars,
    connection,
    country,
    dashboard,
    decisions,
    desk,
    desk_reports,
    dossier,
    duties,
    earnings,
    equipment,
    front,
    health,
    income,
    income_corrections,
    inspections,
    language,
    lots,
    messages,
    notices,
    openings,
    orders,
    own_entry,
    own_income,
    participants,
    payouts,
    personal,
    public_register,
    queues,
    register,
    rejections,
    report_forms,
    reports,
    statements,
    suspensions,
    templates,
    tokens,
    trail,
    venues,
    workers,
)
from kench.cabinet.web.shield import Shield
from kench.cabinet.web.signing_rooms import add_signing
from kench.cabinet.web.threads import bound_threads
from kench.cabinet.web.watching import add_watching
from kench.pool.web.bodies import BoundBodies

ROOMS: tuple[APIRouter, ...] = (
    front.room,
    language.room,
    participants.room,
    dashboard.room,
    earnings.room,
    blocks.room,
    payouts.room,
    statements.room,
    apply.room,
    applications.room,
    connection.room,
    tokens.room,
    notices.room,
    openings.room,
    messages.room,
    circulars.room,
    decisions.room,
    suspensions.room,
    dossier.room,
    queues.room,
    rejections.room,
    desk.room,
    duties.room,
    trail.room,
    templates.room,
    report_forms.room,
    desk_reports.room,
    reports.room,
    register.room,
    country.room,
    inspections.room,
    own_entry.room,
    public_register.room,
    income.room,
    income_corrections.room,
    own_income.room,
    orders.room,
    lots.room,
    venues.room,
    workers.room,
    equipment.room,
    personal.room,
)
"""Every room that people enter; each is a module of `kench.cabinet.web.rooms`."""


def make_app(cabinet: Cabinet, on_start: Callable[[], None] = lambda: None) -> FastAPI:
    """Return the cabinet as an application; `on_start` is called when it serves."""

    @contextlib.asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        bound_threads()
        due.start()
        reporting.start()
        whole.start()
        on_start()
        yield
        whole.stop()
        reporting.stop()
        due.stop()
        await live.stop()

    metrics = Metrics()
    due = DueWork(cabinet.engine, cabinet.clock, metrics.registry)
    reporting = ReportWork(
        cabinet.engine, cabinet.clock, lambda at_us: calendar_of(cabinet, at_us), metrics.registry
    )
    whole = KeptCountry(cabinet)
    live = LiveFeed(cabinet)
    assets = read_assets()
    app = FastAPI(
        # The pages are no API: it has no description of them, and no page of somebody's scripts.
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        lifespan=lifespan,
        middleware=[
            Middleware(Shield, cabinet.settings, metrics, cabinet.clock),
            Middleware(BoundBodies),
        ],
        exception_handlers={
            HTTPException: on_http_error,
            RequestValidationError: on_invalid,
            Exception: on_fault,
        },
    )
    app.state.cabinet = cabinet
    app.state.metrics = metrics
    app.state.live = live
    metrics.live_viewers.set_function(lambda: live.viewers)
    app.state.pages = Pages(assets)
    app.state.making = Making()
    app.state.public = front.keep_public(cabinet)
    app.state.risks = inspections.keep_risks(cabinet)
    app.state.country = whole
    app.state.public_register = public_register.PublicRegister()
    app.include_router(health.room)
    for room in ROOMS:
        app.include_router(room, dependencies=[Depends(checked)])
    app.mount(ASSETS_PATH, AssetFiles(assets))
    add_signing(app, cabinet, metrics.registry)
    add_watching(app, cabinet)
    return app
