"""The web server of the cabinet: uvicorn on uvloop, with bounds."""

import signal
import socket

import uvicorn
from fastapi import FastAPI

from kench.cabinet.door import Door, Doors, DoorServer
from kench.cabinet.patience import PatientProtocol
from kench.pool.errors import KenchError
from kench.pool.listening import open_port

BACKLOG = 1024
CONNECTIONS_MAX = 8_192
"""Most of them are pages that stay open and are told of news now and then."""
KEEP_ALIVE_S = 30
HEAD_BYTES_MAX = 32_768
STOP_S = 1


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
    # uvicorn raises the signal that ended it once more, for whoever ran it: nobody, here.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: None)
    config = uvicorn.Config(
        app,
        loop="uvloop",
        http=PatientProtocol,
        ws="none",
        log_config=None,
        log_level="warning",
        access_log=False,
        proxy_headers=False,
        server_header=False,
        limit_concurrency=CONNECTIONS_MAX,
        h11_max_incomplete_event_size=HEAD_BYTES_MAX,
        timeout_keep_alive=KEEP_ALIVE_S,
        timeout_graceful_shutdown=STOP_S,
    )
    DoorServer(config, door).run(sockets=[listener])
