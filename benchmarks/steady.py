"""A front in everyday: thousands of connections, each with a share now and then.

    python -m benchmarks.steady [--connections 5000] [--rates 0.05,0.2,0.5] [--json FILE]

What `share_path` cannot say: what a share costs when few come at once, what a connection costs that
says nothing, and a front that has none. The stratum server runs as in production on a node that
answers from memory; the crowd's connections submit at each rate in turn, evenly, and once not at
all. CPU seconds of front and job maker apart. The client looks who is due each 2 ms, so that shares
come in small bunches. Exit status 1: a share was refused or left out, or the front took more CPU
than it is held to.
"""

import argparse
import sys
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks.ending import end
from benchmarks.load.client import BUILD, LoadError, allow_most_files
from benchmarks.load.crowd import Crowd, running_crowd
from benchmarks.load.recorded_node import RecordedNode
from benchmarks.load.server_cpu import process_cpu_s
from benchmarks.load.servers import Pool, running_stratum
from kench.pool.collector import spare_collector

OPENING = 1000
SETTLE_S = 1.0
HELD_SHARE_US = 500.0
# A crowd that submits looks at who is due so often (TICK_MS of crowd.c).
TICK_S = 0.002


@dataclass(frozen=True, slots=True)
class Level:
    """One rate for some seconds; CPU in parts of a core."""

    connections: int
    shares_per_s: float
    front_cpu: float
    maker_cpu: float
    p50_ms: float
    p99_ms: float
    left_out: int
    refused: int


def measure(connections: int, rates: list[float], seconds: float, folder: Path) -> list[Level]:
    """Look on without connections, without shares, and at each rate of each connection.

    Raises LoadError.
    """
    allow_most_files()
    with (
        RecordedNode(folder) as node,
        running_stratum(folder, node.address) as pool,
        running_crowd(pool.port, pool.fronts, connections, pool.login) as crowd,
    ):
        spare_collector()  # the node is in this process
        empty = _level(crowd, pool, 0, 0.0, seconds)
        crowd.login(connections, min(OPENING, connections))
        return [
            empty,
            *(_level(crowd, pool, connections, rate, seconds) for rate in (0.0, *rates)),
        ]


def _level(crowd: Crowd, pool: Pool, connections: int, rate: float, seconds: float) -> Level:
    crowd.steady(connections if rate else 0, rate)
    crowd.watch(SETTLE_S)
    front_s, maker_s = process_cpu_s(pool.stratum_pid), process_cpu_s(pool.maker_pid)
    seen = crowd.watch(seconds)
    front_s = process_cpu_s(pool.stratum_pid) - front_s
    maker_s = process_cpu_s(pool.maker_pid) - maker_s
    crowd.steady(0, 0)
    return Level(
        connections,
        seen.answered / seen.seconds,
        front_s / seen.seconds,
        maker_s / seen.seconds,
        seen.p50_ms,
        seen.p99_ms,
        seen.left_out,
        sum(seen.refused.values()),
    )


def faults(levels: list[Level]) -> list[str]:
    """Say what must not be."""
    found = [f"{one.refused} shares refused" for one in levels if one.refused]
    found += [f"{one.left_out} shares left out" for one in levels if one.left_out]
    idle = levels[1].front_cpu
    for one in levels[2:]:
        share_us = (one.front_cpu - idle) / max(one.shares_per_s, 1.0) * 1e6
        if share_us > HELD_SHARE_US:
            found.append(f"{share_us:.0f} µs a share, not {HELD_SHARE_US:.0f}")
    return found


def table(levels: list[Level]) -> Table:
    """Lay it out for people."""
    shown = Table(title=f"{levels[1].connections:,} connections, a share now and then")
    for name in (
        "connections",
        "shares/s",
        "front's core",
        "µs a share",
        "job maker's core",
        "p50 ms",
        "p99 ms",
    ):
        shown.add_column(name, justify="right")
    for one in levels:
        share_us = (one.front_cpu - levels[1].front_cpu) / max(one.shares_per_s, 1.0) * 1e6
        shown.add_row(
            f"{one.connections:,}", f"{one.shares_per_s:,.0f}", f"{one.front_cpu:.1%}",
            f"{share_us:.0f}" if one.shares_per_s else "", f"{one.maker_cpu:.1%}",
            f"{one.p50_ms:.2f}" if one.shares_per_s else "",
            f"{one.p99_ms:.2f}" if one.shares_per_s else "",
        )  # fmt: skip
    return shown


def main(words: list[str] | None = None) -> int:
    """Measure, print, and say what is wrong."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.steady",
        description="Measure a front whose many connections have a share now and then.",
        epilog="example: python -m benchmarks.steady --connections 9000 --rates 0.2",
    )
    parser.add_argument("--connections", type=int, default=5000, help="that are logged in (5000)")
    parser.add_argument("--rates", default="0.05,0.2,1,3", help="shares a second of each")
    parser.add_argument("--seconds", type=float, default=10.0, help="at each rate (10)")
    parser.add_argument("--folder", type=Path, default=BUILD, help="for data (build/benchmarks)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there too")
    given = parser.parse_args(words)
    rates = [float(word) for word in given.rates.split(",")]
    try:
        given.folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix="pool-", dir=given.folder) as folder:
            levels = measure(given.connections, rates, given.seconds, Path(folder))
    except LoadError as fault:
        sys.stderr.write(f"steady: {fault}\n")
        return 1
    console = Console()
    console.print(table(levels))
    figures = {"tick_s": TICK_S, "levels": [asdict(one) for one in levels]}
    return end(console, faults(levels), figures, given.json)


if __name__ == "__main__":
    sys.exit(main())
