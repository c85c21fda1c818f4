"""What to have for a pool: machines by kind, their memory, disks and links, from a study."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

from kench.sim.costs import Costs
from kench.sim.memory import LONG_TIP_S
from kench.sim.study import Plan, Pool, Study
from kench.sim.volumes import YEAR_D

# Half as much again as the load itself takes.
RESERVE = 1.5
# A front has half of its loop to spare, and the last miner a new block's job in a second.
LOOP_PART, LAST_JOB_MS = 0.5, 1000.0
BITS = 8


@dataclass(frozen=True, slots=True)
class Machine:
    """One to buy: cores of the speed measured, memory, and its link in either direction."""

    cores: int = 8
    memory_bytes: float = 32e9
    link_bps: float = 1e9


@dataclass(frozen=True, slots=True)
class Needs:
    """What a pool of so many workers on so many fronts needs; a flat row, so that it is kept.

    Figures of a front are of the busiest; None is what a front that is over cannot do. Machines are
    without those that stand by.
    """

    workers: int
    shares_per_minute: float
    fronts: int
    is_enough: bool
    """Whether so many fronts are, by the rules above."""
    connections: int
    shares_per_s: float
    """Of all, settled."""
    first_minute: float
    front_shares_per_s: float
    front_core: float
    front_loop: float
    commits_per_s: float
    """Of a front."""
    shares_per_commit: float
    p50_ms: float
    p99_ms: float
    nats_p50_ms: float
    nats_p99_ms: float
    last_job_ms: float | None
    block_p99_ms: float | None
    all_log_in_s: float | None
    front_dies_s: float | None
    miners_in_bps: float
    """Of a front, as those that follow."""
    miners_out_bps: float
    feed_in_bps: float
    journal_out_bps: float
    journal_bytes_day: float
    """Of all, as what follows."""
    journal_bytes_year: float
    syncs_per_s: float
    sync_disks: float
    """Disks that those keep busy all the time, of the speed measured."""
    nats_bytes_day: float
    nats_cores: float
    rows_day: float
    row_bytes_day: float
    row_bytes_year: float
    blocks_day: float
    maker_cores: float
    settle_cores: float
    postgres_cores: float
    tip_s: float
    front_bytes: float
    front_hashes_bytes: float
    maker_bytes: float
    settle_bytes: float
    others_bytes: float
    postgres_bytes: float
    shared_buffers: float
    nats_server_bytes: float
    is_one_machine: bool
    """Whether one carries all of it, NATS being needed by several only."""
    front_machines: int
    centre_machines: int
    database_machines: int

    @classmethod
    def of(cls, plan: Plan, study: Study, pool: Pool, costs: Costs, machine: Machine) -> Self:
        """Return what one pool of a study needs."""
        day, nats, volumes, memory = pool.everyday, pool.by_nats, pool.volumes, pool.memory
        fronts = pool.fronts
        fronts_cores, fronts_bytes = fronts * day.cpu, fronts * memory.front
        link_bps = fronts * max(volumes.miners_in_bps, volumes.miners_out_bps)
        centre_cores = volumes.keeper_cpu + volumes.settle_cpu
        centre_bytes = memory.maker + memory.settle + memory.others
        all_cores = fronts_cores + centre_cores + volumes.postgres_cpu
        together = _machines(
            machine, all_cores, fronts_bytes + centre_bytes + memory.postgres, link_bps
        )
        return cls(
            workers=plan.workers,
            shares_per_minute=plan.limits.shares_per_minute,
            fronts=fronts,
            is_enough=_is_enough(pool),
            connections=pool.connections,
            shares_per_s=study.rates.settled,
            first_minute=study.rates.first_minute,
            front_shares_per_s=pool.shares_per_s,
            front_core=day.cpu,
            front_loop=day.loop,
            commits_per_s=day.commits_per_s,
            shares_per_commit=day.shares_per_commit,
            p50_ms=day.p50_ms,
            p99_ms=day.p99_ms,
            nats_p50_ms=nats.p50_ms,
            nats_p99_ms=nats.p99_ms,
            last_job_ms=pool.last_job_ms,
            block_p99_ms=pool.new_block.p99_ms if pool.new_block else None,
            all_log_in_s=pool.all_log_in_s,
            front_dies_s=pool.front_dies_s,
            miners_in_bps=volumes.miners_in_bps,
            miners_out_bps=volumes.miners_out_bps,
            feed_in_bps=volumes.feed_in_bps,
            journal_out_bps=volumes.journal_out_bps,
            journal_bytes_day=volumes.journal_bytes_day,
            journal_bytes_year=volumes.journal_bytes_day * YEAR_D,
            syncs_per_s=volumes.syncs_per_s,
            sync_disks=volumes.syncs_per_s * costs.front.commit_s.at(day.shares_per_commit),
            nats_bytes_day=volumes.nats_bytes_day,
            nats_cores=volumes.nats_cpu,
            rows_day=volumes.rows_day,
            row_bytes_day=volumes.row_bytes_day,
            row_bytes_year=volumes.row_bytes_year,
            blocks_day=volumes.blocks_day,
            maker_cores=volumes.keeper_cpu,
            settle_cores=volumes.settle_cpu,
            postgres_cores=volumes.postgres_cpu,
            tip_s=memory.tip_s,
            front_bytes=memory.front,
            front_hashes_bytes=memory.front_hashes,
            maker_bytes=memory.maker,
            settle_bytes=memory.settle,
            others_bytes=memory.others,
            postgres_bytes=memory.postgres,
            shared_buffers=memory.shared_buffers,
            nats_server_bytes=memory.nats_server,
            is_one_machine=together == 1,
            front_machines=_machines(machine, fronts_cores, fronts_bytes, link_bps),
            centre_machines=_machines(machine, centre_cores, centre_bytes, 0.0),
            # What PostgreSQL keeps in memory the kernel keeps of its files as well, at the most.
            database_machines=_machines(
                machine, volumes.postgres_cpu, memory.postgres + memory.shared_buffers, 0.0
            ),
        )

    @classmethod
    def read(cls, row: dict[str, Any]) -> Self:
        """Read what was kept; raises TypeError where it is of another version."""
        return cls(**row)


def _machines(machine: Machine, cores: float, memory_bytes: float, link_bps: float) -> int:
    parts = (
        cores / machine.cores,
        memory_bytes / machine.memory_bytes,
        link_bps / machine.link_bps,
    )
    return max(1, math.ceil(RESERVE * max(parts)))


def _is_enough(pool: Pool) -> bool:
    if pool.everyday.loop >= LOOP_PART or pool.last_job_ms is None:
        return False
    return pool.last_job_ms <= LAST_JOB_MS and pool.memory.tip_s >= LONG_TIP_S


def chosen(rows: Sequence[Needs]) -> Needs:
    """Return the row of the fewest fronts that are enough, else of the most."""
    return next((one for one in rows if one.is_enough), rows[-1])
