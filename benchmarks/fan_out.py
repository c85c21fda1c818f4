"""A new block on its way to thousands of miners, beside a bare loop of writes.

    python -m benchmarks.fan_out [--connections 9000] [--rounds 7] [--processes 1] [--json FILE]

A node announces a block with a template of 3,101 transactions; the client notes when the job
reaches its first and its last connection. In turn with it a bare server writes one prepared line
to as many connections. Some connections submit steadily meanwhile. Exit status 1: a figure
passed what it is held to, or a connection got no job.
"""

import argparse
import sys
import tempfile
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks.ending import end
from benchmarks.load.client import BUILD, LoadError, allow_most_files
from benchmarks.load.crowd import Crowd, Load, Seen, median_of, running_crowd
from benchmarks.load.recorded_node import RecordedNode
from benchmarks.load.servers import running_bare_pool, running_stratum
from kench.pool.collector import spare_collector

# Held to from this many connections on; with fewer the figures are those of a small form.
HELD_FROM = 1000
HELD_RATIO, HELD_FIRST_MS, HELD_P99_MS = 1.5, 30.0, 100.0
# Logging in at once, on their way together; and how long one job may take to reach all.
OPENING, WATCH_S = 1000, 10.0


@dataclass(frozen=True, slots=True)
class Round:
    """One new job: the times of its lines, and the answers to steady submitters meanwhile."""

    first_ms: float
    spread_ms: float
    received: int
    answered: int
    p99_ms: float
    cpu_ms: float


@dataclass(frozen=True, slots=True)
class Outcome:
    """All rounds of both servers."""

    connections: int
    pool: list[Round]
    bare: list[Round]

    @property
    def ratio(self) -> float:
        """First to last line, medians: the pool's as a multiple of the bare server's."""
        return median_of(self.pool, "spread_ms") / max(median_of(self.bare, "spread_ms"), 1e-3)

    def faults(self) -> list[str]:
        """Say what must not be."""
        faults = []
        missed = sum(self.connections - one.received for one in self.pool)
        if missed:
            faults.append(f"{missed} jobs did not arrive")
        if self.connections < HELD_FROM:
            return faults
        if self.ratio > HELD_RATIO:
            faults.append(f"{self.ratio:.2f} times the bare loop, not {HELD_RATIO}")
        if (first_ms := median_of(self.pool, "first_ms")) > HELD_FIRST_MS:
            faults.append(f"the first line after {first_ms:.0f} ms, not {HELD_FIRST_MS:.0f}")
        if (p99_ms := median_of(self.pool, "p99_ms")) > HELD_P99_MS:
            faults.append(f"shares answered in {p99_ms:.0f} ms (p99), not {HELD_P99_MS:.0f}")
        return faults


def measure(load: Load, processes: int, folder: Path) -> Outcome:
    """Send jobs to both servers in turn, ours with so many fronts. Raises LoadError."""
    allow_most_files()
    outcome = Outcome(load.connections, [], [])
    with (
        RecordedNode(folder) as node,
        running_bare_pool() as bare,
        running_stratum(folder, node.address, processes) as pool,
        running_crowd(bare.port, bare.pid, load.connections) as bare_crowd,
        running_crowd(pool.port, pool.fronts, load.connections, pool.login) as crowd,
    ):
        for each in (bare_crowd, crowd):
            each.login(load.connections, OPENING)
        spare_collector()  # the node is in this process
        for number in range(load.rounds + 1):
            bare_round = _round(bare_crowd, bare.new_job, load)
            pool_round = _round(crowd, node.new_block, load)
            if number:  # the first warms up
                outcome.bare.append(bare_round)
                outcome.pool.append(pool_round)
    return outcome


def _round(crowd: Crowd, new_job: Callable[[], int], load: Load) -> Round:
    crowd.steady(load.steady, load.rate)
    crowd.watch(0.2)
    crowd.begin_watch(WATCH_S, 1)
    told_ns = new_job()
    seen: Seen = crowd.end_watch()
    crowd.steady(0, 0)
    crowd.watch(0.1)
    if not seen.jobs:
        raise LoadError(f"no new job came in {WATCH_S:.0f} s")
    job = seen.jobs[0]
    return Round(
        first_ms=(job.first_ns - told_ns) / 1e6,
        spread_ms=job.spread_ms,
        received=job.received,
        answered=seen.answered,
        p99_ms=seen.p99_ms,
        cpu_ms=seen.server_cpu_s * 1000,
    )


def table(outcome: Outcome) -> Table:
    """Lay the medians out for people."""
    shown = Table(title=f"a new block to {outcome.connections:,} connections")
    names = (
        "server",
        "first line ms",
        "most",
        "first to last ms",
        "least",
        "most",
        "shares p99 ms",
    )
    for name in (*names, "CPU ms"):
        shown.add_column(name, justify="left" if name == "server" else "right")
    for server, rounds in (("pool", outcome.pool), ("bare", outcome.bare)):
        spreads = [one.spread_ms for one in rounds]
        shown.add_row(
            server,
            f"{median_of(rounds, 'first_ms'):.1f}",
            f"{max(one.first_ms for one in rounds):.1f}",
            f"{median_of(rounds, 'spread_ms'):.1f}",
            f"{min(spreads):.1f}",
            f"{max(spreads):.1f}",
            f"{median_of(rounds, 'p99_ms'):.1f}",
            f"{median_of(rounds, 'cpu_ms'):.0f}",
        )
    return shown


def as_json(outcome: Outcome) -> dict[str, object]:
    """Return the run for a file."""
    return asdict(outcome) | {"ratio": round(outcome.ratio, 3), "faults": outcome.faults()}


def main(words: list[str] | None = None) -> int:
    """Measure, print, and say what is wrong."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.fan_out",
        description="Measure a new block's way to many connections beside a bare loop of writes.",
        epilog="example: python -m benchmarks.fan_out --connections 1000 --rounds 20",
    )
    parser.add_argument("--connections", type=int, default=9000, help="that are logged in (9000)")
    parser.add_argument("--rounds", type=int, default=7, help="new blocks (7)")
    parser.add_argument("--steady", type=int, default=100, help="connections that submit (100)")
    parser.add_argument("--rate", type=float, default=10.0, help="shares a second of each (10)")
    parser.add_argument("--processes", type=int, default=1, help="front processes (1)")
    parser.add_argument("--folder", type=Path, default=BUILD, help="for data (build/benchmarks)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there too")
    given = parser.parse_args(words)
    steady = min(given.steady, given.connections)
    load = Load(given.connections, given.rounds, steady, given.rate)
    try:
        given.folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix="pool-", dir=given.folder) as folder:
            outcome = measure(load, given.processes, Path(folder))
    except LoadError as fault:
        sys.stderr.write(f"fan_out: {fault}\n")
        return 1
    console = Console()
    console.print(table(outcome))
    console.print(f"first to last line: {outcome.ratio:.2f} times the bare loop's")
    figures = as_json(outcome) | {"shares_per_s": steady * given.rate}
    return end(console, outcome.faults(), figures, given.json)


if __name__ == "__main__":
    sys.exit(main())
