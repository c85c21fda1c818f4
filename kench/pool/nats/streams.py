"""Streams of the cluster: whoever comes first makes one, and one that is there stays as it is."""

import nats.js.errors
from nats.js.api import StorageType, StreamConfig

from kench.pool.nats.cluster import Cluster


async def ensure_stream(cluster: Cluster, wanted: StreamConfig) -> None:
    """Make the stream where there is none: in files, with as many copies as the plan says."""
    name = wanted.name
    if name is None:
        raise AssertionError("a stream has a name")
    try:
        await cluster.jetstream.stream_info(name)
    except nats.js.errors.NotFoundError:
        await cluster.jetstream.add_stream(
            wanted, storage=StorageType.FILE, num_replicas=cluster.plan.replicas
        )
