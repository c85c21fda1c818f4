"""The segment being written: two files, their digests, and how a torn tail is cut on start."""

import hashlib
import os
from pathlib import Path
from typing import Self

from kench.native import RECORD_SIZE
from kench.pool.durable import sync_directory, write_durably
from kench.pool.journal.archive import ArchivedJob
from kench.pool.journal.format import (
    HEADER_SIZE,
    NO_DIGEST,
    SegmentDigest,
    check_header,
    digest_path,
    first_sequence_of,
    jobs_path,
    segment_header,
    segment_path,
    segment_paths,
)
from kench.pool.journal.reader import count_whole_records


class OpenSegment:
    """An open segment; `records` and `size` count only what is durable.

    `append` either makes everything durable or raises OSError and leaves the files to `rewind`.
    """

    def __init__(self, path: Path, shares_fd: int, jobs_fd: int) -> None:
        self.path = path
        self.first_sequence = first_sequence_of(path)
        self.size = os.fstat(shares_fd).st_size
        self._jobs_size = os.fstat(jobs_fd).st_size
        self._shares_fd = shares_fd
        self._jobs_fd = jobs_fd
        self._shares_hash = hashlib.sha256(path.read_bytes())
        self._jobs_hash = hashlib.sha256(jobs_path(path).read_bytes())

    @property
    def records(self) -> int:
        """How many records the segment holds."""
        return (self.size - HEADER_SIZE) // RECORD_SIZE

    @property
    def next_sequence(self) -> int:
        """The sequence that the next record must have."""
        return self.first_sequence + self.records

    @property
    def jobs_size(self) -> int:
        """How long its job archive is."""
        return self._jobs_size

    @classmethod
    def create(cls, directory: Path, instance: int, first_sequence: int, now_us: int) -> Self:
        """Make a new segment and make its name durable."""
        path = segment_path(directory, first_sequence)
        jobs_fd = os.open(jobs_path(path), os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o640)
        shares_fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o640)
        _write_all(shares_fd, segment_header(instance, first_sequence, now_us), 0)
        os.fdatasync(shares_fd)
        sync_directory(directory)
        return cls(path, shares_fd, jobs_fd)

    @classmethod
    def reopen(cls, path: Path) -> Self:
        """Open the last segment of a journal, cutting what a crash tore off its end.

        What is cut was never acknowledged; it is kept beside the segment as `.torn` all the same.
        """
        shares_fd = os.open(path, os.O_RDWR)
        raw = path.read_bytes()
        check_header(path, raw[:HEADER_SIZE])
        body = raw[HEADER_SIZE:]
        whole = HEADER_SIZE + RECORD_SIZE * count_whole_records(body, first_sequence_of(path))
        _cut(path, shares_fd, raw, whole)
        archive = jobs_path(path)
        jobs_fd = os.open(archive, os.O_RDWR | os.O_CREAT, 0o640)
        lines = archive.read_bytes()
        _cut(archive, jobs_fd, lines, _whole_lines(lines))
        return cls(path, shares_fd, jobs_fd)

    def append(self, job_lines: bytes, records: bytes) -> None:
        """Write and sync job lines, then records: no share is on disk before its job."""
        if job_lines:
            _write_all(self._jobs_fd, job_lines, self._jobs_size)
            os.fdatasync(self._jobs_fd)
            self._jobs_size += len(job_lines)
            self._jobs_hash.update(job_lines)
        if records:
            _write_all(self._shares_fd, records, self.size)
            os.fdatasync(self._shares_fd)
            self.size += len(records)
            self._shares_hash.update(records)

    def rewind(self) -> None:
        """Take back what a failed append left after the durable end."""
        os.ftruncate(self._jobs_fd, self._jobs_size)
        os.ftruncate(self._shares_fd, self.size)

    def seal(self, previous: str) -> SegmentDigest:
        """Write the digest of a segment that will not grow any more."""
        digest = SegmentDigest(
            first_sequence=self.first_sequence,
            records=self.records,
            shares_sha256=self._shares_hash.hexdigest(),
            jobs_sha256=self._jobs_hash.hexdigest(),
            previous=previous,
        )
        write_durably(digest_path(self.path), digest.text().encode())
        return digest

    def close(self) -> None:
        """Close the files."""
        os.close(self._shares_fd)
        os.close(self._jobs_fd)


def last_segment(directory: Path) -> Path | None:
    """Return the newest segment, removing one whose creation a crash interrupted."""
    for path in reversed(segment_paths(directory)):
        if path.stat().st_size >= HEADER_SIZE:
            return path
        path.unlink()  # its header was never synced: no record can have followed
    return None


def digest_before(segment: Path) -> str:
    """Return the digest of the segment before this one in the chain, or that of an empty chain.

    A digest of the segment itself may exist already, where a crash came between its sealing and
    the making of the next one; it will be written again.
    """
    earlier = [path for path in segment.parent.glob("[0-9]*.digest") if path.stem < segment.stem]
    return SegmentDigest.read(max(earlier)).digest if earlier else NO_DIGEST


def _write_all(fd: int, data: bytes, offset: int) -> None:
    view = memoryview(data)
    while view:
        written = os.pwrite(fd, view, offset)
        view, offset = view[written:], offset + written


def _cut(path: Path, fd: int, raw: bytes, whole: int) -> None:
    if whole < len(raw):
        write_durably(path.with_name(path.name + ".torn"), raw[whole:])
        os.ftruncate(fd, whole)
    os.fsync(fd)


def _whole_lines(lines: bytes) -> int:
    """Return the length of the archive up to the last line that is a job."""
    end = lines.rfind(b"\n") + 1
    while end:
        start = lines.rfind(b"\n", 0, end - 1) + 1
        try:
            ArchivedJob.from_line(lines[start:end])
        except (ValueError, KeyError, TypeError):
            end = start
        else:
            break
    return end
