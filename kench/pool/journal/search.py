"""Finding a place in a journal by time."""

from bisect import bisect_right
from pathlib import Path

import numpy as np

from kench.native import RECORD_SIZE
from kench.pool.journal.format import (
    HEADER_SIZE,
    SHARE,
    JournalCorruptError,
    first_sequence_of,
    segment_path,
    segment_paths,
)
from kench.pool.journal.reader import read_durable


def sequence_at(directory: Path, time_us: int) -> int:
    """Return the first durable sequence whose record is not older than `time_us`.

    Where all are older, that of the record to come. Times never descend within a journal. Raises
    JournalCorruptError where durable records are missing.
    """
    low, high = 0, read_durable(directory)
    firsts = [first_sequence_of(path) for path in segment_paths(directory)]
    if firsts:
        low = min(firsts[0], high)
    while low < high:
        middle = (low + high) // 2
        if _time_of(directory, firsts, middle) < time_us:
            low = middle + 1
        else:
            high = middle
    return low


def _time_of(directory: Path, firsts: list[int], sequence: int) -> int:
    at = bisect_right(firsts, sequence)
    raw = b""
    if at:
        first = firsts[at - 1]
        with segment_path(directory, first).open("rb") as file:
            file.seek(HEADER_SIZE + (sequence - first) * RECORD_SIZE)
            raw = file.read(RECORD_SIZE)
    if len(raw) < RECORD_SIZE:
        raise JournalCorruptError(f"{directory} ends before share {sequence}: restore it")
    return int(np.frombuffer(raw, SHARE)[0]["time_us"])
