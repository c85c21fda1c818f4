"""How every request is answered: who calls, may they, what they get, and a row that says so."""

import hashlib
from collections.abc import Callable
from typing import NamedTuple

import sqlalchemy as sa
import structlog
from sqlalchemy.exc import OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from starlette.requests import Request
from starlette.responses import Response

from kench.pool.database import first_line
from kench.pool.moments import moment_of
from kench.pool.tax_settings import TaxEndpoint
from kench.tax.calls import Call, read_call
from kench.tax.problems import MEDIA_TYPE, Kind, Problem
from kench.tax.provider import Provider
from kench.tax.tables import tax_requests

PATH_MAX = 500
PERSONAL = "/v1/participants/"
HEADERS = {"Cache-Control": "private, no-cache", "X-Content-Type-Options": "nosniff"}

log = structlog.get_logger("tax")


class Answer(NamedTuple):
    """What is handed over."""

    body: bytes
    records: int = 0
    participant_id: int | None = None
    """Whose data it is, where it is one participant's."""


def answer(
    request: Request, endpoint: TaxEndpoint, make: Callable[[sa.Connection, Call], Answer]
) -> Response:
    """Answer a request; raises Problem where nobody is known who could be told more."""
    provider = provider_of(request)
    request.scope["kench.endpoint"] = endpoint.value
    call = read_call(request.headers.raw)
    may = provider.admit(call)
    try:
        if endpoint not in may:
            raise Problem(Kind.NOT_ALLOWED)
        # What is closed meanwhile is in no half of an answer. Receipts wait for each other instead.
        engine = provider.snapshots if request.method == "GET" else provider.engine
        with engine.begin() as db:
            made = make(db, call)
            digest = hashlib.sha256(made.body)
            tag = f'"{digest.hexdigest()[:32]}"'
            known = request.method == "GET" and _names(request, tag)
            status = 304 if known else 200
            _keep(db, provider, request, call, status, digest.digest(), made.participant_id)
    except Problem as problem:
        with provider.engine.begin() as db:
            digest = hashlib.sha256(problem.body())
            status = problem.kind.value.status
            _keep(db, provider, request, call, status, digest.digest(), None)
        raise
    headers = HEADERS | ({"ETag": tag} if request.method == "GET" else {})
    if known:
        return Response(status_code=304, headers=headers)
    provider.metrics.records.labels("pull").inc(made.records)
    return Response(made.body, media_type="application/json", headers=headers)


def provider_of(request: Request) -> Provider:
    """Return what the application works with."""
    provider: Provider = request.app.state.provider
    return provider


def refuse(request: Request, problem: Problem) -> Response:
    """Return the answer to what was refused."""
    provider_of(request).metrics.refused.labels(problem.kind.value.name).inc()
    return Response(
        problem.body(),
        problem.kind.value.status,
        headers={"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}
        | problem.headers,
        media_type=MEDIA_TYPE,
    )


def problem_of(error: Exception) -> Problem:
    """Return what is said of a fault of ours."""
    if isinstance(error, (OperationalError, PoolTimeoutError)):
        log.warning("database away", why=first_line(error))
        return Problem(Kind.AWAY, headers={"Retry-After": "10"})
    return Problem(Kind.FAULT)


def _names(request: Request, tag: str) -> bool:
    """Whether the caller has this answer already."""
    said = ",".join(request.headers.getlist("if-none-match"))
    return any(one.strip().removeprefix("W/") in {tag, "*"} for one in said.split(","))


def _keep(  # noqa: PLR0913, PLR0917 - one row
    db: sa.Connection,
    provider: Provider,
    request: Request,
    call: Call,
    status: int,
    digest: bytes,
    participant_id: int | None,
) -> None:
    """Keep who asked what, and which answer was given."""
    db.execute(
        sa.insert(tax_requests).values(
            xroad_id=call.id,
            client=call.client,
            user_id=call.user,
            method=request.method,
            path=path_of(request),
            participant_id=participant_id,
            request_hash=call.request_hash,
            status=status,
            answer_sha256=digest,
            at=moment_of(provider.clock.now_us()),
        )
    )


def path_of(request: Request) -> str:
    """Return what was asked, without a personal number: the row has the participant's own."""
    path: str = request.scope["path"]
    if path.startswith(PERSONAL):
        path = PERSONAL + "*/" + "".join(path.removeprefix(PERSONAL).split("/", 1)[1:])
    query = request.scope["query_string"].decode("ascii", "replace")
    whole = f"{path}?{query}" if query else path
    return "".join(one if one.isprintable() else "?" for one in whole)[:PATH_MAX]
