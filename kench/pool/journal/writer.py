"""Writing the journal: group commit in a thread of its own, rotation, and a full disk survived."""

import contextlib
import errno
import queue
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from kench.pool.clock import Clock
from kench.pool.journal.archive import ArchivedJob
from kench.pool.journal.format import JournalCorruptError
from kench.pool.journal.mark import DurableMark, Mark, read_mark
from kench.pool.journal.reader import last_time_us
from kench.pool.journal.replica import Reached, Replica
from kench.pool.journal.segment import OpenSegment, digest_before, last_segment

# Batches under way between the loop and the writer; the loop hands over one at a time.
BATCHES_MAX = 2
# How often a batch that the disk refused is tried again.
RETRY_S = 0.5


@dataclass(frozen=True, slots=True)
class Batch:
    """What one commit makes durable: jobs first, then the records made on them.

    All records to come are at `watermark_us` or later. A batch that is empty tells just that.
    """

    jobs: Sequence[ArchivedJob]
    records: bytes
    count: int
    watermark_us: int


class JournalWriter:
    """Owns an instance's journal; the callbacks of `start` are called in its thread.

    `on_durable(batch)` follows the sync of each batch. `on_trouble(error)` is called when the disk
    refuses one, and `on_trouble(None)` when the same batch was written after all: between the two
    nothing is lost and nothing more may be acknowledged. `on_fault(fault)` is the last call: the
    thread has ended, and the process should.
    """

    def __init__(  # noqa: PLR0913, PLR0917 - where, how its segments are cut, who has a copy
        self,
        directory: Path,
        instance: int,
        clock: Clock,
        segment_bytes: int,
        segment_s: float,
        replica: Replica | None = None,
    ) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self._directory = directory
        self._instance = instance
        self._clock = clock
        self._segment_bytes = segment_bytes
        self._segment_s = segment_s
        self._replica = replica
        self._queue: queue.Queue[Batch | None] = queue.Queue(BATCHES_MAX)
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self._mark = DurableMark(directory)
        self._segment = self._recover()
        self._opened = clock.monotonic()
        self.floor_us = self._floor_us()
        """No record may be before this: readers were told that the time before it is complete."""
        self._mark.set(Mark(self._segment.next_sequence, self.floor_us))

    def begin_at(self, floor_us: int) -> None:
        """Let no record be before this, as other machines know it; to be said before `start`."""
        if floor_us > self.floor_us:
            self.floor_us = floor_us
            self._mark.set(Mark(self._segment.next_sequence, floor_us))

    @property
    def knows_time(self) -> bool:
        """Whether the mark told up to when readers know this journal; ask before `start` only.

        A machine that lost its power may have lost it.
        """
        return self._mark.found.watermark_us > 0

    @property
    def next_sequence(self) -> int:
        """The sequence of the first record to come; ask before `start` only."""
        return self._segment.next_sequence

    @property
    def reached(self) -> Reached:
        """How far the journal is on disk; ask before `start` only."""
        return self._reached(self.floor_us)

    def _reached(self, watermark_us: int) -> Reached:
        one = self._segment
        return Reached(one.first_sequence, one.jobs_size, one.size, one.next_sequence, watermark_us)

    def _floor_us(self) -> int:
        try:
            last_us = last_time_us(self._directory, self._segment.next_sequence)
        except JournalCorruptError:
            # In a segment closed long ago; miners are served, and settlement tells of it.
            last_us = 0
        return max(self._mark.found.watermark_us, last_us + 1, _told_of_all(self._directory.parent))

    def start(
        self,
        on_durable: Callable[[Batch], None],
        on_trouble: Callable[[OSError | None], None],
        on_fault: Callable[[Exception], None],
    ) -> None:
        """Begin to write what is handed over."""

        def run() -> None:
            try:
                self._run(on_durable, on_trouble)
            except Exception as fault:  # noqa: BLE001 - told, not swallowed: whatever it is
                on_fault(fault)

        self._thread = threading.Thread(target=run, name="journal", daemon=True)
        self._thread.start()

    def hand_over(self, batch: Batch) -> None:
        """Queue a batch; the caller keeps fewer than BATCHES_MAX under way."""
        self._queue.put_nowait(batch)

    def stop(self) -> None:
        """Write what is queued, then close; a batch that the disk refuses is given up."""
        self._stopping.set()
        if self._thread is not None and self._thread.is_alive():
            self._queue.put(None)
            self._thread.join()
        self._segment.close()
        self._mark.close()

    def _recover(self) -> OpenSegment:
        path = last_segment(self._directory)
        if path is None:
            return OpenSegment.create(self._directory, self._instance, 0, self._clock.now_us())
        return OpenSegment.reopen(path)

    def _run(
        self,
        on_durable: Callable[[Batch], None],
        on_trouble: Callable[[OSError | None], None],
    ) -> None:
        while (batch := self._queue.get()) is not None:
            if self._write(batch, on_trouble):
                on_durable(batch)

    def _write(self, batch: Batch, on_trouble: Callable[[OSError | None], None]) -> bool:
        """Write one batch, trying until it is durable; False if the journal stops before."""
        lines = b"".join(job.line() for job in batch.jobs)
        troubled = False
        while True:
            try:
                if troubled:
                    self._segment.rewind()
                self._rotate_if_due()
                self._append(lines, batch)
            except OSError as error:
                if not troubled:
                    troubled = True
                    on_trouble(error)
                if self._stopping.wait(RETRY_S):
                    return False
            else:
                break
        return self._finish(batch, troubled, on_trouble)

    def _finish(
        self, batch: Batch, troubled: bool, on_trouble: Callable[[OSError | None], None]
    ) -> bool:
        """Wait for the copy on another machine, where one is kept, then tell readers."""
        replica = self._replica
        if replica is not None and not replica.finish(self._reached(batch.watermark_us)):
            # Written here; readers, settlement above all, may have it when the copy has it too.
            if not troubled:
                troubled = True
                on_trouble(OSError(errno.ETIMEDOUT, "the second copy of the journal is away"))
            while not replica.wait(RETRY_S):
                if self._stopping.is_set():
                    return False
        self._mark.set(Mark(self._segment.next_sequence, batch.watermark_us))
        if troubled:
            on_trouble(None)
        return True

    def _append(self, lines: bytes, batch: Batch) -> None:
        """Make a batch durable here; another machine, where there is one, writes it meanwhile."""
        replica = self._replica
        if replica is None:
            self._segment.append(lines, batch.records)
            return
        replica.begin(self._reached(0), lines, batch.records, batch.watermark_us)
        try:
            self._segment.append(lines, batch.records)
        except OSError:
            replica.lose()
            raise

    def _rotate_if_due(self) -> None:
        """Close a segment that is large or old enough, and chain its digest.

        It is sealed before the next one exists, so a chain never misses a link; where the disk
        refuses either step both are done again.
        """
        age_s = self._clock.monotonic() - self._opened
        if not self._segment.records or (
            self._segment.size < self._segment_bytes and age_s < self._segment_s
        ):
            return
        full = self._segment
        full.seal(digest_before(full.path))
        self._segment = OpenSegment.create(
            self._directory, self._instance, full.next_sequence, self._clock.now_us()
        )
        self._opened = self._clock.monotonic()
        full.close()


def _told_of_all(journals: Path) -> int:
    """Return the time up to which every journal of the pool is known to be complete, 0 for none.

    Where the clock was set back, a journal that is new must not begin before it: settlement may
    have gone so far without this one.
    """
    told = []
    for path in journals.iterdir():
        if path.name.isdecimal():
            with contextlib.suppress(
                OSError
            ):  # another's trouble does not keep this one from serving
                told.append(read_mark(path).watermark_us)
    return min((watermark_us for watermark_us in told if watermark_us), default=0)


def last_job_key(directory: Path) -> int:
    """Return the highest job key that a journal's newest archives know, or 0."""
    for archive in sorted(directory.glob("[0-9]*.jobs"), reverse=True):
        lines = archive.read_bytes().splitlines()
        if lines:
            return max(ArchivedJob.from_line(line).job_key for line in lines)
    return 0
