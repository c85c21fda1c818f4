"""Real NATS servers for tests: one, or a cluster of three, on loopback."""

import contextlib
import shutil
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from benchmarks.load.ports import free_ports
from kench.pool.nats.cluster import Cluster, ClusterAwayError, ClusterPlan

READY_S = 20.0
CONF = """
server_name: n{number}
listen: 127.0.0.1:{port}
pid_file: "{folder}/{number}.pid"
log_file: "{folder}/{number}.log"
jetstream {{ store_dir: "{folder}/{number}", max_memory_store: 64MB, max_file_store: 1GB }}
"""
CLUSTER = """
cluster {{
  name: kench-tests
  listen: 127.0.0.1:{route}
  routes: [{routes}]
}}
"""


@dataclass
class Server:
    """One server, which can be killed and started again in its folder."""

    conf: Path
    port: int
    process: "subprocess.Popen[bytes] | None" = None

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"nats://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start it, with what it kept."""
        self.process = subprocess.Popen([program(), "-c", str(self.conf)])

    def stop(self) -> None:
        """Stop it in order."""
        if self.process is not None:
            self.process.terminate()
            self.process.wait(READY_S)
            self.process = None

    def kill(self) -> None:
        """End it with kill -9."""
        if self.process is not None:
            self.process.kill()
            self.process.wait(READY_S)
            self.process = None


@dataclass
class Servers:
    """The servers of one cluster."""

    servers: list[Server] = field(default_factory=list)

    @property
    def urls(self) -> tuple[str, ...]:
        """Where they listen."""
        return tuple(server.url for server in self.servers)

    @property
    def pids(self) -> list[int]:
        """Process ids of those that run."""
        return [one.process.pid for one in self.servers if one.process is not None]

    def plan(self, name: str = "tests") -> ClusterPlan:
        """Return how to reach them, with a copy at each."""
        return ClusterPlan(self.urls, name, replicas=len(self.servers))


def program() -> str:
    """Return the server's program; skips the test where there is none."""
    found = shutil.which("nats-server") or shutil.which("nats-server", path="/usr/sbin")
    if found is None:
        pytest.skip("no nats-server: apt-get install nats-server")
    return found


@contextlib.contextmanager
def running_servers(folder: Path, count: int = 1) -> Iterator[Servers]:
    """Run so many servers as one cluster, ready to keep messages."""
    program()
    folder.mkdir(parents=True, exist_ok=True)
    ports, routes = free_ports(count), free_ports(count)
    made = Servers()
    for number in range(count):
        text = CONF.format(number=number, port=ports[number], folder=folder)
        if count > 1:
            links = ", ".join(f"nats://127.0.0.1:{route}" for route in routes)
            text += CLUSTER.format(route=routes[number], routes=links)
        conf = folder / f"{number}.conf"
        conf.write_text(text)
        made.servers.append(Server(conf, ports[number]))
    try:
        for server in made.servers:
            server.start()
        await_jetstream(made)
        yield made
    finally:
        for server in made.servers:
            server.kill()


def await_jetstream(servers: Servers) -> None:
    """Wait until the cluster can make a stream with a copy at each server."""
    deadline = time.monotonic() + READY_S
    with connected(servers.plan("readiness")) as cluster:
        while True:
            try:
                cluster.ask(_try(cluster, len(servers.servers)), 2.0)
            except ClusterAwayError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.05)
            else:
                return


async def _try(cluster: Cluster, replicas: int) -> None:
    await cluster.jetstream.add_stream(name="readiness", num_replicas=replicas, subjects=["ready"])
    await cluster.jetstream.delete_stream("readiness")


@contextlib.contextmanager
def connected(plan: ClusterPlan) -> Iterator[Cluster]:
    """Lend a connection."""
    cluster = Cluster(plan).start()
    try:
        cluster.await_connected(READY_S)
        yield cluster
    finally:
        cluster.close()
