"""The web server of the cabinet: uvicorn on uvloop, with bounds."""

import socket

from fastapi import FastAPI

from kench.cabinet.door import Door, Doors, DoorServer
from kench.pool.errors import KenchError
from kench.pool.listening import open_port
from kench.pool.web.serving import config_of, take_signals

BACKLOG = 1024
CONNECTIONS_MAX = 8_192
"""Most of them are pages that stay open and are told of news now and then."""


class CabinetPortError(KenchError):
    """The port cannot be opened."""


def listen(host: str, port: int, flag: str = "cabinet-port") -> socket.socket:
    """Open the port that the flag sets; raises CabinetPortError."""
    try:
        return open_port(host, port, BACKLOG)
    except OSError as error:
        variable = "KENCH_" + flag.upper().replace("-", "_")
        raise CabinetPortError(
            f"cannot listen on {host}:{port}: {error.strerror}; "
            f"choose another port with --{flag} ({variable})"
        ) from error


def serve(app: FastAPI | Doors, listener: socket.socket, door: Door | None = None) -> None:
    """Serve until SIGTERM or SIGINT; `app` tells the doors apart where there are two."""
    take_signals()
    DoorServer(config_of(app, CONNECTIONS_MAX), door).run(sockets=[listener])
