"""Tables of docs/capacity.md about costs: their sources, what is full first, what checks them."""

import math
from collections.abc import Iterator

import numpy as np

from kench.pool.clock import ManualClock
from kench.pool.settings import Settings
from kench.sim.costs import Costs, Line
from kench.sim.front import Front, Load
from kench.sim.memory import LONG_TIP_S, TIP_S
from kench.sim.sizes import Sizes, make_job
from kench.sim.words import number, part, sheet, size
from kench.stratum.service import DUPLICATES_MAX

BATCH = 50
SEED = 7
STEADY_S = 4.0
MINUTE_S = 60


def inputs_sheet(costs: Costs) -> str:
    """Return each cost, and the benchmark that it is of."""
    parts = (_of_fronts, _of_centre, _of_nats, _of_memory)
    rows = (row for part_of in parts for row in part_of(costs))
    return sheet(("what", "it takes", "source"), rows)


def _of_fronts(costs: Costs) -> Iterator[tuple[str, str, str]]:
    front = costs.front
    yield (
        "a front without connections; with one that says nothing",
        f"{part(front.idle_cpu)} of a core; {number(front.connection_cpu * 1e6)} µs a second",
        "steady",
    )
    shown = ", ".join(f"{number(one)}: {part(cpu)}" for one, cpu in front.cpu)
    yield "shares a second, and what they take of a core", shown, "steady, share_path"
    yield "a share, at full speed", _us(front.share_s), "share_path"
    yield "a login", _us(costs.login_cpu_s), "login_storm"
    yield "a new job to each further connection", _us(front.send_s), "fan_out"
    yield (
        "the node's word of a block until the first line to a miner",
        f"{number(costs.first_line_s * 1000)} ms",
        "fan_out",
    )
    yield f"a commit of 1 share; of {BATCH}", _two_ms(front.commit_s), "standby"
    yield (
        "each session of a front that was killed, until it is served",
        f"{number(costs.resume_s * 1000)} ms",
        "reload",
    )


def _of_centre(costs: Costs) -> Iterator[tuple[str, str, str]]:
    yield "job maker beside statistics", f"{part(costs.maker_cpu)} of a core", "steady"
    keeper, postgres = costs.keeper_cpu_worker, costs.keeper_postgres_worker
    yield (
        "statistics of a worker: job maker; PostgreSQL",
        f"{number(keeper * 1e6)}; {number(postgres * 1e6)} µs a second",
        "statistics",
    )
    yield (
        "a share settled: settlement; PostgreSQL",
        f"{_us(costs.settle_cpu_s)}; {_us(costs.settle_postgres_s)}",
        "settling",
    )
    yield "a participant of a block, until paid", _us(costs.books_cpu_s), "books"
    yield (
        "a row with its indexes, bytes",
        ", ".join(f"`{table}` {number(held, 3)}" for table, held in sorted(costs.rows.items())),
        "statistics, settling, books",
    )
    yield (
        "rows of the books, of each participant of a block; their bytes",
        f"{number(costs.books_rows)}; {number(costs.books_bytes)}",
        "books",
    )


def _of_nats(costs: Costs) -> Iterator[tuple[str, str, str]]:
    yield (
        f"a batch of 1; of {BATCH}, acknowledged by three servers",
        _two_ms(costs.ack_s),
        "jetstream",
    )
    yield "CPU of the three for it", _two_ms(costs.nats_cpu_s), "jetstream"
    yield (
        f"bytes on each of them: 1; {BATCH}",
        f"{number(costs.nats_bytes.at(1))}; {number(costs.nats_bytes.at(BATCH))}",
        "jetstream",
    )
    yield (
        "a job to the last of so many fronts",
        ", ".join(f"{count}: {number(took * 1000)} ms" for count, took in costs.deliveries_s),
        "jetstream",
    )


def _of_memory(costs: Costs) -> Iterator[tuple[str, str, str]]:
    memory = costs.memory
    yield (
        "memory of a session at its front; of a worker there",
        f"{size(memory.session)}; {size(memory.worker)}",
        "memory",
    )
    yield (
        "of a job held; of a hash of a share",
        f"{size(memory.job)}; {size(memory.hash)}",
        "memory",
    )
    yield (
        "of a session, a worker at the job maker",
        f"{size(memory.maker_session)}; {size(memory.maker_worker)}",
        "memory, statistics",
    )
    yield "of settlement for a chunk", size(memory.settle_chunk), "settling"
    yield "of a server of NATS", size(memory.nats_server), "jetstream"
    yield (
        "of a process of PostgreSQL, of so many",
        f"{size(memory.postgres_process)}, {memory.postgres_processes}",
        "memory",
    )
    yield (
        "of processes at rest",
        ", ".join(f"{role} {size(held)}" for role, held in memory.roles.items()),
        "memory",
    )


