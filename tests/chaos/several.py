"""A pool of several machines: front-ends without a node, makers of jobs, a NATS cluster.

miners ── front1, front2      a front each, no node; journals go to the cluster
          maker1, maker2      stand for election; one makes the jobs, each has the node
          nats1, nats2, nats3 the cluster
          books               kench gather, kench settle
          pg1, pg2            PostgreSQL, and its replica
          node
"""

import contextlib
import json
import time
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from kench.pool.clock import SystemClock
from kench.pool.database import migrate, open_engine
from kench.pool.register import add_participant
from kench.pool.settings_file import read_settings
from kench.up.pki import CRL_FILE, ROOT_FILE, demo_pki
from tests.chaos import nats_hosts
from tests.chaos.checks import BrokenPromiseError, Place
from tests.chaos.database import DatabaseServer, url_of
from tests.chaos.hosts import Host, Network
from tests.chaos.machines import Clock, mount_small_disk, take_down
from tests.chaos.miners import Address, Miners
from tests.chaos.services import Service, kench
from tests.support.certificates import authority
from tests.support.pool import EASY_SHARES, accept_orders

STRATUM, METRICS, RPC, ZMQ = 3333, 9333, 18443, 28332
NATS, MAKERS, FRONTS = ("nats1", "nats2", "nats3"), ("maker1", "maker2"), ("front1", "front2")
MINERS_EACH, PER_S = 4, 12.0
JOURNAL_DISK_MB = 96
BLOCK_DIFFICULTY = "1e-7"
STREAM_BYTES = 256 << 20
SETTLED_S = 90.0
LOOK_S = 0.2


@dataclass
class Machine:
    """One that runs `kench stratum`: a front-end or a maker."""

    host: Host
    data: Path
    clock: Clock
    stratum: Service


