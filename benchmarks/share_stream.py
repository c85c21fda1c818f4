"""The way of a share where its batch waits for NATS: a real front, a thousand connections.

    python -m benchmarks.share_stream [--servers 0,1,3] [--seconds 5] [--json FILE]

As `share_path`, 1000x1: the whole pool runs, and each batch of shares is on the front's disk and in
the stream of one server or of three before its miners are answered; 0 is the disk alone. Then an
archive gathers what the stream has. Servers, client and pool share this machine's cores. Exit
status 1: a share that was answered `true` is not in the front's journal or was not gathered, one
was refused or not answered, or the median answer took longer than it is held to.
"""

import argparse
import contextlib
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks.ending import end
from benchmarks.load.client import (
    BUILD,
    Cell,
    LoadError,
    Phases,
    Result,
    allow_most_files,
    run_client,
)
from benchmarks.load.server_cpu import process_cpu_s
from benchmarks.load.servers import Pool, running_pool
from kench.backup.gathering.consuming import name_of
from kench.backup.gathering.gatherer import Gatherer
from kench.pool.clock import SystemClock
from kench.pool.journal.mark import read_mark
from tests.support.nats import Servers, connected, running_servers

CELL = "1000x1"
HELD_P50_MS = 250.0
STREAM_BYTES = 600 << 20
GATHER_S = 60.0
WIDTH = 110


@dataclass(frozen=True, slots=True)
class Measured:
    """One number of servers; CPU is of all of them, for all shares of the run."""

    servers: int
    result: Result
    nats_cpu_s: float
    kept: int
    """Shares in the front's journal."""
    gathered: int | None
    """Of those that came from the stream; None without one."""

    def faults(self) -> list[str]:
        """Say what must not be."""
        result, where = self.result, f"{self.servers} servers"
        found = [
            f"{where}: {result.accepted_total} told accepted, {count} are there"
            for count in (self.kept, self.gathered)
            if count not in {None, result.accepted_total}
        ]
        if result.refused_total or result.unanswered:
            found.append(f"{where}: refused {result.refused_total}, {result.unanswered} silent")
        if result.p50_ms > HELD_P50_MS:
            found.append(f"{where}: p50 {result.p50_ms:.0f} ms, not {HELD_P50_MS:.0f}")
        return found


def measure(folder: Path, cell: Cell, count: int, phases: Phases) -> Measured:
    """Load a pool with so many servers. Raises LoadError."""
    allow_most_files()
    with contextlib.ExitStack() as stack:
        servers: Servers | None = None
        settings: dict[str, str] = {}
        if count:
            servers = stack.enter_context(running_servers(folder / "nats", count))
            settings = {
                "KENCH_JOURNAL_BACKEND": "nats",
                "KENCH_NATS_URLS": " ".join(servers.urls),
                "KENCH_NATS_REPLICAS": str(count),
                "KENCH_JOURNAL_STREAM_BYTES": str(STREAM_BYTES),
            }
        home = folder / "pool"
        home.mkdir()
        pool = stack.enter_context(running_pool(home, 1, **settings))
        before = _cpu_s(servers)
        pids = (pool.stratum_pid, pool.maker_pid)
        result = run_client(cell, pool.port, pids, phases, pool.login)
        nats_cpu_s = _cpu_s(servers) - before
        kept = pool.journal_records()
        gathered = _gather(folder / "centre", servers, pool, kept) if servers else None
        return Measured(count, result, nats_cpu_s, kept, gathered)


def _cpu_s(servers: Servers | None) -> float:
    return sum(map(process_cpu_s, servers.pids)) if servers else 0.0


def _gather(centre: Path, servers: Servers, pool: Pool, wanted: int) -> int:
    """Write what the stream has to files, until all is there or it takes too long."""
    centre.mkdir()
    there = centre / "journal" / pool.journal.name
    deadline = time.monotonic() + GATHER_S
    with connected(servers.plan("archive")) as cluster:
        gatherer = Gatherer(centre, cluster, name_of(centre), SystemClock(), STREAM_BYTES)
        while read_mark(there).records < wanted and time.monotonic() < deadline:
            gatherer.turn()
        gatherer.close()
    return read_mark(there).records


def table(found: list[Measured], cell: Cell) -> Table:
    """Lay it out for people."""
    shown = Table(title=f"{cell}, answered when durable")
    for name in (
        "servers",
        "accepted/s",
        "p50 ms",
        "p99 ms",
        "CPU-s per 10⁶",
        "NATS's",
        "gathered",
    ):
        shown.add_column(name, justify="right")
    for one in found:
        result = one.result
        nats = one.nats_cpu_s / max(1, result.accepted_total) * 1e6
        shown.add_row(
            str(one.servers or "this disk"), f"{result.accepted_per_s:,.0f}",
            f"{result.p50_ms:.1f}", f"{result.p99_ms:.1f}", f"{result.cpu_s_per_million:.1f}",
            f"{nats:.1f}" if one.servers else "",
            "" if one.gathered is None else f"{one.gathered:,}",
        )  # fmt: skip
    return shown


def main(words: Sequence[str] | None = None) -> int:
    """Measure, print, and say what is wrong."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.share_stream",
        description="Measure the way of a share whose batch waits for NATS.",
        epilog="example: python -m benchmarks.share_stream --servers 0,3 --seconds 10",
    )
    parser.add_argument("--servers", default="0,1,3", help="of NATS, each with a copy (0,1,3)")
    parser.add_argument("--cell", default=CELL, help=f"CONNECTIONSxIN_FLIGHT ({CELL})")
    parser.add_argument("--seconds", type=float, default=5.0, help="measured of each (5)")
    parser.add_argument("--warm-up", type=float, default=1.5, help="seconds before that (1.5)")
    parser.add_argument("--folder", type=Path, default=BUILD, help="a disk (build/benchmarks)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there too")
    given = parser.parse_args(words)
    try:
        cell = Cell.parse(given.cell)
    except ValueError as wrong:
        parser.error(f"--cell: {wrong}")
    phases, found = Phases(given.warm_up, given.seconds), []
    try:
        given.folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix="pool-", dir=given.folder.absolute()) as name:
            for count in map(int, given.servers.split(",")):
                folder = Path(name) / str(count)
                folder.mkdir()
                found.append(measure(folder, cell, count, phases))
    except LoadError as fault:
        sys.stderr.write(f"share_stream: {fault}\n")
        return 1
    console = Console(width=WIDTH)
    console.print(table(found, cell))
    faults = [fault for one in found for fault in one.faults()]
    figures = {"measured": [asdict(one) for one in found], "faults": faults}
    return end(console, faults, figures, given.json)


if __name__ == "__main__":
    sys.exit(main())
