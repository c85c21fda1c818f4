"""Thousands of miners connecting at once until each has a job, beside a server that knows nobody.

    python -m benchmarks.login_storm [--connections 9000] [--rounds 3] [--json FILE]

Each connection subscribes, waits, authorises, waits, and gets its first job; the pool looks each up
in its register. In every other storm some that were in before, of another process, submit steadily.
What the first storm leaves behind in memory, over what the process held before, is the price of an
idle connection. Exit status 1: a figure passed what it is held to.
"""

import argparse
import sys
import tempfile
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks.ending import end
from benchmarks.load.client import BUILD, LoadError, Login, allow_most_files
from benchmarks.load.crowd import Load, median_of, running_crowd
from benchmarks.load.process_memory import resident_bytes
from benchmarks.load.recorded_node import RecordedNode
from benchmarks.load.servers import running_bare_pool, running_stratum

# Held to from this many connections on; with fewer the figures are those of a small form.
HELD_FROM = 1000
HELD_RATIO, HELD_BYTES, HELD_P99_MS = 0.3, 4096, 100.0
# For memory to settle, and for the connections of a storm to be gone before the next.
SETTLE_S = 0.5
# Answers to shares are watched while a storm of this rate would last: its first part, surely.
WATCHED_PER_S, LEAST_WATCH_S = 10_000, 0.3


@dataclass(frozen=True, slots=True)
class Storm:
    """One storm: its rate, each login's time, and the answers to those who submit meanwhile."""

    logins_per_s: float
    login_p50_ms: float
    login_p99_ms: float
    cpu_us_per_login: float
    answered: int
    p99_ms: float
    bytes_per_connection: float


@dataclass(frozen=True, slots=True)
class Outcome:
    """All storms of both servers; the later two are those in which others submit."""

    connections: int
    pool: list[Storm]
    bare: list[Storm]
    busy_pool: list[Storm]
    busy_bare: list[Storm]

    @property
    def ratio(self) -> float:
        """Logins a second, medians: the pool's as a part of the bare server's."""
        return median_of(self.pool, "logins_per_s") / median_of(self.bare, "logins_per_s")

    @property
    def bytes_per_connection(self) -> float:
        """Memory of an idle connection of the pool; later storms find it taken already."""
        return self.pool[0].bytes_per_connection

    def faults(self) -> list[str]:
        """Say what must not be."""
        if self.connections < HELD_FROM:
            return []
        faults = []
        if self.ratio < HELD_RATIO:
            faults.append(f"{self.ratio:.2f} of the bare server in logins/s, not {HELD_RATIO}")
        if self.bytes_per_connection > HELD_BYTES:
            faults.append(f"{self.bytes_per_connection:.0f} bytes a connection, not {HELD_BYTES}")
        if (p99_ms := median_of(self.busy_pool, "p99_ms")) > HELD_P99_MS:
            faults.append(f"shares answered in {p99_ms:.0f} ms (p99), not {HELD_P99_MS:.0f}")
        return faults


def measure(load: Load, folder: Path) -> Outcome:
    """Storm both servers in turn. Raises LoadError."""
    allow_most_files()
    outcome = Outcome(load.connections, [], [], [], [])
    alone = replace(load, steady=0)
    with (
        RecordedNode(folder) as node,
        running_bare_pool() as bare,
        running_stratum(folder, node.address) as pool,
    ):
        for _ in range(load.rounds):
            outcome.bare.append(_storm(alone, bare.port, bare.pid, None))
            outcome.pool.append(_storm(alone, pool.port, pool.stratum_pid, pool.login))
            outcome.busy_bare.append(_storm(load, bare.port, bare.pid, None))
            outcome.busy_pool.append(_storm(load, pool.port, pool.stratum_pid, pool.login))
    return outcome


def _storm(load: Load, port: int, pid: int, login: Login | None) -> Storm:
    with (
        running_crowd(port, pid, max(load.steady, 1), login) as miners,
        running_crowd(port, pid, load.connections, login) as crowd,
    ):
        # In a process of their own: one that opens thousands of sockets answers nobody meanwhile.
        # The first login ever has the register make its worker; it is none of the storm's.
        miners.login(max(load.steady, 1))
        miners.steady(load.steady, load.rate)
        miners.watch(SETTLE_S)
        before = resident_bytes(pid)
        miners.begin_watch(max(load.connections / WATCHED_PER_S, LEAST_WATCH_S))
        seen = crowd.login(load.connections)
        shares = miners.end_watch()
        grown = resident_bytes(pid) - before
    time.sleep(SETTLE_S)
    return Storm(
        logins_per_s=load.connections / seen.seconds,
        login_p50_ms=seen.login_p50_ms,
        login_p99_ms=seen.login_p99_ms,
        cpu_us_per_login=seen.server_cpu_s / load.connections * 1e6,
        answered=shares.answered,
        p99_ms=shares.p99_ms,
        bytes_per_connection=grown / load.connections,
    )


def table(outcome: Outcome) -> Table:
    """Lay the medians out for people."""
    shown = Table(title=f"{outcome.connections:,} connections at once")
    names = ("server", "logins/s", "p50 ms", "p99 ms", "CPU µs a login", "bytes", "shares p99 ms")
    for name in names:
        shown.add_column(name, justify="left" if name == "server" else "right")
    for server, storms in (
        ("pool", outcome.pool),
        ("bare", outcome.bare),
        ("pool, others submit", outcome.busy_pool),
        ("bare, others submit", outcome.busy_bare),
    ):
        answered = any(storm.answered for storm in storms)
        shown.add_row(
            server,
            f"{median_of(storms, 'logins_per_s'):,.0f}",
            f"{median_of(storms, 'login_p50_ms'):,.0f}",
            f"{median_of(storms, 'login_p99_ms'):,.0f}",
            f"{median_of(storms, 'cpu_us_per_login'):.0f}",
            f"{storms[0].bytes_per_connection:,.0f}" if not answered else "",
            f"{median_of(storms, 'p99_ms'):.1f}" if answered else "",
        )
    return shown


def as_json(outcome: Outcome) -> dict[str, object]:
    """Return the run for a file."""
    return asdict(outcome) | {"ratio": round(outcome.ratio, 3), "faults": outcome.faults()}


def main(words: list[str] | None = None) -> int:
    """Measure, print, and say what is wrong."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.login_storm",
        description="Measure logins that come all at once, and the memory that they take.",
        epilog="example: python -m benchmarks.login_storm --connections 5000 --rounds 5",
    )
    parser.add_argument("--connections", type=int, default=9000, help="that come at once (9000)")
    parser.add_argument("--rounds", type=int, default=3, help="storms (3)")
    parser.add_argument("--steady", type=int, default=100, help="connections that submit (100)")
    parser.add_argument("--rate", type=float, default=10.0, help="shares a second of each (10)")
    parser.add_argument("--folder", type=Path, default=BUILD, help="for data (build/benchmarks)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there too")
    given = parser.parse_args(words)
    load = Load(given.connections, given.rounds, given.steady, given.rate)
    try:
        given.folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix="pool-", dir=given.folder) as folder:
            outcome = measure(load, Path(folder))
    except LoadError as fault:
        sys.stderr.write(f"login_storm: {fault}\n")
        return 1
    console = Console()
    console.print(table(outcome))
    console.print(f"logins a second: {outcome.ratio:.2f} of the bare server's")
    return end(console, outcome.faults(), as_json(outcome), given.json)


if __name__ == "__main__":
    sys.exit(main())
