"""Where this machine stands among those of its pool: its line to the cluster, its name there."""

import socket
from collections.abc import Callable
from dataclasses import dataclass

from kench.pool.clock import Clock
from kench.pool.job import JobKeys
from kench.pool.nats.cluster import Cluster
from kench.pool.orders.book import OrderBook
from kench.pool.settings import Settings
from kench.stratum.centre.source import Followers, SharedSource
from kench.stratum.maker.upstream import Downstream, Upstream


@dataclass(frozen=True, slots=True)
class Centre:
    """What a job maker of several machines is given."""

    cluster: Cluster
    machine: str
    """Id of this machine."""
    lane: int
    """Number that no other live job maker has, for its jobs' keys: that of its first front."""

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
