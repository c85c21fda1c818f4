"""The share journal: append-only segments of fixed-size records, with their jobs beside them.

A share is answered `true` only after its record is here and synced; everything that is paid is
computed from here.
"""

from kench.pool.journal.archive import ArchivedJob
from kench.pool.journal.format import (
    SHARE,
    Flag,
    JobNotArchivedError,
    JournalCorruptError,
    JournalError,
    SegmentDigest,
)
from kench.pool.journal.mark import Mark
from kench.pool.journal.reader import JournalReader, Segment, ShareArray
from kench.pool.journal.writer import Batch, JournalWriter

__all__ = [
    "SHARE",
    "ArchivedJob",
    "Batch",
    "Flag",
    "JobNotArchivedError",
    "JournalCorruptError",
    "JournalError",
    "JournalReader",
    "JournalWriter",
    "Mark",
    "Segment",
    "SegmentDigest",
    "ShareArray",
]
