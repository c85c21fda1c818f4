"""Composition root of `kench screening`: the local AML/KYT provider."""

import socket
from pathlib import Path

from kench.pool.clock import SystemClock
from kench.pool.errors import KenchError
from kench.pool.roots import announce, command, run_root, settings_of, start_logging
from kench.pool.web.serving import config_of, serve_at, take_signals
from kench.screening.provider import LocalProvider, read_rules
from kench.screening.server import ScreeningServer

ROLE = "screening"
PORT = 9480
CONNECTIONS_MAX = 64


class ScreeningPlaceError(KenchError):
    """It cannot listen where it should, or has no key to check requests by."""


def main() -> None:
    """Serve until SIGTERM or Ctrl-C."""
    parser = command(
        ROLE,
        "Run the local AML/KYT provider, for development: it finds every transfer clean, but those "
        "that\nits rules name. Requests are signed with screening_key_id and screening_secret.",
        example="kench screening --port 9480 --rules rules.json",
    )
    parser.add_argument("--host", default="127.0.0.1", metavar="HOST", help="address to listen on")
    parser.add_argument("--port", type=int, default=PORT, metavar="N", help="0: any free one")
    parser.add_argument(
        "--rules", type=Path, metavar="FILE", help="JSON array of rules: which transfers get what"
    )
    arguments = parser.parse_args()
    settings = settings_of(arguments)
    start_logging(ROLE)
    if settings.screening_key_id is None or settings.screening_secret is None:
        raise ScreeningPlaceError("set KENCH_SCREENING_KEY_ID and KENCH_SCREENING_SECRET")
    server = ScreeningServer(
        LocalProvider(read_rules(arguments.rules) if arguments.rules else ()),
        settings.screening_key_id,
        settings.screening_secret.get_secret_value(),
        SystemClock(),
    )
    take_signals()
    config = config_of(server.app, CONNECTIONS_MAX, lifespan="off")
    with _listen(arguments.host, arguments.port) as listening:
        announce(ROLE, f"http://{arguments.host}:{listening.getsockname()[1]}")
        announce(ROLE, "ready")
        serve_at(config, listening)


def _listen(host: str, port: int) -> socket.socket:
    try:
        return socket.create_server((host, port), backlog=128)
    except (OSError, OverflowError) as error:
        raise ScreeningPlaceError(
            f"cannot listen on {host} port {port} ({error}): give another --host or --port"
        ) from error


if __name__ == "__main__":
    run_root(ROLE, main)
