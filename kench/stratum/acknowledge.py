"""Durable before acknowledged: replies wait here until the journal has their shares on disk."""

import asyncio
from typing import Protocol

from kench.native import RecordBuffer, send_each
from kench.pool.clock import Clock
from kench.pool.journal import ArchivedJob, Batch, JournalWriter

# Settlement waits for the journal of an idle front no longer than this.
WATERMARK_S = 0.5


class Recipient(Protocol):
    """A connection whose replies wait; `awaiting` counts the batches that hold some.

    `descriptor` is its socket's, which takes our bytes as they are while it `is_clear`.
    """

    awaiting: int
    descriptor: int

    def is_clear(self) -> bool:
        """Say whether bytes written to the descriptor would come after all that was sent before."""
        ...

    def deliver(self, reply: bytes) -> None:
        """Send a reply whose shares are durable."""
        ...


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
        self._gathering: dict[Recipient, bytes | bytearray] = {}
        self._under_way: dict[Recipient, bytes | bytearray] | None = None
        self._scheduled = False
        self._handed_over_at = 0.0
        self._lag_ms = 0.0
        self.durable_records = writer.next_sequence
        records.advance(writer.floor_us)
        loop.call_later(WATERMARK_S, self._keep_current)

    def archive(self, job: ArchivedJob) -> None:
        """Have a job's archive line written before the first share made on it."""
        self._jobs.append(job)

    def send(self, recipient: Recipient, reply: bytes) -> None:
        """Deliver `reply` once every record appended so far is on disk."""
        before = self._gathering.get(recipient)
        if before is None:
            self._gathering[recipient] = reply
            recipient.awaiting += 1
        elif isinstance(before, bytearray):
            before += reply
        else:
            self._gathering[recipient] = bytearray(before + reply)
        if not self._scheduled:
            self.schedule()

    def schedule(self) -> None:
        """Have records that no reply waits for written too."""
        if not self._scheduled and self._under_way is None:
            self._scheduled = True
            # The reads of this turn of the loop come first: they share one sync.
            self._loop.call_soon(self._hand_over)

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
        self._scheduled = False
        records, count = self._records.take()
        watermark_us = self._records.advance(self._clock.now_us())
        jobs, self._jobs = self._jobs, []
        self._under_way, self._gathering = self._gathering, {}
        self._handed_over_at = self._clock.monotonic()
        self._writer.hand_over(Batch(jobs, records, count, watermark_us))

    def _deliver(self, count: int) -> None:
        replies, self._under_way = self._under_way or {}, None
        self.durable_records += count
        self._lag_ms = max(self._lag_ms, (self._clock.monotonic() - self._handed_over_at) * 1000)
        if self._gathering or len(self._records):
            self._hand_over()
        _send(replies)


def _send(replies: dict[Recipient, bytes | bytearray]) -> None:
    """Send replies whose shares are durable, by native code to all sockets that allow it."""
    direct: list[Recipient] = []
    descriptors: list[int] = []
    lines: list[bytes] = []
    for recipient, gathered in replies.items():
        recipient.awaiting -= 1
        reply = bytes(gathered)
        if recipient.is_clear():
            direct.append(recipient)
            descriptors.append(recipient.descriptor)
            lines.append(reply)
        else:
            recipient.deliver(reply)
    for place, taken in send_each(descriptors, lines):
        direct[place].deliver(lines[place][taken:])
