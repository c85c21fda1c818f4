"""A front's end of the stream: a replica that publishes each batch once it is on disk here.

While all goes well the journal's thread publishes, and a share is acknowledged when a quorum of the
cluster has it. Where the cluster cannot say so, a thread of ours goes on from the files, in order,
until the stream has nearly all; what is acknowledged meanwhile is said by the policy.
"""

import enum
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import structlog

from kench.pool.backoff import Backoff
from kench.pool.clock import Clock
from kench.pool.errors import KenchError
from kench.pool.journal.replica import Reached
from kench.pool.nats.cluster import ClusterAwayError, ClusterRefusedError
from kench.pool.shipping.catching_up import Cursor
from kench.pool.stream.floor import floor_of_stream
from kench.pool.stream.lacks import Lack, Lacks
from kench.pool.stream.message import Word
from kench.pool.stream.sending import OvertakenError, Sending, StreamLine, StreamTakenError
from kench.pool.stream.told import Told, read_told, write_told

POLL_S = 0.05
RETRY_MAX_S = 1.0
CATCH_UP_S = 10.0
"""A message of what the stream lacks is acknowledged within this time."""
OPEN_S = 10.0
# What the stream may still lack when the journal's thread takes over and waits for it.
NEAR_BYTES = 256 * 1024

log = structlog.get_logger("stream")


class WhenAway(enum.StrEnum):
    """What a front does while the cluster cannot acknowledge."""

    SERVE = "serve"
    STOP = "stop"


@dataclass(frozen=True, slots=True)
class Policy:
    """How much is waited for the cluster."""

    when_away: WhenAway
    wait_s: float


