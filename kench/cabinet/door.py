"""The officers' door: a port with TLS, where the connection's certificate says who comes.

TLS proves that whoever connects has the key, and that an authority of ours signed the certificate;
the rest is asked when somebody enters (`kench.pool.signature.certificates`).
"""

import asyncio
import socket
import ssl
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import uvicorn
from fastapi import FastAPI
from starlette.types import ASGIApp, Receive, Scope, Send

from kench.pool.errors import KenchError
from kench.pool.secret_files import SecretFileError
from kench.pool.web.patience import PatientProtocol
from kench.pool.web.serving import TwoPortServer
from kench.pool.web.tls import HANDSHAKE_S, mutual_context

BACKLOG = 128
CHAIN = "certificates"
"""In a request's state: the connection's chain, DER, the person's first; at no other door."""


class DoorError(KenchError):
    """The officers' door cannot be opened."""


@dataclass(frozen=True, slots=True)
class Door:
    """An open port, and by what it speaks TLS."""

    listener: socket.socket
    context: ssl.SSLContext


def context_of(certificate: Path, key: Path, roots: Iterable[bytes]) -> ssl.SSLContext:
    """Return what the door speaks TLS by; raises DoorError."""
    try:
        return mutual_context(certificate, key, roots)
    except (OSError, ValueError, SecretFileError) as error:
        raise DoorError(
            f"the officers' door cannot use {certificate} with {key}: {error}; set "
            "KENCH_CABINET_OFFICERS_CERTIFICATE and _KEY to a chain and its key, PEM, no password"
        ) from error


class DoorProtocol(PatientProtocol):
    """HTTP on the door; each request knows the connection's chain."""

    def connection_made(self, transport: Any) -> None:
        """Take a connection whose handshake is done."""
        super().connection_made(transport)
        self.app_state = {**self.app_state, CHAIN: chain_of(transport)}


class DoorServer(TwoPortServer):
    """The cabinet's server, with the officers' door beside its port."""

    def __init__(self, config: uvicorn.Config, door: Door | None) -> None:
        super().__init__(config)
        self._door = door

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Open the door when the rest is open."""
        await super().startup(sockets)
        if self._door is None:
            return
        opened = await asyncio.get_running_loop().create_server(
            self._protocol,
            sock=self._door.listener,
            ssl=self._door.context,
            ssl_handshake_timeout=HANDSHAKE_S,
            backlog=BACKLOG,
        )
        self.servers.append(opened)

    def _protocol(self) -> DoorProtocol:
        return DoorProtocol(
            config=self.config,
            server_state=self.beside,
            app_state=self.lifespan.state,
        )


class Doors:
    """Two applications as one: who comes by the officers' door is served by theirs."""

    def __init__(self, people: FastAPI, officers: FastAPI) -> None:
        self._people: ASGIApp = people
        self._officers: ASGIApp = officers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request, or the server's beginning and end."""
        inside = scope["type"] == "http" and CHAIN in scope.get("state", {})
        await (self._officers if inside else self._people)(scope, receive, send)


def chain_of(transport: Any) -> tuple[bytes, ...]:
    """Return the certificates that a connection showed, DER, the person's own first."""
    connection = transport.get_extra_info("ssl_object")
    own = connection.getpeercert(binary_form=True)
    if own is None:
        raise DoorError("a connection without a certificate came through the officers' door")
    # Public only from Python 3.13 on.
    ask = getattr(connection, "get_unverified_chain", None)
    if ask is not None:
        return tuple(ask())
    shown = connection._sslobj.get_unverified_chain() or ()
    others = [bytes(ssl.PEM_cert_to_DER_cert(one.public_bytes())) for one in shown]
    return (own, *(one for one in others if one != own))
