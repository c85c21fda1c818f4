"""Following one journal for its numbers: durable records as they come, from any place on."""

import bisect
import os
from pathlib import Path

import numpy as np

from kench.native import RECORD_SIZE
from kench.pool.journal import SHARE, JournalCorruptError, JournalReader, ShareArray
from kench.pool.journal.format import HEADER_SIZE, first_sequence_of, segment_path, segment_paths


class JournalTail:
    """Reads a journal from a sequence on, while its writer runs.

    Records are taken as they are: settlement and `kench verify` check each, statistics need not.
    """

    def __init__(self, directory: Path, from_sequence: int) -> None:
        self._directory = directory
        self._reader = JournalReader(directory)
        self._fd: int | None = None
        self._first_sequence = 0  # of the segment that is open
        self.next_sequence = from_sequence

    def read(self, limit: int) -> ShareArray:
        """Return at most `limit` durable records; empty when there is nothing new.

        Raises JournalCorruptError where records that are durable are not in a segment.
        """
        waiting = self._reader.durable() - self.next_sequence
        if waiting <= 0:
            return np.empty(0, SHARE)
        wanted = min(waiting, limit) * RECORD_SIZE
        raw = self._at_position(wanted)
        if len(raw) < RECORD_SIZE:
            # The next segment begins where this one ended, or the first read opens one.
            self._open()
            raw = self._at_position(wanted)
        if len(raw) < RECORD_SIZE:
            raise JournalCorruptError(
                f"{self._directory} has no segment with share {self.next_sequence}: restore it"
            )
        self.next_sequence += len(raw) // RECORD_SIZE
        return np.frombuffer(raw, SHARE)

    def peek(self) -> ShareArray:
        """Return the next record without going past it, or nothing."""
        records = self.read(1)
        self.next_sequence -= len(records)
        return records

    def close(self) -> None:
        """Let go of the file."""
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None

    def _at_position(self, wanted: int) -> bytes:
        """Read whole records of the open segment from the position on."""
        if self._fd is None:
            return b""
        offset = HEADER_SIZE + (self.next_sequence - self._first_sequence) * RECORD_SIZE
        raw = os.pread(self._fd, wanted, offset)
        return raw[: len(raw) - len(raw) % RECORD_SIZE]

    def _open(self) -> None:
        """Open the segment that holds the position."""
        self.close()
        path = segment_path(self._directory, self.next_sequence)
        if not path.exists():
            paths = segment_paths(self._directory)
            at = bisect.bisect_right([first_sequence_of(one) for one in paths], self.next_sequence)
            if not at:
                return
            path = paths[at - 1]
        self._first_sequence = first_sequence_of(path)
        self._fd = os.open(path, os.O_RDONLY)
