"""Shares that an earlier process of this front recorded on a job that is still mined.

A front that is started again is given the job that it had, and may give a miner the extranonce1
that another had on it: what is in the journal must be a duplicate for it too.
"""

import struct

import structlog

from kench.native import JobTable, sha256d
from kench.pool.job import Job
from kench.pool.journal import JournalError, JournalReader

CHUNK_RECORDS = 65_536
# extranonce1, extranonce2, ntime, nonce, version
_SOLUTION = struct.Struct("<40x4s8sIII8x")

log = structlog.get_logger("stratum")


def recall(table: JobTable, journal: JournalReader, job: Job, end: int) -> int:
    """Have the table know the shares on a job that stand before `end` in the journal; how many."""
    recalled = 0
    try:
        for records in journal.chunks_since(job.key, end, CHUNK_RECORDS):
            mine = records[records["job_key"] == job.key]
            for solution in _SOLUTION.iter_unpack(mine.tobytes()):
                table.remember(job.key, sha256d(job.prepared.header(*solution)))
            recalled += len(mine)
    except JournalError as trouble:
        # Miners are served all the same; `kench settle` stops before such a record.
        log.error("shares not recalled", error=str(trouble))
    if recalled:
        log.info("shares recalled", job=f"{job.key:x}", shares=recalled)
    return recalled
