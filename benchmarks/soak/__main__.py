"""A whole site under a steady load, with a fault a minute: does anything grow, is anything lost?

    make soak MINUTES=60
    python -m benchmarks.soak --minutes 60 [--rate N] [--seed N] [--json FILE] [--picture FILE.svg]

`kench up` with all its parts (two fronts, job maker, settlement, sale with paper venue and
screening, cabinet, tax service's part, node, PostgreSQL) in a temporary folder. First the rate is
doubled until it is not answered in time: that is the capacity beside all else that this machine
does, the load's own client included. Then half of it, blocks found, coins sold, pages looked at,
and a fault a minute in an order that the seed decides. Memory, descriptors, threads, lags, errors
are sampled each three seconds. Exit status 1: something grows by more than it may, a share that
was acknowledged is in no journal, the totals are not the journals', or `kench audit` finds a fault.
"""

import argparse
import contextlib
import os
import shutil
import signal
import sys
import tempfile
import threading
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from rich.console import Console
from rich.table import Table

from benchmarks.ending import end
from benchmarks.load.client import BUILD, LoadError
from benchmarks.soak.picture import picture
from benchmarks.soak.running import Plan, Result, soak

# Beyond its minutes it may take so long for its start, its checks and its end.
SPARE_S = 2400.0
WIDTH = 110
SHOWN = ("memory MB", "descriptors", "settlement behind", "answer p99 ms")


def main(words: list[str] | None = None) -> int:
    """Soak, print, and say what is wrong."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.soak",
        description="Run a whole site under a steady load with a fault a minute.",
        epilog="example: python -m benchmarks.soak --minutes 15 --picture soak.svg",
    )
    parser.add_argument("--minutes", type=float, default=60.0, help="of steady load (60)")
    parser.add_argument("--fault-every", type=float, default=60.0, help="seconds (60)")
    parser.add_argument("--connections", type=int, default=200, help="miners (200)")
    parser.add_argument("--participants", type=int, default=5, help="whose miners they are (5)")
    parser.add_argument("--block-every", type=float, default=4.0, help="seconds, about (4)")
    parser.add_argument("--rate", type=float, help="shares a second (half of what is measured)")
    parser.add_argument("--seed", type=int, default=1, help="of the order of faults (1)")
    parser.add_argument("--folder", type=Path, default=BUILD, help="a disk (build/benchmarks)")
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="copy the site's logs there")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there too")
    parser.add_argument("--picture", type=Path, metavar="FILE", help="draw it there, SVG")
    given = parser.parse_args(words)
    plan = Plan(
        given.minutes, given.fault_every, given.connections, given.participants,
        given.block_every, given.rate, given.seed,
    )  # fmt: skip
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    given.folder.mkdir(parents=True, exist_ok=True)
    with contextlib.ExitStack() as stack:
        name = stack.enter_context(
            tempfile.TemporaryDirectory(
                prefix="soak-", dir=given.folder.absolute(), ignore_cleanup_errors=True
            )
        )
        stack.enter_context(_ended_in_time(plan.minutes * 60 + SPARE_S))
        try:
            result = soak(plan, Path(name), _tell)
        except LoadError as fault:
            sys.stderr.write(f"soak: {fault}\n")
            return 1
        finally:
            if given.keep is not None:
                _keep(Path(name), given.keep)
    console = Console(width=WIDTH)
    console.print(table(result))
    for line in facts(result):
        console.print(line, highlight=False)
    if given.picture is not None:
        title = f"{plan.minutes:g} minutes at {result.rate:,.0f} shares/s, seed {plan.seed}"
        drawn = picture(title, result.times_s, result.series, result.faults)
        given.picture.write_text(drawn)
    return end(console, result.worries(), as_json(result), given.json)


def facts(result: Result) -> list[str]:
    """Return the rest of the screen."""
    books, seen = result.books, result.seen
    load = f"capacity {result.capacity_per_s:,.0f} shares/s; load {result.rate:,.0f}, acknowledged"
    spent = f"{result.seconds / 60:.1f} minutes with {len(result.faults)} faults"
    held = f"{books.journal:,} in the journals, of which {books.unacknowledged:,} were not told of"
    lines = f"{result.lost_lines:,} lines lost, unserved p99 {result.unserved_p99_s:.1f} s"
    told = f"{books.acknowledged:,} acknowledged, {books.lost} lost; {held}"
    most = f"most {result.unserved_most_s:.1f} s; refused: {result.refused or 'none'}"
    pages = f"{result.blocks} blocks, {result.fills} fills; {seen.pages:,} pages"
    tax = f"{seen.questions:,} tax questions, {seen.questions_failed} failed"
    return [
        f"{load} {result.acknowledged_per_s:,.0f} over {spent}",
        f"{told}; totals {books.totals:,}, repeats {books.twice}",
        f"{lines}, {most}",
        f"{pages}, {seen.pages_failed} failed; {tax}",
        books.audit,
    ]


def table(result: Result) -> Table:
    """Lay the slopes out for people."""
    shown = Table(title="growth in an hour, last two thirds, faults' half minutes left out")
    for name in ("figure", "median", "growth", "95 % from", "to", "rise", "allowed", ""):
        shown.add_column(name, justify="left" if name == "figure" else "right")
    for one in result.verdicts:
        if one.least <= one.bound and not one.name.startswith(SHOWN):
            continue
        shown.add_row(
            one.name, f"{one.middle:,.1f}", f"{one.growth:+,.1f}", f"{one.least:+,.1f}",
            f"{one.most:+,.1f}", f"{one.rise:+,.1f}", f"{one.bound:,.1f}",
            "" if one.is_flat else "GROWS",
        )  # fmt: skip
    return shown


def as_json(result: Result) -> dict[str, Any]:
    """Return the run for a file."""
    found = asdict(result)
    found["times_s"] = [round(float(one), 1) for one in result.times_s]
    found["series"] = {
        name: [None if not np.isfinite(one) else round(float(one), 3) for one in values]
        for name, values in result.series.items()
    }
    return found | {"worries": result.worries()}


def _tell(words: str) -> None:
    sys.stderr.write(f"soak: {words}\n")


def _keep(folder: Path, there: Path) -> None:
    there.mkdir(parents=True, exist_ok=True)
    for log in [folder / "kench-up.log", *(folder / "site/logs").glob("*.log")]:
        if log.is_file():
            shutil.copy(log, there / log.name)


@contextlib.contextmanager
def _ended_in_time(seconds: float) -> Any:
    """End this process and all that it started, should it take longer."""

    def give_up() -> None:
        _tell(f"not done in {seconds:.0f} s: everything is killed")
        for child in psutil.Process().children(recursive=True):
            with contextlib.suppress(psutil.NoSuchProcess):
                child.kill()
        os._exit(2)

    timer = threading.Timer(seconds, give_up)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


if __name__ == "__main__":
    sys.exit(main())
