"""A pool on one machine, and its standby: what `kench standby` promises, on hosts with cables.

    miners ──┐
    node ────┼── switch ── alpha: PostgreSQL, job maker, two fronts, settlement   (leads)
             └──────────── beta: kench standby serve                              (follows)

After a promotion they change places. Settings are those of docs/backup.md, `sync` and `serve`.
"""

import contextlib
import json
import shutil
import time
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from kench.backup.standby.hearing import streamed
from kench.pool.clock import SystemClock
from kench.pool.database import migrate, open_engine
from kench.pool.postgres import EmbeddedPostgres
from kench.pool.register import add_participant
from kench.pool.settings_file import read_settings
from kench.up.pki import CRL_FILE, ROOT_FILE, demo_pki
from tests.chaos.checks import BrokenPromiseError, Place
from tests.chaos.hosts import Host, Network
from tests.chaos.machines import Clock, mount_small_disk, power_off, take_down, unmount_all
from tests.chaos.miners import Address, Miners
from tests.chaos.services import Service, kench, run
from tests.support.certificates import authority
from tests.support.pool import EASY_SHARES, accept_orders

STRATUM, METRICS, JOURNALS, DATABASE, RPC, ZMQ = 3333, 9333, 9447, 9448, 18443, 28332
FRONTS, MINERS, PER_S = 2, 8, 12.0
JOURNAL_DISK_MB = 96
BLOCK_DIFFICULTY = "1e-7"
"""About one block in 430 hashes: one in five seconds at the rate of the miners."""
SETTLED_S, COMMAND_S = 60.0, 90.0
LOOK_S = 0.1


@dataclass
class Machine:
    """One of the two, with the folder that it works in now."""

    host: Host
    folder: Path
    clock: Clock
    services: dict[str, Service] = field(default_factory=dict)
    database: EmbeddedPostgres | None = None

    @property
    def data(self) -> Path:
        """Its data folder."""
        return self.folder / "data"

    def log(self, name: str) -> Path:
        """Where a program's words go."""
        return self.folder / f"{name}.log"

    def leave(self) -> None:
        """Have nothing be started again that ends."""
        for service in self.services.values():
            service.leave()

    def lose_power(self) -> None:
        """End all that runs there at one moment; nothing comes again by itself."""
        self.leave()
        power_off(self.host)


