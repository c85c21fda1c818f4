"""Digests of the segments that a window touches, from the files of a journal."""

import hashlib
import json
from collections import OrderedDict
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
_SEGMENTS_KEPT_MAX = 256
"""Segments whose digests so far are kept: more than a pool has journals."""


class SegmentDigester:
    """Digests what it is asked for, going on where it stopped in a segment: blocks come in order.

    Not safe for several threads.
    """

    def __init__(self) -> None:
        self._prefixes: OrderedDict[Path, _Prefix] = OrderedDict()

    def digests(self, directory: Path, start: int, end: int) -> list[SegmentDigest]:
        """Return the digests of the segments with the records from `start` on, before `end`.

        All but the last were closed, and are as their digest files say. The last is digested as if
        it had been closed before `end`: it may be open still, and what comes later is of other
        blocks. Raises JournalError, OSError.
        """
        if start >= end:
            return []
        paths = [path for path in segment_paths(directory) if first_sequence_of(path) < end]
        later = [first_sequence_of(path) for path in paths[1:]]
        whole = [path for path, behind in zip(paths, later, strict=False) if start < behind]
        if not paths or first_sequence_of((whole or paths[-1:])[0]) > start:
            raise JournalCorruptError(f"{directory} has no segment with share {start}: restore it")
        last = self._up_to(paths[-1], end)
        return [*(SegmentDigest.read(digest_path(path)) for path in whole), last]

    def _up_to(self, segment: Path, end: int) -> SegmentDigest:
        prefix = self._prefixes.pop(segment, None)
        if prefix is None or prefix.end > end:
            prefix = _Prefix(segment)
        digest = prefix.go_on(end)
        self._prefixes[segment] = prefix
        while len(self._prefixes) > _SEGMENTS_KEPT_MAX:
            self._prefixes.popitem(last=False)
        return digest


class _Prefix:
    """A segment's records before `end`, and its jobs up to the last that those are of."""

    def __init__(self, segment: Path) -> None:
        self._segment = segment
        self._first = self.end = first_sequence_of(segment)
        self._shares, self._jobs = hashlib.sha256(), hashlib.sha256()
        self._jobs_size = 0
        self._used: set[int] = set()

    def go_on(self, end: int) -> SegmentDigest:
        """Return the digest up to a later end."""
        with self._segment.open("rb") as file:
            if self.end == self._first:
                # Nothing yet, not even the header.
                self._shares = hashlib.sha256(file.read(HEADER_SIZE))
            file.seek(HEADER_SIZE + (self.end - self._first) * RECORD_SIZE)
            while self.end < end:
                raw = file.read(min(end - self.end, _CHUNK_RECORDS) * RECORD_SIZE)
                records = np.frombuffer(raw, SHARE, count=len(raw) // RECORD_SIZE)
                if not len(records):
                    raise JournalCorruptError(
                        f"{self._segment} ends before share {end - 1}: restore it"
                    )
                self._used.update(np.unique(records["job_key"]).tolist())
                self._shares.update(records.tobytes())
                self.end += len(records)
        self._take_jobs()
        return SegmentDigest(
            first_sequence=self._first,
            records=end - self._first,
            shares_sha256=self._shares.hexdigest(),
            jobs_sha256=self._jobs.hexdigest(),
            previous=digest_before(self._segment),
        )

    def _take_jobs(self) -> None:
        archive = jobs_path(self._segment)
        try:
            with archive.open("rb") as file:
                file.seek(self._jobs_size)
                raw = file.read()
        except FileNotFoundError:
            return
        # A line that is being written has no end yet, and no share on its job.
        lines = raw[: raw.rfind(b"\n") + 1].splitlines(keepends=True)
        try:
            while lines and int(json.loads(lines[-1])["job"], 16) not in self._used:
                del lines[-1]
        except (ValueError, KeyError, TypeError) as broken:
            raise JournalCorruptError(
                f"{archive} has a line that is no job: restore it"
            ) from broken
        for line in lines:
            self._jobs.update(line)
            self._jobs_size += len(line)
