"""What the statistics of many workers cost: CPU of their thread and of PostgreSQL, each second.

    python -m benchmarks.statistics [--workers 100000] [--seconds 30]

A real journal and a real PostgreSQL in a temporary folder; the clock is the benchmark's own, so a
pool's hour passes in a minute. Each kind of work is measured by itself and counted as often as it
comes: shares each second, the live table each ten, the history each ten minutes, an hour's sums
each hour. Exit status 1: all together take more of one core than they are held to.
"""

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import sqlalchemy as sa
from rich.console import Console
from rich.table import Table

from benchmarks.ending import end
from benchmarks.load.client import BUILD
from benchmarks.load.database import running_database
from benchmarks.load.process_memory import proportional_bytes
from benchmarks.load.server_cpu import ServerCpu
from benchmarks.load.table_sizes import TableSize, table_sizes
from kench.pool.clock import ManualClock, SystemClock
from kench.pool.database import Role, open_engine
from kench.pool.journal import SHARE
from kench.pool.journal.mark import DurableMark, Mark
from kench.pool.journal.segment import OpenSegment
from kench.pool.settings import Settings
from kench.stratum.statistics.gathering import BUCKET_S, HOUR_S
from kench.stratum.statistics.keeper import Keeper, KeeperSettings
from kench.stratum.statistics.partitions import Retention
from kench.stratum.statistics.sessions import SessionFacts, encode

SHARES_PER_MINUTE = 12
LIVE_S: float = Settings.model_fields["statistics_live_s"].default
# Of one core, the thread and PostgreSQL together.
HELD_PERCENT = 10.0
WORKERS_PER_PARTICIPANT = 100
FACTS_EACH = 500


@dataclass(slots=True)
class Cost:
    """CPU seconds of one kind of work, and how often it was done and comes."""

    period_s: float
    times: int = 0
    keeper_s: float = 0.0
    postgres_s: float = 0.0

    @property
    def percent(self) -> float:
        """Its part of one core."""
        each_s = (self.keeper_s + self.postgres_s) / max(1, self.times)
        return 100 * each_s / self.period_s


class Pool:
    """A journal that fills, a keeper that reads it, and what that cost."""

    def __init__(self, folder: Path, url: str, workers: int) -> None:
        self.workers = workers
        self.costs: dict[str, Cost] = {}
        self.random = np.random.default_rng(1)
        # The hour before this one, so that partitions are there and nothing is in the future.
        now_s = SystemClock().now_us() // 1_000_000
        self.start_s = now_s // HOUR_S * HOUR_S - HOUR_S
        self.clock = ManualClock(self.start_s * 1_000_000)
        directory = folder / "journal" / "0"
        directory.mkdir(parents=True)
        self._segment = OpenSegment.create(directory, 0, 0, 0)
        self._mark = DurableMark(directory)
        self._difficulties = np.floor(self.random.uniform(1e4, 1e6, self.workers + 1))
        settings = KeeperSettings(
            folder / "journal", folder / "run", 0, LIVE_S, Retention(40, 400, 3653)
        )
        self.engine = open_engine(
            url, Role.STRATUM, application_name="benchmark", statement_timeout_s=300
        )
        with self.engine.begin() as connection:
            connection.execute(
                sa.text("UPDATE statistics_rollups SET done_before = to_timestamp(:start)"),
                {"start": self.start_s},
            )
        self._server = ServerCpu(self.engine)
        self.keeper = Keeper(settings, self.engine, self.clock)

    def add(self, workers: Any) -> None:
        """Put a share of each of these workers into the journal, within the last second."""
        records = np.zeros(len(workers), SHARE)
        now_us = self.clock.now_us()
        records["time_us"] = np.linspace(now_us - 999_999, now_us, len(workers)).astype(np.uint64)
        records["worker"] = workers
        records["participant"] = workers // WORKERS_PER_PARTICIPANT + 1
        records["difficulty"] = self._difficulties[workers]
        self._segment.append(b"", records.tobytes())
        self._mark.set(Mark(self._segment.next_sequence, now_us))

    def second(self, kind: str = "shares") -> None:
        """Let a second with its shares pass."""
        self.clock.advance(1)
        count = max(1, round(self.workers * SHARES_PER_MINUTE / 60))
        self.add(self.random.integers(1, self.workers + 1, count))
        with self.measured(kind):
            self.keeper.turn()

    @contextmanager
    def measured(self, kind: str) -> Iterator[None]:
        """Count what is done inside as work of a kind."""
        cost = self.costs[kind]
        postgres_s, own_s = self._server.seconds(), time.thread_time()
        yield
        cost.keeper_s += time.thread_time() - own_s
        cost.postgres_s += self._server.seconds() - postgres_s
        cost.times += 1

    def close(self) -> None:
        """Stop everything."""
        self.keeper.end()
        self.engine.dispose()
        self._segment.close()
        self._mark.close()


@dataclass(frozen=True, slots=True)
class Measured:
    """What each kind of work took, and what it left behind."""

    costs: dict[str, Cost]
    tables: dict[str, TableSize]
    bytes: int
    """Memory that the process gained, most of it the keeper's for its workers."""


