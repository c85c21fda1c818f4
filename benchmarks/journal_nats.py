"""What the stream costs each share, and how fast a front and an archive catch up.

    python -m benchmarks.journal_nats [--batches 2000] [--behind 1000000]

A journal's writer alone, one batch under way at a time: on this disk alone, then also published to
one server of NATS, then to three, all on this machine. Then the servers are stopped, so many shares
are written on this disk alone, and the servers are started: how fast the stream gets them, and how
fast an archive writes them from there. Exit status 1: a median is above 50 ms; a share that was
told durable and is not gathered ends it.
"""

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks.ending import end
from benchmarks.load.writing import WAIT_S, Writing, records
from kench.backup.gathering.consuming import name_of
from kench.backup.gathering.gatherer import Gatherer
from kench.pool.clock import SystemClock
from kench.pool.journal import JournalWriter
from kench.pool.journal.mark import read_mark
from kench.pool.nats.cluster import Cluster
from kench.pool.stream.publisher import Policy, Publisher, WhenAway
from kench.pool.stream.sending import Sending
from tests.support.nats import Servers, connected, running_servers

HELD_MS = 50.0
STREAM_BYTES = 600 << 20
BEHIND_BATCH = 1000


@dataclass(frozen=True, slots=True)
class CaughtUp:
    """How fast a backlog went, in shares a second."""

    servers: int
    published_per_s: float
    gathered_per_s: float


class Published(Writing):
    """A writer whose batches are published, where there are servers."""

    def __init__(self, data: Path, servers: Servers | None) -> None:
        directory = data / "journal/0"
        self.publisher: Publisher | None = None
        self._cluster: Cluster | None = None
        if servers is not None:
            self._cluster = Cluster(servers.plan("benchmark")).start()
            sending = Sending(self._cluster, directory, 0, 1, STREAM_BYTES)
            policy = Policy(WhenAway.SERVE, 5.0)
            self.publisher = Publisher(sending, policy, SystemClock(), print)
        writer = JournalWriter(directory, 0, SystemClock(), 64 << 20, 3600, self.publisher)
        if self.publisher is not None:
            self.publisher.open(writer.reached, knows_time=False)
            self.publisher.start()
            self.await_together()
        super().__init__(writer)

    def await_together(self) -> float:
        """Wait until the stream has all; return the seconds."""
        began = time.perf_counter()
        publisher = self.publisher
        assert publisher is not None
        while not publisher.state()["together"]:
            assert time.perf_counter() < began + WAIT_S, publisher.state()
            time.sleep(0.001)
        return time.perf_counter() - began

    def stop(self) -> None:
        """Stop all."""
        super().stop()
        if self.publisher is not None:
            self.publisher.stop()
        if self._cluster is not None:
            self._cluster.close()


def measure(writing: Published, servers: int, batches: int) -> list[dict[str, Any]]:
    """Return what batches of each size cost."""
    return [{"servers": servers} | took._asdict() for took in writing.measure(batches)]


def catch_up(folder: Path, writing: Published, servers: Servers, behind: int) -> CaughtUp:
    """Have the stream lack so many shares; return how fast it, and an archive, gets them."""
    centre = folder / f"centre-{len(servers.servers)}"
    centre.mkdir()
    with connected(servers.plan("archive")) as cluster:
        gatherer = Gatherer(centre, cluster, name_of(centre), SystemClock(), STREAM_BYTES)
        _gather(gatherer, centre, writing)
        for server in servers.servers:
            server.stop()
        for _ in range(behind // BEHIND_BATCH):
            writing.write(records(writing.sequence, BEHIND_BATCH), BEHIND_BATCH)
        for server in servers.servers:
            server.start()
        publisher = writing.publisher
        assert publisher is not None
        lacked = publisher.state()["behind"]
        while publisher.state()["behind"] == lacked:
            time.sleep(0.001)
        published_s = writing.await_together()
        gathered_s = _gather(gatherer, centre, writing)
        gatherer.close()
    return CaughtUp(len(servers.servers), behind / published_s, behind / gathered_s)


def _gather(gatherer: Gatherer, centre: Path, writing: Published) -> float:
    began = time.perf_counter()
    while read_mark(centre / "journal/0").records < writing.sequence:
        assert time.perf_counter() < began + WAIT_S
        gatherer.turn()
    return time.perf_counter() - began


def main(words: Sequence[str] | None = None) -> int:
    """Measure and show."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--batches", type=int, default=2000)
    parser.add_argument("--behind", type=int, default=1_000_000, help="shares to catch up with")
    parser.add_argument("--servers", type=int, nargs="+", default=[1, 3])
    parser.add_argument("--json", type=Path, metavar="FILE")
    given = parser.parse_args(words)
    costs: list[dict[str, Any]] = []
    caught: list[CaughtUp] = []
    with tempfile.TemporaryDirectory(dir=os.environ.get("TMPDIR")) as name:
        folder = Path(name)
        alone = Published(folder / "alone", None)
        costs += measure(alone, 0, given.batches)
        alone.stop()
        for count in given.servers:
            with running_servers(folder / f"nats-{count}", count) as servers:
                writing = Published(folder / f"front-{count}", servers)
                costs += measure(writing, count, given.batches)
                caught.append(catch_up(folder, writing, servers, given.behind))
                writing.stop()
    console = Console()
    _show(console, costs, caught)
    faults = [f"a median of {one['p50_ms']:.1f} ms" for one in costs if one["p50_ms"] > HELD_MS]
    figures = {"costs": costs, "caught": [asdict(one) for one in caught]}
    return end(console, faults, figures, given.json)


def _show(console: Console, costs: list[dict[str, Any]], caught: list[CaughtUp]) -> None:
    table = Table("servers", "shares a batch", "p50 ms", "p99 ms", "shares/s", "CPU us a batch")
    for one in costs:
        table.add_row(
            str(one["servers"] or "this disk"), f"{one['size']:,}", f"{one['p50_ms']:.2f}",
            f"{one['p99_ms']:.2f}", f"{one['shares_per_s']:,.0f}", f"{one['cpu_us']:.0f}",
        )  # fmt: skip
    console.print(table)
    for late in caught:
        console.print(f"{late.servers} servers, behind: {late.published_per_s:,.0f} shares/s "
                      f"published, {late.gathered_per_s:,.0f} gathered")  # fmt: skip


if __name__ == "__main__":
    sys.exit(main())
