"""The root of `kench venue`: a paper exchange on a port of its own."""

import signal

from kench.pool.clock import SystemClock
from kench.pool.errors import KenchError
from kench.pool.roots import announce, command, run_root, settings_of, start_logging
from kench.pool.rpc import Node
from kench.pool.running import node_urls_of
from kench.venue.service import VenueService

ROLE = "venue"


class NoVenueNodeError(KenchError):
    """Deposits come from a chain, and no node is named."""


def main() -> None:
    """Serve until SIGTERM or SIGINT."""
    parser = command(
        ROLE,
        "Run the paper venue: an exchange for trials, with an order book and signed requests, that "
        "credits deposits of the chain and sells them to nobody. It holds no keys to coins.",
        example="kench venue --data ./data --venue-port 9335",
    )
    parser.add_argument("--venue-host", metavar="HOST", help="address to listen on (127.0.0.1)")
    parser.add_argument("--venue-port", type=int, metavar="N", help="0: any free one (9335)")
    parser.add_argument("--venue-address", metavar="A", help="its deposit address")
    parser.add_argument(
        "--venue-faults",
        nargs="+",
        metavar="F=SHARE",
        help="what it does wrong, and how often, such as lost-answer=0.01",
    )
    settings = settings_of(parser.parse_args())
    start_logging(ROLE)
    urls = node_urls_of(settings)
    if not urls:
        raise NoVenueNodeError("no node to watch for deposits: name one with KENCH_NODE_URLS")
    clock = SystemClock()
    service = VenueService(settings, [Node(url, clock=clock) for url in urls], clock)
    listener = service.listen()
    # uvicorn raises the signal that ended it once more, for whoever ran it: nobody, here.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: None)
    host, port = listener.getsockname()[:2]

    def on_start() -> None:
        announce(ROLE, f"http://{f'[{host}]' if ':' in host else host}:{port}")
        announce(ROLE, "ready")

    service.serve(listener, on_start)


if __name__ == "__main__":
    run_root(ROLE, main)
