"""Several machines of one pool: data folders of their own, one cluster, one database, one node.

with running_machines(folder, database_url) as machines:
    first = machines.add("first")                # stands for election
    region = machines.add("region", node=False)  # has no node
    first.start("stratum")
"""

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.load.ports import free_ports
from tests.support.nats import Servers, running_servers
from tests.support.nodes import Node
from tests.support.pool import NO_BLOCKS, Pool, running_pool

# Short, so that tests are; the defaults are measured by benchmarks/job_feed.py.
LEASE_S = "0.8"


@dataclass
class Machines:
    """What they share, and each of them by name."""

    folder: Path
    servers: Servers
    node: Node
    environment: dict[str, str]
    each: dict[str, Pool] = field(default_factory=dict)

    def add(self, name: str, *, node: bool = True, **settings: str) -> Pool:
        """Have another machine, nothing on it running yet."""
        folder = self.folder / name
        folder.mkdir()
        stratum_port, metrics_port = free_ports(2)
        environment = {
            **self.environment,
            "KENCH_DATA": str(folder),
            "KENCH_STRATUM_PORT": str(stratum_port),
            "KENCH_METRICS_PORT": str(metrics_port),
            **settings,
        }
        if not node:
            del environment["KENCH_NODE_URLS"], environment["KENCH_NODE_ZMQ"]
        pool = Pool(folder, self.node, environment, stratum_port, metrics_port)
        self.each[name] = pool
        return pool


@contextmanager
def running_machines(
    folder: Path,
    database_url: str,
    *,
    servers: int = 1,
    block_difficulty: str = NO_BLOCKS,
    lease_s: str = LEASE_S,
    **settings: str,
) -> Iterator[Machines]:
    """Run the cluster and a node, and whatever the test starts, until the block ends."""
    with ExitStack() as stack:
        cluster = stack.enter_context(running_servers(folder / "nats", servers))
        home = folder / "home"
        home.mkdir()
        pool = stack.enter_context(
            running_pool(
                home,
                database_url,
                block_difficulty=block_difficulty,
                orders=True,
                KENCH_NATS_URLS=" ".join(cluster.urls),
                KENCH_NATS_REPLICAS=str(servers),
                KENCH_JOB_SOURCE="nats",
                KENCH_JOB_LEASE_S=lease_s,
                **settings,
            )
        )
        environment = {**os.environ, **pool.environment}
        machines = Machines(folder, cluster, pool.node, environment)
        try:
            yield machines
        finally:
            for each in machines.each.values():
                for role in list(each.processes):
                    each.end(role)