def bounds_sheet(costs: Costs) -> str:
    """Return what one of each carries at most, of itself."""
    per_minute = Settings.model_fields["shares_per_minute"].default
    settled = 1 / costs.settle_cpu_s
    sizes = Sizes.of(make_job(ManualClock()))
    refresh_s = Settings.model_fields["job_refresh_s"].default
    jobs_bps = sizes.notify / refresh_s
    longest = DUPLICATES_MAX / LONG_TIP_S
    by_setting, by_two = (number(settled * MINUTE_S / each) for each in (per_minute, 2))
    lasts = f"{LONG_TIP_S / MINUTE_S:.0f} minutes without a block"
    rare = number(math.exp(LONG_TIP_S / TIP_S))
    share = f"{sizes.submit + sizes.acknowledgement} bytes in, {sizes.reply} out"
    shown = {
        "settlement, one process for all": f"{number(settled)} shares a second: {by_setting} "
        f"workers at {per_minute:g} shares a minute, {by_two} at 2",
        "a front's loop": f"{number(1 / costs.front.share_s)} shares a second",
        "a front's hashes of one tip": f"{DUPLICATES_MAX:,}: {number(longest)} shares a second "
        f"for {lasts}, which one tip in {rare} lasts; then it refuses shares as overloaded",
        "a new block's last line": f"{_us(costs.front.send_s)} a connection: "
        f"{number(1 / costs.front.send_s)} connections in a second",
        "a link to miners": f"{number(jobs_bps)} bytes a second of jobs to each; a share {share}",
        "NATS": f"{number(1 / costs.nats_cpu_s.at(1))} batches a second for each core of its "
        "three servers, however few shares are in them: fewer and larger fronts cost it less",
        "a disk": f"{number(1 / costs.front.commit_s.at(1))} commits a second",
    }
    return sheet(("what", "it carries"), shown.items())


def checks_sheet(costs: Costs) -> str:
    """Return what is simulated of the whole beside what was measured of it."""
    return sheet(("", "simulated", "measured"), _checks(costs))


def _checks(costs: Costs) -> Iterator[tuple[str, str, str]]:
    block, storm = costs.checks.block, costs.checks.storm
    load = Load(block["shares_per_s"], int(block["connections"]))
    seen = _front(costs, load).new_block(make_job(ManualClock()))
    yield (
        f"a block to {load.connections:,} connections: first to last line *",
        f"{number(seen.spread_ms)} ms",
        f"{number(block['spread_ms'])} ms",
    )
    yield (
        f"shares answered meanwhile, {number(load.shares_per_s)} a second, p99",
        f"{number(seen.p99_ms)} ms",
        f"{number(block['p99_ms'])} ms",
    )
    count = int(storm["connections"])
    per_s = Settings.model_fields["logins_per_s"].default
    took = _front(costs, Load(0.0, 0)).logins(count, costs.login_cpu_s, 0.0, per_s)
    yield (
        f"{count:,} log in at once, a second",
        number(count / (took or math.inf)),
        number(storm["logins_per_s"]),
    )
    for level in costs.checks.steady:
        load = Load(level["shares_per_s"], int(level["connections"]), 0.002)
        day = _front(costs, load).everyday(STEADY_S)
        what = f"{load.connections:,} connections, {number(load.shares_per_s)} shares a second"
        yield (
            f"{what}: p50, p99; core *",
            f"{number(day.p50_ms)}, {number(day.p99_ms)} ms; {part(day.cpu)}",
            f"{number(level['p50_ms'])}, {number(level['p99_ms'])} ms; {part(level['core'])}",
        )
    for held in costs.checks.sessions:
        fronts = held["fronts"] * costs.memory.roles["front"]
        yield (
            f"memory of {held['fronts']:g} fronts with {held['sessions']:,.0f} sessions",
            size(fronts + held["sessions"] * costs.memory.session),
            size(held["bytes"]),
        )


def _front(costs: Costs, load: Load) -> Front:
    return Front(costs.front, load, np.random.default_rng(SEED))


def _us(seconds: float) -> str:
    return f"{number(seconds * 1e6)} µs"


def _two_ms(took: Line) -> str:
    return f"{number(took.at(1) * 1000)}; {number(took.at(BATCH) * 1000)} ms"
