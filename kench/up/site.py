"""The parts of one machine in their order: database, node, market, settlement, stratum, cabinet.

They start in this order and stop in the other, so that a part finds what it needs and no share is
taken that cannot be carried to its end.
"""

import os
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kench.pool.clock import Clock
from kench.pool.database import Role, migrate, open_engine
from kench.pool.errors import KenchError
from kench.pool.running import Running, forget_running, keep_node_urls, write_running
from kench.pool.secret_sources import tell_secret
from kench.pool.settings import Settings
from kench.up.database import KeptDatabase
from kench.up.demo import demo_login
from kench.up.environment import base_environment
from kench.up.market import plan_market
from kench.up.orders import ready_orders
from kench.up.part import Part
from kench.up.pki import PASSWORD, DemoPki, demo_pki, ready_people
from kench.up.preflight import free_port
from kench.up.supervisor import Supervisor
from kench.up.watch import Watch

if TYPE_CHECKING:
    from sqlalchemy import Engine

READY_S = 120.0
"""A node with a long chain may need a while; a part that takes longer hangs."""
TICK_S = 0.2
LOOPBACK = "127.0.0.1"
MINER_NICE = 10
# Together with the database's they stay below the ten seconds that a stop may take; the miner ends
# together with stratum, for on a busy machine its turn comes late.
STOP_S = {
    "mine": 2.5,
    "archive": 2.0,
    "tax": 2.0,
    "standby": 2.0,
    "cabinet": 2.5,
    "stratum": 2.5,
    "sell": 2.5,
    "settle": 2.5,
    "screening": 2.5,
    "venue": 2.5,
    "node": 2.0,
}


class PartNotReadyError(KenchError):
    """A part runs but does not get ready."""


@dataclass(frozen=True, slots=True)
class Ports:
    """Ports that the parts open, all decided before any of them starts."""

    stratum: int
    metrics: int