def measure(folder: Path, url: str, workers: int, seconds: int) -> Measured:
    """Let a pool run through each kind of work."""
    before = proportional_bytes(os.getpid())
    pool = Pool(folder, url, workers)
    pool.costs = {
        "begin": Cost(float("inf")),
        "sessions told": Cost(float("inf")),
        "shares": Cost(1.0),
        "shares and live table": Cost(LIVE_S),
        "history": Cost(BUCKET_S),
        "hour": Cost(HOUR_S),
    }
    try:
        everyone = np.arange(1, workers + 1)
        pool.second("begin")
        for first in range(0, workers, FACTS_EACH):
            facts = encode(
                SessionFacts(
                    one,
                    pool.clock.now_us(),
                    65_536.0,
                    f"bosminer/{one % 40}",
                    ((one // WORKERS_PER_PARTICIPANT + 1, one),),
                )
                for one in everyone[first : first + FACTS_EACH].tolist()
            )
            with pool.measured("sessions told"):
                pool.keeper.take_sessions(0, facts)
                pool.keeper.drain()  # by itself
        pool.costs["sessions told"].times = 1
        pool.add(everyone)
        pool.second("begin")  # all workers' first shares, and their first rows of the live table
        pool.clock.advance(LIVE_S)
        pool.second("begin")
        for number in range(1, seconds + 1):
            pool.second("shares and live table" if number % LIVE_S == 0 else "shares")
        for _ in range(HOUR_S // BUCKET_S):
            pool.add(everyone)
            pool.keeper.turn()
            pool.clock.advance(BUCKET_S - 2)
            with pool.measured("history"):
                pool.keeper.turn()
            pool.clock.advance(8)
            with pool.measured("history"):
                pool.keeper.turn()
            pool.costs["history"].times -= 1
        pool.clock.advance(120)
        with pool.measured("hour"):
            pool.keeper.turn()
            while _hours(pool.engine) < workers:
                pool.clock.advance(BUCKET_S)
                pool.keeper.turn()
        with pool.engine.connect() as connection:
            sizes = table_sizes(connection)
        gained = proportional_bytes(os.getpid()) - before
    finally:
        pool.close()
    return Measured(pool.costs, sizes, gained)


def _hours(engine: sa.Engine) -> int:
    with engine.connect() as connection:
        return int(connection.execute(sa.text("SELECT count(*) FROM worker_hours")).scalar_one())


def table(costs: dict[str, Cost], workers: int) -> Table:
    """Lay it out for people."""
    shown = Table(title=f"statistics of {workers:,} workers, {SHARES_PER_MINUTE} shares a minute")
    shown.add_column("work")
    for name in ("each", "thread s", "PostgreSQL s", "of a core"):
        shown.add_column(name, justify="right")
    for kind, cost in costs.items():
        comes = f"{cost.period_s:g} s" if cost.period_s != float("inf") else "once"
        times = max(1, cost.times)
        shown.add_row(
            kind, comes, f"{cost.keeper_s / times:.3f}", f"{cost.postgres_s / times:.3f}",
            f"{cost.percent:.2f} %",
        )  # fmt: skip
    shown.add_section()
    shown.add_row("all", "", "", "", f"{total_percent(costs):.2f} %")
    return shown


def total_percent(costs: dict[str, Cost]) -> float:
    """Return what all of it takes of one core."""
    return sum(cost.percent for cost in costs.values())


def main(words: list[str] | None = None) -> int:
    """Measure, print, and say whether it is as cheap as it is held to be."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.statistics",
        description="Measure what the statistics of many workers cost.",
        epilog="example: python -m benchmarks.statistics --workers 100000",
    )
    parser.add_argument("--workers", type=int, default=100_000, help="(100000)")
    parser.add_argument("--seconds", type=int, default=60, help="of shares (60)")
    parser.add_argument("--folder", type=Path, default=BUILD, help="a disk (build/benchmarks)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there too")
    given = parser.parse_args(words)
    given.folder.mkdir(parents=True, exist_ok=True)
    with (
        tempfile.TemporaryDirectory(prefix="statistics-", dir=given.folder) as name,
        running_database(Path(name)) as url,
    ):
        measured = measure(Path(name), url, given.workers, given.seconds)
    console, costs = Console(), measured.costs
    console.print(table(costs, given.workers))
    console.print(f"memory gained: {measured.bytes / given.workers:,.0f} bytes a worker")
    percent = total_percent(costs)
    works = {
        kind: {"keeper_s": cost.keeper_s, "postgres_s": cost.postgres_s, "times": cost.times,
               "percent": cost.percent}
        for kind, cost in costs.items()
    }  # fmt: skip
    figures = {"workers": given.workers, "percent": percent, "works": works,
               "tables": measured.tables, "bytes": measured.bytes}  # fmt: skip
    too_dear = percent > HELD_PERCENT
    faults = [f"{percent:.1f} % of a core, not {HELD_PERCENT:g}"] if too_dear else []
    return end(console, faults, figures, given.json)


if __name__ == "__main__":
    sys.exit(main())
