"""What a process of this machine needs to publish journals, by the settings."""

import os
from collections.abc import Callable
from pathlib import Path

from kench.pool.clock import Clock
from kench.pool.nats.cluster import Cluster, ClusterPlan
from kench.pool.settings import Settings
from kench.pool.stream.publisher import Policy, Publisher, WhenAway
from kench.pool.stream.sending import Sending, StreamTakenError


def connect_of(settings: Settings) -> Cluster | None:
    """Begin to connect to the cluster; None where journals are on this machine alone."""
    if settings.journal_backend == "local":
        return None
    plan = ClusterPlan.of(settings, f"kench journal {settings.instance}")
    if plan is None:
        raise AssertionError("the settings see that they go together")
    return Cluster(plan).start()


def publisher_of(
    settings: Settings,
    cluster: Cluster,
    directory: Path,
    clock: Clock,
    on_taken: Callable[[StreamTakenError], None],
) -> Publisher:
    """Return what publishes the journal in a folder, which is named by its number."""
    life = int.from_bytes(os.urandom(7), "little") + 1
    sending = Sending(cluster, directory, int(directory.name), life, settings.journal_stream_bytes)
    policy = Policy(WhenAway(settings.journal_when_away), settings.nats_wait_s)
    return Publisher(sending, policy, clock, on_taken)
