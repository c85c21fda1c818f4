"""For machines that watch: /healthz and /metrics."""

from fastapi import APIRouter, Request
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError
from starlette.exceptions import HTTPException
from starlette.responses import PlainTextResponse, Response

from kench.cabinet.web.metrics import Metrics
from kench.cabinet.web.visit import CabinetHere
from kench.pool.origins import is_loopback

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

room = APIRouter()


@room.get("/healthz")
def health(request: Request, cabinet: CabinetHere) -> Response:
    """200 while PostgreSQL answers, else 503."""
    metrics = _metrics_of(request)
    try:
        with cabinet.engine.connect() as db:
            db.execute(text("SELECT 1"))
    except SQLAlchemyError:
        metrics.ready.set(0)
        return PlainTextResponse("PostgreSQL does not answer\n", 503)
    metrics.ready.set(1)
    fault = cabinet.orders.fault
    return PlainTextResponse(f"orders: {fault}\n" if fault else "ok\n", 503 if fault else 200)


@room.get("/metrics")
def show_metrics(request: Request) -> Response:
    """Counts for Prometheus, to this machine alone: what comes through a web server is refused."""
    peer = request.client.host if request.client else ""
    if not is_loopback(peer) or "x-forwarded-for" in request.headers:
        raise HTTPException(404)
    metrics = _metrics_of(request)
    return Response(metrics.text(), media_type=CONTENT_TYPE)


def _metrics_of(request: Request) -> Metrics:
    metrics: Metrics = request.app.state.metrics
    return metrics
