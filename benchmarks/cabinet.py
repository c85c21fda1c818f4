"""The cabinet of a large pool: how fast its pages are, and what pages that stay open cost.

    python -m benchmarks.cabinet [--full] [--rate 50] [--seconds 30] [--viewers 2000]

A real PostgreSQL is filled (benchmarks/load/cabinet_data.py), and a real `kench cabinet` serves on
one core; PostgreSQL, the browsers and who writes the live table share the other. The live table is
written anew every few seconds all the while, by what writes it in production. The browsers ask at a
fixed rate, whether answered or not: dashboards and lists of workers of participants at random, one
in ten of the participant with the most workers. Then pages stay open and hear of each writing.
Exit status 1: a page's p95 is above 100 ms, an answer was no page, a viewer was refused, or the
process with all viewers holds more than 300 MB.
"""

import argparse
import asyncio
import contextlib
import itertools
import os
import random
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks.ending import end
from benchmarks.load.browsers import Answers, Ask, Browsers, Viewers
from benchmarks.load.cabinet_data import FULL, SMALL, Size, enter_again, fill, secret_of
from benchmarks.load.cabinet_live import LiveTable
from benchmarks.load.client import BUILD, LoadError, allow_files
from benchmarks.load.ports import free_ports
from benchmarks.load.process_memory import resident_bytes
from benchmarks.load.server_cpu import ServerCpu, process_cpu_s
from benchmarks.load.servers import running
from kench.pki.authority import CRL_FILE, ROOT_FILE
from kench.pool.clock import SystemClock
from kench.pool.database import migrate, open_engine
from kench.pool.postgres import EmbeddedPostgres
from kench.pool.postgres_cluster import OPTIONS
from kench.pool.settings import Settings
from kench.up.part import Part
from kench.up.pki import demo_pki

HELD_P95_MS = 100.0
HELD_BYTES = 300 * 10**6
LIVE_S = float(Settings.model_fields["statistics_live_s"].default)
WARM_UP_S = 5.0
WRITINGS_HEARD = 3
SHARED_BUFFERS = "1GB"
HEARD_S = 3.0
"""A page hears of a writing within this time."""
CORES = sorted(os.sched_getaffinity(0))
"""Those of the machine, or that this process was given at its start."""
SORTS = ("", "&sort=hashrate", "&sort=day", "&sort=refused", "&sort=last")


@dataclass(frozen=True, slots=True)
class Figures:
    """What was measured."""

    pages: Mapping[str, Answers]
    cabinet_cpu: float
    """Of one core, while pages were asked for."""
    postgres_cpu: float
    viewers: int
    refused: int
    bytes_before: int
    """Held by the process after the pages."""
    bytes_after: int
    heard_ms: list[float]
    """From each writing to each page that heard of it."""
    viewers_cpu: float

    def faults(self) -> list[str]:
        """Say what must not be."""
        found = []
        for kind, answers in self.pages.items():
            p95_ms = answers.percentile(0.95)
            if p95_ms > HELD_P95_MS:
                found.append(f"{kind}: p95 {p95_ms:.0f} ms, not {HELD_P95_MS:g}")
            if answers.faults:
                found.append(f"{kind}: {answers.faults} answers were no page")
        if self.bytes_after > HELD_BYTES:
            found.append(f"{self.bytes_after / 1e6:.0f} MB with all viewers")
        if self.refused or not self.heard_ms:
            found.append(f"{self.refused} viewers refused, {len(self.heard_ms)} events heard")
        return found

    def as_json(self) -> dict[str, object]:
        """Return it for a file."""
        pages = {
            kind: {"requests": len(one.ms), "faults": one.faults, "bytes": one.size,
                   **{f"p{round(part * 100)}_ms": one.percentile(part)
                      for part in (0.5, 0.95, 0.99)}}
            for kind, one in self.pages.items()
        }  # fmt: skip
        return {
            "pages": pages, "cabinet_cpu": self.cabinet_cpu, "postgres_cpu": self.postgres_cpu,
            "viewers": self.viewers, "bytes_before": self.bytes_before,
            "bytes_after": self.bytes_after, "heard_p50_ms": _percentile(self.heard_ms, 0.5),
            "heard_max_ms": _percentile(self.heard_ms, 1), "viewers_cpu": self.viewers_cpu,
        }  # fmt: skip


