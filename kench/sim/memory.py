"""What memory the processes of a pool need, from what was measured of one session, worker, hash."""

from dataclasses import dataclass

from kench.sim.costs import MemoryCosts
from kench.sim.front import Load
from kench.sim.volumes import Volumes
from kench.stratum.jobs import JOBS_MAX
from kench.stratum.service import DUPLICATES_MAX

# How long a tip may last before a front has no room for another hash, and refuses shares as
# overloaded: one block of 8,100 takes longer, exp(-9).
LONG_TIP_S, TIP_S = 5400.0, 600.0
# Processes of PostgreSQL that each front adds: its feed of the register, its new workers. The site
# of benchmarks.memory, whose processes were counted, has so many fronts.
POSTGRES_EACH_FRONT, FRONTS_MEASURED = 2, 2
SHARED_BUFFERS_MIN = 64 << 20
OTHERS = ("sell", "cabinet", "tax", "gather")


@dataclass(frozen=True, slots=True)
class Memory:
    """Bytes; `front` is of the busiest, one of them."""

    front: float
    front_hashes: float
    """Of that, hashes of a tip of 90 minutes and of the one before."""
    tip_s: float
    """How long a tip may last before the front's hashes have no room."""
    maker: float
    settle: float
    others: float
    """Sale, cabinet, tax and gather, one of each, with nobody looking at pages."""
    shared_buffers: float
    """The power of two that holds what PostgreSQL writes again and again."""
    postgres: float
    """All its processes and their buffers; the kernel's cache of its files is beside that."""
    nats_server: float


def memory_of(
    costs: MemoryCosts, workers: int, load: Load, fronts: int, volumes: Volumes
) -> Memory:
    """Return what a pool needs whose busiest front has a load."""
    hashes = sum(
        min(load.shares_per_s * lasts_s, DUPLICATES_MAX) for lasts_s in (LONG_TIP_S, TIP_S)
    )
    front_hashes = hashes * costs.hash
    front = costs.roles["front"] + load.connections * (costs.session + costs.worker)
    buffers = shared_buffers(volumes.rewritten_bytes)
    processes = costs.postgres_processes + (fronts - FRONTS_MEASURED) * POSTGRES_EACH_FRONT
    return Memory(
        front=front + JOBS_MAX * costs.job + front_hashes,
        front_hashes=front_hashes,
        tip_s=DUPLICATES_MAX / max(load.shares_per_s, 1e-9),
        maker=costs.roles["stratum"] + workers * (costs.maker_session + costs.maker_worker),
        settle=costs.roles["settle"] + costs.settle_chunk,
        others=sum(costs.roles[role] for role in OTHERS),
        shared_buffers=buffers,
        postgres=buffers + processes * costs.postgres_process,
        nats_server=costs.nats_server,
    )


def shared_buffers(rewritten_bytes: float) -> float:
    """Return the buffers that hold so much: a power of two, what the embedded has at the least."""
    size = SHARED_BUFFERS_MIN
    while size < rewritten_bytes:
        size *= 2
    return float(size)
