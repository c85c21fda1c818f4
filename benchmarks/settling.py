"""Journal records into PostgreSQL's books: what settlement and the database take for each.

    python -m benchmarks.settling [--records 1000000] [--workers 100000]

A journal as of `totals` (true checksums, workers in random order), settled chunk by chunk by the
code that a pool settles with, no block among them. CPU seconds of this process and of PostgreSQL.
Twice: the first time each worker gets its row, the second time the rows are there. Exit status 1: a
record is not settled, or fewer are settled in a second of CPU than settlement is held to.
"""

import argparse
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import sqlalchemy as sa
from rich.console import Console
from rich.table import Table

from benchmarks.ending import end
from benchmarks.load.client import BUILD
from benchmarks.load.database import running_database
from benchmarks.load.process_memory import Peak
from benchmarks.load.server_cpu import ServerCpu
from benchmarks.load.table_sizes import table_sizes
from benchmarks.totals import make_journal
from kench.payouts.settle import Settlement
from kench.pool.clock import SystemClock
from kench.pool.database import Role, open_engine

HELD_PER_CPU_S = 10_000
# Of one day, each journal some seconds after the one before.
FIRST_US, APART_US = 1_767_300_000_000_000, 100_000_000


@dataclass(frozen=True, slots=True)
class Turn:
    """One journal settled."""

    records: int
    seconds: float
    settle_cpu_s: float
    postgres_cpu_s: float
    bytes: int
    """Memory that this process needed for it at most."""

    @property
    def per_cpu_s(self) -> float:
        """Records for each second of CPU, both together."""
        return self.records / (self.settle_cpu_s + self.postgres_cpu_s)


def settle(engine: sa.Engine, root: Path) -> Turn:
    """Settle all that the journals under a folder have."""
    settlement, server, records = Settlement(root, SystemClock()), ServerCpu(engine), 0
    peak = Peak()
    began, own_s, server_s = time.perf_counter(), time.process_time(), server.seconds()
    with engine.connect() as connection:
        while not (settled := settlement.settle_chunk(connection)).is_nothing:
            records += settled.records
    return Turn(
        records,
        time.perf_counter() - began,
        time.process_time() - own_s,
        server.seconds() - server_s,
        peak.bytes(),
    )


def main(words: list[str] | None = None) -> int:
    """Measure, print, and say whether settlement is as fast as it is held to."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.settling",
        description="Measure what journal records take on their way into PostgreSQL.",
        epilog="example: python -m benchmarks.settling --records 2000000",
    )
    parser.add_argument("--records", type=int, default=1_000_000, help="each time (1000000)")
    parser.add_argument("--workers", type=int, default=100_000, help="(100000)")
    parser.add_argument("--folder", type=Path, default=BUILD, help="a disk (build/benchmarks)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there too")
    given = parser.parse_args(words)
    given.folder.mkdir(parents=True, exist_ok=True)
    with (
        tempfile.TemporaryDirectory(prefix="settling-", dir=given.folder) as name,
        running_database(Path(name)) as url,
    ):
        engine = open_engine(url, Role.SETTLE, application_name="benchmark", pool_size=2)
        turns = []
        for number in range(2):
            # Another number, so that it is another journal to the books.
            root = Path(name) / f"journals-{number}"
            (root / str(number)).mkdir(parents=True)
            first_us = FIRST_US + number * APART_US
            make_journal(root / str(number), given.workers, given.records, first_us)
            turns.append(settle(engine, root))
        with engine.connect() as connection:
            sizes = table_sizes(connection)
        engine.dispose()
    shown = Table(title=f"{given.records:,} records of {given.workers:,} workers settled")
    for column in ("rows", "s", "settlement's CPU s", "PostgreSQL's", "records a CPU second"):
        shown.add_column(column, justify="right")
    for rows, turn in zip(("new", "there"), turns, strict=True):
        shown.add_row(
            rows, f"{turn.seconds:.1f}", f"{turn.settle_cpu_s:.1f}", f"{turn.postgres_cpu_s:.1f}",
            f"{turn.per_cpu_s:,.0f}",
        )  # fmt: skip
    console = Console()
    console.print(shown)
    faults = [f"{turn.records} of {given.records} records" for turn in turns
              if turn.records != given.records]  # fmt: skip
    if turns[1].per_cpu_s < HELD_PER_CPU_S:
        faults.append(f"{turns[1].per_cpu_s:,.0f} records a CPU second, not {HELD_PER_CPU_S:,}")
    figures = {
        "workers": given.workers,
        "turns": [asdict(turn) for turn in turns],
        "tables": sizes,
    }
    return end(console, faults, figures, given.json)


if __name__ == "__main__":
    sys.exit(main())
