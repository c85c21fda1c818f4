"""Tables of docs/capacity.md about pools: what to have, memory by process, numbers of fronts."""

from collections.abc import Callable, Sequence

from kench.sim.needs import Needs, chosen
from kench.sim.words import number, or_over, part, rate, seconds, sheet, size

Cell = Callable[[Needs], str]
MILLION = 1_000_000


def needs_sheet(groups: Sequence[Sequence[Needs]]) -> str:
    """Return what to have for pools of several sizes, each with the fewest fronts that do."""
    return _sheet(
        [chosen(group) for group in groups],
        "workers; shares a minute of each",
        lambda one: f"{one.workers:,}; {one.shares_per_minute:g}",
        (
            ("**machines** with fronts", _front_machines),
            ("at the centre: job maker, settlement, sale, cabinet", _centre_machines),
            ("of PostgreSQL", _database_machines),
            ("of NATS", lambda one: "none" if one.is_one_machine else "3"),
            ("**fronts** (`stratum_processes`, of all machines)", lambda one: str(one.fronts)),
            ("connections of a front", lambda one: f"{one.connections:,}"),
            ("shares a second, settled; in the first minute after all come at once",
             lambda one: f"{number(one.shares_per_s)}; {number(one.first_minute)}"),
            ("**cores** of fronts, together", lambda one: number(one.fronts * one.front_core)),
            ("of job maker; settlement, one process", _centre_cores),
            ("of PostgreSQL", lambda one: number(one.postgres_cores)),
            ("of three NATS servers, together",
             lambda one: "none" if one.is_one_machine else number(one.nats_cores)),
            ("**memory** of fronts, together", lambda one: size(one.fronts * one.front_bytes)),
            ("at the centre", lambda one: size(_centre_bytes(one))),
            ("of PostgreSQL, `shared_buffers` of that",
             lambda one: f"{size(one.postgres_bytes)}, {_power(one.shared_buffers)}"),
            ("**disk**: journals, a day; a year",
             lambda one: f"{size(one.journal_bytes_day)}; {size(one.journal_bytes_year)}"),
            ("commits a second, each an fdatasync; disks that they keep busy",
             lambda one: f"{number(one.syncs_per_s)}; {number(one.sync_disks)}"),
            ("PostgreSQL: rows a day; bytes a day; after a year", _database_disk),
            ("**network** to miners, in and out, Mbit/s", _links),
            ("a new block: the last miner has its job after",
             lambda one: or_over(one.last_job_ms, "ms")),
            ("all come back at once, until the last is in", lambda one: or_over(one.all_log_in_s)),
        ),
    )  # fmt: skip


def memory_sheet(groups: Sequence[Sequence[Needs]]) -> str:
    """Return the memory of each process for the same pools."""
    return _sheet(
        [chosen(group) for group in groups],
        "workers; shares a minute of each",
        lambda one: f"{one.workers:,}; {one.shares_per_minute:g}",
        (
            ("a front", lambda one: size(one.front_bytes)),
            ("of that, hashes of shares", lambda one: size(one.front_hashes_bytes)),
            ("job maker", lambda one: size(one.maker_bytes)),
            ("settlement", lambda one: size(one.settle_bytes)),
            ("sale, cabinet, tax, gather", lambda one: size(one.others_bytes)),
            ("PostgreSQL, all its processes", lambda one: size(one.postgres_bytes)),
            ("a server of NATS", lambda one: size(one.nats_server_bytes)),
        ),
    )


def fronts_sheet(rows: Sequence[Needs]) -> str:
    """Return one pool on several numbers of fronts; figures of a front are of its busiest."""
    return _sheet(
        rows,
        "shares a minute of each; fronts",
        lambda one: f"{one.shares_per_minute:g}; {one.fronts}",
        (
            ("connections; shares a second of a front",
             lambda one: f"{one.connections:,}; {number(one.front_shares_per_s)}"),
            ("its core; its loop", lambda one: f"{part(one.front_core)}; {part(one.front_loop)}"),
            ("its memory", lambda one: size(one.front_bytes)),
            ("how long a tip may last until it has no room for hashes",
             lambda one: seconds(one.tip_s)),
            ("commits a second; shares in each",
             lambda one: f"{number(one.commits_per_s)}; {number(one.shares_per_commit)}"),
            ("answer, ms, p50 and p99: its own disk",
             lambda one: f"{number(one.p50_ms)}, {number(one.p99_ms)}"),
            ("the same, waiting for three servers of NATS",
             lambda one: f"{number(one.nats_p50_ms)}, {number(one.nats_p99_ms)}"),
            ("the last miner has a new block's job after; shares' p99 meanwhile",
             lambda one: f"{or_over(one.last_job_ms, 'ms')}; {or_over(one.block_p99_ms, 'ms')}"),
            ("all log in at once", lambda one: or_over(one.all_log_in_s)),
            ("a front dies: its workers are served by the others",
             lambda one: or_over(one.front_dies_s)),
            ("link to its miners, in and out; its journal to NATS, Mbit/s",
             lambda one: f"{rate(one.miners_in_bps)}, {rate(one.miners_out_bps)}; "
             f"{rate(one.journal_out_bps)}"),
            ("jobs to a front, Mbit/s", lambda one: rate(one.feed_in_bps)),
            ("journals of all, a day; each server of NATS",
             lambda one: f"{size(one.journal_bytes_day)}; {size(one.nats_bytes_day)}"),
            ("cores of three NATS servers, together", lambda one: number(one.nats_cores)),
            ("blocks a day", lambda one: number(one.blocks_day)),
        ),
    )  # fmt: skip


def _sheet(rows: Sequence[Needs], head: str, name: Cell, lines: Sequence[tuple[str, Cell]]) -> str:
    return sheet((head, *map(name, rows)), ((words, *map(cell, rows)) for words, cell in lines))


def _front_machines(one: Needs) -> str:
    if one.is_one_machine:
        return "1 for all, and its standby"
    return f"{one.front_machines}, and 1 that may die"


def _centre_machines(one: Needs) -> str:
    return "the same" if one.is_one_machine else f"{one.centre_machines}, and its standby"


def _database_machines(one: Needs) -> str:
    return "the same" if one.is_one_machine else f"{one.database_machines}, and its replica"


def _centre_cores(one: Needs) -> str:
    settle = number(one.settle_cores)
    return f"{number(one.maker_cores)}; {settle if one.settle_cores < 1 else f'**{settle}**, over'}"


def _centre_bytes(one: Needs) -> float:
    return one.maker_bytes + one.settle_bytes + one.others_bytes


def _database_disk(one: Needs) -> str:
    rows = f"{number(one.rows_day / MILLION)} million"
    return f"{rows}; {size(one.row_bytes_day)}; {size(one.row_bytes_year)}"


def _links(one: Needs) -> str:
    return f"{rate(one.fronts * one.miners_in_bps)} and {rate(one.fronts * one.miners_out_bps)}"


def _power(count: float) -> str:
    """Return a power of two as a setting is written."""
    mebi = int(count) >> 20
    return f"{mebi >> 10}GB" if mebi >= 1 << 10 else f"{mebi}MB"
