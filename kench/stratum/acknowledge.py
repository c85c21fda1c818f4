"""Durable before acknowledged: replies wait here until the journal has their shares on disk."""

import asyncio

from kench.native import Outbox, RecordBuffer, Replies, Wire
from kench.pool.clock import Clock
from kench.pool.journal import ArchivedJob, Batch, JournalWriter

# Settlement waits for the journal of an idle front no longer than this.
WATERMARK_S = 0.5


class Acknowledger:
    """Gathers the records and replies of a loop turn, hands them over, sends replies when synced.

    One batch is under way at a time; what comes meanwhile forms the next. Both are bounded by the
    record buffer: a full one refuses shares as overloaded.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        records: RecordBuffer,
        writer: JournalWriter,
        clock: Clock,
    ) -> None:
        self._loop = loop
        self._records = records
        self._writer = writer
        self._clock = clock
        self._jobs: list[ArchivedJob] = []
        self.outbox = Outbox(self._begin_turn)
        self._under_way: Replies | None = None
        self._turn_ends = False
        self._wanted = False
        self._handed_over_at = 0.0
        self._lag_ms = 0.0
        self.durable_records = writer.next_sequence
        records.advance(writer.floor_us)
        loop.call_later(WATERMARK_S, self._keep_current)

    def archive(self, job: ArchivedJob) -> None:
        """Have a job's archive line written before the first share made on it."""
        self._jobs.append(job)

    def send(self, wire: Wire, reply: bytes) -> None:
        """Deliver `reply` once every record appended so far is on disk."""
        wire.queue(reply)
        self._have_turn_end()

    def schedule(self) -> None:
        """Have records that no reply waits for written too."""
        self._wanted = True
        self._have_turn_end()

    def _begin_turn(self) -> None:
        """Give wires the time of this turn of the loop, when the first of them has lines."""
        self.outbox.begin_turn(self._clock.now_us(), self._loop.time())
        self._have_turn_end()

    def _have_turn_end(self) -> None:
        if not self._turn_ends:
            self._turn_ends = True
            # The reads of this turn of the loop come first: they share one sync.
            self._loop.call_soon(self._end_turn)

    def _end_turn(self) -> None:
        self._turn_ends = False
        self.outbox.end_turn()
        if self._under_way is None and (self._wanted or len(self.outbox) or len(self._records)):
            self._hand_over()

    def _keep_current(self) -> None:
        """Have the journal say that its time passes, though no share may come."""
        self.schedule()
        self._loop.call_later(WATERMARK_S, self._keep_current)

    def take_lag_ms(self) -> float:
        """Return the longest that a batch took to become durable since last asked, in ms."""
        lag_ms, self._lag_ms = self._lag_ms, 0.0
        if self._under_way is not None:
            lag_ms = max(lag_ms, (self._clock.monotonic() - self._handed_over_at) * 1000)
        return lag_ms

    def on_durable(self, batch: Batch) -> None:
        """Take the writer's word, in its thread, that a batch is on disk."""
        self._loop.call_soon_threadsafe(self._deliver, batch.count)

    def _hand_over(self) -> None:
        self._wanted = False
        records, count = self._records.take()
        watermark_us = self._records.advance(self._clock.now_us())
        jobs, self._jobs = self._jobs, []
        self._under_way = self.outbox.take()
        self._handed_over_at = self._clock.monotonic()
        self._writer.hand_over(Batch(jobs, records, count, watermark_us))

    def _deliver(self, count: int) -> None:
        replies, self._under_way = self._under_way, None
        self.durable_records += count
        self._lag_ms = max(self._lag_ms, (self._clock.monotonic() - self._handed_over_at) * 1000)
        if len(self.outbox) or len(self._records):
            self._hand_over()
        if replies is not None:
            replies.send()
