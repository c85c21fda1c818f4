"""Metrics and health of a process that serves nobody else, in a thread of its own.

What is told is what the process knows already: no page waits for a database, a disk or anybody.
"""

import contextlib
import threading
from collections.abc import Callable, Iterator

import uvicorn
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.registry import Collector
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from kench.pool.errors import KenchError
from kench.pool.listening import open_port
from kench.pool.origins import plain_origin
from kench.pool.roots import announce
from kench.pool.web.serving import STOP_S, config_of

BACKLOG = 16
CONNECTIONS_MAX = 16
"""Prometheus keeps one, people come by now and then."""
NOT_KEPT = {"cache-control": "no-store"}

Why = Callable[[], str | None]
"""Tells what keeps a process from its work, None where nothing does."""


class WatchPortError(KenchError):
    """The port of metrics cannot be had."""


def make_watch_app(metrics: Collector, why: Why) -> Starlette:
    """Return the application of `/metrics` and `/healthz`: 200, else 503 and why."""
    registry = CollectorRegistry()
    registry.register(metrics)

    async def show_metrics(_request: Request) -> Response:
        return Response(generate_latest(registry), 200, NOT_KEPT, CONTENT_TYPE_LATEST)

    async def show_health(_request: Request) -> Response:
        trouble = why()
        body = {"works": trouble is None} | ({} if trouble is None else {"why": trouble})
        return JSONResponse(body, 200 if trouble is None else 503, NOT_KEPT)

    pages = {"/metrics": show_metrics, "/healthz": show_health}
    app = Starlette(routes=[Route(path, page, methods=["GET"]) for path, page in pages.items()])
    app.router.redirect_slashes = False
    return app


@contextlib.contextmanager
def watched(role: str, host: str, port: int | None, metrics: Collector, why: Why) -> Iterator[None]:
    """Serve both pages meanwhile, where `ROLE_metrics_port` is set; raises WatchPortError."""
    if port is None:
        yield
        return
    try:
        listener = open_port(host, port, BACKLOG)
    except OSError as error:
        raise WatchPortError(
            f"cannot listen on {host}:{port}: {error.strerror}; choose another port with "
            f"KENCH_{role.upper()}_METRICS_PORT"
        ) from error
    config = config_of(make_watch_app(metrics, why), CONNECTIONS_MAX, lifespan="off")
    server = uvicorn.Server(config)
    thread = threading.Thread(
        target=server.run, kwargs={"sockets": [listener]}, name="metrics", daemon=True
    )
    thread.start()
    announce(role, f"metrics {plain_origin(host, int(listener.getsockname()[1]))}")
    try:
        yield
    finally:
        server.should_exit = True
        thread.join(STOP_S + 1)
