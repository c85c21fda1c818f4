"""What a pool moves and keeps: links, disks, rows, and cores beside the fronts."""

from dataclasses import dataclass

from kench.sim.costs import Costs
from kench.sim.sizes import Sizes
from kench.stratum.front import RETARGET_S
from kench.stratum.statistics.gathering import BUCKET_S, HOUR_S

DAY_S = 86_400
# Rows of the statistics for each active worker, and each participant, of a day, and the table by
# which a row was measured: one of days is laid out as one of hours.
WORKER_ROWS = (
    ("worker_ten_minutes", DAY_S // BUCKET_S),
    ("worker_hours", DAY_S // HOUR_S),
    ("worker_hours", 1),
)
PARTICIPANT_ROWS = (
    ("participant_ten_minutes", DAY_S // BUCKET_S),
    ("participant_hours", DAY_S // HOUR_S),
    ("participant_hours", 1),
)


@dataclass(frozen=True, slots=True)
class Traffic:
    """What the simulation found of the pool; commits and messages are of the busiest front."""

    shares_per_s: float
    retargets_per_s: float
    commits_per_s: float
    messages_per_s: float
    """To NATS, each a batch."""
    shares_per_message: float
    blocks_per_day: float
    block_s: float
    job_refresh_s: float


@dataclass(frozen=True, slots=True)
class Volumes:
    """Bits a second on links, bytes a day on disks, rows a day, parts of a core.

    `miners_` and `feed_` are of one front, all else of the pool.
    """

    miners_in_bps: float
    miners_out_bps: float
    feed_in_bps: float
    """Jobs to one front."""
    journal_out_bps: float
    """A front's batches, once to NATS."""
    journal_bytes_day: float
    syncs_per_s: float
    nats_bytes_day: float
    """On each of three servers."""
    nats_cpu: float
    """Of all three together."""
    rows_day: float
    row_bytes_day: float
    blocks_day: float
    keeper_cpu: float
    settle_cpu: float
    postgres_cpu: float


def volumes_of(  # noqa: PLR0913, PLR0917 - what is known by now
    traffic: Traffic, costs: Costs, sizes: Sizes, workers: int, participants: int, fronts: int
) -> Volumes:
    """Return what a pool of so many workers on so many fronts moves and keeps."""
    shares, each = traffic.shares_per_s, traffic.shares_per_s / fronts
    # Each gets every job of all; those whose difficulty changed one of their own besides.
    to_all = workers / fronts * (1 / traffic.job_refresh_s + 1 / traffic.block_s)
    to_some = traffic.retargets_per_s / fronts
    # At most one for all fronts together in a while.
    retarget_jobs = min(1 / RETARGET_S, traffic.retargets_per_s)
    jobs = 1 / traffic.job_refresh_s + 1 / traffic.block_s + retarget_jobs
    out = each * sizes.reply + to_all * sizes.notify
    out += to_some * (sizes.notify + sizes.set_difficulty)
    # A packet of ours is acknowledged by one of theirs, unless their next line does that.
    incoming = each * (sizes.submit + sizes.acknowledgement)
    incoming += (to_all + to_some) * sizes.acknowledgement
    messages, batch = traffic.messages_per_s * fronts, traffic.shares_per_message
    rows, row_bytes = _rows(traffic, costs, workers, participants)
    return Volumes(
        miners_in_bps=8 * incoming,
        miners_out_bps=8 * out,
        feed_in_bps=8 * (jobs * sizes.feed_job),
        journal_out_bps=8 * traffic.messages_per_s * costs.nats_bytes.at(batch),
        journal_bytes_day=DAY_S * (shares * sizes.record + jobs * fronts * sizes.job_line),
        syncs_per_s=traffic.commits_per_s * fronts,
        nats_bytes_day=DAY_S * messages * costs.nats_bytes.at(batch),
        nats_cpu=messages * costs.nats_cpu_s.at(batch),
        rows_day=rows,
        row_bytes_day=row_bytes,
        blocks_day=traffic.blocks_per_day,
        keeper_cpu=costs.maker_cpu + workers * costs.keeper_cpu_worker,
        settle_cpu=shares * costs.settle_cpu_s,
        postgres_cpu=shares * costs.settle_postgres_s
        + workers * costs.keeper_postgres_worker
        + traffic.blocks_per_day * participants * costs.books_cpu_s / DAY_S,
    )


def _rows(traffic: Traffic, costs: Costs, workers: int, participants: int) -> tuple[float, float]:
    """Return rows that a day adds, and their bytes with indexes."""
    rows = row_bytes = 0.0
    for often, tables in ((workers, WORKER_ROWS), (participants, PARTICIPANT_ROWS)):
        for table, each in tables:
            rows += often * each
            row_bytes += often * each * costs.row_bytes(table)
    credited = traffic.blocks_per_day * participants
    return rows + credited * costs.books_rows, row_bytes + credited * costs.books_bytes
