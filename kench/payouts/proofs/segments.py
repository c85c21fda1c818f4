"""Digests of the segments that a window touches, from the files of a journal."""

import hashlib
import json
from pathlib import Path

import numpy as np

from kench.native import RECORD_SIZE
from kench.pool.journal.format import (
    HEADER_SIZE,
    SHARE,
    JournalCorruptError,
    SegmentDigest,
    digest_path,
    first_sequence_of,
    jobs_path,
    segment_paths,
)
from kench.pool.journal.segment import digest_before

_CHUNK_RECORDS = 65_536


def digests_of(directory: Path, start: int, end: int) -> list[SegmentDigest]:
    """Return the digests of the segments with the records from `start` on, before `end`.

    All but the last were closed, and are as their digest files say. The last is digested as if it
    had been closed before `end`: it may be open still, and what comes later is of other blocks.
    Raises JournalError, OSError.
    """
    if start >= end:
        return []
    paths = [path for path in segment_paths(directory) if first_sequence_of(path) < end]
    later = [first_sequence_of(path) for path in paths[1:]]
    whole = [path for path, behind in zip(paths, later, strict=False) if start < behind]
    if not paths or first_sequence_of((whole or paths[-1:])[0]) > start:
        raise JournalCorruptError(f"{directory} has no segment with share {start}: restore it")
    return [
        *(SegmentDigest.read(digest_path(path)) for path in whole),
        _digest_up_to(paths[-1], end),
    ]


def _digest_up_to(segment: Path, end: int) -> SegmentDigest:
    first = first_sequence_of(segment)
    shares, used = hashlib.sha256(), set[int]()
    with segment.open("rb") as file:
        shares.update(file.read(HEADER_SIZE))
        left = end - first
        while left:
            raw = file.read(min(left, _CHUNK_RECORDS) * RECORD_SIZE)
            records = np.frombuffer(raw, SHARE, count=len(raw) // RECORD_SIZE)
            if not len(records):
                raise JournalCorruptError(f"{segment} ends before share {end - 1}: restore it")
            used.update(np.unique(records["job_key"]).tolist())
            shares.update(records.tobytes())
            left -= len(records)
    return SegmentDigest(
        first_sequence=first,
        records=end - first,
        shares_sha256=shares.hexdigest(),
        jobs_sha256=hashlib.sha256(_jobs_up_to(jobs_path(segment), used)).hexdigest(),
        previous=digest_before(segment),
    )


def _jobs_up_to(archive: Path, used: set[int]) -> bytes:
    """Return the lines of an archive up to the last that is one of these jobs'."""
    try:
        raw = archive.read_bytes()
    except FileNotFoundError:
        return b""
    # A line that is being written has no end yet, and no share on its job.
    lines = raw[: raw.rfind(b"\n") + 1].splitlines(keepends=True)
    try:
        while lines and int(json.loads(lines[-1])["job"], 16) not in used:
            del lines[-1]
    except (ValueError, KeyError, TypeError) as broken:
        raise JournalCorruptError(f"{archive} has a line that is no job: restore it") from broken
    return b"".join(lines)
