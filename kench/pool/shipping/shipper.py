"""A front's end of journal shipping: a thread that catches up, and the journal's thread that ships.

Asynchronously the thread alone sends what is on disk here, a moment later. Synchronously it does so
until the standby has nearly all, then the journal's thread sends each batch itself, before it syncs
it here, and waits for both disks: a share costs the slower one. A standby that is away or slow is
left to the thread again; what is acknowledged meanwhile is said by the policy.
"""

import enum
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import structlog

from kench.native import RECORD_SIZE
from kench.pool.backoff import Backoff
from kench.pool.clock import Clock
from kench.pool.errors import KenchError
from kench.pool.journal.format import HEADER_SIZE, digest_path, segment_path
from kench.pool.journal.replica import Reached
from kench.pool.line_tls import TlsFiles
from kench.pool.shipping.catching_up import Cursor, agree, catch_up
from kench.pool.shipping.frames import (
    Commit,
    Kind,
    ShippingError,
    commit_frame,
    number_in,
    placed_frame,
    read_kept,
    read_words,
)
from kench.pool.shipping.generation import ReplacedError, note_replaced
from kench.pool.shipping.link import Link, connect

POLL_S = 0.2
CONNECT_S = 5.0
RETRY_MAX_S = 5.0
# What the standby may still lack when the journal's thread takes over and waits for it.
NEAR_BYTES = 256 * 1024
CATCH_UP_S = 30.0
"""A standby that is catching up answers each piece within this time."""

log = structlog.get_logger("shipping")


class Mode(enum.StrEnum):
    """When a share is acknowledged."""

    ASYNC = "async"
    SYNC = "sync"


class WhenAway(enum.StrEnum):
    """What a synchronous pool does without its standby."""

    SERVE = "serve"
    STOP = "stop"


@dataclass(frozen=True, slots=True)
class Policy:
    """Where the standby is, and how much is waited for it."""

    address: str
    mode: Mode
    when_away: WhenAway
    wait_s: float
    tls: TlsFiles | None = None


