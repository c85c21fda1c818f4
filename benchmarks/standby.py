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
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks.ending import end
from benchmarks.load.writing import SIZES, Writing, records
from kench.backup.standby.founding import found
from kench.backup.standby.promoting import promote
from kench.pool.clock import SystemClock
from kench.pool.database import migrate
from kench.pool.journal import JournalWriter
from kench.pool.journal.mark import read_mark
from kench.pool.postgres import EmbeddedPostgres
from kench.pool.postgres_account import processes_in
from kench.pool.roots import start_logging
from kench.pool.settings import Settings
from kench.pool.shipping import Policy, Shipper
from kench.pool.shipping.shipper import Mode, WhenAway

HELD_ADDED_MS, HELD_SWITCH_S = 20.0, 15.0
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


class Shipped(Writing):
    """A writer that ships to a standby, where there is one."""

    def __init__(self, data: Path, address: str | None, mode: Mode) -> None:
        self._shipper = None
        if address is not None:
            policy = Policy(address, mode, WhenAway.STOP, 5.0)
            self._shipper = Shipper(data, 0, policy, 1, SystemClock(), lambda _fault: None)
        writer = JournalWriter(data / "journal/0", 0, SystemClock(), 1 << 30, 3600, self._shipper)
        if self._shipper is not None:
            self._shipper.start(writer.reached)
        super().__init__(writer)
        self.write(records(self.sequence, 1), 1)

    def stop(self) -> None:
        """Stop both."""
        super().stop()
        if self._shipper is not None:
            self._shipper.stop()


def measure(folder: Path, how: str, batches: int) -> Iterator[dict[str, Any]]:
    """Yield what batches of each size cost: `alone`, `async` or `sync`."""
    with contextlib.ExitStack() as stack:
        there = folder / f"{how}-there"
        address = None if how == "alone" else stack.enter_context(receiving(there))
        writing = Shipped(folder / how, address, Mode.SYNC if how == "sync" else Mode.ASYNC)
        for took in writing.measure(batches):
            yield {"how": how} | took._asdict()
        if how == "sync" and read_mark(there / "journal/0").records != writing.sequence:
            raise AssertionError("a share that was told durable is not at the standby")
        writing.stop()


def write_until_killed(data: Path, address: str, mode: Mode) -> None:
    """Be a main machine's front: say each sequence that was told durable."""
    writing = Shipped(data, address, mode)
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
            table.add_row(
                one["how"], str(one["size"]), f"{one['p50_ms']:.2f}", f"{one['p99_ms']:.2f}",
                f"{one['shares_per_s']:,.0f}", f"{one['cpu_us']:.0f}",
            )  # fmt: skip
        modes = () if given.no_switch else (Mode.ASYNC, Mode.SYNC)
        switches = {mode: switch(folder, mode) for mode in modes}
    console = Console(width=110)
    console.print(table)
    for mode, (seconds, lost) in switches.items():
        console.print(f"switch, {mode}: {seconds:.2f} s; {lost} acknowledged shares lost")
    by = {(one["how"], one["size"]): one["p50_ms"] for one in costs}
    added = max(by["sync", size] - by["alone", size] for size in SIZES)
    worries = []
    if added > HELD_ADDED_MS:
        worries.append(f"sync adds {added:.1f} ms")
    if switches.get(Mode.SYNC, (0.0, 0))[1] > 0:
        worries.append("a synchronous standby lost shares")
    if max((one[0] for one in switches.values()), default=0.0) > HELD_SWITCH_S:
        worries.append("a switch takes too long")
    figures = {"costs": costs,
               "switch": {mode.value: one for mode, one in switches.items()}}  # fmt: skip
    return end(console, worries, figures, given.json)


if __name__ == "__main__":
    sys.exit(main())