class Site:
    """Everything that `kench up` runs, from `start` to `stop`."""

    def __init__(
        self,
        settings: Settings,
        told: Mapping[str, str],
        ports: Ports,
        clock: Clock,
        say: Callable[[str], None],
    ) -> None:
        """Create it with nothing started; `told` are variables for settlement and stratum."""
        self._settings = settings.model_copy(
            update={"stratum_port": ports.stratum, "metrics_port": ports.metrics}
        )
        self._clock = clock
        self._market = plan_market(settings)
        self._database = KeptDatabase(settings) if settings.database_url is None else None
        self._say = say
        self._supervisor = Supervisor(clock, say)
        self._engine: Engine | None = None
        self._cabinet: Part | None = None
        """Until it has said that it is ready."""
        self._watch: Watch | None = None
        self._variables = {**base_environment(), **told}

    @property
    def status(self) -> dict[str, object] | None:
        """The newest status of the pool, or None before there is one."""
        return self._watch.latest if self._watch else None

    def start(self, stop: threading.Event, on_ready: Callable[[], None]) -> None:
        """Start everything; call `on_ready` when a miner can log in. Returns early on `stop`.

        Raises KenchError's subclasses; then `stop` must still be called.
        """
        settings = self._settings
        url = self._start_database()
        node_urls = [secret.get_secret_value() for secret in settings.node_urls]
        keep_node_urls(settings.run_directory, node_urls)
        node_url, node_zmq = None, None
        if not node_urls:
            node_url, node_zmq = self._start_node(stop)
            node_urls = [node_url]
            if stop.is_set():
                return
        self._ready_orders(node_urls[0], embedded=node_url is not None)
        self._variables |= {
            "KENCH_NODE_ZMQ": " ".join(settings.node_zmq) or node_zmq or "",
            "KENCH_STRATUM_PORT": str(settings.stratum_port),
            "KENCH_METRICS_PORT": str(settings.metrics_port),
        }
        for name, text in (("database_url", url), ("node_urls", " ".join(node_urls))):
            folder = settings.secrets_directory
            self._variables = tell_secret(self._variables, folder, name, text)
        stratum = self._part("stratum", self._data_flag(), self._variables)
        settle = self._part("settle", self._data_flag(), self._variables)
        market = self._market.parts(self._variables, settings)
        self._cabinet = self._part("cabinet", self._data_flag(), self._variables)
        beside = [*self._copies(), *self._sale(), *self.asked_parts()]
        for group in ([*market, settle], [*beside, stratum, self._cabinet]):
            for at, part in enumerate(group):
                self._supervisor.start(part, stop_s=STOP_S[part.role], beside=at > 0)
        for part in (stratum, *market):
            self._await_ready(part, stop)
        if stop.is_set():
            return
        self._record(node_url, node_zmq)
        on_ready()
        if settings.cpu_miner:
            self._start_miner()
        self._start_watch(url)

    def run(self, stop: threading.Event, on_tick: Callable[[], None]) -> None:
        """Keep everything running until `stop` is set."""
        while not stop.wait(TICK_S):
            self._supervisor.tick()
            if self._cabinet is not None and self._cabinet.ready.is_set():
                self._say(f"kench: the cabinet is at {self._settings.cabinet_origin}")
                if self._settings.cabinet_officers_port is not None:
                    door = self._settings.officers_origin
                    self._say(f"kench: officers with a .p12 in their browser enter at {door}")
                self._cabinet = None
            on_tick()

    def stop(self) -> list[str]:
        """Stop everything in order; return the roles that had to be killed."""
        if self._watch is not None:
            self._watch.stop()
        killed = self._supervisor.stop()
        if self._engine is not None:
            self._engine.dispose()
        if self._database is not None:
            self._database.stop()
        forget_running(self._settings.run_directory)
        return killed

    def _start_database(self) -> str:
        named = self._settings.database_url
        url = named.get_secret_value() if named else ""
        if self._database is not None:
            url = self._database.start()
        migrate(url)
        self._engine = open_engine(url, application_name="kench up")
        return url

    def _start_node(self, stop: threading.Event) -> tuple[str, str]:
        """Start the embedded node; return its URL (with its cookie file) and ZMQ endpoint."""
        settings = self._settings
        rpc_port = free_port(LOOPBACK)
        zmq_port = free_port(LOOPBACK)
        flags = ["--rpc-port", str(rpc_port), "--zmq-port", str(zmq_port)]
        flags += ["--block-difficulty", repr(settings.block_difficulty)]
        node = self._part("node", [*self._data_flag(), *flags], base_environment())
        self._supervisor.start(node, stop_s=STOP_S["node"])
        self._await_ready(node, stop)
        cookie = settings.node_directory / ".cookie"
        return f"http://{LOOPBACK}:{rpc_port}?cookie={cookie}", f"tcp://{LOOPBACK}:{zmq_port}"

    def _ready_orders(self, node_url: str, *, embedded: bool) -> None:
        """See that orders say whom blocks pay, before anything that could mine is started."""
        if self._engine is None:
            raise AssertionError("the database starts before orders are read")
        if ready_orders(self._engine, self._settings, node_url, self._clock, embedded=embedded):
            self._say("kench: no orders yet, so two officers of nobody's signed one for the demo")
        folder = self._settings.demo_pki_directory
        trusted = embedded and not self._settings.signature_roots and folder.exists()
        if trusted and ready_people(demo_pki(folder, self._clock)):
            self._say(f"kench: enter the cabinet with a .p12 of {folder}, password {PASSWORD}")
            self._plan_officers_door(demo_pki(folder, self._clock))

    def _plan_officers_door(self, pki: DemoPki) -> None:
        """Let the demo's officers come by their certificates too, unless a door was chosen."""
        settings = self._settings
        if settings.cabinet_officers_port is not None:
            return
        certificate, key = pki.authority.certify_door()
        self._settings = settings.model_copy(
            update={
                "cabinet_officers_port": free_port(LOOPBACK),
                "cabinet_officers_certificate": certificate,
                "cabinet_officers_key": key,
            }
        )
        self._variables |= {
            "KENCH_CABINET_OFFICERS_PORT": str(self._settings.cabinet_officers_port),
            "KENCH_CABINET_OFFICERS_CERTIFICATE": str(certificate),
            "KENCH_CABINET_OFFICERS_KEY": str(key),
        }

    def _start_miner(self) -> None:
        settings = self._settings
        if self._engine is None:
            raise AssertionError("the database starts before the miner")
        login = demo_login(self._engine, settings.run_directory)
        # Without a scheme: a part's command line names its own role alone.
        host = settings.all_doors[0].hosts[0]
        url = f"{_reachable(host)}:{settings.stratum_port}"
        flags = ["--threads", str(settings.cpu_miner_threads), "--nice", str(MINER_NICE)]
        environment = {**base_environment(), "KENCH_MINE_PASSWORD": login.password}
        miner = self._part("mine", [url, login.user, "-", *flags], environment)
        self._supervisor.start(miner, stop_s=STOP_S["mine"], beside=True)

    def _copies(self) -> list[Part]:
        """Return the parts that keep the database's WAL, and that lend it to a standby, if set."""
        parts = []
        if self._settings.postgres_wal_archive is not None:
            parts.append(self._part("archive", self._data_flag(), self._variables))
        if self._settings.postgres_listen is not None and self._database is not None:
            parts.append(self._part("standby", ["lend", *self._data_flag()], self._variables))
        return parts

    def asked_parts(self) -> list[Part]:
        """Return the part that hands income over, where settings say who may ask for it."""
        if not self._settings.tax_clients and self._settings.tax_push_url is None:
            return []
        return [self._part("tax", self._data_flag(), self._variables)]

    def _sale(self) -> list[Part]:
        """Return the part that sells, where there is a venue to sell on."""
        if not self._market.sells:
            return []
        told = self._variables | self._market.variables()
        return [self._part("sell", self._data_flag(), told)]

    def _start_watch(self, url: str) -> None:
        engine = open_engine(url, role=Role.READ, application_name="kench up")
        revive = self._database.revive if self._database else None
        self._watch = Watch(engine, self._settings.journal_directory, revive)
        self._watch.start()

    def _record(self, node_url: str | None, node_zmq: str | None) -> None:
        settings = self._settings
        doors = {plan.name: plan.url() for plan in settings.all_doors}
        stratum = next(iter(doors.values()))
        metrics = f"http://{settings.metrics_host}:{settings.metrics_port}"
        venue = self._market.venue_url
        record = Running(
            os.getpid(), node_url, node_zmq, stratum, metrics, doors, venue, settings.cabinet_origin
        )
        write_running(settings.run_directory, record)

    def _part(self, role: str, arguments: list[str], environment: dict[str, str]) -> Part:
        return Part(role, arguments, environment, self._settings.log_directory / f"{role}.log")

    def _data_flag(self) -> list[str]:
        return ["--data", str(self._settings.data_dir)]

    def _await_ready(self, part: Part, stop: threading.Event) -> None:
        deadline = self._clock.monotonic() + READY_S
        while not part.ready.is_set() and not stop.wait(TICK_S / 4):
            self._supervisor.tick()
            self._supervisor.check_starting(part)
            if self._clock.monotonic() > deadline:
                raise PartNotReadyError(
                    f"{part.role} is not ready after {READY_S:.0f} s; see {part.log_path}"
                )


def _reachable(host: str) -> str:
    """Return where a server that listens on `host` is reached from this machine."""
    here = {"0.0.0.0": LOOPBACK, "::": "::1", "": LOOPBACK}.get(host, host)  # noqa: S104 - compared with, not bound to
    return f"[{here}]" if ":" in here else here
