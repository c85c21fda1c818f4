"""What a standby costs each share, and how long a switch to it takes.

    python -m benchmarks.standby [--batches 2000] [--no-switch]

A journal's writer alone, shipped to another process on this machine, one batch under way at a time:
first what a batch takes without a standby, then asynchronously, then synchronously. Then a database
with its standby and a journal that is being written: all processes of the main machine are killed,
the standby is promoted. Exit status 1: a share that was told durable is not at the synchronous
standby, or something takes longer than it is held to.
"""

import argparse
import contextlib
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from rich.console import Console
from rich.table import Table

from benchmarks.ending import end
from kench.backup.standby.founding import found
from kench.backup.standby.promoting import promote
from kench.native import crc32
from kench.pool.clock import SystemClock
from kench.pool.database import migrate
from kench.pool.journal import SHARE, Batch, JournalWriter
from kench.pool.journal.mark import read_mark
from kench.pool.postgres import EmbeddedPostgres
from kench.pool.postgres_account import processes_in
from kench.pool.roots import start_logging
from kench.pool.settings import Settings
from kench.pool.shipping import Policy, Shipper
from kench.pool.shipping.shipper import Mode, WhenAway

SIZES = (1, 50, 1000)
HELD_ADDED_MS, HELD_SWITCH_S = 20.0, 15.0
READY_S, WAIT_S = 30.0, 30.0
LOSS_SHARES_PER_S, LOSS_BATCH, LOSS_BATCHES = 10_000, 50, 500
RECEIVER = """
import sys, time
from pathlib import Path
from kench.backup.standby.receiving import Receiver
from kench.pool.clock import SystemClock
receiver = Receiver(Path(sys.argv[1]), "127.0.0.1:0", None, SystemClock())
receiver.start()
print(receiver.address[1], flush=True)
while True:
    receiver.look()
    time.sleep(0.2)
"""


class Cost(NamedTuple):
    """What batches of one size took."""

    how: str
    size: int
    p50_ms: float
    p99_ms: float
    shares_per_s: float
    cpu_us: float


def records(first: int, count: int) -> bytes:
    """Return whole records."""
    made = np.zeros(count, SHARE)
    made["sequence"] = np.arange(first, first + count)
    made["time_us"] = 1_700_000_000_000_000 + made["sequence"]
    raw = bytearray(made.tobytes())
    for start in range(0, len(raw), SHARE.itemsize):
        raw[start : start + 4] = crc32(bytes(raw[start + 4 : start + SHARE.itemsize])).to_bytes(
            4, "little"
        )
    return bytes(raw)