class OneMachine:
    """The pool. A context: inside it the pool serves, after it everything is gone."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.network = Network("alpha", "beta", "node", "miners")
        self._stack = contextlib.ExitStack()
        self._serial = 0
        self.leader = self._machine("alpha")
        self.follower = self._machine("beta")
        self.node: Service
        self.miners: Miners

    def __enter__(self) -> Self:
        with contextlib.ExitStack() as stack:
            stack.enter_context(self.network)
            stack.callback(self._take_down)
            self._certify()
            self._start_node()
            user, password = self._found()
            self._lead(self.leader)
            self._follow(self.follower)
            self._start_miners(user, password)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def _take_down(self) -> None:
        """End everything at once: nothing of it is kept."""
        if hasattr(self, "miners"):
            self.miners.stop()
        services = [
            *([self.node] if hasattr(self, "node") else []),
            *self.leader.services.values(),
            *self.follower.services.values(),
        ]
        take_down(self.network, services, self._folder)

    # -- what steps ask for -------------------------------------------------------------------

    def place(self) -> Place:
        """Where the books are."""
        assert self.leader.database is not None
        return Place(self.leader.data / "journal", self._url)

    def settle_down(self) -> None:
        """Wait until the standby has all journals and the database, and each process serves."""
        for machine in (self.leader, self.follower):
            for service in machine.services.values():
                service.wait_until_ready()
        self.node.wait_until_ready()
        for _ in range(round(SETTLED_S / LOOK_S)):
            if self._is_whole():
                return
            time.sleep(LOOK_S)
        raise BrokenPromiseError(f"the standby does not follow: {self.fronts()}")

    def fronts(self) -> dict[str, Any]:
        """Return what the leader says of its fronts; nothing where it does not answer."""
        url = f"http://{self.leader.host.address}:{METRICS}/status"

        def ask() -> dict[str, Any]:
            with urllib.request.urlopen(url, timeout=5) as answer:
                state: dict[str, Any] = json.load(answer)
            return state

        try:
            found: dict[str, Any] = self.leader.host.within(ask)["fronts"]
        except (OSError, ValueError):
            return {}
        return found

    def front_pids(self) -> list[int]:
        """Process ids of the fronts that run."""
        return [front["pid"] for _, front in sorted(self.fronts().items()) if front["pid"]]

    def _is_whole(self) -> bool:
        fronts = [front for front in self.fronts().values() if front["serving"]]
        shipped = [front["standby"] and front["standby"]["together"] for front in fronts]
        database = streamed(self.follower.data)
        return len(fronts) == FRONTS and all(shipped) and bool(database and database.connected)

    # -- how it is built ------------------------------------------------------------------------

    def _machine(self, name: str) -> Machine:
        self._serial += 1
        folder = self._folder / f"{self._serial}-{name}"
        folder.mkdir(parents=True)
        return Machine(self.network[name], folder, Clock(folder))

    def _certify(self) -> None:
        folder = self._folder / "line"
        folder.mkdir()
        ours = authority(folder)
        self._line = {"KENCH_STANDBY_AUTHORITY": str(folder / "ca.pem")}
        where = ",".join(f"IP:{self.network[name].address}" for name in ("alpha", "beta"))
        certificate, key = ours.issue("line", where=where)
        self._line |= {
            "KENCH_STANDBY_CERTIFICATE": str(certificate),
            "KENCH_STANDBY_KEY": str(key),
        }

    def _start_node(self) -> None:
        host = self.network["node"]
        words = kench("node", "--data", str(self._folder / "node"), "--rpc-host", host.address)
        words += ["--rpc-port", str(RPC), "--zmq-port", str(ZMQ)]
        words += ["--block-difficulty", BLOCK_DIFFICULTY]
        self.node = Service(host, "node", words, {}, self._folder / "node.log")
        self.node.start()

    def _found(self) -> tuple[str, str]:
        """Make the first machine's database; return what miners log in with."""
        mount_small_disk(self.leader.data / "journal", self.network.tag, JOURNAL_DISK_MB)
        self.start_database(self.leader)
        migrate(self._url)
        engine = open_engine(self._url, application_name="chaos")
        with engine.begin() as connection:
            participant, token = add_participant(connection, "chaos")
        engine.dispose()
        orders = self._folder / "orders"
        orders.mkdir()
        accept_orders(orders, self._url)
        self._pki = demo_pki(read_settings(data_dir=orders).demo_pki_directory, SystemClock())
        return f"{participant}.rig", token

    def start_database(self, machine: Machine) -> None:
        """Start a machine's database there, or bring it back; the pool works with it."""
        if machine.database is None:
            machine.database = EmbeddedPostgres(machine.data)
        self._url = machine.host.within(machine.database.start)

    def _settings(self, machine: Machine) -> dict[str, str]:
        """Return the settings of a machine, whichever of the two it is."""
        other = self.network["beta" if machine.host.name == "alpha" else "alpha"]
        own, node = machine.host.address, self.network["node"].address
        cookie = self._folder / "node/node/.cookie"
        return {
            **EASY_SHARES,
            **self._line,
            "KENCH_DATA": str(machine.data),
            "KENCH_SIGNATURE_ROOTS": str(self._pki.folder / ROOT_FILE),
            "KENCH_SIGNATURE_CRLS": str(self._pki.folder / CRL_FILE),
            "KENCH_NODE_URLS": f"http://{node}:{RPC}?cookie={cookie}",
            "KENCH_NODE_ZMQ": f"tcp://{node}:{ZMQ}",
            "KENCH_STRATUM_HOST": own,
            "KENCH_STRATUM_PORT": str(STRATUM),
            "KENCH_STRATUM_PROCESSES": str(FRONTS),
            "KENCH_METRICS_HOST": own,
            "KENCH_METRICS_PORT": str(METRICS),
            "KENCH_MATURITY_CONFIRMATIONS": "5",
            "KENCH_JOURNAL_SEGMENT_BYTES": "262144",
            "KENCH_STANDBY_LISTEN": f"{own}:{JOURNALS}",
            "KENCH_STANDBY_ADDRESS": f"{other.address}:{JOURNALS}",
            "KENCH_STANDBY_MODE": "sync",
            "KENCH_STANDBY_WHEN_AWAY": "serve",
            "KENCH_POSTGRES_LISTEN": f"{own}:{DATABASE}",
            # All miners of the stand come from one address, and a fault makes them all come again.
            "KENCH_COST_EXEMPT": f"{self.network['miners'].address}/32",
        }

    def _lead(self, machine: Machine) -> None:
        """Start what a main machine runs beside its database."""
        settings = {**self._settings(machine), "KENCH_DATABASE_URL": self._url}
        clock = machine.clock.settings
        for name, words, more in (
            ("stratum", kench("stratum"), clock),
            ("settle", kench("settle"), clock),
            ("lend", kench("standby", "lend"), {}),
        ):
            told = {**settings, **more}
            service = Service(machine.host, name, words, told, machine.log(name))
            machine.services[name] = service.start(wait=False)
        for service in machine.services.values():
            service.wait_until_ready()

    def _follow(self, machine: Machine) -> None:
        """Make an empty machine the standby of the leader, and have it serve."""
        settings = self._settings(machine)
        source = f"{self.leader.host.address}:{DATABASE}"
        # Its cable was out a moment ago, and the command asks once.
        machine.host.await_reached(self.leader.host, DATABASE)
        run(machine.host, kench("standby", "init", "--from", source), settings, COMMAND_S)
        mount_small_disk(machine.data / "journal", self.network.tag, JOURNAL_DISK_MB)
        evidence = self.leader.data / "evidence.pem"
        shutil.copy2(evidence, machine.data / evidence.name)
        words = kench("standby", "serve")
        machine.services["serve"] = Service(
            machine.host, "serve", words, settings, machine.log("serve")
        ).start()

    def _start_miners(self, user: str, password: str) -> None:
        addresses: list[Address] = [
            (self.network[name].address, STRATUM) for name in ("alpha", "beta")
        ]
        plans = [addresses] * MINERS
        self.miners = Miners(self.network["miners"], user, password, plans, PER_S)
        self.miners.start()

    # -- how it changes ---------------------------------------------------------------------------

    def lose_power(self, machine: Machine) -> None:
        """End all on a machine at one moment; it says nothing to anybody, not even goodbye."""
        self.network.pull(machine.host.name)
        machine.lose_power()

    def restart(self, machine: Machine) -> None:
        """Start all that ran on a machine which lost its power."""
        self.network.plug(machine.host.name)
        if machine is self.leader:
            self.start_database(machine)
        for service in machine.services.values():
            service.start(wait=False)

    def promote(self, *words: str) -> None:
        """Give the follower the command to lead. Raises ServiceError where it refuses."""
        follower = self.follower
        command = kench("standby", "promote", *words)
        run(follower.host, command, self._settings(follower), COMMAND_S)

    def change_places(self) -> None:
        """Have the machine that was promoted serve; the other is the follower by name."""
        self.leader, self.follower = self.follower, self.leader
        self.start_database(self.leader)
        self._lead(self.leader)

    def make_anew(self) -> None:
        """Have the follower's machine begin again in an empty folder."""
        old = self.follower
        old.lose_power()
        self.network.plug(old.host.name)
        old.database = None
        unmount_all(old.folder)
        self.follower = self._machine(old.host.name)
        self._follow(self.follower)
