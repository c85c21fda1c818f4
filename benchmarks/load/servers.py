"""The servers under load: a whole pool in a temporary folder, and the bare yardstick."""

import contextlib
import json
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from benchmarks.load.ckpool import VARIABLE, NodeAddress
from benchmarks.load.client import LoadError, Login
from benchmarks.load.database import running_database
from benchmarks.load.ports import LOOPBACK, free_ports
from kench.pool.address import burn_address
from kench.pool.clock import SystemClock
from kench.pool.database import open_engine
from kench.pool.journal.reader import read_durable
from kench.pool.orders.verifying import verifier_of
from kench.pool.register import add_participant
from kench.pool.rpc import Node
from kench.pool.settings import Settings
from kench.pool.work import EASIEST_DIFFICULTY
from kench.up.environment import base_environment
from kench.up.orders import accept_demo_order
from kench.up.part import Part
from kench.up.pki import demo_pki

READY_S, POLL_S = 60.0, 0.1
STOP_S = 15.0
# Hard enough that no share of a benchmark is ever a block.
BLOCK_DIFFICULTY = 1e6


@dataclass(frozen=True, slots=True)
class Pool:
    """A running pool whose every share is accepted and none is a block."""

    port: int
    metrics_port: int
    stratum_pid: int
    login: Login
    node: Node
    node_address: NodeAddress
    journal: Path
    fronts: tuple[int, ...]
    """Process ids of all that serve miners, the first being `stratum_pid`."""
    maker_pid: int
    """Process id of the job maker."""

    def records_by_front(self) -> dict[int, int]:
        """Return how many shares each front's journal has on disk, by its number."""
        return {
            int(one.name): read_durable(one)
            for one in sorted(self.journal.parent.iterdir())
            if one.name.isdigit()
        }

    def journal_records(self) -> int:
        """Return how many shares the journals have on disk."""
        return sum(self.records_by_front().values())

    def new_block(self) -> None:
        """Have the node find a block, so that miners get a clean job."""
        line = self.node.line()
        with contextlib.closing(line):
            line.call("generatetoaddress", 1, burn_address("regtest"), timeout_s=READY_S)


@contextlib.contextmanager
def running_pool(folder: Path, processes: int = 1, **more: str) -> Iterator[Pool]:
    """Run PostgreSQL, the development node and the stratum server, each as in production.

    So many `processes` serve miners; `more` are settings of theirs. Settlement is left out: it is
    another path, and would take its share of two cores. Raises LoadError where a part does not get
    ready.
    """
    settings = Settings(data_dir=folder)
    settings.log_directory.mkdir(parents=True, exist_ok=True)
    rpc_port, zmq_port = free_ports(2)
    flags = ["--rpc-port", str(rpc_port), "--zmq-port", str(zmq_port)]
    flags += ["--block-difficulty", str(BLOCK_DIFFICULTY)]
    address = NodeAddress(
        f"{LOOPBACK}:{rpc_port}",
        settings.node_directory / ".cookie",
        f"tcp://{LOOPBACK}:{zmq_port}",
    )
    with (
        running("node", settings, flags, {}),
        running_stratum(folder, address, processes, **more) as pool,
    ):
        yield pool


