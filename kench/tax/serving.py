"""The server of the hand-over: the security server's port, and one for metrics beside it."""

import asyncio
import socket
import ssl

import uvicorn
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from fastapi import FastAPI

from kench.pool.errors import KenchError
from kench.pool.listening import open_port
from kench.pool.secret_files import SecretFileError
from kench.pool.settings import Settings
from kench.pool.web.serving import TwoPortServer, config_of, take_signals
from kench.pool.web.tls import mutual_context

BACKLOG = 128
CONNECTIONS_MAX = 64
"""One security server asks, with a few connections that it keeps."""


class TaxPlaceError(KenchError):
    """It cannot listen, or not with these certificates."""


class TaxServer(TwoPortServer):
    """The server, with the metrics' port beside the security server's."""

    def __init__(self, config: uvicorn.Config, watch: FastAPI, watched: socket.socket) -> None:
        super().__init__(config)
        self._watch = config_of(watch, CONNECTIONS_MAX, lifespan="off")
        self._watched = watched

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Open both."""
        await super().startup(sockets)
        self._watch.load()
        opened = await asyncio.get_running_loop().create_server(
            self._protocol, sock=self._watched, backlog=BACKLOG
        )
        self.servers.append(opened)

    def _protocol(self) -> asyncio.Protocol:
        made: asyncio.Protocol = self._watch.http_protocol_class(
            config=self._watch,  # type: ignore[call-arg]  # as uvicorn makes its own
            server_state=self.beside,
            app_state={},
        )
        return made


def listen(host: str, port: int, setting: str) -> socket.socket:
    """Open the port that a setting names; raises TaxPlaceError."""
    try:
        return open_port(host, port, BACKLOG)
    except OSError as error:
        raise TaxPlaceError(
            f"cannot listen on {host}:{port}: {error.strerror}; "
            f"choose another port with KENCH_{setting.upper()}"
        ) from error


def context_of(settings: Settings) -> ssl.SSLContext | None:
    """Return what the port speaks TLS by, None on this machine alone; raises TaxPlaceError."""
    certificate, key = settings.tax_certificate, settings.tax_key
    authorities = settings.tax_client_ca
    if certificate is None or key is None or authorities is None:
        return None
    try:
        roots = x509.load_pem_x509_certificates(authorities.read_bytes())
        trusted = [root.public_bytes(Encoding.DER) for root in roots]
        return mutual_context(certificate, key, trusted)
    except (OSError, ValueError, SecretFileError) as error:
        raise TaxPlaceError(
            f"cannot use {certificate} with {key}, or {authorities}: {error}; set "
            "KENCH_TAX_CERTIFICATE, _KEY and KENCH_TAX_CLIENT_CA to PEM files, without a password"
        ) from error


def serve(
    app: FastAPI,
    watch: FastAPI,
    listener: socket.socket,
    watched: socket.socket,
    context: ssl.SSLContext | None,
) -> None:
    """Serve until SIGTERM or SIGINT."""
    take_signals()
    config = config_of(app, CONNECTIONS_MAX)
    config.load()
    config.ssl = context
    TaxServer(config, watch, watched).run(sockets=[listener])
