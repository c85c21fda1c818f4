"""Composition root of `kench xroad`: the twin of a security server."""

import argparse
import logging
import os
import ssl
from pathlib import Path

from kench.pool.errors import KenchError
from kench.pool.listening import open_port
from kench.pool.origins import plain_origin
from kench.pool.roots import announce, command, run_root, start_logging
from kench.pool.web.serving import config_of, serve_at, take_signals
from kench.pool.xroad import read_service
from kench.xroad.server import FAULTS, SecurityServer

ROLE = "xroad"
PORT = 9580
BACKLOG = 128
CONNECTIONS_MAX = 128


class XroadPlaceError(KenchError):
    """It cannot listen or pass messages as it was told."""


def main() -> None:
    """Serve until SIGTERM or Ctrl-C."""
    parser = command(
        ROLE,
        "Run the twin of a security server of X-Road, for development: it passes messages of r1 "
        "to\nproviders, strips and adds headers, and loses some on demand. It signs nothing.",
        example="kench xroad --service KG/GOV/1/mining/income=http://127.0.0.1:8090",
        data=False,
    )
    parser.add_argument("--host", default="127.0.0.1", metavar="HOST", help="address to listen on")
    parser.add_argument("--port", type=int, default=PORT, metavar="N", help="0: any free one")
    parser.add_argument(
        "--service", action="append", default=[], metavar="NAME=URL", help="a service's provider"
    )
    parser.add_argument("--faults", nargs="+", default=[], metavar="F=SHARE",
                        help=f"what is lost, and how often: {', '.join(FAULTS)}")  # fmt: skip
    parser.add_argument("--certificate", type=Path, metavar="FILE", help="PEM; with it, TLS")
    parser.add_argument("--key", type=Path, metavar="FILE", help="what it is proven by")
    parser.add_argument(
        "--client-ca", type=Path, metavar="FILE", help="who consumers are; without it, anybody"
    )
    parser.add_argument("--provider-ca", type=Path, metavar="FILE", help="who providers are")
    arguments = parser.parse_args()
    start_logging(ROLE)
    logging.getLogger("httpx").setLevel(logging.WARNING)  # it tells of every request
    services = dict(_service(word) for word in arguments.service)
    faults = dict(_fault(word) for word in arguments.faults)
    own, outside = _contexts(arguments)
    server = SecurityServer(services, os.urandom, context=outside, faults=faults)
    try:
        listener = open_port(arguments.host, arguments.port, BACKLOG)
    except OSError as error:
        raise XroadPlaceError(
            f"cannot listen on {arguments.host}:{arguments.port} ({error}): give another --port"
        ) from error
    take_signals()
    scheme = "https" if own else "http"
    announce(ROLE, plain_origin(arguments.host, int(listener.getsockname()[1]), scheme))
    announce(ROLE, "ready")
    serve_at(config_of(server.app, CONNECTIONS_MAX, lifespan="off"), listener, own)


def _service(word: str) -> tuple[str, str]:
    name, _, url = word.partition("=")
    try:
        service = read_service(name)
    except ValueError as error:
        raise XroadPlaceError(f"{name!r} names no service: it {error}") from None
    if not url.startswith(("http://", "https://")):
        raise XroadPlaceError(f"--service {name}=URL: the URL must begin with http:// or https://")
    return service, url.rstrip("/")


def _fault(word: str) -> tuple[str, float]:
    name, _, share = word.partition("=")
    try:
        number = float(share)
    except ValueError:
        number = -1.0
    if name not in FAULTS or not 0 <= number <= 1:
        raise XroadPlaceError(f"{word!r} is no fault: write {' or '.join(FAULTS)}=0.1")
    return name, number


def _contexts(
    arguments: argparse.Namespace,
) -> tuple[ssl.SSLContext | None, ssl.SSLContext | None]:
    """Return what it speaks TLS by to consumers, and to providers."""
    certificate, key = arguments.certificate, arguments.key
    if certificate is None or key is None:
        if arguments.client_ca is not None:
            raise XroadPlaceError("--client-ca needs TLS: give --certificate and --key")
        return None, None
    try:
        own = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        own.load_cert_chain(certificate, key)
        if arguments.client_ca is not None:
            own.verify_mode = ssl.CERT_REQUIRED
            own.load_verify_locations(arguments.client_ca)
        known = arguments.provider_ca
        outside = ssl.create_default_context(cafile=str(known) if known else None)
        outside.load_cert_chain(certificate, key)
    except (OSError, ValueError) as error:
        raise XroadPlaceError(f"cannot use {certificate} with {key}: {error}") from error
    return own, outside


if __name__ == "__main__":
    run_root(ROLE, main)