class Publisher:
    """Publishes one journal; the journal's thread calls `begin`, `lose`, `finish`, `wait`."""

    def __init__(
        self,
        sending: Sending,
        policy: Policy,
        clock: Clock,
        on_taken: Callable[[StreamTakenError], None],
    ) -> None:
        self._to = sending
        self._policy = policy
        self._clock = clock
        self._on_taken = on_taken
        self._line = StreamLine(sending)
        self._lock = threading.Lock()
        """Held by the journal's thread for a batch, else by ours when it hands over."""
        self._news = threading.Condition()
        self._end: Reached | None = None
        self._cursor: Cursor | None = None
        """Where the journal's thread goes on; None while our thread does."""
        self._away_why: str | None = "not connected yet"
        self._without = 0
        self._kept_at = clock.monotonic()
        self._is_taken = False
        """Nothing is acknowledged any more, whatever the policy says."""
        self._stopping = threading.Event()
        self._dropped = threading.Event()
        self._lacks = Lacks(sending.cluster, clock, self._dropped.set)
        self._thread = threading.Thread(target=self._run, name="stream", daemon=True)

    def open(self, reached: Reached, *, knows_time: bool) -> int:
        """Tell the stream that this journal is written; return what no record may be before.

        Without the cluster it is done only where the stream waits for this journal anyhow, and
        `knows_time`: its own mark says how far time was told. Raises ClusterAwayError,
        StreamTakenError, JournalBehindError.
        """
        self._end = reached
        to = self._to
        may_wait = self._policy.when_away is WhenAway.SERVE and knows_time
        try:
            to.cluster.await_connected(self._policy.wait_s)
            self._begin(reached)
            return floor_of_stream(to.cluster, to.number, OPEN_S)
        except ClusterAwayError as away:
            if may_wait and read_told(to.directory) is Told.BEGAN:
                log.error("the cluster is away, this front serves on", why=str(away))
                return 0
            raise ClusterAwayError(
                f"journal {to.number} is not begun in the stream, so it cannot be served ({away}): "
                "look at the cluster of KENCH_NATS_URLS"
            ) from away

    def start(self) -> None:
        """Begin to publish; after `open`."""
        self._thread.start()

    def stop(self) -> None:
        """Say that this writer has ended, where the stream has all; after the journal's writer."""
        self._stopping.set()
        with self._lock:
            self._dropped.set()
        if self._thread.ident is not None:
            self._thread.join(CATCH_UP_S * 2)
            if not self._thread.is_alive() and not self._is_taken:
                self._end_in_order()

    def end_once(self, reached: Reached, lack: Lack | None = None) -> None:
        """Publish all of a journal that nobody writes, and that it ended, in the caller's thread.

        Where an archive lacks of it, from there. Raises ClusterAwayError, ClusterRefusedError,
        OvertakenError, StreamTakenError.
        """
        cursor = self._begin(reached, lack)
        self._line.send(cursor, reached, CATCH_UP_S)
        self._end = reached
        self._say_ended(cursor, CATCH_UP_S)

    def state(self) -> dict[str, Any]:
        """Return what /status shows; asked by the loop, so it waits for nothing."""
        end, stand = self._end, self._line.stand
        told_us = stand.watermark_us if stand else 0
        behind_us = max(0, end.watermark_us - told_us) if end and told_us else None
        return {
            "together": self._cursor is not None,
            "away": self._away_why is not None,
            "why": self._away_why,
            "behind": max(0, end.records - (stand.records if stand else 0)) if end else 0,
            "behind_s": None if behind_us is None else round(behind_us / 1_000_000, 3),
            "silent_s": round(self._clock.monotonic() - self._kept_at, 3),
            "acknowledged_without": self._without,
        }

    # -- in the journal's thread ------------------------------------------------------------

    def begin(self, before: Reached, job_lines: bytes, records: bytes, watermark_us: int) -> None:
        """Nothing is said before this disk has it: the stream is never ahead of it."""

    def lose(self) -> None:
        """Nothing was said."""

    def finish(self, reached: Reached) -> bool:
        """Publish what is on disk now; return whether it may be acknowledged."""
        with self._lock:
            before, self._end = self._end, reached
            if self._cursor is not None:
                try:
                    self._line.send(self._cursor, reached, self._policy.wait_s)
                except (ClusterAwayError, ClusterRefusedError, OvertakenError) as error:
                    self._drop(str(error))
                else:
                    self._kept_at = self._clock.monotonic()
                    return True
        if self._is_taken or self._policy.when_away is WhenAway.STOP:
            return False
        self._without += reached.records - (before.records if before else reached.records)
        return True

    def wait(self, seconds: float) -> bool:
        """Wait until the stream has all that is on disk here."""
        with self._news:
            return self._news.wait_for(lambda: self._cursor is not None, timeout=seconds)

    def _drop(self, why: str) -> None:
        """Leave it to our thread; the lock is held."""
        self._cursor = None
        self._note_away(why)
        self._dropped.set()

    # -- in our thread ----------------------------------------------------------------------

    def _run(self) -> None:
        backoff = Backoff(self._clock, RETRY_MAX_S)
        while not self._stopping.is_set():
            if (why := self._to.cluster.why_away) is not None:
                self._note_away(why)
                self._stopping.wait(POLL_S)
                continue
            try:
                self._catch_up()
                backoff.succeed()
                self._await_work()
                continue
            except StreamTakenError as taken:
                self._is_taken = True
                self._note_away(str(taken))
                self._on_taken(taken)
                return
            except (OSError, KenchError) as error:
                self._note_away(str(error) or type(error).__name__)
            self._stopping.wait(backoff.fail())

    def _await_work(self) -> None:
        """Wait until the journal's thread gave up, an archive lacks something, or it is the end."""
        while True:
            self._dropped.wait()
            with self._lock:
                if self._lacks.of(self._to.number) is not None:
                    self._cursor = None
                if self._cursor is None or self._stopping.is_set():
                    return
                self._dropped.clear()

    def _catch_up(self) -> None:
        """Publish what the stream or an archive lacks, then hand over to the journal's thread."""
        end = self._reached
        self._lacks.listen(self._to.number)
        cursor = self._begin(end, self._lacks.take(self._to.number))
        while self._line.send(cursor, end, CATCH_UP_S) > NEAR_BYTES:
            self._kept_at = self._clock.monotonic()
            if self._stopping.is_set():
                return
            end = self._reached
        with self._lock:
            self._line.send(cursor, self._reached, self._policy.wait_s)
            self._cursor, self._away_why = cursor, None
            self._kept_at = self._clock.monotonic()
            if not self._stopping.is_set():
                self._dropped.clear()
        log.info("the stream has all of the journal", number=self._to.number)
        with self._news:
            self._news.notify_all()

    @property
    def _reached(self) -> Reached:
        if self._end is None:
            raise AssertionError("it was opened with a journal")
        return self._end

    def _begin(self, end: Reached, lack: Lack | None = None) -> Cursor:
        """Agree from where it goes on, and have the stream know that we write."""
        cursor = self._line.agree(end, CATCH_UP_S, lack)
        stand = self._line.stand
        if self._line.is_lost:
            # What was acknowledged on this disk alone is shipped all the same, and set aside there.
            self._line.send(cursor, end, CATCH_UP_S)
            raise StreamTakenError(
                f"journal {self._to.number} was declared lost where settlement is; what was here "
                "alone is there now, set aside: give this machine another KENCH_INSTANCE"
            )
        if stand is None or stand.life != self._to.life:
            write_told(self._to.directory, Told.BEGINNING)
            told_us = stand.watermark_us if stand else 0
            self._line.say(Word.BEGAN, cursor, told_us, CATCH_UP_S)
            write_told(self._to.directory, Told.BEGAN)
        return cursor

    def _end_in_order(self) -> None:
        """Publish what is left and that it is the end; our thread and the journal's have ended."""
        if self._to.cluster.why_away is not None:
            return
        try:
            cursor = self._cursor or self._begin(self._reached)
            self._line.send(cursor, self._reached, self._policy.wait_s)
            self._say_ended(cursor, self._policy.wait_s)
        except (OSError, KenchError) as error:
            # The job maker's thread says it later, or the writer that begins next goes on.
            log.warning("the end of a journal was not told", why=str(error))

    def _say_ended(self, cursor: Cursor, wait_s: float) -> None:
        write_told(self._to.directory, Told.ENDING)
        told_us = self._line.stand.watermark_us if self._line.stand else 0
        watermark_us = max(self._reached.watermark_us, told_us)
        self._line.say(Word.ENDED, cursor, watermark_us, wait_s)
        write_told(self._to.directory, Told.NOTHING)

    def _note_away(self, why: str) -> None:
        if self._away_why != why:
            log.error("the stream is away", why=why, number=self._to.number)
        self._away_why = why
