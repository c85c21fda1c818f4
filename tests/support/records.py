"""Raw journal records and archived jobs for tests of the journal itself."""

import numpy as np

from kench.native import crc32
from kench.pool.journal import SHARE, ArchivedJob


def raw_records(first_sequence: int, count: int, job_key: int = 1) -> bytes:
    """Whole records, CRC and all, with consecutive sequences."""
    shares = np.zeros(count, SHARE)
    shares["sequence"] = np.arange(first_sequence, first_sequence + count)
    shares["time_us"] = 1_700_000_000_000_000 + shares["sequence"]
    shares["job_key"] = job_key
    shares["difficulty"] = 1.0
    raw = bytearray(shares.tobytes())
    for start in range(0, len(raw), SHARE.itemsize):
        crc = crc32(bytes(raw[start + 4 : start + SHARE.itemsize]))
        raw[start : start + 4] = crc.to_bytes(4, "little")
    return bytes(raw)


def archived_job(job_key: int = 1) -> ArchivedJob:
    """A small job as the archive keeps it."""
    return ArchivedJob(
        job_key=job_key,
        height=7,
        prevhash="00" * 31 + "2a",
        version=0x20000000,
        nbits=0x207FFFFF,
        ntime=1_700_000_000,
        mintime=1_699_999_000,
        block_target=2**200,
        coinb1=b"\x01" * 60,
        coinb2=b"\x02" * 60,
        branches=bytes(range(64)),
        reward_sat=5_000_000_000,
        extranonce2_size=8,
    )
