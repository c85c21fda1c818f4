"""A study laid out for people."""

from rich.table import Table

from kench.sim.study import LOOP_MAX, Pool, Study
from kench.sim.words import OVER

GIGA, MEGA = 1e9, 1e6


def tables_of(study: Study) -> list[Table]:
    """Return the tables of a run, in the order in which they are read."""
    return [_fronts(study), _storms(study), _volumes(study), _beside(study), _memory(study)]


def facts_of(study: Study) -> list[str]:
    """Return what holds for any number of fronts, a line each."""
    plan, rates = study.plan, study.rates
    who = f"{plan.workers:,} workers of {plan.participants:,} participants"
    what = f"{rates.hashes_per_s / 1e18:.2f} EH/s of the network's {plan.network_ehs:g}"
    shares = (
        f"{rates.first_minute:,.0f} in the first minute, {rates.most:,.0f} at most, "
        f"{rates.settled:,.0f} in the last half"
    )
    each = (
        f"{rates.per_minute_each:.2f} a minute of each, "
        f"{plan.limits.shares_per_minute:g} wished for"
    )
    changed = f"{rates.retargets_first:,.0f} in the first minute, {rates.retargets_settled:,.1f}"
    return [
        f"{who}, {what}; {plan.hours:g} hours, seed {plan.seed}; costs of: {study.machine}",
        f"shares/s: {shares} ({each})",
        f"difficulties changed a second: {changed} in the last half",
    ]


def _made(title: str, *columns: str) -> Table:
    table = Table(title=title)
    for column in ("fronts", *columns):
        table.add_column(column, justify="right")
    return table


def _or_over(value: float | None, form: str) -> str:
    return OVER if value is None else format(value, form)


def _fronts(study: Study) -> Table:
    table = _made(
        "the busiest front", "connections", "shares/s", "core", "loop", "commits/s", "shares each",
        "answer ms: p50, p99", "by NATS ms: p50, p99", "memory MB",
    )  # fmt: skip
    for pool in study.pools:
        day, nats = pool.everyday, pool.by_nats
        carried = (
            f"{day.commits_per_s:,.0f}", f"{day.shares_per_commit:.1f}",
            *(f"{one.p50_ms:.2f}  {one.p99_ms:.2f}" for one in (day, nats)),
        )  # fmt: skip
        table.add_row(
            str(pool.fronts), f"{pool.connections:,}", f"{pool.shares_per_s:,.0f}",
            f"{day.cpu:.0%}", f"{day.loop:.0%}",
            *(carried if day.loop < LOOP_MAX else (OVER,) * len(carried)),
            f"{pool.memory.front / MEGA:,.0f}",
        )  # fmt: skip
    return table


def _storms(study: Study) -> Table:
    table = _made(
        "a new block, and storms", "last miner has the job ms", "sending ms",
        "shares p99 ms meanwhile", "all log in s", "a front dies: all served s",
    )  # fmt: skip
    for pool in study.pools:
        block = pool.new_block
        table.add_row(
            str(pool.fronts),
            _or_over(pool.last_job_ms, ",.0f"),
            _or_over(block.spread_ms if block else None, ",.0f"),
            _or_over(block.p99_ms if block else None, ",.1f"),
            _or_over(pool.all_log_in_s, ",.1f"),
            "no other" if pool.fronts == 1 else _or_over(pool.front_dies_s, ",.1f"),
        )
    return table


def _volumes(study: Study) -> Table:
    table = _made(
        "links and disks", "a front: in Mbit/s", "out", "jobs in", "journal out",
        "all: journal GB/day", "syncs/s", "each NATS server GB/day",
    )  # fmt: skip
    for pool in study.pools:
        one = pool.volumes
        is_carried = pool.everyday.loop < LOOP_MAX
        table.add_row(
            str(pool.fronts), f"{one.miners_in_bps / MEGA:,.2f}",
            f"{one.miners_out_bps / MEGA:,.2f}", f"{one.feed_in_bps / MEGA:,.2f}",
            f"{one.journal_out_bps / MEGA:,.2f}" if is_carried else OVER,
            f"{one.journal_bytes_day / GIGA:,.1f}",
            f"{one.syncs_per_s:,.0f}" if is_carried else OVER,
            f"{one.nats_bytes_day / GIGA:,.1f}" if is_carried else OVER,
        )  # fmt: skip
    return table


def _beside(study: Study) -> Table:
    table = _made(
        "the centre, in cores", "job maker", "settlement", "PostgreSQL", "three NATS servers",
        "rows/day", "GB/day", "blocks/day",
    )  # fmt: skip
    for pool in study.pools:
        table.add_row(str(pool.fronts), *_centre(pool))
    return table


def _memory(study: Study) -> Table:
    table = _made(
        "memory, MB", "a front", "of that hashes", "a tip may last s", "job maker", "settlement",
        "sale, cabinet, tax, gather", "PostgreSQL", "of that shared_buffers",
    )  # fmt: skip
    for pool in study.pools:
        one = pool.memory
        held = (
            one.front, one.front_hashes, one.tip_s * MEGA, one.maker, one.settle, one.others,
            one.postgres, one.shared_buffers,
        )  # fmt: skip
        table.add_row(str(pool.fronts), *(f"{size / MEGA:,.0f}" for size in held))
    return table


def _centre(pool: Pool) -> tuple[str, ...]:
    one = pool.volumes
    nats = f"{one.nats_cpu:.2f}" if pool.everyday.loop < LOOP_MAX else OVER
    return (
        f"{one.keeper_cpu:.2f}", f"{one.settle_cpu:.2f}", f"{one.postgres_cpu:.2f}",
        nats, f"{one.rows_day:,.0f}", f"{one.row_bytes_day / GIGA:.2f}",
        f"{one.blocks_day:.2f}",
    )  # fmt: skip
