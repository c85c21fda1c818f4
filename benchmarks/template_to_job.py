"""A new block's template on its way to the miners: the node's JSON to the `mining.notify` line.

    python -m benchmarks.template_to_job [--rounds 50]

Real input: the answer of Bitcoin Core with 3,101 transactions that the tests keep. As in the
server, the work is done in a thread beside an event loop, and how late the loop comes meanwhile is
measured too: a block found elsewhere is worthless work for as long as the way takes. Exit status 1:
the median, or the loop's lateness, is above what it is held to.
"""

import argparse
import asyncio
import json
import lzma
import sys
import threading
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path

import uvloop
from rich.console import Console
from rich.table import Table

from benchmarks.ending import end
from kench.pool.address import burn_address, script_of
from kench.pool.clock import SystemClock
from kench.pool.coinbase import Output
from kench.pool.coinbase_outputs import outputs_by_weight
from kench.pool.collector import spare_collector
from kench.pool.custody import check_job
from kench.pool.job import Job, JobKeys, JobMaker
from kench.pool.orders.rules import ApprovedVenue
from kench.pool.template import Template
from kench.pool.template_json import decode_template_answer

RECORDED = Path(__file__).parents[1] / "tests/vectors/getblocktemplate-regtest-3101tx.json.xz"
HELD_MS = 10.0
HELD_LATE_MS = 5.0
# As in the server (kench.stratum).
SWITCH_INTERVAL_S = 0.0005
TICK_S = 0.001
# Between two templates; none comes sooner.
PAUSE_S = 0.01
ADDRESS = burn_address("regtest")
APPROVED = (ApprovedVenue("paper", ADDRESS, 1, script_of(ADDRESS, "regtest")),)


@dataclass(slots=True)
class Times:
    """Milliseconds of each round, by step, and how late each tick of the loop was meanwhile."""

    decode_ms: list[float] = field(default_factory=list)
    parse_ms: list[float] = field(default_factory=list)
    make_ms: list[float] = field(default_factory=list)
    check_ms: list[float] = field(default_factory=list)
    all_ms: list[float] = field(default_factory=list)
    loop_late_ms: list[float] = field(default_factory=list)

    def take(self, body: bytes, maker: JobMaker) -> Job:
        """Go the way once, and note each step."""
        start = time.perf_counter()
        answer = decode_template_answer(body)
        decoded = time.perf_counter()
        template = Template.parse(answer["result"])
        parsed = time.perf_counter()
        job = maker.make(template)
        made = time.perf_counter()
        check_job(job, template, APPROVED)
        checked = time.perf_counter()
        self.decode_ms.append((decoded - start) * 1000)
        self.parse_ms.append((parsed - decoded) * 1000)
        self.make_ms.append((made - parsed) * 1000)
        self.check_ms.append((checked - made) * 1000)
        self.all_ms.append((checked - start) * 1000)
        return job


@dataclass(frozen=True, slots=True)
class Spread:
    """Median, and what one in a hundred is above."""

    p50_ms: float
    p99_ms: float

    @classmethod
    def of(cls, times_ms: list[float]) -> "Spread":
        """Return the spread of some times."""
        ordered = sorted(times_ms)
        return cls(ordered[len(ordered) // 2], ordered[len(ordered) * 99 // 100])


def measure(body: bytes, maker: JobMaker, rounds: int) -> tuple[Times, Job]:
    """Go the way so many times in a thread, beside a loop that ticks."""
    times = Times()
    jobs: list[Job] = []
    busy = threading.Event()

    def work(done: asyncio.Event, loop: asyncio.AbstractEventLoop) -> None:
        for _ in range(rounds):
            busy.set()
            jobs[:] = [times.take(body, maker)]
            busy.clear()
            time.sleep(PAUSE_S)
        loop.call_soon_threadsafe(done.set)

    async def tick() -> None:
        done = asyncio.Event()
        loop = asyncio.get_running_loop()
        thread = threading.Thread(target=work, args=(done, loop))
        thread.start()
        while not done.is_set():
            due = time.perf_counter() + TICK_S
            was_busy, taken = busy.is_set(), len(times.all_ms)
            await asyncio.sleep(TICK_S)
            # One that slept through all of a template was late for it too.
            if was_busy or busy.is_set() or len(times.all_ms) > taken:
                times.loop_late_ms.append((time.perf_counter() - due) * 1000)
        thread.join()

    spare_collector()
    before = sys.getswitchinterval()
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    try:
        uvloop.run(tick())
    finally:
        sys.setswitchinterval(before)
    return times, jobs[0]


def table(title: str, rows: dict[str, Spread]) -> Table:
    """Lay the steps out for people."""
    shown = Table(title=title)
    shown.add_column("step")
    shown.add_column("p50 ms", justify="right")
    shown.add_column("p99 ms", justify="right")
    for name, spread in rows.items():
        shown.add_row(name, f"{spread.p50_ms:.2f}", f"{spread.p99_ms:.2f}")
    return shown


def main(words: list[str] | None = None) -> int:
    """Measure each step, print, and say whether all is as fast as it is held to."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.template_to_job",
        description="Measure a template's way from the node's JSON to the first notify.",
        epilog="example: python -m benchmarks.template_to_job --rounds 200",
    )
    parser.add_argument("--rounds", type=int, default=100, help="of the whole way (100)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there too")
    given = parser.parse_args(words)
    recorded = json.loads(lzma.decompress(RECORDED.read_bytes()))
    answered = recorded if "result" in recorded else {"result": recorded, "error": None, "id": 1}
    body = json.dumps(answered, separators=(",", ":")).encode()

    def outputs(template: Template) -> tuple[Output, ...]:
        return outputs_by_weight(template.coinbase_value_sat, APPROVED)

    maker = JobMaker(JobKeys(SystemClock()), outputs, b"/kench/")

    times, job = measure(body, maker, given.rounds)
    spreads = {name: Spread.of(values) for name, values in asdict(times).items()}
    console = Console()
    title = f"{job.facts.transactions:,} transactions, {len(body):,} bytes"
    notify = f"job made, notify of {len(job.notify(clean=True)):,} bytes"
    check = "coinbase checked against the approved list"
    names = ("JSON decoded", "template read and checked", notify, check, "all", "the loop, late by")
    console.print(table(title, dict(zip(names, spreads.values(), strict=True))))
    faults = []
    if spreads["all_ms"].p50_ms > HELD_MS:
        faults.append(f"{spreads['all_ms'].p50_ms:.1f} ms, not {HELD_MS:.0f}")
    if spreads["loop_late_ms"].p99_ms > HELD_LATE_MS:
        late_ms = spreads["loop_late_ms"].p99_ms
        faults.append(f"the loop is late by {late_ms:.1f} ms, not {HELD_LATE_MS:.0f}")
    figures = {name: asdict(spread) for name, spread in spreads.items()}
    return end(console, faults, figures, given.json)


if __name__ == "__main__":
    sys.exit(main())
