"""A real pool of processes for tests: `kench node`, `kench stratum`, `kench settle`.

with running_pool(folder, database_url) as pool:
    pool.start("stratum")
"""

import json
import os
import signal
import subprocess
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.load.ports import free_ports
from kench.pool.clock import SystemClock
from kench.pool.database import open_engine
from kench.pool.journal import JournalReader
from kench.pool.orders.verifying import verifier_of
from kench.pool.settings_file import read_settings
from kench.pool.work import EASIEST_DIFFICULTY
from kench.up.orders import accept_demo_order, has_orders
from kench.up.pki import CRL_FILE, ROOT_FILE, demo_pki
from tests.support.nodes import Node, kench_command, kench_node

START_LIMIT_S = 30.0
STOP_LIMIT_S = 15.0

# Every hash is a share and none a block: load without mining.
EASY_SHARES = {
    "KENCH_START_DIFFICULTY": repr(EASIEST_DIFFICULTY),
    "KENCH_MIN_DIFFICULTY": repr(EASIEST_DIFFICULTY),
    "KENCH_MAX_DIFFICULTY": repr(EASIEST_DIFFICULTY),
}
NO_BLOCKS = "1000000"


@dataclass
class Pool:
    """Processes of one data folder."""

    folder: Path
    node: Node
    environment: dict[str, str]
    stratum_port: int
    metrics_port: int
    processes: dict[str, subprocess.Popen[str]] = field(default_factory=dict)

    def start(self, role: str, *arguments: str, **environment: str) -> subprocess.Popen[str]:
        """Start a root and wait for its ready line."""
        process = self.spawn(role, *arguments, **environment)
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line == f"kench {role}: ready\n", (line, (self.folder / f"{role}.log").read_text())
        return process

    def spawn(self, role: str, *arguments: str, **environment: str) -> subprocess.Popen[str]:
        """Start a root, which may get ready later or never."""
        log = (self.folder / f"{role}.log").open("a")
        with log:
            process = subprocess.Popen(
                kench_command(role, *arguments),
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                env={**self.environment, **environment},
            )
        self.processes[role] = process
        return process

    def end(self, role: str, number: int = signal.SIGTERM) -> int:
        """Signal a root and wait for its end."""
        process = self.processes.pop(role)
        process.send_signal(number)
        try:
            return process.wait(STOP_LIMIT_S)
        finally:
            if process.poll() is None:
                process.kill()
                process.wait(STOP_LIMIT_S)
            assert process.stdout is not None
            process.stdout.close()

    def use_node(self, *nodes: Node) -> None:
        """Have what is started from now on work with these nodes."""
        self.node = nodes[0]
        self.environment["KENCH_NODE_URLS"] = " ".join(
            f"http://127.0.0.1:{node.rpc.port}?cookie={node.cookie_file}" for node in nodes
        )
        self.environment["KENCH_NODE_ZMQ"] = " ".join(node.zmq_endpoint for node in nodes)

    def state(self) -> dict[str, Any]:
        """What stratum says of itself over HTTP."""
        url = f"http://127.0.0.1:{self.metrics_port}/status"
        with urllib.request.urlopen(url, timeout=5) as answer:
            state: dict[str, Any] = json.load(answer)
        return state

    def front_pids(self) -> dict[int, int]:
        """Process ids of stratum's fronts by number, of those that run."""
        fronts = self.state()["fronts"]
        return {int(number): front["pid"] for number, front in fronts.items() if front["pid"]}

    def kill_stratum(self) -> None:
        """End the job maker and its fronts at one moment, as a power cut does."""
        fronts = self.front_pids().values()
        self.processes["stratum"].send_signal(signal.SIGSTOP)  # it would start them again
        for pid in fronts:
            os.kill(pid, signal.SIGKILL)
        self.end("stratum", signal.SIGKILL)

    def journal(self) -> JournalReader:
        """A reader of stratum's journal."""
        return JournalReader(self.folder / "journal" / "0")

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run a short command of `kench` to its end."""
        return subprocess.run(
            kench_command(*arguments),
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )


def accept_orders(
    folder: Path,
    database_url: str,
    rules: dict[str, Any] | None = None,
    height: int | None = None,
) -> None:
    """Have the demo's officers of a data folder accept an order in force from `height` (1) on.

    Without `rules` it is the demo's, and only where there is none yet.
    """
    settings = read_settings(data_dir=folder)
    pki = demo_pki(settings.demo_pki_directory, SystemClock())
    engine = open_engine(database_url, application_name="test")
    try:
        with engine.begin() as connection:
            if rules is not None or not has_orders(connection):
                accept_demo_order(
                    connection,
                    pki,
                    verifier_of(settings),
                    tip_height=0,
                    clock=SystemClock(),
                    rules=rules,
                    height=height,
                )
    finally:
        engine.dispose()


@contextmanager
def running_pool(
    folder: Path,
    database_url: str,
    *,
    block_difficulty: str = NO_BLOCKS,
    orders: bool = True,
    **settings: str,
) -> Iterator[Pool]:
    """Run a node, and whatever the test starts, until the block ends.

    The demo's order is in force from the first block on, unless `orders` is False.
    """
    if orders:
        accept_orders(folder, database_url)
    pki = demo_pki(read_settings(data_dir=folder).demo_pki_directory, SystemClock())
    with kench_node(folder, "--block-difficulty", block_difficulty) as node:
        stratum_port, metrics_port = free_ports(2)
        environment = {
            **os.environ,
            "KENCH_DATA": str(folder),
            "KENCH_DATABASE_URL": database_url,
            # By name, so that a second data folder works on the same database.
            "KENCH_SIGNATURE_ROOTS": str(pki.folder / ROOT_FILE),
            "KENCH_SIGNATURE_CRLS": str(pki.folder / CRL_FILE),
            "KENCH_NODE_URLS": f"http://127.0.0.1:{node.rpc.port}?cookie={node.cookie_file}",
            "KENCH_NODE_ZMQ": node.zmq_endpoint,
            "KENCH_STRATUM_PORT": str(stratum_port),
            "KENCH_METRICS_PORT": str(metrics_port),
            "KENCH_STRATUM_PROCESSES": "1",
            **settings,
        }
        pool = Pool(folder, node, environment, stratum_port, metrics_port)
        try:
            yield pool
        finally:
            for role in list(pool.processes):
                pool.end(role)
