"""The way of a share: socket to journal on disk to answer, beside a server that only answers.

    python -m benchmarks.share_path [--cells 1x64,1000x1] [--seconds 5] [--json FILE]
    KENCH_BENCH_CKPOOL=/somewhere/ckpool python -m benchmarks.share_path

The whole pool runs (PostgreSQL, node, stratum server, journal on the disk of --folder), every share
is checked in full, and the bare server is measured right before it in each cell by the same
client; so is ckpool, working for the same node, where KENCH_BENCH_CKPOOL names its program. Exit
status 1: a share that was answered `true` is not in the journal, a share was refused, or 1000x1
fell below the ratio that this path is held to.
"""

import argparse
import contextlib
import os
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks.ending import end
from benchmarks.load.ckpool import Ckpool, ckpool_program, running_ckpool
from benchmarks.load.client import (
    BUILD,
    Cell,
    LoadError,
    Phases,
    Result,
    allow_most_files,
    run_client,
)
from benchmarks.load.servers import running_bare_server, running_pool

CELLS = "1x64,50x8,1000x1,1000x4,8000x1"
# The server must reach this part of the bare server's rate with one share in flight on each of a
# thousand connections.
HELD_CELL, HELD_RATIO = Cell(1000, 1), 0.4
SYNCS = 200
WIDTH = 100


@dataclass(frozen=True, slots=True)
class Measured:
    """One cell, all servers; ckpool where there is one."""

    cell: Cell
    pool: Result
    bare: Result
    ckpool: Result | None = None

    def results(self) -> dict[str, Result]:
        """Return what was measured, by server."""
        results = {"pool": self.pool, "bare": self.bare}
        if self.ckpool is not None:
            results["ckpool"] = self.ckpool
        return results

    @property
    def ratio(self) -> float:
        """The pool's rate as a part of the bare server's."""
        return self.pool.accepted_per_s / self.bare.accepted_per_s


@dataclass(frozen=True, slots=True)
class Outcome:
    """A whole run: the cells, what the client was told in all, and what the journal holds."""

    cells: list[Measured]
    accepted: int
    journal_records: int
    sync_ms: float

    def faults(self) -> list[str]:
        """Say what must not be."""
        faults = []
        if self.accepted != self.journal_records:
            faults.append(
                f"{self.accepted} shares were answered true, the journal holds "
                f"{self.journal_records}"
            )
        for one in self.cells:
            if one.pool.refused_total or one.pool.unanswered:
                faults.append(
                    f"{one.cell}: refused by code {one.pool.refused_total}, "
                    f"{one.pool.unanswered} unanswered"
                )
            if one.cell == HELD_CELL and one.ratio < HELD_RATIO:
                faults.append(f"{one.cell}: {one.ratio:.2f} of the bare server, not {HELD_RATIO}")
        return faults


def measure(cells: list[Cell], phases: Phases, folder: Path) -> Outcome:
    """Load the servers with each cell in turn. Raises LoadError."""
    allow_most_files()
    measured, accepted = [], 0
    program = ckpool_program()
    with contextlib.ExitStack() as stack:
        bare_port, bare_pid = stack.enter_context(running_bare_server())
        pool = stack.enter_context(running_pool(folder))
        other: Ckpool | None = None
        if program is not None:
            other = stack.enter_context(
                running_ckpool(program, folder / "ckpool", pool.node_address)
            )
        before = pool.journal_records()
        for cell in cells:
            bare = run_client(cell, bare_port, bare_pid, phases)
            theirs = run_client(cell, other.port, other.pid, phases, other.login) if other else None
            pids = (pool.stratum_pid, pool.maker_pid)
            result = run_client(cell, pool.port, pids, phases, pool.login)
            accepted += result.accepted_total
            measured.append(Measured(cell, result, bare, theirs))
            # A new tip: what duplicates are looked for in starts empty for each cell.
            pool.new_block()
        return Outcome(measured, accepted, pool.journal_records() - before, sync_ms(folder))