def requests(size: Size, count: int, seed: int = 1) -> list[Ask]:
    """Return what the browsers ask for: each kind in its turn, of participants at random."""
    chosen = random.Random(seed)
    asks = []
    for number in range(count):
        who = 1 if number % 10 == 9 else chosen.randint(2, size.participants)
        cookie = cookie_of(who)
        largest = "most workers: " if who == 1 else ""
        if number // 10 % 2 == number % 2:
            asks.append(Ask(f"{largest}dashboard", f"/p/{who}/", cookie))
        else:
            pages = -(-size.workers // 10 // 50) if who == 1 else 1
            query = f"?page={chosen.randint(1, pages)}{chosen.choice(SORTS)}"
            asks.append(Ask(f"{largest}list of workers", f"/p/{who}/workers{query}", cookie))
    return asks


def cookie_of(participant_id: int) -> str:
    """Return the cookies of a browser in which the owner has entered."""
    return f"kench={secret_of(participant_id).hex()}; kench_browser={'0b' * 32}"


def measure(  # noqa: PLR0913 - what one run is made of
    url: str, folder: Path, size: Size, *, rate: float, seconds: float, viewers: int, live_s: float
) -> Figures:
    """Serve the filled database, ask, keep pages open. Raises LoadError."""
    settings = Settings(data_dir=folder)
    settings.log_directory.mkdir(parents=True, exist_ok=True)
    (port,) = free_ports(1)
    authority = demo_pki(settings.demo_pki_directory, SystemClock())
    variables = {
        "KENCH_DATABASE_URL": url,
        "KENCH_CABINET_PORT": str(port),
        "KENCH_SIGNATURE_ROOTS": str(authority.folder / ROOT_FILE),
        "KENCH_SIGNATURE_CRLS": str(authority.folder / CRL_FILE),
    }
    engine = open_engine(url, application_name="benchmark", statement_timeout_s=300)
    live = LiveTable(url, live_s)
    with contextlib.ExitStack() as stack:
        stack.callback(engine.dispose)
        stack.callback(live.stop)
        live.start()
        # The first core is the cabinet's alone, as far as this benchmark goes.
        with on_core(0):
            part = stack.enter_context(running("cabinet", settings, [], variables))
        run = _measured(part, ServerCpu(engine), port, live, size, rate, seconds, viewers)
        return asyncio.run(run)


async def _measured(  # noqa: PLR0913, PLR0917 - what one run is made of
    part: Part, server: ServerCpu, port: int, live: LiveTable, size: Size, rate: float,
    seconds: float, viewers: int,
) -> Figures:  # fmt: skip
    pid = part.pid
    if pid is None:
        raise LoadError(f"the cabinet ended: {part.last_words()}")
    await Browsers(port).run(requests(size, round(rate * min(WARM_UP_S, seconds)), 2), rate)
    began_s, own_s, postgres_s = time.monotonic(), process_cpu_s(pid), server.seconds()
    pages = await Browsers(port).run(requests(size, round(rate * seconds)), rate)
    took_s = time.monotonic() - began_s
    own_s, postgres_s = process_cpu_s(pid) - own_s, server.seconds() - postgres_s

    before = resident_bytes(pid)
    open_pages = Viewers(port)
    watching = list(itertools.islice(itertools.cycle(range(1, size.participants + 1)), viewers))
    await open_pages.open([Ask("live", f"/p/{who}/live", cookie_of(who)) for who in watching])
    list(live.told())
    viewed_s, viewers_s = time.monotonic(), process_cpu_s(pid)
    written_s = [await asyncio.to_thread(live.next) for _ in range(WRITINGS_HEARD)]
    await asyncio.sleep(HEARD_S)
    viewers_s = (process_cpu_s(pid) - viewers_s) / (time.monotonic() - viewed_s)
    after = resident_bytes(pid)
    heard = delays_ms(written_s, open_pages.told.came_s)
    await open_pages.close()
    return Figures(
        pages, own_s / took_s, postgres_s / took_s, open_pages.told.open, open_pages.told.refused,
        before, after, heard, viewers_s,
    )  # fmt: skip


def delays_ms(written_s: list[float], came_s: list[float]) -> list[float]:
    """Return how long after the newest writing each event came."""
    return [
        (came - max(at for at in written_s if at <= came)) * 1e3
        for came in came_s
        if any(at <= came for at in written_s)
    ]


@contextlib.contextmanager
def on_core(number: int) -> Iterator[None]:
    """Have what is started meanwhile run on one core alone; on a machine of one core, anywhere."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {CORES[number % len(CORES)]})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def _percentile(values: list[float], part: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * part))] if ordered else 0.0


def tables(figures: Figures, size: Size, rate: float) -> list[Table]:
    """Lay it out for people."""
    title = f"{size.participants:,} participants, {size.workers:,} workers, {rate:g} requests/s"
    pages = Table(title=title)
    pages.add_column("page")
    for name in ("requests", "faults", "KB", "p50 ms", "p95 ms", "p99 ms", "max ms"):
        pages.add_column(name, justify="right")
    for kind, one in sorted(figures.pages.items()):
        pages.add_row(
            kind, f"{len(one.ms):,}", str(one.faults),
            f"{one.size / max(1, len(one.ms)) / 1e3:.1f}",
            *(f"{one.percentile(part):.1f}" for part in (0.5, 0.95, 0.99, 1.0)),
        )  # fmt: skip
    pages.caption = (
        f"CPU of one core: cabinet {figures.cabinet_cpu:.0%}, PostgreSQL {figures.postgres_cpu:.0%}"
    )
    viewers = Table(title=f"{figures.viewers:,} pages that stay open")
    for name in ("MB before", "MB with them", "KB each", "heard after ms", "at most", "CPU"):
        viewers.add_column(name, justify="right")
    each = (figures.bytes_after - figures.bytes_before) / max(1, figures.viewers)
    viewers.add_row(
        f"{figures.bytes_before / 1e6:.0f}", f"{figures.bytes_after / 1e6:.0f}",
        f"{each / 1e3:.1f}", f"{_percentile(figures.heard_ms, 0.5):.0f}",
        f"{_percentile(figures.heard_ms, 1):.0f}", f"{figures.viewers_cpu:.0%}",
    )  # fmt: skip
    return [pages, viewers]


@contextlib.contextmanager
def filled(folder: Path, size: Size, console: Console) -> Iterator[str]:
    """Run PostgreSQL with such a pool in a folder; one that was filled before is taken as it is."""
    # The live table alone is larger than what the embedded server keeps in memory by default:
    # whoever has so many workers has a PostgreSQL with more (docs/operations.md).
    kept, OPTIONS["shared_buffers"] = OPTIONS["shared_buffers"], SHARED_BUFFERS
    database = EmbeddedPostgres(folder)
    there = database.exists
    # What PostgreSQL has lies on the core of everybody else.
    with on_core(1):
        url = database.start()
    try:
        migrate(url)
        engine = open_engine(url, application_name="benchmark", statement_timeout_s=3600)
        if there:
            enter_again(engine)
        else:
            fill(engine, size, console.print)
        engine.dispose()
        yield url
    finally:
        database.stop()
        OPTIONS["shared_buffers"] = kept


def main(words: list[str] | None = None) -> int:
    """Fill, measure, print, and say whether it is as fast as it is held to be."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.cabinet",
        description="Measure the cabinet of a large pool.",
        epilog="example: python -m benchmarks.cabinet --full --keep /var/tmp/kench-year",
    )
    parser.add_argument("--full", action="store_true",
                        help=f"{FULL.participants:,} participants, {FULL.workers:,} workers and a "
                        "year of roll-ups: half an hour and 20 GB to fill "
                        f"({SMALL.participants:,}, {SMALL.workers:,} and a month)")  # fmt: skip
    parser.add_argument("--participants", type=int, help="so many")
    parser.add_argument("--workers", type=int, help="so many in all")
    parser.add_argument("--days", type=int, help="of roll-ups, at most")
    parser.add_argument("--rate", type=float, default=50.0, help="requests a second (50)")
    parser.add_argument("--seconds", type=float, default=30.0, help="of requests (30)")
    parser.add_argument("--viewers", type=int, default=2_000, help="pages that stay open (2000)")
    parser.add_argument("--live-seconds", type=float, default=LIVE_S, metavar="S",
                        help=f"the live table is written so often ({LIVE_S:g})")  # fmt: skip
    parser.add_argument("--folder", type=Path, default=BUILD, help="a disk (build/benchmarks)")
    parser.add_argument("--keep", type=Path, metavar="FOLDER",
                        help="keep the filled database there, and take it if it is")  # fmt: skip
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there too")
    given = parser.parse_args(words)
    size = FULL if given.full else SMALL
    size = size.of(given.participants, given.workers, given.days)
    allow_files(given.viewers + 256)
    console = Console()
    given.folder.mkdir(parents=True, exist_ok=True)
    with contextlib.ExitStack() as stack:
        own = tempfile.TemporaryDirectory(prefix="cabinet-", dir=given.folder)
        folder = Path(stack.enter_context(own))
        if given.keep is not None:
            given.keep.mkdir(parents=True, exist_ok=True)
        url = stack.enter_context(filled(given.keep or folder, size, console))
        stack.enter_context(on_core(1))
        figures = measure(
            url, folder, size, rate=given.rate, seconds=given.seconds, viewers=given.viewers,
            live_s=given.live_seconds,
        )  # fmt: skip
    for table in tables(figures, size, given.rate):
        console.print(table)
    return end(console, figures.faults(), figures.as_json(), given.json)


if __name__ == "__main__":
    sys.exit(main())
