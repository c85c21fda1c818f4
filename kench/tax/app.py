"""The application that the security server asks: rooms, problems, bounds, counts."""

import contextlib
from collections.abc import AsyncIterator, Callable

import anyio.to_thread
from fastapi import FastAPI
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from kench.pool.web.bodies import BoundBodies
from kench.tax import receipts, rooms
from kench.tax.answering import problem_of, refuse
from kench.tax.description import description
from kench.tax.problems import BY_STATUS, Kind, Problem
from kench.tax.provider import Provider

THREADS_MAX = 8
"""Answers made at once, each with a connection of PostgreSQL and a page of records in memory."""
NO_ENDPOINT = "none"


class Counted:
    """Counts each request by what was asked and status."""

    def __init__(self, app: ASGIApp, provider: Provider) -> None:
        self._app = app
        self._provider = provider

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        clock, metrics = self._provider.clock, self._provider.metrics
        began, status = clock.monotonic(), 500

        async def watched(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, watched)
        finally:
            endpoint = scope.get("kench.endpoint", NO_ENDPOINT)
            metrics.requests.labels(endpoint, str(status)).inc()
            metrics.seconds.labels(endpoint).observe(clock.monotonic() - began)


def make_app(provider: Provider, on_start: Callable[[], None] = lambda: None) -> FastAPI:
    """Return the application; `on_start` is called when it serves."""

    @contextlib.asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        anyio.to_thread.current_default_thread_limiter().total_tokens = THREADS_MAX
        on_start()
        yield

    app = FastAPI(
        # Its description is written by hand: FastAPI's own is OpenAPI 3.1.
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        lifespan=lifespan,
        middleware=[Middleware(Counted, provider), Middleware(BoundBodies, _on_two_lengths)],
        exception_handlers={
            Problem: _on_problem,
            HTTPException: _on_http_error,
            Exception: _on_fault,
        },
    )
    app.state.provider = provider
    app.include_router(receipts.room)
    app.include_router(rooms.room)
    app.add_api_route("/openapi.json", _show_description, methods=["GET"])
    return app


def make_watch_app(provider: Provider) -> FastAPI:
    """Return the application of the other port: metrics and health."""
    # Nobody is sent on to the name that a request says.
    app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None, redirect_slashes=False)

    def show_metrics() -> Response:
        return Response(provider.metrics.text(), media_type="text/plain; version=0.0.4")

    def show_health() -> Response:
        try:
            with provider.engine.connect() as db:
                db.exec_driver_sql("SELECT 1")
        except Exception as error:  # noqa: BLE001 - whatever it is, it does not serve
            provider.metrics.ready.set(0)
            return JSONResponse({"serves": False, "why": type(error).__name__}, 503)
        provider.metrics.ready.set(1)
        return JSONResponse({"serves": True})

    app.add_api_route("/metrics", show_metrics, methods=["GET"], response_model=None)
    app.add_api_route("/healthz", show_health, methods=["GET"], response_model=None)
    return app


def _show_description(request: Request) -> Response:
    if request.scope["query_string"]:
        raise Problem(Kind.BAD_QUERY, "the parameters are: none")
    return JSONResponse(description())


async def _on_problem(request: Request, error: Exception) -> Response:
    if not isinstance(error, Problem):
        raise AssertionError from error
    return refuse(request, error)


async def _on_http_error(request: Request, error: Exception) -> Response:
    if not isinstance(error, HTTPException):
        raise AssertionError from error
    kind = BY_STATUS.get(error.status_code, Kind.BAD_QUERY)
    return refuse(request, Problem(kind, headers=dict(error.headers or {})))


async def _on_fault(request: Request, error: Exception) -> Response:
    return refuse(request, problem_of(error))


async def _on_two_lengths(scope: Scope, receive: Receive, send: Send) -> None:
    problem = Problem(Kind.TWO_LENGTHS, headers={"Connection": "close"})
    await refuse(Request(scope), problem)(scope, receive, send)
