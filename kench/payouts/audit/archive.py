"""Archived jobs read in the order of the segments, and checked: a coinbase pays what is split."""

from collections import OrderedDict
from pathlib import Path

from kench.native import Job
from kench.pool.coinbase import EXTRANONCE1_SIZE
from kench.pool.journal.archive import ArchivedJob
from kench.pool.journal.format import JobNotArchivedError, JournalCorruptError, jobs_path

JOBS_KEPT_MAX = 20_000
"""Jobs kept while segments go by; a share is never made on one that old."""
_INPUT_BYTES = 36 + 4
"""An input is an outpoint and a sequence, around its script."""


class JobsInOrder:
    """The jobs of all segments read so far: a share's job is archived before the share."""

    def __init__(self) -> None:
        self._jobs: OrderedDict[int, tuple[ArchivedJob, Job]] = OrderedDict()

    def read(self, segment: Path) -> None:
        """Take in the archive beside a segment. Raises JournalCorruptError."""
        path = jobs_path(segment)
        try:
            lines = path.read_bytes()
        except FileNotFoundError:
            return
        for line in lines[: lines.rfind(b"\n") + 1].splitlines():
            try:
                job = ArchivedJob.from_line(line)
                prepared = job.prepare()
                paid_sat = outputs_sum_sat(job)
            except (ValueError, KeyError, TypeError, IndexError) as broken:
                raise JournalCorruptError(
                    f"{path} has a line that is no job: restore it"
                ) from broken
            if paid_sat != job.reward_sat:
                raise JournalCorruptError(
                    f"job {job.job_key:x} in {path} says {job.reward_sat} sat, but its coinbase "
                    f"pays {paid_sat}: restore it"
                )
            self._jobs[job.job_key] = job, prepared
        while len(self._jobs) > JOBS_KEPT_MAX:
            self._jobs.popitem(last=False)

    def job(self, job_key: int) -> ArchivedJob:
        """Return a job; raises JobNotArchivedError."""
        return self.prepared(job_key)[0]

    def prepared(self, job_key: int) -> tuple[ArchivedJob, Job]:
        """Return a job and the same job in native code; raises JobNotArchivedError."""
        try:
            return self._jobs[job_key]
        except KeyError:
            raise JobNotArchivedError(
                f"job {job_key:x} is in no archive so far: restore its .jobs file"
            ) from None


def outputs_sum_sat(job: ArchivedJob) -> int:
    """Return the satoshi that a job's coinbase pays in all, read from its own bytes.

    The hash of every share, and so of a block, commits to these bytes. Raises ValueError or
    IndexError where they are no transaction with one input.
    """
    raw = job.coinb1 + bytes(EXTRANONCE1_SIZE + job.extranonce2_size) + job.coinb2
    inputs, position = _compact_size(raw, 4)
    if inputs != 1:
        raise ValueError("a coinbase has one input")
    script_bytes, after = _compact_size(raw, position + 36)
    outputs, position = _compact_size(raw, after + script_bytes + _INPUT_BYTES - 36)
    paid_sat = 0
    for _ in range(outputs):
        paid_sat += int.from_bytes(raw[position : position + 8], "little")
        script_bytes, position = _compact_size(raw, position + 8)
        position += script_bytes
    if position + 4 != len(raw):
        raise ValueError("a transaction ends with its lock time")
    return paid_sat


def _compact_size(raw: bytes, position: int) -> tuple[int, int]:
    """Return a CompactSize and the position after it."""
    first = raw[position]
    if first < 0xFD:
        return first, position + 1
    size = 1 << (first - 0xFC)
    return int.from_bytes(raw[position + 1 : position + 1 + size], "little"), position + 1 + size
