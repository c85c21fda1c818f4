"""The durable mark: how far a journal is on disk and complete in time, and the writer's lock."""

import fcntl
import os
import struct
import time
from pathlib import Path
from typing import NamedTuple

from kench.native import crc32
from kench.pool.journal.format import DURABLE_NAME, JournalError

_FIELDS = struct.Struct("<QQ")
_CHECK = struct.Struct("<Q")
MARK_SIZE = _FIELDS.size + _CHECK.size
# A mark that is read while it is written may be torn between its words: it is read again.
READ_TRIES = 100
# Settlement holds the lock of a journal that nobody writes for moments: a writer waits for it.
LOCK_TRIES, LOCK_RETRY_S = 100, 0.01


class Mark(NamedTuple):
    """`records` are on disk; among them are all that will ever be before `watermark_us`.

    A mark of 8 bytes, as written before there were watermarks, has 0 for it.
    """

    records: int
    watermark_us: int

    def pack(self) -> bytes:
        """Return the mark as the file holds it."""
        fields = _FIELDS.pack(*self)
        return fields + _CHECK.pack(crc32(fields))


NOTHING = Mark(0, 0)


def read_mark(directory: Path) -> Mark:
    """Return a journal's mark as it stands, while its writer runs or not."""
    for _ in range(READ_TRIES):
        try:
            raw = (directory / DURABLE_NAME).read_bytes()
        except FileNotFoundError:
            return NOTHING
        found = _unpack(raw)
        if found is not None:
            return found
    return NOTHING  # a crash of the machine left it so: who takes the lock sets it anew


def _unpack(raw: bytes) -> Mark | None:
    if len(raw) < MARK_SIZE:
        return Mark(int.from_bytes(raw[:8], "little"), 0)
    fields = raw[: _FIELDS.size]
    (check,) = _CHECK.unpack_from(raw, _FIELDS.size)
    return Mark(*_FIELDS.unpack(fields)) if crc32(fields) == check else None


class DurableMark:
    """The mark that readers of a running journal go by, held by its one writer.

    The file is written after each sync but never synced itself: after a crash the writer sets it
    anew from the segments. It also carries the lock that keeps a second writer away.
    """

    def __init__(self, directory: Path, tries: int = LOCK_TRIES) -> None:
        self._fd = os.open(directory / DURABLE_NAME, os.O_RDWR | os.O_CREAT, 0o640)
        if not self._lock(tries):
            os.close(self._fd)
            raise JournalError(
                f"another stratum process writes the journal in {directory}: stop it, or give this "
                "one another KENCH_INSTANCE"
            )
        self.found = read_mark(directory)
        """The mark that was left by the holder before."""

    def _lock(self, tries: int) -> bool:
        while True:
            try:
                fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                tries -= 1
                if not tries:
                    return False
                time.sleep(LOCK_RETRY_S)
            else:
                return True

    def set(self, mark: Mark) -> None:
        """Tell readers how far the journal is."""
        os.pwrite(self._fd, mark.pack(), 0)

    def close(self) -> None:
        """Let another writer in."""
        os.close(self._fd)
