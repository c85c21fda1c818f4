"""The application behind the officers' door: the desk, and what is needed to work at it."""

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from fastapi import APIRouter, Depends, FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware

from kench.cabinet.web.app import ROOMS
from kench.cabinet.web.assets import ASSETS_PATH, AssetFiles
from kench.cabinet.web.faults import on_fault, on_http_error, on_invalid
from kench.cabinet.web.forms import checked
from kench.cabinet.web.rooms import account, language, officers, sign
from kench.cabinet.web.rooms.enter import DESK
from kench.cabinet.web.shield import Shield
from kench.pool.signature.certificates import CertificateChecker
from kench.pool.web.bodies import BoundBodies

BESIDE = (officers.room, language.room, sign.room, account.room)
SHARED = (
    "metrics", "pages", "making", "signing_counts", "outcomes", "public", "country",
    "risks",
)  # fmt: skip
"""What it has in common with the cabinet: counts and bounds are of the process."""


def make_officers_app(people: FastAPI, origin: str, checker: CertificateChecker) -> FastAPI:
    """Return it, beside the cabinet's own; `origin` is what browsers call the door."""
    cabinet: Any = people.state.cabinet
    settings = cabinet.settings.model_copy(update={"cabinet_url": origin})
    app = FastAPI(
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        middleware=[
            Middleware(Shield, settings, people.state.metrics, cabinet.clock),
            Middleware(BoundBodies),
        ],
        exception_handlers={
            HTTPException: on_http_error,
            RequestValidationError: on_invalid,
            Exception: on_fault,
        },
    )
    for name in SHARED:
        setattr(app.state, name, getattr(people.state, name))
    app.state.cabinet = replace(cabinet, settings=settings)
    app.state.checker = checker
    for room in (*BESIDE, desk_of(ROOMS)):
        app.include_router(room, dependencies=[Depends(checked)])
    app.mount(ASSETS_PATH, AssetFiles(people.state.pages.assets))
    return app


def desk_of(rooms: Iterable[APIRouter]) -> APIRouter:
    """Return the desk's routes of all rooms, and none that is not the desk's."""
    routes = [route for room in rooms for route in room.routes]
    return APIRouter(
        routes=[route for route in routes if getattr(route, "path", "").startswith(DESK)]
    )
