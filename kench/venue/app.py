"""The paper venue's HTTP: who may come in, how fast, and what goes wrong on the way.

GET /v1/time  /v1/market  /v1/book                       open to all
GET /v1/balance  /v1/deposits?since_us=&after=           signed (kench/venue/signing.py)
POST /v1/orders   GET, DELETE /v1/orders/{client_id}     signed
GET /v1/trades?since_us=&client_id=&after=               signed
"""

import asyncio
import json
import math
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import structlog
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from kench.pool.errors import KenchError
from kench.pool.pace import Pace
from kench.pool.venue_settings import VenueFault
from kench.venue.desk import Answer, BadRequestError, Desk
from kench.venue.faults import FaultPlan
from kench.venue.signing import Denial, Doorkeeper

BODY_BYTES_MAX = 16_384
STALL_S = 30.0
"""A late answer is so late that nobody waits for it."""

log = structlog.get_logger("venue")


@dataclass(frozen=True, slots=True)
class Counter:
    """What stands between a request and the desk."""

    desk: Desk
    doorkeeper: Doorkeeper
    pace: Pace
    faults: FaultPlan
    latency_s: float


class CutResponse(Response):
    """An answer that begins and never ends: the connection is closed in its midst."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 - the signature of ASGI
        """Send a head that promises more than comes."""
        headers = [(b"content-type", b"application/json"), (b"content-length", b"4096")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b'{"or', "more_body": True})


class GarbledResponse(Response):
    """An answer of the right length that is no JSON."""

    def __init__(self, whole: bytes) -> None:
        super().__init__(whole[: len(whole) // 2], 200, media_type="application/json")


def make_app(counter: Counter, on_start: Callable[[], None]) -> Starlette:
    """Return the application; `on_start` is called when it serves."""

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        on_start()
        yield

    desk = counter.desk

    def open_route(path: str, answer: Callable[[], Answer]) -> Route:
        async def endpoint(request: Request) -> Response:
            return await _serve(counter, request, lambda *_: answer(), signed=False)

        return Route(path, endpoint, methods=["GET"])

    def signed_route(path: str, method: str, answer: "_Action") -> Route:
        async def endpoint(request: Request) -> Response:
            return await _serve(counter, request, answer, signed=True)

        return Route(path, endpoint, methods=[method])

    return Starlette(
        lifespan=lifespan,
        routes=[
            open_route("/v1/time", desk.time),
            open_route("/v1/market", desk.market),
            open_route("/v1/book", desk.book),
            signed_route("/v1/balance", "GET", lambda *_: desk.balance()),
            signed_route("/v1/deposits", "GET", lambda request, *_: desk.deposits(
                _text(request, "since_us"), _text(request, "after"))),
            signed_route("/v1/trades", "GET", lambda request, *_: desk.trades(
                _text(request, "since_us"), request.query_params.get("client_id"),
                _text(request, "after"))),
            signed_route("/v1/orders", "POST", lambda _request, body, fault: desk.place(
                _object(body), counter.faults.whim(fault))),
            signed_route("/v1/orders/{client_id}", "GET", lambda request, *_: desk.order(
                request.path_params["client_id"])),
            signed_route("/v1/orders/{client_id}", "DELETE", lambda request, *_: desk.cancel(
                request.path_params["client_id"])),
        ],
    )  # fmt: skip


_Action = Callable[[Request, bytes, VenueFault | None], Answer]


async def _serve(counter: Counter, request: Request, action: _Action, *, signed: bool) -> Response:
    wait_s = counter.pace.wait_s()
    if wait_s:
        return _refuse(429, "busy", "too many requests", retry_s=math.ceil(wait_s))
    body = await _read_body(request)
    if body is None:
        return _refuse(413, "too_long", f"a body has at most {BODY_BYTES_MAX} bytes")
    fault = counter.faults.next() if signed else None
    await asyncio.sleep(counter.latency_s)
    if fault is VenueFault.UNAVAILABLE:
        return _refuse(503, "unavailable", "come again later")
    if fault is VenueFault.LOST_QUESTION:
        return CutResponse()
    # Nothing waits between the look at the moment and the deed: an old request does nothing.
    refused = _judge(counter, request, body) if signed else None
    return refused or await _answer(action, request, body, fault)


def _judge(counter: Counter, request: Request, body: bytes) -> Response | None:
    target = _target(request)
    denial = counter.doorkeeper.judge(request.method, target, request.headers, body)
    if denial is None:
        return None
    message = denial.replace("_", " ")
    if denial is Denial.FULL:
        return _refuse(429, denial, message, retry_s=1)
    return _refuse(401, denial, message)


async def _answer(
    action: _Action, request: Request, body: bytes, fault: VenueFault | None
) -> Response:
    try:
        answer = await run_in_threadpool(action, request, body, fault)
    except BadRequestError as error:
        return _refuse(400, "bad_request", str(error))
    except KenchError as error:
        log.error("the venue cannot remember", why=str(error))
        return _refuse(500, "broken", "the venue cannot work: see its log")
    response = JSONResponse(answer.body, answer.status)
    if fault is VenueFault.LOST_ANSWER:
        return CutResponse()
    if fault is VenueFault.GARBLED:
        return GarbledResponse(bytes(response.body))
    if fault is VenueFault.LATE_ANSWER:
        await asyncio.sleep(STALL_S)
    return response


async def _read_body(request: Request) -> bytes | None:
    body = bytearray()
    try:
        async for piece in request.stream():
            body += piece
            if len(body) > BODY_BYTES_MAX:
                return None
    except ClientDisconnect:
        return None
    return bytes(body)


def _refuse(status: int, error: str, message: str, *, retry_s: int = 0) -> Response:
    headers = {"Retry-After": str(retry_s)} if retry_s else None
    return JSONResponse({"error": error, "message": message}, status, headers=headers)


def _target(request: Request) -> str:
    query: bytes = request.scope["query_string"]
    path: bytes = request.scope["raw_path"]
    return (path + b"?" + query if query else path).decode("latin-1")


def _text(request: Request, name: str) -> str:
    return request.query_params.get(name, "0")


def _object(body: bytes) -> Any:
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        raise BadRequestError("the body must be JSON") from None
