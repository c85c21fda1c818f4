"""What a transaction of a holder of a lease costs over one that asks for none.

    python -m benchmarks.fence [--transactions 2000] [--rounds 10]

A real lease `settle`, renewed meanwhile as ever. A transaction is one statement on a table that
asks for the lease, which finds nothing to write: with neither fence nor trigger; with the question
that each transaction of a holder begins with; and with the trigger as well. In turns, since others
use the machine. CPU of this process and of PostgreSQL. Exit status 1: question and trigger together
cost more than they are held to.
"""

import argparse
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path

import sqlalchemy as sa
from rich.console import Console
from rich.table import Table

from benchmarks.ending import end
from benchmarks.load.database import running_database
from benchmarks.load.server_cpu import ServerCpu
from kench.pool.backoff import Backoff
from kench.pool.clock import SystemClock
from kench.pool.database import Role, open_engine
from kench.pool.holder import Holder
from kench.pool.lease import Work

HELD_CPU_US = 300.0
"""At a hundred transactions a second, far more than settlement and sale have, 3 % of a core."""
NEITHER, QUESTION, BOTH = "neither", "question", "question and trigger"
NOTHING = sa.text("UPDATE journal_positions SET instance = instance WHERE false")


@dataclass(frozen=True, slots=True)
class Cost:
    """A transaction's microseconds, in the mean of a round."""

    process_cpu_us: float
    postgres_cpu_us: float
    clock_us: float

    @property
    def cpu_us(self) -> float:
        """Both together."""
        return self.process_cpu_us + self.postgres_cpu_us


class Turns:
    """The same transaction in three forms, by turns."""

    def __init__(self, owner: sa.Engine, bare: sa.Engine, holder: Holder) -> None:
        self._owner = owner
        self._bare = bare
        self._holder = holder
        self._server = ServerCpu(owner)
        self.costs: dict[str, list[Cost]] = {NEITHER: [], QUESTION: [], BOTH: []}

    def take(self, transactions: int, rounds: int) -> None:
        """Measure one after the other, again and again; the first of each warms up."""
        for number in range(rounds + 1):
            for name in self.costs:
                self._set_trigger(on=name == BOTH)
                engine = self._bare if name == NEITHER else self._holder.engine
                cost = self._measure(engine, transactions)
                if number:
                    self.costs[name].append(cost)
        self._set_trigger(on=True)

    def median(self, name: str, figure: str) -> float:
        """Return the median round's figure, one of those that a cost has."""
        return float(statistics.median(getattr(cost, figure) for cost in self.costs[name]))

    def _measure(self, engine: sa.Engine, transactions: int) -> Cost:
        server_s = self._server.seconds()
        began, own_s = time.perf_counter(), time.thread_time()
        for _ in range(transactions):
            with engine.begin() as connection:
                connection.execute(NOTHING)
        own_s, clock_s = time.thread_time() - own_s, time.perf_counter() - began
        server_s = self._server.seconds() - server_s
        return Cost(*(seconds * 1e6 / transactions for seconds in (own_s, server_s, clock_s)))

    def _set_trigger(self, *, on: bool) -> None:
        act = "ENABLE" if on else "DISABLE"
        with self._owner.begin() as connection:
            connection.exec_driver_sql(f"ALTER TABLE journal_positions {act} TRIGGER require_lease")


@contextmanager
def fresh_database() -> Iterator[str]:
    """A database of its own server; yields its URL."""
    with (
        tempfile.TemporaryDirectory(prefix="fence-") as name,
        running_database(Path(name)) as url,
    ):
        yield url


def measure(url: str, transactions: int, rounds: int) -> Turns:
    """Hold the lease and measure under it."""
    owner = open_engine(url, application_name="benchmark owner")
    bare = open_engine(url, Role.SETTLE, application_name="benchmark", pool_size=2)
    clock, stop = SystemClock(), threading.Event()
    holder = Holder(bare, Work.SETTLE, clock, Backoff(clock))
    turns = Turns(owner, bare, holder)

    def work() -> None:
        turns.take(transactions, rounds)
        stop.set()

    holder.run(stop, work)
    owner.dispose()
    bare.dispose()
    return turns


def main(words: list[str] | None = None) -> int:
    """Measure, print, and say whether the fence costs what it is held to."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.fence",
        description="Measure what the fence of a lease adds to a transaction.",
        epilog="example: python -m benchmarks.fence --rounds 30",
    )
    parser.add_argument("--transactions", type=int, default=2000, help="in a round (2000)")
    parser.add_argument("--rounds", type=int, default=10, help="of each (10)")
    parser.add_argument("--url", help="a database of the newest schema, of this machine's server")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there too")
    given = parser.parse_args(words)
    with nullcontext(given.url) if given.url else fresh_database() as url:
        turns = measure(url, given.transactions, given.rounds)
    shown = Table(title=f"a transaction, median of {given.rounds} x {given.transactions:,}, µs")
    for column in ("with", "process's CPU", "PostgreSQL's", "by the clock"):
        shown.add_column(column, justify="right")
    figures = ("process_cpu_us", "postgres_cpu_us", "clock_us")
    for name in turns.costs:
        shown.add_row(name, *(f"{turns.median(name, figure):.0f}" for figure in figures))
    console = Console()
    console.print(shown)
    fence_us = turns.median(BOTH, "cpu_us") - turns.median(NEITHER, "cpu_us")
    console.print(f"the fence: {fence_us:.0f} µs of CPU a transaction")
    faults = []
    if fence_us > HELD_CPU_US:
        faults.append(f"the fence costs {fence_us:.0f} µs of CPU, more than {HELD_CPU_US:.0f}")
    told = {name: [asdict(cost) for cost in costs] for name, costs in turns.costs.items()}
    return end(console, faults, {"fence_cpu_us": fence_us, "costs": told}, given.json)


if __name__ == "__main__":
    sys.exit(main())
