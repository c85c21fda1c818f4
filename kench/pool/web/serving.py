"""uvicorn on uvloop as every web server here runs it, with bounds."""

import signal
import socket
import ssl
from typing import Any

import uvicorn
from starlette.types import ASGIApp

from kench.pool.web.patience import PatientProtocol

KEEP_ALIVE_S = 30
HEAD_BYTES_MAX = 32_768
STOP_S = 1


def config_of(app: ASGIApp, connections_max: int, **options: Any) -> uvicorn.Config:
    """Return how an application is served; `options` are uvicorn's."""
    return uvicorn.Config(
        app,
        loop="uvloop",
        http=PatientProtocol,
        ws="none",
        log_config=None,
        log_level="warning",
        access_log=False,
        proxy_headers=False,
        server_header=False,
        limit_concurrency=connections_max,
        h11_max_incomplete_event_size=HEAD_BYTES_MAX,
        timeout_keep_alive=KEEP_ALIVE_S,
        timeout_graceful_shutdown=STOP_S,
        **options,
    )


def serve_at(
    config: uvicorn.Config, listener: socket.socket, context: ssl.SSLContext | None = None
) -> None:
    """Serve there until SIGTERM or SIGINT, by TLS if so."""
    config.load()
    config.ssl = context
    uvicorn.Server(config).run(sockets=[listener])


def take_signals() -> None:
    """Have nobody killed by a signal that uvicorn has answered.

    It raises the one that ended it once more, for whoever ran it: nobody, here.
    """
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: None)
