"""Where this machine stands among those of its pool: its line to the cluster, its name there."""

import socket
from collections.abc import Callable
from dataclasses import dataclass

from kench.pool.clock import Clock
from kench.pool.job import JobKeys
from kench.pool.nats.cluster import Cluster, ClusterPlan
from kench.pool.orders.book import OrderBook
from kench.pool.rpc import Node
from kench.pool.settings import Settings
from kench.stratum.centre.keeping import Keeping
from kench.stratum.centre.machine import Machine
from kench.stratum.centre.outbox import Telling
from kench.stratum.centre.source import Followers, SharedSource
from kench.stratum.centre.taking import Taking
from kench.stratum.maker.upstream import Downstream, Upstream

# In the folder of found blocks, those of other machines.
FOLDER = "others"


@dataclass(frozen=True, slots=True)
class Centre:
    """What a job maker of several machines is given."""

    keeping: Keeping
    lane: int
    """Number that no other live job maker has, for its jobs' keys: that of its first front."""

    @property
    def cluster(self) -> Cluster:
        """The line to the cluster."""
        return self.keeping.cluster

    @property
    def machine(self) -> str:
        """Id of this machine."""
        return self.keeping.machine.id

    def close(self) -> None:
        """Let go of the numbers, when nothing serves any more, and of the line."""
        self.keeping.release()
        self.cluster.close()

    @property
    def holder(self) -> str:
        """What this process calls itself where it holds a lease."""
        return f"{socket.gethostname()}/{self.machine[:8]}"

    def source(
        self,
        settings: Settings,
        clock: Clock,
        keys: JobKeys,
        book: Callable[[], OrderBook],
        downstream: Followers,
    ) -> SharedSource:
        """Return where jobs come from."""

        def upstream_of(taker: Downstream) -> Upstream:
            return Upstream(settings, clock, keys, book, taker)

        return SharedSource(
            settings,
            clock,
            self.cluster,
            self.holder,
            keys,
            book,
            downstream,
            upstream_of if settings.node_urls else None,
        )

    def telling(self, settings: Settings) -> Telling:
        """Return what tells the cluster of blocks that our fronts found."""
        return Telling(self.cluster, settings.blocks_directory)

    def taking(
        self, settings: Settings, clock: Clock, on_accepted: Callable[[], None]
    ) -> Taking | None:
        """Return what takes blocks that others found to our nodes, where we have some."""
        if not settings.node_urls:
            return None
        return Taking(
            self.cluster,
            self.machine,
            [Node(url.get_secret_value()) for url in settings.node_urls],
            settings.blocks_directory / FOLDER,
            settings.bodies_directory,
            clock,
            on_accepted,
        )


def keeping_of(settings: Settings, clock: Clock) -> Keeping | None:
    """Return what holds front numbers, its line begun; None where this machine is the pool."""
    plan = ClusterPlan.of(settings, "kench stratum")
    if plan is None:
        return None
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    machine = Machine(settings.data_dir)
    cluster = Cluster(plan).start()
    return Keeping(cluster, settings.data_dir, machine, settings.number_lease_s, clock)


def first_number(instance: int, keeping: Keeping | None, count: int, former: range) -> int:
    """Return the number that this machine's fronts begin with: `instance`, or what is leased.

    Room is leased for two generations of `count`, and what a reload found may be larger.
    """
    if keeping is None:
        return instance
    return keeping.hold(count + max(count, len(former)), instance, former).start
