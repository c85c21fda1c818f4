"""Reading the journal: durable shares as numpy arrays, and the jobs they were made on."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from kench.native import RECORD_SIZE, whole_records
from kench.pool.journal.archive import ArchivedJob
from kench.pool.journal.format import (
    HEADER_SIZE,
    SHARE,
    JobNotArchivedError,
    JournalCorruptError,
    check_header,
    first_sequence_of,
    jobs_path,
    segment_paths,
)
from kench.pool.journal.mark import Mark, read_mark

ShareArray = npt.NDArray[np.void]
# Jobs kept parsed in memory; past it they are forgotten and read again when asked for.
JOBS_KEPT_MAX = 20_000


@dataclass(frozen=True, slots=True)
class Segment:
    """One segment file and the records in it that are known to be on disk."""

    path: Path
    first_sequence: int
    records: int


def read_durable(directory: Path) -> int:
    """Return how many records of a journal are known to be on disk (0 where there is none)."""
    return read_mark(directory).records


def last_time_us(directory: Path, records: int) -> int:
    """Return the time of the last of so many records, 0 where there is none."""
    if not records:
        return 0
    return int(JournalReader(directory).read_within(records - 1, 1, records)["time_us"][0])


class JournalReader:
    """Reads one instance's journal while its writer runs, or when it does not.

    Every record is checked by CRC and sequence as it is read. Not safe for several threads.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._jobs: dict[int, ArchivedJob] = {}
        self._archive_read: dict[Path, int] = {}
        self._archive_keys: dict[Path, set[int]] = {}

    def mark(self) -> Mark:
        """Return how far the journal is on disk, and complete in time."""
        return read_mark(self._directory)

    def durable(self) -> int:
        """Return how many records are on disk: sequences below it can be read."""
        return self.mark().records

    def segments(self) -> list[Segment]:
        """Return the segments with their durable record counts, oldest first."""
        return self._segments(self.durable())

    def _segments(self, durable: int) -> list[Segment]:
        paths = segment_paths(self._directory)
        firsts = [first_sequence_of(path) for path in paths]
        ends = [*firsts[1:], max(durable, firsts[-1])] if firsts else []
        return [
            Segment(path, first, end - first)
            for path, first, end in zip(paths, firsts, ends, strict=True)
        ]

    def read(self, from_sequence: int, limit: int) -> ShareArray:
        """Return at most `limit` records from `from_sequence` on, possibly fewer, in order.

        Empty when nothing newer is durable. Raises JournalCorruptError where a record is not what
        was written, or is missing.
        """
        return self.read_within(from_sequence, limit, self.durable())

    def read_within(self, from_sequence: int, limit: int, durable: int) -> ShareArray:
        """Read as `read` does, by a mark that was read before."""
        for segment in reversed(self._segments(durable)):
            if segment.first_sequence <= from_sequence:
                end = min(segment.first_sequence + segment.records, durable)
                count = min(limit, end - from_sequence)
                if count <= 0:
                    return np.empty(0, SHARE)
                return _read_segment(segment, from_sequence, count)
        if from_sequence < durable:
            raise JournalCorruptError(
                f"{self._directory} has no segment with share {from_sequence}: restore it"
            )
        return np.empty(0, SHARE)

    def read_span(self, start: int, end: int) -> ShareArray:
        """Return the records from one sequence up to before another, which are durable.

        Raises JournalCorruptError where a record is not what was written, or is missing.
        """
        parts: list[ShareArray] = []
        while start < end:
            parts.append(self.read_within(start, end - start, end))
            start += len(parts[-1])
        # One segment is the rule, and needs no copy.
        return parts[0] if len(parts) == 1 else np.concatenate([np.empty(0, SHARE), *parts])

    def job(self, job_key: int) -> ArchivedJob:
        """Return the job with this key; raises JobNotArchivedError where none is kept."""
        if len(self._jobs) > JOBS_KEPT_MAX:
            self._jobs.clear()
            self._archive_read.clear()
            self._archive_keys.clear()
        if job_key not in self._jobs:
            for path in reversed(segment_paths(self._directory)):
                self._read_archive(jobs_path(path))
                if job_key in self._jobs:
                    break
            else:
                raise JobNotArchivedError(
                    f"job {job_key:x} is in no archive of {self._directory}: restore its .jobs file"
                )
        return self._jobs[job_key]

    def chunks_since(self, job_key: int, end: int, limit: int) -> Iterator[ShareArray]:
        """Yield the records before `end` among which all that were made on a job are.

        At most `limit` at a time. Nothing where no archive holds the job: a share comes after it.
        """
        first = None
        for path in reversed(segment_paths(self._directory)):
            self._read_archive(jobs_path(path))
            keys = self._archive_keys.get(jobs_path(path), set())
            if job_key in keys:
                first = first_sequence_of(path)
            elif keys and max(keys) < job_key:
                break  # keys rise: what is older cannot hold it
        while first is not None and first < end:
            records = self.read_within(first, min(limit, end - first), end)
            yield records
            first += len(records)

    def _read_archive(self, path: Path) -> None:
        """Take in the complete lines that an archive has gained since it was last read."""
        start = self._archive_read.get(path, 0)
        try:
            with path.open("rb") as file:
                file.seek(start)
                fresh = file.read()
        except FileNotFoundError:
            return
        complete = fresh[: fresh.rfind(b"\n") + 1]
        keys = self._archive_keys.setdefault(path, set())
        for line in complete.splitlines():
            try:
                job = ArchivedJob.from_line(line)
            except (ValueError, KeyError, TypeError) as broken:
                raise JournalCorruptError(
                    f"{path} has a line that is no job: restore it"
                ) from broken
            self._jobs[job.job_key] = job
            keys.add(job.job_key)
        self._archive_read[path] = start + len(complete)


def _read_segment(segment: Segment, from_sequence: int, count: int) -> ShareArray:
    with segment.path.open("rb") as file:
        check_header(segment.path, file.read(HEADER_SIZE))
        file.seek(HEADER_SIZE + (from_sequence - segment.first_sequence) * RECORD_SIZE)
        raw = file.read(count * RECORD_SIZE)
    if len(raw) != count * RECORD_SIZE:
        raise JournalCorruptError(
            f"{segment.path} ends before share {from_sequence + count - 1}: restore it"
        )
    good = count_whole_records(raw, from_sequence)
    if good != count:
        raise JournalCorruptError(
            f"share {from_sequence + good} in {segment.path} is not what was written: restore it"
        )
    return np.frombuffer(raw, SHARE)


def count_whole_records(raw: bytes, first_sequence: int) -> int:
    """Return how many records at the start of `raw` are whole: CRC right, sequences unbroken."""
    return whole_records(raw[: len(raw) - len(raw) % RECORD_SIZE], first_sequence)
