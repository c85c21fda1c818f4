"""One journal as the standby writes it: the same files, synced before it says so."""

import os
from pathlib import Path
from typing import Any

from kench.backup.standby.told import Told, packed, read_told, told_folder
from kench.native import RECORD_SIZE
from kench.pool.clock import Clock
from kench.pool.journal.format import (
    HEADER_SIZE,
    NO_DIGEST,
    JournalError,
    digest_path,
    first_sequence_of,
    jobs_path,
    segment_path,
    segment_paths,
)
from kench.pool.journal.mark import DurableMark, Mark
from kench.pool.journal.reader import count_whole_records
from kench.pool.journal.segment import OpenSegment, digest_before, last_segment
from kench.pool.shipping.catching_up import sha256_of
from kench.pool.shipping.frames import Commit, Kept, ShippingError, number_in

WAITING_BYTES_MAX = 64 * 1024 * 1024


class JournalCopy:
    """The copy of one front's journal; the writer's lock is held while it lives.

    Raises ShippingError where what comes does not follow what is here, JournalError where the
    journal is written by somebody else, OSError where the disk refuses.
    """

    def __init__(self, data: Path, instance: int, clock: Clock, *, is_sync: bool) -> None:
        self._data, self._instance, self._clock, self._is_sync = data, instance, clock, is_sync
        self._directory = data / "journal" / str(instance)
        self._directory.mkdir(parents=True, exist_ok=True)
        told_folder(data).mkdir(exist_ok=True)
        self._mark = DurableMark(self._directory)
        self._watermark_us = self._mark.found.watermark_us
        self._told_fd = os.open(told_folder(data) / str(instance), os.O_RDWR | os.O_CREAT, 0o640)
        self._segment: OpenSegment | None = None
        newest = last_segment(self._directory)
        if newest is not None:
            self._segment = OpenSegment.reopen(newest)
        self._jobs, self._shares = bytearray(), bytearray()

    @property
    def records(self) -> int:
        """How many records are on disk."""
        return self._segment.next_sequence if self._segment else 0

    def state(self) -> dict[str, int] | None:
        """Return how far it is, as STATE says it."""
        one = self._segment
        if one is None:
            return None
        return {"first": one.first_sequence, "jobs": one.jobs_size, "shares": one.size}

    def start(self, wanted: dict[str, Any]) -> None:
        """Go on from where the main machine says; what it does not have any more is put aside."""
        first, jobs, shares = (number_in(wanted, name) for name in ("first", "jobs", "shares"))
        path = segment_path(self._directory, first)
        if not path.exists():
            if self._segment is None and shares == HEADER_SIZE and not jobs:
                return
            raise ShippingError(f"there is no segment {first} here: make the standby anew")
        found = sha256_of(jobs_path(path), jobs), sha256_of(path, shares)
        if found != (wanted.get("jobs_sha256"), wanted.get("shares_sha256")):
            raise ShippingError(
                f"segment {first} here is not what the main machine has: make the standby anew"
            )
        told = read_told(self._data, self._instance).durable
        left = first + count_whole_records(path.read_bytes()[HEADER_SIZE:shares], first)
        if left < min(told, self.records):
            raise ShippingError(
                f"the main machine has {left} shares in journal {self._instance} and said that "
                f"{told} were on its disk: restore them there from this copy, or promote this one"
            )
        self._cut(path, jobs, shares)

    def take_jobs(self, first: int, offset: int, content: bytes) -> None:
        """Take bytes of the job archive, which follow those before."""
        one = self._check_place(first)
        if offset != one.jobs_size + len(self._jobs):
            raise ShippingError("jobs do not follow those before: it is begun anew")
        self._jobs += content
        self._check_bound()

    def take_shares(self, first: int, offset: int, content: bytes) -> None:
        """Take records, which follow those before."""
        one = self._check_place(first)
        if offset != one.size + len(self._shares):
            raise ShippingError("shares do not follow those before: it is begun anew")
        self._shares += content
        self._check_bound()

    def seal(self, first: int, text: bytes) -> None:
        """Close the segment, whose digest must be the main machine's."""
        one = self._check_place(first)
        self._write(one)
        digest = one.seal(digest_before(one.path) if first else NO_DIGEST)
        if digest.text().encode() != text:
            digest_path(one.path).unlink()
            raise ShippingError(
                f"segment {first} here has another digest than there: make the standby anew"
            )

    def open(self, first: int, header: bytes) -> None:
        """Begin the next segment with the very header that it has there."""
        old = self._segment
        if old is not None and (old.next_sequence != first or not digest_path(old.path).exists()):
            raise ShippingError(f"segment {first} does not follow the one before")
        created_us = int.from_bytes(header[32:40], "little")
        self._segment = OpenSegment.create(self._directory, self._instance, first, created_us)
        if self._segment.path.read_bytes() != header:
            self._segment.path.unlink()
            raise ShippingError(f"segment {first} begins with what is no header of ours")
        if old is not None:
            old.close()

    def commit(self, commit: Commit) -> Kept:
        """Have all that was taken on disk; return what may be told."""
        one = self._segment
        if one is None:
            raise ShippingError("a commit came before any segment")
        self._write(one)
        if one.next_sequence != commit.records:
            raise ShippingError(
                f"{one.next_sequence} shares are here and {commit.records} should be: begun anew"
            )
        self._watermark_us = max(self._watermark_us, commit.watermark_us)
        self._mark.set(Mark(one.next_sequence, self._watermark_us))
        told = Told(commit.durable, self._clock.now_us(), self._is_sync)
        os.pwrite(self._told_fd, packed(told), 0)
        return Kept(commit.number, one.next_sequence)

    def close(self) -> None:
        """Let go of files and lock."""
        if self._segment is not None:
            self._segment.close()
        os.close(self._told_fd)
        self._mark.close()

    def _write(self, one: OpenSegment) -> None:
        shares = bytes(self._shares)
        if count_whole_records(shares, one.next_sequence) * RECORD_SIZE != len(shares):
            raise ShippingError("records came that are not whole: it is begun anew")
        try:
            one.append(bytes(self._jobs), shares)
        except OSError:
            one.rewind()
            raise
        finally:
            self._jobs.clear()
            self._shares.clear()

    def _check_place(self, first: int) -> OpenSegment:
        if self._segment is None or self._segment.first_sequence != first:
            raise ShippingError(f"segment {first} is not the one that is written here")
        return self._segment

    def _check_bound(self) -> None:
        if len(self._jobs) + len(self._shares) > WAITING_BYTES_MAX:
            raise ShippingError("too much came without a commit")

    def _cut(self, path: Path, jobs: int, shares: int) -> None:
        """Put aside what is behind a place: it was never acknowledged."""
        one = self._segment
        is_there = one is not None and one.path == path
        if one is not None and is_there and (one.jobs_size, one.size) == (jobs, shares):
            return
        if one is not None:
            one.close()
        for later in segment_paths(self._directory):
            if first_sequence_of(later) > first_sequence_of(path):
                for part in (later, jobs_path(later), digest_path(later)):
                    if part.exists():
                        part.rename(part.with_name(part.name + ".torn"))
        digest_path(path).unlink(missing_ok=True)
        for part, size in ((jobs_path(path), jobs), (path, shares)):
            raw = part.read_bytes()
            if len(raw) > size:
                part.with_name(part.name + ".torn").write_bytes(raw[size:])
                os.truncate(part, size)
        self._segment = OpenSegment.reopen(path)


__all__ = ["JournalCopy", "JournalError"]
