"""Fronts whose journals go to where settlement reads them, by disk alone or through a stream."""

import contextlib
import itertools
import threading
import time
from collections.abc import Callable
from pathlib import Path

from kench.backup.gathering.gathered import GapError
from kench.backup.gathering.gatherer import Gatherer
from kench.pool.clock import Clock, SystemClock
from kench.pool.errors import KenchError
from kench.pool.journal import Batch, JournalWriter
from kench.pool.journal.mark import read_mark
from kench.pool.nats.cluster import Cluster, ClusterAwayError, ClusterPlan, ClusterRefusedError
from kench.pool.stream.layout import STREAM
from kench.pool.stream.publisher import Policy, Publisher, WhenAway
from kench.pool.stream.sending import Sending, StreamTakenError
from tests.support.records import archived_job, raw_records
from tests.support.waiting import await_that

# A cluster that lost its leader elects another within nine seconds, for each stream in its turn.
WAIT_S = 60.0
STREAM_BYTES = 64 << 20
LIVES = itertools.count(1)
BASE_US = 1_700_000_000_000_000
"""What `raw_records` counts times from."""


class StreamFront:
    """One front's journal, with its cluster where `plan` is given."""

    def __init__(
        self,
        directory: Path,
        plan: ClusterPlan | None = None,
        *,
        when_away: WhenAway = WhenAway.SERVE,
        wait_s: float = 2.0,
        segment_bytes: int = 1 << 30,
        clock: Clock | None = None,
        life: int | None = None,
        bytes_max: int = STREAM_BYTES,
    ) -> None:
        self.directory, self.number = directory, int(directory.name)
        clock = clock or SystemClock()
        self.taken: list[StreamTakenError] = []
        self.troubles: list[OSError | None] = []
        self.faults: list[Exception] = []
        self.durable = threading.Semaphore(0)
        self.cluster: Cluster | None = None
        self.publisher: Publisher | None = None
        self._is_stopped = False
        if plan is not None:
            self.cluster = Cluster(plan).start()
            sending = Sending(self.cluster, directory, self.number, life or next(LIVES), bytes_max)
            policy = Policy(when_away, wait_s)
            self.publisher = Publisher(sending, policy, clock, self.taken.append)
        self.writer = JournalWriter(
            directory, self.number, clock, segment_bytes, 3600, self.publisher
        )
        try:
            if self.publisher is not None:
                knows_time = self.writer.knows_time
                self.writer.begin_at(
                    self.publisher.open(self.writer.reached, knows_time=knows_time)
                )
                self.publisher.start()
        except KenchError:
            self.stop()
            raise
        self.next_sequence = self.writer.next_sequence
        self.writer.start(
            lambda _: self.durable.release(), self.troubles.append, self.faults.append
        )

    def hand_over(self, count: int, *keys: int) -> None:
        """Give the writer a batch, whose watermark is past its last record."""
        records = raw_records(self.next_sequence, count)
        self.next_sequence += count
        jobs = [archived_job(key) for key in keys]
        self.writer.hand_over(Batch(jobs, records, count, BASE_US + self.next_sequence))

    def write(self, count: int, *keys: int) -> None:
        """Have a batch acknowledged."""
        self.hand_over(count, *keys)
        assert self.durable.acquire(timeout=WAIT_S), (self.troubles, self.faults)

    def await_together(self) -> None:
        """Wait until the stream has all, and each batch waits for it."""
        publisher = self.publisher
        assert publisher is not None
        await_that(lambda: bool(publisher.state()["together"]))

    def stop(self) -> None:
        """End in order."""
        self._end(is_killed=False)

    def kill(self) -> None:
        """End as kill -9 does: nothing more is said, and the lock is free."""
        self._end(is_killed=True)

    def _end(self, *, is_killed: bool) -> None:
        if self._is_stopped:
            return
        self._is_stopped = True
        if is_killed and self.cluster is not None:
            self.cluster.close()
        self.writer.stop()
        if self.publisher is not None:
            self.publisher.stop()
        if self.cluster is not None:
            self.cluster.close()


def without_cluster(directory: Path) -> StreamFront:
    """Start a front whose cluster is away."""
    return StreamFront(directory, ClusterPlan(("nats://127.0.0.1:1",), "front"), wait_s=0.1)


def no_stream(cluster: Cluster) -> None:
    """Take the stream of the test before away, archives and all."""
    with contextlib.suppress(ClusterRefusedError):  # there was none
        cluster.ask(cluster.jetstream.delete_stream(STREAM), WAIT_S)


def files_of(directory: Path) -> dict[str, bytes]:
    """Return the files of a journal's segments."""
    return {
        path.name: path.read_bytes()
        for path in directory.iterdir()
        if path.suffix in {".shares", ".jobs", ".digest"}
    }


def gather_until(
    gatherer: Gatherer,
    is_done: Callable[[], bool],
    despite: type[KenchError] | tuple[type[KenchError], ...] = (GapError, ClusterAwayError),
) -> None:
    """Have an archive take what comes, until all is as wanted; `despite` may be in the way.

    As its process does: a cluster that elects a leader is asked again.
    """
    deadline = time.monotonic() + WAIT_S
    while not is_done():
        assert time.monotonic() < deadline, "it was not gathered"
        try:
            taken = gatherer.turn()
        except despite:
            taken = 0
        if not taken:
            time.sleep(0.01)


def gathered_as(here: Path, there: Path) -> Callable[[], bool]:
    """Return whether a journal is in one folder as in another."""
    return lambda: there.exists() and read_mark(here) == read_mark(there)


class Pool:
    """A front's folder, and the folder that settlement reads: the same, or a gathered one."""

    def __init__(self, root: Path, plan: ClusterPlan | None, gatherer: Gatherer | None) -> None:
        self.plan, self.gatherer = plan, gatherer
        self.here = root / "front/journal/0"
        self.there = root / "centre/journal/0" if gatherer else self.here
        self.front: StreamFront | None = None

    def start(self, **more: object) -> StreamFront:
        """Start the front, whose predecessor has ended."""
        self.front = StreamFront(self.here, self.plan, **more)  # type: ignore[arg-type]
        if self.front.publisher is not None:
            self.front.await_together()
        return self.front

    def close(self) -> None:
        """Stop what runs."""
        if self.front is not None:
            self.front.stop()
        if self.gatherer is not None:
            self.gatherer.close()

    def bring(self) -> None:
        """Have settlement's folder be as far as the front's."""
        if self.gatherer is not None:
            gather_until(self.gatherer, gathered_as(self.here, self.there))