def sync_ms(folder: Path) -> float:
    """Return the median time that one small fdatasync takes here, in ms."""
    times = []
    with (folder / "sync").open("wb") as file:
        for _ in range(SYNCS):
            file.write(bytes(4096))
            file.flush()
            start = time.perf_counter()
            os.fdatasync(file.fileno())
            times.append(time.perf_counter() - start)
    return sorted(times)[SYNCS // 2] * 1000


def table(outcome: Outcome) -> Table:
    """Lay the cells out for people: the other servers' lines under the pool's."""
    shown = Table(title="the way of a share")
    names = ("cell", "server", "accepted/s", "ours to it", "each CPU-s", "ours to it")
    for name in (*names, "p50 ms", "p99 ms", "max ms"):
        shown.add_column(name, justify="left" if name in names[:2] else "right")
    for one in outcome.cells:
        results = one.results()
        for server, result in results.items():
            ours = result is one.pool
            shown.add_row(
                str(one.cell) if ours else "",
                server,
                f"{result.accepted_per_s:,.0f}",
                "" if ours else f"{one.pool.accepted_per_s / result.accepted_per_s:.2f}",
                f"{result.accepted_per_cpu_s:,.0f}",
                "" if ours else f"{one.pool.accepted_per_cpu_s / result.accepted_per_cpu_s:.2f}",
                f"{result.p50_ms:.2f}",
                f"{result.p99_ms:.1f}",
                f"{result.max_ms:.0f}",
                end_section=server == tuple(results)[-1],
            )
    return shown


def as_json(outcome: Outcome) -> dict[str, object]:
    """Return the run for a file: one object a cell, and what holds for all."""
    cells = [
        {
            "cell": str(one.cell),
            "ratio": round(one.ratio, 4),
            **{
                name: {
                    **asdict(result),
                    "accepted_per_s": round(result.accepted_per_s),
                    "cpu_s_per_million": round(result.cpu_s_per_million, 2),
                }
                for name, result in one.results().items()
            },
        }
        for one in outcome.cells
    ]
    return {
        "cells": cells,
        "accepted": outcome.accepted,
        "journal_records": outcome.journal_records,
        "sync_ms": round(outcome.sync_ms, 3),
        "faults": outcome.faults(),
    }


def main(words: list[str] | None = None) -> int:
    """Measure, print, and say what is wrong."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.share_path",
        description="Measure the way of a share beside a server that only answers.",
        epilog="example: python -m benchmarks.share_path --cells 1000x1 --seconds 10",
    )
    parser.add_argument("--cells", default=CELLS, help=f"CONNECTIONSxIN_FLIGHT,... ({CELLS})")
    parser.add_argument("--seconds", type=float, default=5.0, help="measured in each cell (5)")
    parser.add_argument("--warm-up", type=float, default=1.5, help="seconds before that (1.5)")
    parser.add_argument(
        "--folder",
        type=Path,
        default=BUILD,
        help="a disk to keep the journal on (build/benchmarks)",
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there too")
    given = parser.parse_args(words)
    try:
        cells = [Cell.parse(text) for text in given.cells.split(",")]
    except ValueError as wrong:
        parser.error(f"--cells: {wrong}")
    phases = Phases(given.warm_up, given.seconds)
    try:
        given.folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix="pool-", dir=given.folder) as folder:
            outcome = measure(cells, phases, Path(folder))
    except LoadError as fault:
        sys.stderr.write(f"share_path: {fault}\n")
        return 1
    console = Console(width=WIDTH)
    console.print(table(outcome))
    console.print(
        f"told accepted: {outcome.accepted:,}; in the journal: {outcome.journal_records:,}; "
        f"an fdatasync takes {outcome.sync_ms:.2f} ms here"
    )
    return end(console, outcome.faults(), as_json(outcome), given.json)


if __name__ == "__main__":
    sys.exit(main())
