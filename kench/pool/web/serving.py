"""uvicorn on uvloop as every web server here runs it, with bounds."""

import signal
import socket
import ssl
from typing import Any

import uvicorn
import uvicorn.server
from starlette.types import ASGIApp

from kench.pool.web.patience import PatientProtocol

KEEP_ALIVE_S = 30
HEAD_BYTES_MAX = 32_768
STOP_S = 1


class _Beside(uvicorn.server.ServerState):
    """The connections of a second port: whoever fills one port with them leaves the other free."""

    def __init__(self, main: uvicorn.server.ServerState) -> None:
        self._main = main
        super().__init__()

    @property
    def default_headers(self) -> list[tuple[bytes, bytes]]:
        """Return those of the first port."""
        return self._main.default_headers

    @default_headers.setter
    def default_headers(self, _headers: list[tuple[bytes, bytes]]) -> None:
        """Nobody sets them here."""


class TwoPortServer(uvicorn.Server):
    """A server with a second port, whose connections are counted and bounded by themselves."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.beside = _Beside(self.server_state)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """End both; what the second port still answers has as long as the first."""
        for connection in list(self.beside.connections):
            connection.shutdown()
        await super().shutdown(sockets)


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