@contextlib.contextmanager
def receiving(data: Path) -> Iterator[str]:
    """Run a standby's receiver as a process of its own; yields its address."""
    data.mkdir(exist_ok=True)
    command = [sys.executable, "-c", RECEIVER, str(data)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        assert process.stdout is not None
        try:
            yield f"127.0.0.1:{int(process.stdout.readline())}"
        finally:
            process.kill()


class Writing:
    """A journal's writer, and when each batch was durable."""

    def __init__(self, data: Path, address: str | None, mode: Mode) -> None:
        self._shipper = None
        if address is not None:
            policy = Policy(address, mode, WhenAway.STOP, 5.0)
            self._shipper = Shipper(data, 0, policy, 1, SystemClock(), lambda _fault: None)
        self.writer = JournalWriter(
            data / "journal/0", 0, SystemClock(), 1 << 30, 3600, self._shipper
        )
        self._durable = threading.Semaphore(0)
        if self._shipper is not None:
            self._shipper.start(self.writer.reached)
        self.writer.start(lambda _batch: self._durable.release(), lambda _e: None, print)
        self.sequence = self.writer.next_sequence
        self.write(records(self.sequence, 1), 1)

    def write(self, raw: bytes, count: int) -> float:
        """Write a batch; return the seconds until it was durable."""
        began = time.perf_counter()
        self.writer.hand_over(Batch([], raw, count, self.sequence))
        assert self._durable.acquire(timeout=WAIT_S)
        self.sequence += count
        return time.perf_counter() - began

    def stop(self) -> None:
        """Stop it."""
        self.writer.stop()
        if self._shipper is not None:
            self._shipper.stop()


def measure(folder: Path, how: str, batches: int) -> Iterator[Cost]:
    """Yield what batches of each size cost: `alone`, `async` or `sync`."""
    with contextlib.ExitStack() as stack:
        there = folder / f"{how}-there"
        address = None if how == "alone" else stack.enter_context(receiving(there))
        writing = Writing(folder / how, address, Mode.SYNC if how == "sync" else Mode.ASYNC)
        for size in SIZES:
            count = max(20, batches // (10 if size == SIZES[-1] else 1))
            made = [records(writing.sequence + at * size, size) for at in range(count)]
            cpu, began = time.process_time(), time.perf_counter()
            took = [writing.write(raw, size) for raw in made]
            seconds, cpu = time.perf_counter() - began, time.process_time() - cpu
            took.sort()
            yield Cost(
                how, size, 1000 * statistics.median(took), 1000 * took[int(count * 0.99)],
                count * size / seconds, 1e6 * cpu / count,
            )  # fmt: skip
        if how == "sync" and read_mark(there / "journal/0").records != writing.sequence:
            raise AssertionError("a share that was told durable is not at the standby")
        writing.stop()


def write_until_killed(data: Path, address: str, mode: Mode) -> None:
    """Be a main machine's front: say each sequence that was told durable."""
    writing = Writing(data, address, mode)
    while True:
        writing.write(records(writing.sequence, LOSS_BATCH), LOSS_BATCH)
        sys.stdout.write(f"{writing.sequence}\n")
        sys.stdout.flush()
        time.sleep(LOSS_BATCH / LOSS_SHARES_PER_S)


def switch(folder: Path, mode: Mode) -> tuple[float, int]:
    """Kill a main machine that writes, promote its standby; return seconds, and shares lost."""
    main_data, there = folder / f"{mode}-main", folder / f"{mode}-standby"
    server, standby = EmbeddedPostgres(main_data), EmbeddedPostgres(there)
    migrate(server.start())
    found(Settings(data_dir=there), str(main_data))
    standby.start()
    with receiving(there) as address:
        command = [sys.executable, "-m", "benchmarks.standby", "--write", str(main_data), address]
        with subprocess.Popen(
            [*command, mode], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        ) as front:
            assert front.stdout is not None
            told = [int(front.stdout.readline()) for _ in range(LOSS_BATCHES)]
            front.kill()
            told += [int(line) for line in front.stdout if line.endswith("\n")]
        for pid in processes_in(main_data / "postgres/cluster"):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        began = time.monotonic()
        promoted = promote(Settings(data_dir=there), SystemClock(), main_is_off=True)
        seconds = time.monotonic() - began
    standby.stop()
    server.stop()
    return seconds, max(0, told[-1] - sum(one.records for one in promoted.journals))


def main(words: Sequence[str] | None = None) -> int:
    """Measure and show."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--batches", type=int, default=2000)
    parser.add_argument("--no-switch", action="store_true", help="only what it costs a share")
    parser.add_argument("--json", type=Path, metavar="FILE")
    parser.add_argument("--write", nargs=3, help=argparse.SUPPRESS)
    given = parser.parse_args(words)
    if given.write:
        data, address, mode = given.write
        start_logging("standby")
        write_until_killed(Path(data), address, Mode(mode))
    table = Table("standby", "shares a batch", "p50 ms", "p99 ms", "shares/s", "CPU µs a batch",
                  title="a batch, from the loop to durable")  # fmt: skip
    with tempfile.TemporaryDirectory(prefix="kench-standby-") as name:
        folder = Path(name)
        costs = [one for how in ("alone", "async", "sync")
                 for one in measure(folder, how, given.batches)]  # fmt: skip
        for one in costs:
            table.add_row(one.how, str(one.size), f"{one.p50_ms:.2f}", f"{one.p99_ms:.2f}",
                          f"{one.shares_per_s:,.0f}", f"{one.cpu_us:.0f}")  # fmt: skip
        modes = () if given.no_switch else (Mode.ASYNC, Mode.SYNC)
        switches = {mode: switch(folder, mode) for mode in modes}
    console = Console(width=110)
    console.print(table)
    for mode, (seconds, lost) in switches.items():
        console.print(f"switch, {mode}: {seconds:.2f} s; {lost} acknowledged shares lost")
    by = {(one.how, one.size): one for one in costs}
    added = max(by["sync", size].p50_ms - by["alone", size].p50_ms for size in SIZES)
    worries = []
    if added > HELD_ADDED_MS:
        worries.append(f"sync adds {added:.1f} ms")
    if switches.get(Mode.SYNC, (0.0, 0))[1] > 0:
        worries.append("a synchronous standby lost shares")
    if max((one[0] for one in switches.values()), default=0.0) > HELD_SWITCH_S:
        worries.append("a switch takes too long")
    figures = {"costs": [one._asdict() for one in costs],
               "switch": {mode.value: one for mode, one in switches.items()}}  # fmt: skip
    return end(console, worries, figures, given.json)


if __name__ == "__main__":
    sys.exit(main())
