"""The paper venue as one object: its memory, exchange, watch of the chain, and HTTP server."""

import socket
import threading
from collections.abc import Callable

import structlog

from kench.pool.address import burn_address, script_of
from kench.pool.api_key import keep_api_key
from kench.pool.clock import Clock
from kench.pool.errors import KenchError
from kench.pool.listening import open_port
from kench.pool.pace import Pace
from kench.pool.rpc import Node
from kench.pool.settings import Settings
from kench.pool.venue_settings import fault_shares
from kench.pool.web.serving import config_of, serve_at
from kench.venue.app import Counter, make_app
from kench.venue.deposits import DepositWatch, Rules
from kench.venue.desk import Desk
from kench.venue.event_file import EventFile, EventFileError
from kench.venue.exchange import Exchange, Terms
from kench.venue.faults import FaultPlan
from kench.venue.market import WanderingMarket
from kench.venue.signing import AHEAD_US, Doorkeeper

EVENTS_NAME = "events.jsonl"
PLACE_NAME = "read.json"
BACKLOG = 128
CONNECTIONS_MAX = 256
LOOK_S = 1.0
JOIN_S = 0.3

log = structlog.get_logger("venue")


class VenueSetupError(KenchError):
    """The paper venue cannot start with these settings."""


class VenueService:
    """Everything of one `kench venue`."""

    def __init__(self, settings: Settings, nodes: list[Node], clock: Clock) -> None:
        """Read what it remembers; raises KenchError's subclasses."""
        self._nodes = nodes
        self._settings = settings
        market = WanderingMarket(
            settings.venue_draw, settings.venue_price_kgs * 100, most_sat=settings.venue_level_sat
        )
        self._file = EventFile(settings.venue_directory / EVENTS_NAME)
        self._exchange = Exchange(
            clock, market, Terms(fee_ppm=settings.venue_fee_ppm), self._file.append
        )
        self._exchange.replay(self._file.read())
        key = keep_api_key(settings.venue_key_path)
        window_s = settings.venue_window_s
        self._desk = Desk(self._exchange, clock, window_s + AHEAD_US // 1_000_000)
        self._counter = Counter(
            self._desk,
            Doorkeeper(clock, {key.key: key.secret}, window_s),
            Pace(clock, settings.venue_requests_per_s),
            FaultPlan(fault_shares(settings.venue_faults), settings.venue_draw),
            settings.venue_latency_ms / 1000,
        )
        self._said = ""
        self._stop = threading.Event()
        self._watching = threading.Thread(target=self._watch, name="deposits", daemon=True)

    def listen(self) -> socket.socket:
        """Open the port; raises VenueSetupError."""
        host, port = self._settings.venue_host, self._settings.venue_port
        try:
            return open_port(host, port, BACKLOG)
        except OSError as error:
            raise VenueSetupError(
                f"cannot listen on {host}:{port}: {error.strerror}; "
                "choose another port with --venue-port (KENCH_VENUE_PORT)"
            ) from error

    def serve(self, listener: socket.socket, on_start: Callable[[], None]) -> None:
        """Serve until SIGTERM or SIGINT."""
        config = config_of(make_app(self._counter, on_start), CONNECTIONS_MAX)
        self._watching.start()
        try:
            serve_at(config, listener)
        finally:
            self._stop.set()
            self._watching.join(JOIN_S)

    def _watch(self) -> None:
        """Read the chain until the end; a node that does not answer is asked again."""
        watch: DepositWatch | None = None
        more = False
        while more or not self._stop.wait(LOOK_S):
            if self._stop.is_set():
                return
            more = False
            for node in self._nodes:
                try:
                    watch = watch or self._open_watch(node)
                    more = watch.look(node)
                    self._said = ""
                    break
                except EventFileError as error:
                    log.error("the venue cannot remember", why=str(error))
                    return
                except (KenchError, LookupError, ValueError, TypeError) as error:
                    self._say_once(str(error))

    def _say_once(self, why: str) -> None:
        if why != self._said:
            log.warning("the chain cannot be read", why=why)
        self._said = why

    def _open_watch(self, node: Node) -> DepositWatch:
        settings = self._settings
        network = str(node.call("getblockchaininfo")["chain"])
        address = settings.venue_address
        if address is None:
            if network != "regtest":
                raise VenueSetupError(
                    f"the node is on {network}: name the deposit address with "
                    "--venue-address (KENCH_VENUE_ADDRESS)"
                )
            address = burn_address(network)
        self._desk.address = address
        rules = Rules(script_of(address, network), settings.venue_confirmations)
        place = settings.venue_directory / PLACE_NAME
        return DepositWatch(self._exchange, self._desk.lock, rules, place)