@contextlib.contextmanager
def running_stratum(
    folder: Path, address: NodeAddress, processes: int = 1, **more: str
) -> Iterator[Pool]:
    """Run PostgreSQL and the stratum server on a node that runs already.

    Raises LoadError where a part does not get ready.
    """
    with contextlib.ExitStack() as stack:
        url = stack.enter_context(running_database(folder))
        settings = Settings(data_dir=folder)
        engine = open_engine(url, application_name="benchmark")
        stack.callback(engine.dispose)
        with engine.begin() as connection:
            participant, token = add_participant(connection, "benchmark")
            accept_demo_order(
                connection,
                demo_pki(settings.demo_pki_directory, SystemClock()),
                verifier_of(settings),
                tip_height=0,
                clock=SystemClock(),
            )

        settings.log_directory.mkdir(parents=True, exist_ok=True)
        port, metrics_port = free_ports(2)
        node_url = f"http://{address.rpc}?cookie={address.cookie}"
        pool_settings = {
            "KENCH_DATABASE_URL": url,
            "KENCH_NODE_URLS": node_url,
            "KENCH_NODE_ZMQ": address.zmq,
            "KENCH_STRATUM_PORT": str(port),
            "KENCH_METRICS_PORT": str(metrics_port),
            "KENCH_STRATUM_PROCESSES": str(processes),
            # Every hash is a share, and the difficulty stays what it is.
            "KENCH_MIN_DIFFICULTY": repr(EASIEST_DIFFICULTY),
            "KENCH_START_DIFFICULTY": repr(EASIEST_DIFFICULTY),
            "KENCH_MAX_DIFFICULTY": repr(EASIEST_DIFFICULTY),
            **more,
        }
        stratum = stack.enter_context(running("stratum", settings, [], pool_settings))
        if stratum.pid is None:
            raise LoadError(f"stratum ended at once: {stratum.last_words()}")
        login = Login(f"{participant}.load", token)
        fronts = _serving_fronts(metrics_port, processes)
        node, journal = Node(node_url), settings.journal_directory
        yield Pool(
            port, metrics_port, fronts[0], login, node, address, journal, fronts, stratum.pid
        )


@contextlib.contextmanager
def running(
    role: str, settings: Settings, flags: list[str], variables: dict[str, str]
) -> Iterator[Part]:
    """Run one role until the end of the block; it is ready inside. Raises LoadError."""
    log = settings.log_directory / f"{role}.log"
    arguments = ["--data", str(settings.data_dir), *flags]
    environment = {**base_environment(), **variables}
    environment.pop(VARIABLE, None)  # it is no setting of the pool's
    part = Part(role, arguments, environment, log)
    part.start()
    try:
        for _ in range(round(READY_S / POLL_S)):
            if part.ready.wait(POLL_S) or part.poll() is not None:
                break
        if not part.ready.is_set():
            raise LoadError(f"{role} did not get ready: {part.last_words()}")
        yield part
    finally:
        part.stop(STOP_S)


@contextlib.contextmanager
def running_bare_server() -> Iterator[tuple[int, int]]:
    """Run the yardstick; yields its port and process id. Raises LoadError."""
    command = [sys.executable, "-m", "benchmarks.load.bare_server"]
    root = Path(__file__).parents[2]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=root) as process:
        if process.stdout is None:
            raise AssertionError("the pipe was asked for")
        try:
            line = process.stdout.readline()
            if not line.strip().isdigit():
                raise LoadError("the bare server did not start")
            yield int(line), process.pid
        finally:
            process.terminate()


@dataclass(frozen=True, slots=True)
class BarePool:
    """The yardstick of logins and new jobs (bare_pool.py), running."""

    port: int
    pid: int
    commands: IO[str]

    def new_job(self) -> int:
        """Have it send another job to all; return when, in ns of the monotonic clock."""
        told_ns = time.monotonic_ns()
        self.commands.write("\n")
        self.commands.flush()
        return told_ns


@contextlib.contextmanager
def running_bare_pool() -> Iterator[BarePool]:
    """Run a server that lets everybody in. Raises LoadError."""
    command = [sys.executable, "-m", "benchmarks.load.bare_pool"]
    root = Path(__file__).parents[2]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=root
    ) as process:
        if process.stdin is None or process.stdout is None:
            raise AssertionError("the pipes were asked for")
        try:
            line = process.stdout.readline()
            if not line.strip().isdigit():
                raise LoadError("the bare pool did not start")
            yield BarePool(int(line), process.pid, process.stdin)
        finally:
            process.terminate()


def _serving_fronts(metrics_port: int, count: int) -> tuple[int, ...]:
    """Return the process ids of the fronts, by /status, once all serve. Raises LoadError."""
    url = f"http://{LOOPBACK}:{metrics_port}/status"
    for _ in range(round(READY_S / POLL_S)):
        with urllib.request.urlopen(url, timeout=READY_S) as answer:
            fronts = json.load(answer)["fronts"].values()
        serving = tuple(front["pid"] for front in fronts if front["serving"])
        if len(serving) == count:
            return serving
        time.sleep(POLL_S)
    raise LoadError(f"not all of {count} fronts came to serve")