class Several:
    """The pool. A context: inside it the pool serves, after it everything is gone."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        names = ("node", "pg1", "pg2", "books", *NATS, *MAKERS, *FRONTS, "miners")
        self.network = Network(*names)
        self._stack = contextlib.ExitStack()
        self.services: list[Service] = []
        self.nats: list[Service] = []
        self.machines: dict[str, Machine] = {}
        self.miners: Miners

    def __enter__(self) -> Self:
        with contextlib.ExitStack() as stack:
            stack.enter_context(self.network)
            stack.callback(self._take_down)
            self._start_cluster()
            self._start_node()
            user, password = self._found()
            self._start_machines()
            self._start_books()
            for service in self.services:
                service.wait_until_ready()
            self._start_miners(user, password)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def _take_down(self) -> None:
        """End everything at once: nothing of it is kept."""
        if hasattr(self, "miners"):
            self.miners.stop()
        take_down(self.network, self.services, self._folder)

    # -- what steps ask for -------------------------------------------------------------------

    def place(self) -> Place:
        """Where the books are."""
        return Place(self._folder / "books/journal", self.url, self.network["books"])

    def settle_down(self) -> None:
        """Wait until each process serves, and journals and database have their copies."""
        for service in self.services:
            service.wait_until_ready()
        said: object = None
        for _ in range(round(SETTLED_S / LOOK_S)):
            said = self._what_lacks()
            if said is None:
                return
            time.sleep(LOOK_S)
        raise BrokenPromiseError(f"the pool does not settle down: {said}")

    def _what_lacks(self) -> str | None:
        for name in (*FRONTS, *MAKERS):
            state = self.state(name)
            fronts = [front for front in state.get("fronts", {}).values() if front.get("serving")]
            if not fronts:
                return f"{name} does not serve: {state.get('why')}"
            if not all((front.get("stream") or {}).get("together") for front in fronts):
                return f"the journal of {name} goes to its disk alone"
        if self.leading_maker() is None:
            return "nobody makes jobs"
        return None if self.database.is_followed() else "the database has no replica"

    def state(self, name: str) -> dict[str, Any]:
        """Return what a machine says of itself; nothing where it does not answer."""
        host = self.network[name]

        def ask() -> dict[str, Any]:
            url = f"http://{host.address}:{METRICS}/status"
            with urllib.request.urlopen(url, timeout=5) as answer:
                found: dict[str, Any] = json.load(answer)
            return found

        try:
            return host.within(ask)
        except (OSError, ValueError):
            return {}

    def service(self, name: str) -> Service:
        """Return a program by its name."""
        return next(one for one in self.services if one.name == name)

    def leading_maker(self) -> str | None:
        """Return which of the makers makes the jobs; None where none does."""
        roles = {name: (self.state(name).get("feed") or {}).get("role") for name in MAKERS}
        return next((name for name, role in roles.items() if role == "leads"), None)

    # -- how it is built ------------------------------------------------------------------------

    def _start_cluster(self) -> None:
        folder = self._folder / "line"
        folder.mkdir()
        ours = authority(folder)
        hosts = [self.network[name] for name in NATS]
        where = ",".join(f"IP:{host.address}" for host in hosts)
        certificate, key = ours.issue("cluster", where=where)
        own, own_key = ours.issue("machine", where="DNS:machine")
        ca = folder / "ca.pem"
        self.nats = nats_hosts.servers_of(hosts, self._folder / "nats", certificate, key, ca)
        self._keep(*self.nats)
        self._line = {
            "KENCH_NATS_URLS": nats_hosts.urls_of(hosts),
            "KENCH_NATS_CERTIFICATE": str(own),
            "KENCH_NATS_KEY": str(own_key),
            "KENCH_NATS_AUTHORITY": str(ca),
        }

    def _keep(self, *services: Service) -> None:
        for service in services:
            self.services.append(service.start(wait=False))

    def _start_node(self) -> None:
        host = self.network["node"]
        words = kench("node", "--data", str(self._folder / "node"), "--rpc-host", host.address)
        words += ["--rpc-port", str(RPC), "--zmq-port", str(ZMQ)]
        words += ["--block-difficulty", BLOCK_DIFFICULTY]
        self._keep(Service(host, "node", words, {}, self._folder / "node.log"))

    def _found(self) -> tuple[str, str]:
        """Make the database and its replica; return what miners log in with."""
        hosts = [self.network["pg1"], self.network["pg2"]]
        self.database, self.replica = (
            DatabaseServer(host, self._folder / host.name) for host in hosts
        )
        self.url = url_of(hosts)
        self.database.make()
        self.replica.follow(self.database.host)
        self.services += [self.database.service, self.replica.service]
        orders = self._folder / "orders"
        orders.mkdir()

        def enter() -> str:
            migrate(self.url)
            engine = open_engine(self.url, application_name="chaos")
            with engine.begin() as connection:
                participant, token = add_participant(connection, "chaos")
            engine.dispose()
            accept_orders(orders, self.url)
            return f"{participant}.rig {token}"

        user, _, password = self.network["books"].within(enter).partition(" ")
        self._pki = demo_pki(read_settings(data_dir=orders).demo_pki_directory, SystemClock())
        return user, password

    def _settings(self, host: Host, data: Path, *, node: bool) -> dict[str, str]:
        told = {
            **EASY_SHARES,
            **self._line,
            "KENCH_DATA": str(data),
            "KENCH_DATABASE_URL": self.url,
            "KENCH_SIGNATURE_ROOTS": str(self._pki.folder / ROOT_FILE),
            "KENCH_SIGNATURE_CRLS": str(self._pki.folder / CRL_FILE),
            "KENCH_NETWORK": "regtest",
            "KENCH_STRATUM_HOST": host.address,
            "KENCH_STRATUM_PORT": str(STRATUM),
            "KENCH_STRATUM_PROCESSES": "1",
            "KENCH_METRICS_HOST": host.address,
            "KENCH_METRICS_PORT": str(METRICS),
            "KENCH_MATURITY_CONFIRMATIONS": "5",
            "KENCH_JOURNAL_SEGMENT_BYTES": "262144",
            "KENCH_COST_EXEMPT": f"{self.network['miners'].address}/32",
        }
        if node:
            address = self.network["node"].address
            cookie = self._folder / "node/node/.cookie"
            told["KENCH_NODE_URLS"] = f"http://{address}:{RPC}?cookie={cookie}"
            told["KENCH_NODE_ZMQ"] = f"tcp://{address}:{ZMQ}"
        return told

    def _start_machines(self) -> None:
        for number, name in enumerate((*MAKERS, *FRONTS)):
            host, data = self.network[name], self._folder / name
            mount_small_disk(data / "journal", self.network.tag, JOURNAL_DISK_MB)
            (self._folder / f"{name}-clock").mkdir()
            clock = Clock(self._folder / f"{name}-clock")
            settings = {
                **self._settings(host, data, node=name in MAKERS),
                **clock.settings,
                "KENCH_JOB_SOURCE": "nats",
                "KENCH_JOURNAL_BACKEND": "nats",
                "KENCH_JOURNAL_STREAM_BYTES": str(STREAM_BYTES),
                "KENCH_INSTANCE": str(10 * number),
            }
            log = self._folder / f"{name}.log"
            service = Service(host, f"stratum of {name}", kench("stratum"), settings, log)
            self.machines[name] = Machine(host, data, clock, service)
            self._keep(service)

    def _start_books(self) -> None:
        host, data = self.network["books"], self._folder / "books"
        settings = self._settings(host, data, node=True)
        settings["KENCH_JOURNAL_STREAM_BYTES"] = str(STREAM_BYTES)
        self.gather = Service(host, "gather", kench("gather"), settings, self._log("gather"))
        self.settle = Service(host, "settle", kench("settle"), settings, self._log("settle"))
        self._keep(self.gather, self.settle)

    def _log(self, name: str) -> Path:
        return self._folder / f"{name}.log"

    def _start_miners(self, user: str, password: str) -> None:
        addresses: list[Address] = [(self.network[name].address, STRATUM) for name in FRONTS]
        plans = [addresses, addresses[::-1]] * MINERS_EACH
        self.miners = Miners(self.network["miners"], user, password, plans, PER_S)
        self.miners.start()

    # -- how it changes ---------------------------------------------------------------------------

    def replace_database(self) -> None:
        """Have the replica lead, whatever became of the other."""
        self.database, self.replica = self.replica, self.database
        self.database.promote()

    def make_replica_anew(self) -> None:
        """Have the machine that led follow, from an empty folder."""
        self.replica.service.stop()
        self.replica.follow(self.database.host)
