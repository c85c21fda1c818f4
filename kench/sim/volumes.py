"""What a pool moves and keeps: links, disks, rows, and cores beside the fronts."""

from dataclasses import dataclass

from kench.pool.settings import Settings
from kench.sim.costs import Costs
from kench.sim.sizes import Sizes
from kench.stratum.front import RETARGET_S
from kench.stratum.statistics.gathering import BUCKET_S, HOUR_S

DAY_S, YEAR_D = 86_400, 365
# Rows of the statistics for each active worker, and each participant, of a day; the table by
# which a row was measured, one of days being laid out as one of hours; and the setting that says
# for how many days they are kept, months being dropped as a whole.
TEN_MINUTES = (DAY_S // BUCKET_S, "history_ten_minutes_d")
HOURS = (DAY_S // HOUR_S, "history_hours_d")
DAYS = (1, "history_days_d")
WORKER_ROWS = (
    ("worker_ten_minutes", *TEN_MINUTES),
    ("worker_hours", *HOURS),
    ("worker_hours", *DAYS),
)
PARTICIPANT_ROWS = (
    ("participant_ten_minutes", *TEN_MINUTES),
    ("participant_hours", *HOURS),
    ("participant_hours", *DAYS),
)
MONTH_D = 31


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
    row_bytes_year: float
    """On the database's disk after a year, what is dropped meanwhile left out."""
    rewritten_bytes: float
    """Of PostgreSQL's rows that are written again and again: live table, totals, two hours."""
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
    rows = _rows(traffic, costs, workers, participants)
    return Volumes(
        miners_in_bps=8 * incoming,
        miners_out_bps=8 * out,
        feed_in_bps=8 * (jobs * sizes.feed_job),
        journal_out_bps=8 * traffic.messages_per_s * costs.nats_bytes.at(batch),
        journal_bytes_day=DAY_S * (shares * sizes.record + jobs * fronts * sizes.job_line),
        syncs_per_s=traffic.commits_per_s * fronts,
        nats_bytes_day=DAY_S * messages * costs.nats_bytes.at(batch),
        nats_cpu=messages * costs.nats_cpu_s.at(batch),
        rows_day=rows.count,
        row_bytes_day=rows.bytes_day,
        row_bytes_year=rows.bytes_year,
        rewritten_bytes=workers
        * (
            sum(costs.row_bytes(table) for table in ("worker_live", "totals"))
            + 2 * HOUR_S // BUCKET_S * costs.row_bytes("worker_ten_minutes")
        ),
        blocks_day=traffic.blocks_per_day,
        keeper_cpu=costs.maker_cpu + workers * costs.keeper_cpu_worker,
        settle_cpu=shares * costs.settle_cpu_s,
        postgres_cpu=shares * costs.settle_postgres_s
        + workers * costs.keeper_postgres_worker
        + traffic.blocks_per_day * participants * costs.books_cpu_s / DAY_S,
    )


@dataclass(frozen=True, slots=True)
class _Rows:
    """What a day adds, with indexes, and what a year leaves."""

    count: float
    bytes_day: float
    bytes_year: float


def _rows(traffic: Traffic, costs: Costs, workers: int, participants: int) -> _Rows:
    count = bytes_day = bytes_year = 0.0
    for often, tables in ((workers, WORKER_ROWS), (participants, PARTICIPANT_ROWS)):
        for table, each, setting in tables:
            kept_d = min(YEAR_D, Settings.model_fields[setting].default + MONTH_D)
            count += often * each
            bytes_day += often * each * costs.row_bytes(table)
            bytes_year += kept_d * often * each * costs.row_bytes(table)
    credited = traffic.blocks_per_day * participants
    books = credited * costs.books_bytes
    return _Rows(
        count + credited * costs.books_rows,
        bytes_day + books,
        bytes_year + YEAR_D * books + workers * costs.row_bytes("worker_live"),
    )
