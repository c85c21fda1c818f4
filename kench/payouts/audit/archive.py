"""Archived jobs read in the order of the segments, and checked: a coinbase pays what is split."""

from collections import OrderedDict
from pathlib import Path

from kench.native import Job
from kench.payouts.outputs import outputs_of
from kench.pool.journal.archive import ArchivedJob
from kench.pool.journal.format import JobNotArchivedError, JournalCorruptError, jobs_path

JOBS_KEPT_MAX = 20_000
"""Jobs kept while segments go by; a share is never made on one that old."""


class JobsInOrder:
    """The jobs of all segments read so far: a share's job is archived before the share."""

    def __init__(self) -> None:
        self._jobs: OrderedDict[int, tuple[ArchivedJob, Job]] = OrderedDict()

    def read(self, segment: Path) -> list[ArchivedJob]:
        """Take in the archive beside a segment; return its jobs. Raises JournalCorruptError."""
        path = jobs_path(segment)
        try:
            lines = path.read_bytes()
        except FileNotFoundError:
            return []
        read = []
        for line in lines[: lines.rfind(b"\n") + 1].splitlines():
            try:
                job = ArchivedJob.from_line(line)
                prepared = job.prepare()
                paid_sat = sum(output.amount_sat for output in outputs_of(job))
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
            read.append(job)
        while len(self._jobs) > JOBS_KEPT_MAX:
            self._jobs.popitem(last=False)
        return read

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
