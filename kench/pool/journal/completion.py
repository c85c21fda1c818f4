"""A journal that nobody writes is complete: what its writer left is taken in, its time moved on.

Settlement of several journals waits for each to say that its time has passed. Where the writer is
gone nobody says so; who holds the writer's lock for a moment may say it in its place. A writer that
starts afterwards reads that mark and begins after it, whatever its clock shows. For a journal that
is written on another machine nobody here can say it: its time comes with it.
"""

import errno
import os
from pathlib import Path

from kench.native import RECORD_SIZE
from kench.pool.clock import Clock
from kench.pool.journal.format import HEADER_SIZE, JournalError, first_sequence_of, segment_paths
from kench.pool.journal.mark import DurableMark, Mark
from kench.pool.journal.reader import count_whole_records, last_time_us
from kench.pool.journal.remote import is_remote

_CHUNK_BYTES = 65_536 * RECORD_SIZE
_NOT_ALLOWED = frozenset({errno.EACCES, errno.EPERM, errno.EROFS})


class NotOursError(JournalError):
    """This process may not write the mark; who writes the journal, or its job maker, may."""


def complete_if_free(directory: Path, clock: Clock) -> Mark | None:
    """Mark a journal complete up to now and return the mark; None where it has a writer.

    One that is written elsewhere keeps its time, and what its files have is counted.
    Raises NotOursError where this process may not write the mark, JournalError where it cannot.
    """
    try:
        mark = DurableMark(directory, tries=1)
    except OSError as error:
        kind = NotOursError if error.errno in _NOT_ALLOWED else JournalError
        raise kind(
            f"{directory} cannot be marked complete ({error.strerror}): `kench stratum` of this "
            "folder does so while it runs"
        ) from error
    except JournalError:
        return None
    try:
        records = _take_in_tail(directory, mark.found.records)
        # The lock is held: what a writer appends from now on is later than this.
        watermark_us = mark.found.watermark_us
        if not is_remote(directory):
            watermark_us = max(watermark_us, clock.now_us(), last_time_us(directory, records) + 1)
        found = Mark(records, watermark_us)
        mark.set(found)
        return found
    finally:
        mark.close()


def _take_in_tail(directory: Path, durable: int) -> int:
    """Count and sync the whole records past the mark: those of a writer that was killed there.

    None of them was acknowledged, unless the machine went down and the mark with it.
    """
    for path in reversed(segment_paths(directory)):
        size = path.stat().st_size
        if size >= HEADER_SIZE:
            break
    else:
        return durable
    first = first_sequence_of(path)
    durable = max(durable, first)
    if size < HEADER_SIZE + (durable + 1 - first) * RECORD_SIZE:
        return durable
    end = durable
    with path.open("rb") as file:
        file.seek(HEADER_SIZE + (durable - first) * RECORD_SIZE)
        while raw := file.read(_CHUNK_BYTES):
            whole = count_whole_records(raw, end)
            end += whole
            if whole * RECORD_SIZE < len(raw):
                break
        if end > durable:
            os.fdatasync(file.fileno())
    return end