class Shipper:
    """Ships one front's journal; the journal's thread calls `begin`, `lose`, `finish`, `wait`."""

    def __init__(  # noqa: PLR0913, PLR0917 - whose journal, where to, as whom
        self,
        data: Path,
        instance: int,
        policy: Policy,
        generation: int,
        clock: Clock,
        on_replaced: Callable[[ReplacedError], None],
    ) -> None:
        self._data = data
        self._directory = data / "journal" / str(instance)
        self._instance = instance
        self._policy = policy
        self._generation = generation
        self._clock = clock
        self._on_replaced = on_replaced
        self._is_sync = policy.mode is Mode.SYNC
        self._lock = threading.Lock()
        """Held by the journal's thread for a batch, else by ours for a look."""
        self._news = threading.Condition()
        self._end: Reached | None = None
        self._live: Link | None = None
        self._number = 0
        self._sent_first = 0
        self._kept_records = 0
        self._kept_watermark_us = 0
        """Up to when the standby has all; 0 before it has said so once."""
        self._kept_at = clock.monotonic()
        self._away_why: str | None = "not connected yet"
        self._without = 0
        self._is_replaced = False
        """Another machine leads: nothing is acknowledged any more, whatever the policy says."""
        self._stopping = threading.Event()
        self._dropped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="shipping", daemon=True)

    def start(self, reached: Reached) -> None:
        """Begin to connect; the journal is so far."""
        self._end = reached
        self._thread.start()

    def ship_once(self, reached: Reached) -> None:
        """Ship what is on disk here and leave again, in the caller's thread.

        Raises OSError, ShippingError, TlsFilesError, ReplacedError.
        """
        link = connect(self._policy.address, self._policy.tls, CONNECT_S)
        try:
            link.set_timeout(CATCH_UP_S)
            self._catch_up(link, self._agree(link, reached), reached)
        finally:
            link.close()

    def stop(self) -> None:
        """End the thread, after the journal's writer has ended."""
        self._stopping.set()
        # A writer that broke within a batch has left the lock held.
        is_ours = self._lock.acquire(timeout=CONNECT_S)
        self._drop("this front stops")
        if is_ours:
            self._lock.release()
        self._dropped.set()
        if self._thread.ident is not None:
            self._thread.join(CONNECT_S * 2)

    def state(self) -> dict[str, Any]:
        """Return what /status shows; asked by the loop, so it waits for nothing."""
        end = self._end
        return {
            "mode": self._policy.mode.value,
            "together": self._live is not None,
            "away": self._away_why is not None,
            "why": self._away_why,
            "behind": max(0, end.records - self._kept_records) if end else 0,
            "behind_s": self._behind_s(end),
            "silent_s": round(self._clock.monotonic() - self._kept_at, 3),
            "acknowledged_without": self._without,
            "generation": self._generation,
        }

    def _behind_s(self, end: Reached | None) -> float | None:
        """Return how much of the journal's time the standby lacks; None where nobody knows."""
        kept_us = self._kept_watermark_us
        if end is None or not kept_us:
            return None
        return round(max(0, end.watermark_us - kept_us) / 1_000_000, 3)

    # -- in the journal's thread ------------------------------------------------------------

    def begin(self, before: Reached, job_lines: bytes, records: bytes, watermark_us: int) -> None:
        """Send a batch that is about to be written behind `before`."""
        if not self._is_sync:
            return
        self._lock.acquire()
        if self._live is None:
            return
        try:
            frames = self._frames(before, job_lines, records, watermark_us)
            self._live.set_timeout(self._policy.wait_s)
            self._live.send(frames)
        except OSError as error:
            self._drop(_words(error))

    def lose(self) -> None:
        """Have the standby put right what the disk here refused, by beginning anew."""
        if self._is_sync:
            self._drop("the disk here refused a batch")
            self._lock.release()

    def finish(self, reached: Reached) -> bool:
        """Wait for the standby's disk; return whether the batch may be acknowledged."""
        if not self._is_sync:
            self._end = reached
            return not self._is_replaced
        try:
            if self._live is not None:
                try:
                    self._await_kept(self._live)
                except (OSError, ShippingError, ReplacedError) as error:
                    self._drop(_words(error))
                    if isinstance(error, ReplacedError):
                        return False
            before, self._end = self._end, reached
            if self._live is not None:
                self._kept_watermark_us = reached.watermark_us
                return True
        finally:
            self._lock.release()
        if self._is_replaced or self._policy.when_away is WhenAway.STOP:
            return False
        self._without += reached.records - (before.records if before else reached.records)
        return True

    def wait(self, seconds: float) -> bool:
        """Wait until the standby has all that is on disk here."""
        with self._news:
            # Going together, it has all that was finished.
            return self._news.wait_for(lambda: self._live is not None, timeout=seconds)

    def _await_kept(self, live: Link) -> None:
        while True:
            kind, body = live.receive()
            self._refuse_unless_kept(kind, body)
            kept = read_kept(body)
            self._note_kept(kept.records)
            if kept.number >= self._number:
                return

    def _frames(
        self, before: Reached, job_lines: bytes, records: bytes, watermark_us: int
    ) -> bytes:
        """Return a batch as the standby gets it, ended by a commit."""
        first = before.first_sequence
        frames = self._rotation(first) if first != self._sent_first else []
        if job_lines:
            frames.append(placed_frame(Kind.JOBS, first, before.jobs_size, job_lines))
        if records:
            frames.append(placed_frame(Kind.SHARES, first, before.shares_size, records))
        self._number += 1
        count = len(records) // RECORD_SIZE
        commit = Commit(self._number, before.records + count, watermark_us, before.records)
        return b"".join((*frames, commit_frame(commit)))

    def _rotation(self, first: int) -> list[bytes]:
        """Return what closes the segment that was written and opens the one that is now."""
        closed = digest_path(segment_path(self._directory, self._sent_first)).read_bytes()
        opened = segment_path(self._directory, first).read_bytes()[:HEADER_SIZE]
        frames = [
            placed_frame(Kind.SEAL, self._sent_first, 0, closed),
            placed_frame(Kind.OPEN, first, 0, opened),
        ]
        self._sent_first = first
        return frames

    # -- in our thread ----------------------------------------------------------------------

    def _run(self) -> None:
        backoff = Backoff(self._clock, RETRY_MAX_S)
        while not self._stopping.is_set():
            try:
                link = connect(self._policy.address, self._policy.tls, CONNECT_S)
                try:
                    self._follow(link, backoff)
                finally:
                    link.close()
            except ReplacedError as replaced:
                self._on_replaced(replaced)
                return
            except (OSError, KenchError) as error:
                self._note_away(_words(error))
            except (KeyError, ValueError, TypeError) as error:
                self._note_away(f"the standby says what nobody understands: {error!r}")
            self._stopping.wait(backoff.fail())

    def _follow(self, link: Link, backoff: Backoff) -> None:
        """Send what is on disk here, until the journal's thread takes over or the line ends."""
        link.set_timeout(CATCH_UP_S)
        with self._lock:
            end = self._end
        if end is None:
            raise AssertionError("it starts with a journal")
        cursor = self._agree(link, end)
        backoff.succeed()
        while not self._stopping.is_set():
            with self._lock:
                end = self._end or end
            sent = self._catch_up(link, cursor, end)
            if not self._is_sync:
                self._away_why = None
                if self._stopping.wait(POLL_S) and self._end is not None:
                    # The writer has ended: this is the last of it.
                    self._catch_up(link, cursor, self._end)
            elif sent <= NEAR_BYTES:
                self._go_together(link, cursor)
                self._dropped.wait()
                return

    def _go_together(self, link: Link, cursor: Cursor) -> None:
        """Send the rest while the journal stands still, and hand the line to its thread."""
        with self._lock:
            if self._end is None:
                raise AssertionError("it starts with a journal")
            link.set_timeout(max(1.0, self._policy.wait_s))
            self._catch_up(link, cursor, self._end)
            self._sent_first, self._live = cursor.first, link
            self._dropped.clear()
            self._away_why = None
        log.info("the standby has all of the journal", instance=self._instance)
        with self._news:
            self._news.notify_all()

    def _agree(self, link: Link, end: Reached) -> Cursor:
        hello = {"instance": self._instance, "generation": self._generation}
        return agree(link, self._directory, end, hello | {"mode": self._policy.mode.value},
                     self._refuse_unless)  # fmt: skip

    def _catch_up(self, link: Link, cursor: Cursor, end: Reached) -> int:
        def commit(records: int, watermark_us: int) -> None:
            self._number += 1
            link.send(commit_frame(Commit(self._number, records, watermark_us, records)))
            kind, body = link.receive()
            self._refuse_unless_kept(kind, body)
            self._note_kept(read_kept(body).records)
            self._kept_watermark_us = max(self._kept_watermark_us, watermark_us)

        return catch_up(link, self._directory, cursor, end, commit)

    def _refuse_unless(self, wanted: Kind, kind: Kind, body: bytes) -> None:
        """Raise what the standby says in place of what it was to say."""
        if kind is Kind.REPLACED:
            self._is_replaced = True
            raise note_replaced(self._data, number_in(read_words(body), "generation"))
        if kind is Kind.REFUSED:
            raise ShippingError(f"the standby refuses: {read_words(body).get('why')}")
        if kind is not wanted:
            raise ShippingError(f"the standby says {kind.name} where {wanted.name} was to come")

    def _refuse_unless_kept(self, kind: Kind, body: bytes) -> None:
        self._refuse_unless(Kind.KEPT, kind, body)

    def _note_kept(self, records: int) -> None:
        self._kept_records = records
        self._kept_at = self._clock.monotonic()

    def _drop(self, why: str) -> None:
        """Leave the standby to the thread; the lock is held."""
        live, self._live = self._live, None
        if live is not None:
            self._note_away(why)
            live.close()
            self._dropped.set()

    def _note_away(self, why: str) -> None:
        if self._away_why != why:
            log.error("the standby is away", why=why, instance=self._instance)
        self._away_why = why


def _words(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error) or type(error).__name__
