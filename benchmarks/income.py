"""A month of many participants: its income records formed, compared, read by pages, corrected.

    python -m benchmarks.income [--participants 10000] [--days 31]

In a real PostgreSQL in a temporary folder, filled with one block a day of which everybody has a
part. Seconds by the wall (on two cores: this process and PostgreSQL), CPU seconds of both, and how
much memory this process gained at its peak. Pages are read as the service hands them over, by
sequence. Exit status 1: the forming or the reading takes more than 60 s, or too much memory,
or a difference is found.
"""

import argparse
import hashlib
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import sqlalchemy as sa
from rich.console import Console
from rich.table import Table

from benchmarks.ending import end
from benchmarks.load.client import BUILD
from benchmarks.load.database import running_database
from benchmarks.load.income_data import PERIOD, fill_month
from benchmarks.load.server_cpu import ServerCpu
from kench.payouts.income.generate import generate
from kench.payouts.income.periods import digest_of_period, summary_of
from kench.payouts.income.reconcile import reconcile
from kench.payouts.income.revise import MANY, Whose, revise, survey
from kench.payouts.statements.statement import period_of
from kench.pool.database import Role, open_engine
from kench.pool.moments import midnight_us, moment_of

PARTICIPANTS, DAYS, PAGE = 10_000, 31, 1_000
HELD_S, HELD_MIB = 60.0, 256
NOW_US = midnight_us(period_of(PERIOD).ends.date()) + 600_000_000
_PAGE = sa.text("""
    SELECT sequence, content, sha256 FROM income_records
    WHERE period = :period AND sequence > :after ORDER BY sequence LIMIT :most
""")


def read_pages(url: str) -> int:
    """Read all records by pages, each in a transaction of its own, and check each digest."""
    engine = open_engine(url, Role.READ, application_name="benchmark")
    after = found = 0
    while True:
        with engine.connect() as db:
            page = db.execute(_PAGE, {"period": PERIOD, "after": after, "most": PAGE}).all()
        if not page:
            break
        for row in page:
            if hashlib.sha256(row.content).digest() != bytes(row.sha256):
                raise AssertionError("a record has another digest")
        after = page[-1].sequence
        found += len(page)
    engine.dispose()
    return found


def form(engine: sa.Engine) -> int:
    """Form what is lacking; returns how many records."""
    with engine.begin() as db:
        return generate(db, PERIOD, NOW_US).records


def compare(engine: sa.Engine) -> int:
    """Compare all; returns how much differs."""
    with engine.begin() as db:
        return len(reconcile(db, PERIOD, NOW_US))


def sum_up(engine: sa.Engine) -> int:
    """Sum and digest all, as for a closing; returns how many documents."""
    with engine.begin() as db:
        digest_of_period(db, PERIOD)
        return summary_of(db, PERIOD).records


def survey_all(engine: sa.Engine) -> int:
    """Say what is to be corrected; returns how many documents."""
    with engine.begin() as db:
        return survey(db, Whose(PERIOD)).documents


def correct_all(engine: sa.Engine) -> int:
    """Correct all of it, each batch committed by itself; returns how many documents."""
    done = 0
    after: int | None = 0
    while after is not None:
        with engine.begin() as db:
            batch = revise(db, Whose(PERIOD), moment_of(NOW_US), after=after, most=MANY)
        done, after = done + batch.documents, batch.after
    return done


class Timing:
    """What each step took."""

    def __init__(self, server: ServerCpu) -> None:
        self._server = server
        self.steps: dict[str, tuple[float, float]] = {}

    def take(self, name: str, work: Callable[[], int]) -> int:
        """Do a step; return what it gives."""
        began, cpu = time.perf_counter(), time.process_time() + self._server.seconds()
        given = work()
        used = time.process_time() + self._server.seconds() - cpu
        self.steps[name] = (time.perf_counter() - began, used)
        return given


def main(words: list[str] | None = None) -> int:
    """Measure, print, and say whether it is as fast as it is held to be."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.income",
        description="Measure what a month's income records of many participants cost.",
        epilog="example: python -m benchmarks.income --participants 1000 --days 5",
    )
    parser.add_argument("--participants", type=int, default=PARTICIPANTS, help="(10000)")
    parser.add_argument("--days", type=int, default=DAYS, help="days with a block (31)")
    parser.add_argument("--folder", type=Path, default=BUILD, help="a disk (build/benchmarks)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there too")
    given = parser.parse_args(words)
    given.folder.mkdir(parents=True, exist_ok=True)
    faults: list[str] = []
    with (
        tempfile.TemporaryDirectory(prefix="income-", dir=given.folder) as name,
        running_database(Path(name)) as url,
    ):
        owner = open_engine(url, application_name="benchmark", statement_timeout_s=0)
        fill_month(owner, given.participants, given.days)
        engine = open_engine(url, Role.SETTLE, application_name="benchmark")
        timing = Timing(ServerCpu(owner))
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

        formed = timing.take("formed", lambda: form(engine))
        gained_mib = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024
        again = timing.take("formed again: nothing", lambda: form(engine))
        differing = timing.take("compared with ledger, lots, fills", lambda: compare(engine))
        summed_up = timing.take("summed up for a closing", lambda: sum_up(engine))
        read = timing.take("read by pages", lambda: read_pages(url))
        with owner.begin() as db:
            db.execute(sa.text("UPDATE participants SET name = name || ' 2'"))
        surveyed = timing.take("surveyed: every name changed", lambda: survey_all(engine))
        corrected = timing.take("corrected by batches", lambda: correct_all(engine))
        engine.dispose()
        owner.dispose()
    shown = Table(title=f"income of {given.participants:,} participants, {formed:,} records")
    for heading in ("step", "s", "CPU s"):
        shown.add_column(heading, justify="left" if heading == "step" else "right")
    for step, (wall_s, cpu_s) in timing.steps.items():
        shown.add_row(step, f"{wall_s:.1f}", f"{cpu_s:.1f}")
    console = Console()
    console.print(shown)
    console.print(f"memory gained while forming: {gained_mib} MiB")
    if differing or again or not formed == summed_up == read:
        faults.append(f"{differing} differences; {formed} formed, {again} again, {read} read")
    if not formed == surveyed == corrected:
        faults.append(f"{surveyed} to be corrected, {corrected} were")
    faults += [
        f"{step} took {timing.steps[step][0]:.1f} s, and {HELD_S:.0f} s are enough"
        for step in ("formed", "read by pages")
        if timing.steps[step][0] > HELD_S
    ]
    if gained_mib > HELD_MIB:
        faults.append(f"{gained_mib} MiB of memory, and {HELD_MIB} MiB are enough")
    figures = {step: list(costs) for step, costs in timing.steps.items()}
    return end(console, faults, {**figures, "memory MiB": gained_mib}, given.json)


if __name__ == "__main__":
    sys.exit(main())
