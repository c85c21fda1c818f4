"""The same load on one front process and on several, side by side.

    python -m benchmarks.processes [--cells 1000x1,1000x4] [--processes 2] [--json FILE]

Each runs as a whole pool of its own (PostgreSQL, node, job maker, fronts, a journal for each on the
disk of --folder). CPU seconds are those of job maker and fronts, from the client's first connection
to its last answer. The client takes a core of its own: with two cores two fronts have but one and
the rest to share, and what is seen is what the second process costs; with more it is what it gives.
Exit status 1: a share that was answered `true` is not in exactly one journal, a share was refused,
or all fronts together fell below the part of one front's rate that they are held to.
"""

import argparse
import os
import sys
import tempfile
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
from benchmarks.load.servers import Pool, running_pool

CELLS = "1000x1,1000x4,8000x1"
PROCESSES = 2
# On two cores, with the client on one of them; a busy neighbour takes its part.
HELD_RATIO = 0.6
WIDTH = 120


@dataclass(frozen=True, slots=True)
class Measured:
    """One cell on so many fronts."""

    cell: Cell
    processes: int
    result: Result
    cpu_s: float
    """Of job maker and fronts, for all shares of `result.accepted_total`."""
    records: dict[int, int]
    """Shares that came into each front's journal."""

    @property
    def cpu_s_per_million(self) -> float:
        """CPU seconds for a million shares."""
        return self.cpu_s / max(1, self.result.accepted_total) * 1e6

    @property
    def fault(self) -> str | None:
        """What must not be."""
        kept = sum(self.records.values())
        where = f"{self.cell} on {self.processes}"
        if kept != self.result.accepted_total:
            return f"{where}: {self.result.accepted_total} told accepted, {kept} in the journals"
        if self.result.refused_total or self.result.unanswered:
            return f"{where}: refused {self.result.refused_total}, {self.result.unanswered} silent"
        return None


def measure(cells: list[Cell], counts: list[int], phases: Phases, folder: Path) -> list[Measured]:
    """Load each number of fronts with each cell. Raises LoadError."""
    allow_most_files()
    measured = []
    for count in counts:
        own = folder / str(count)
        own.mkdir()
        with running_pool(own, count) as pool:
            for cell in cells:
                measured.append(_measure(cell, count, phases, pool))
                # A new tip: what duplicates are looked for in starts empty for each cell.
                pool.new_block()
    return measured


def _measure(cell: Cell, count: int, phases: Phases, pool: Pool) -> Measured:
    before, cpu_before = pool.records_by_front(), _cpu_s(pool)
    result = run_client(cell, pool.port, pool.stratum_pid, phases, pool.login)
    cpu_s = _cpu_s(pool) - cpu_before
    records = {n: now - before.get(n, 0) for n, now in pool.records_by_front().items()}
    return Measured(cell, count, result, cpu_s, records)


def _cpu_s(pool: Pool) -> float:
    """Return the CPU seconds that job maker and fronts have had, all threads."""
    ticks = 0
    for pid in (pool.maker_pid, *pool.fronts):
        fields = Path("/proc", str(pid), "stat").read_text().rpartition(")")[2].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def ratios(measured: list[Measured]) -> dict[str, float]:
    """Return by cell the rate of most fronts as a part of one front's."""
    rates = {(str(one.cell), one.processes): one.result.accepted_per_s for one in measured}
    most = max(one.processes for one in measured)
    alone = {cell: rate for (cell, count), rate in rates.items() if count == 1 != most}
    return {cell: rates[cell, most] / rate for cell, rate in alone.items()}


def faults(measured: list[Measured]) -> list[str]:
    """Say what must not be."""
    found = [one.fault for one in measured if one.fault]
    found += [
        f"{cell}: several fronts reach {ratio:.2f} of one front's rate, not {HELD_RATIO}"
        for cell, ratio in ratios(measured).items()
        if ratio < HELD_RATIO
    ]
    return found


def table(measured: list[Measured]) -> Table:
    """Lay the cells out for people."""
    shown = Table(title=f"fronts side by side, {os.cpu_count()} cores, the client on one of them")
    names = ("cell", "fronts", "accepted/s", "to one front", "CPU-s per 10⁶", "p50 ms", "p99 ms")
    for name in (*names, "shares by front"):
        shown.add_column(name, justify="left" if name == "cell" else "right")
    by_cell = ratios(measured)
    for one in sorted(measured, key=lambda one: str(one.cell)):
        total = max(1, sum(one.records.values()))
        shown.add_row(
            str(one.cell) if one.processes == 1 else "",
            str(one.processes),
            f"{one.result.accepted_per_s:,.0f}",
            "" if one.processes == 1 else f"{by_cell[str(one.cell)]:.2f}",
            f"{one.cpu_s_per_million:.1f}",
            f"{one.result.p50_ms:.2f}",
            f"{one.result.p99_ms:.1f}",
            " ".join(f"{count / total:.0%}" for count in one.records.values()),
        )
    return shown


def as_json(measured: list[Measured]) -> dict[str, object]:
    """Return the run for a file."""
    return {
        "cells": [
            {
                **asdict(one),
                "cell": str(one.cell),
                "accepted_per_s": round(one.result.accepted_per_s),
                "cpu_s_per_million": round(one.cpu_s_per_million, 2),
            }
            for one in measured
        ],
        "ratios": {cell: round(ratio, 4) for cell, ratio in ratios(measured).items()},
        "faults": faults(measured),
    }


def main(words: list[str] | None = None) -> int:
    """Measure, print, and say what is wrong."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.processes",
        description="Measure one front process and several beside each other.",
        epilog="example: python -m benchmarks.processes --cells 1000x1 --processes 2",
    )
    parser.add_argument("--cells", default=CELLS, help=f"CONNECTIONSxIN_FLIGHT,... ({CELLS})")
    parser.add_argument("--processes", type=int, default=PROCESSES, help="fronts beside one (2)")
    parser.add_argument("--seconds", type=float, default=5.0, help="measured in each cell (5)")
    parser.add_argument("--warm-up", type=float, default=1.5, help="seconds before that (1.5)")
    parser.add_argument(
        "--folder", type=Path, default=BUILD, help="a disk for the journals (build/benchmarks)"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there too")
    given = parser.parse_args(words)
    try:
        cells = [Cell.parse(text) for text in given.cells.split(",")]
    except ValueError as wrong:
        parser.error(f"--cells: {wrong}")
    if given.processes < 2:
        parser.error("--processes: two or more, to set beside one")
    try:
        given.folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix="pool-", dir=given.folder) as folder:
            phases = Phases(given.warm_up, given.seconds)
            measured = measure(cells, [1, given.processes], phases, Path(folder))
    except LoadError as fault:
        sys.stderr.write(f"processes: {fault}\n")
        return 1
    console = Console(width=WIDTH)
    console.print(table(measured))
    return end(console, faults(measured), as_json(measured), given.json)


if __name__ == "__main__":
    sys.exit(main())
