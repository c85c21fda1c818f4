"""Real journals for the payout tests: shares with true hashes, flags and CRCs."""

import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from kench.native import RECORD_SIZE, crc32
from kench.payouts.merge import Lane, Merged, merge
from kench.pool.bitcoin import hash_le
from kench.pool.coinbase import EXTRANONCE2_SIZE, Output, coinbase_halves
from kench.pool.journal.archive import ArchivedJob
from kench.pool.journal.format import SHARE, Flag
from kench.pool.journal.mark import DurableMark, Mark
from kench.pool.journal.segment import OpenSegment, digest_before, last_segment
from kench.pool.work import target_of

START_US = 1_700_000_000_000_000
# Every hash meets this.
EASY = 2.0**-33
SCRIPT = bytes.fromhex("0014") + bytes(range(20))
COMMITMENT = bytes.fromhex("6a24aa21a9ed") + bytes(32)


def make_job(
    job_key: int,
    height: int,
    *,
    reward_sat: int = 5_000_000_000,
    block_target: int = 2**252,
    prevhash: str | None = None,
    branches: int = 0,
) -> ArchivedJob:
    """A job at this height; with the usual block target, one hash in sixteen is a block."""
    coinb1, coinb2 = coinbase_halves(
        height, [Output(SCRIPT, reward_sat)], COMMITMENT, job_key, b"/test/"
    )
    return ArchivedJob(
        job_key=job_key,
        height=height,
        prevhash=prevhash or f"{height - 1:064x}",
        version=0x2000_0000,
        nbits=0x207F_FFFF,
        ntime=START_US // 1_000_000,
        mintime=START_US // 1_000_000 - 600,
        block_target=block_target,
        coinb1=coinb1,
        coinb2=coinb2,
        branches=bytes(range(32)) * branches,
        reward_sat=reward_sat,
        extranonce2_size=EXTRANONCE2_SIZE,
    )


def hash_of(job: ArchivedJob, record: np.void) -> int:
    return int.from_bytes(hash_le(job.block_hash(record)), "little")


@dataclass
class JournalBuilder:
    """Writes a journal as the stratum process would, without its threads."""

    directory: Path
    instance: int = 0
    seed: int = 1
    records: list[np.void] = field(default_factory=list)
    jobs: dict[int, ArchivedJob] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.directory.mkdir(parents=True, exist_ok=True)
        self._random = random.Random(self.seed)
        self._segment = OpenSegment.create(self.directory, self.instance, 0, START_US)
        self._mark = DurableMark(self.directory)
        self._mark.set(Mark(0, 0))
        self.is_closed = False
        self._pending = bytearray()
        self._pending_jobs = bytearray()

    def job(self, job_key: int, height: int, **more: object) -> ArchivedJob:
        job = make_job(job_key, height, **more)  # type: ignore[arg-type]
        self.jobs[job_key] = job
        self._pending_jobs += job.line()
        return job

    def share(
        self,
        job: ArchivedJob,
        participant: int = 1,
        worker: int = 1,
        *,
        difficulty: float = EASY,
        block: bool | None = False,
        uncredited: bool = False,
        time_us: int | None = None,
    ) -> np.void:
        """Search a share that meets `difficulty` and is a block or not (None: as it comes)."""
        record = np.zeros(1, SHARE)[0]
        record["sequence"] = len(self.records)
        record["time_us"] = START_US + len(self.records) if time_us is None else time_us
        record["job_key"] = job.job_key
        record["participant"] = participant
        record["worker"] = worker
        record["extranonce1"] = np.frombuffer(self._random.randbytes(4), np.uint8)
        record["extranonce2"] = np.frombuffer(self._random.randbytes(8), np.uint8)
        record["ntime"] = job.ntime
        record["version"] = job.version
        record["difficulty"] = difficulty
        for nonce in range(1 << 24):
            record["nonce"] = nonce
            found = hash_of(job, record)
            is_block = found <= job.block_target
            if (uncredited or found <= target_of(difficulty)) and block in (None, is_block):
                break
        else:
            raise AssertionError("no share within the bound of the search")
        record["flags"] = (Flag.BLOCK if is_block else 0) | (Flag.UNCREDITED if uncredited else 0)
        return self.append(record)

    def append(self, record: np.void) -> np.void:
        """Append a record as it is, but for its sequence and CRC."""
        record["sequence"] = len(self.records)
        record["crc32"] = crc32(record.tobytes()[4:])
        assert len(record.tobytes()) == RECORD_SIZE
        self._pending += record.tobytes()
        self.records.append(record)
        return record

    def bulk(self, job: ArchivedJob, count: int, participants: int, difficulty: float) -> None:
        """Append many shares quickly; their hashes are not looked at, so for totals only."""
        for _ in range(count):
            record = np.zeros(1, SHARE)[0]
            record["time_us"] = START_US + len(self.records)
            record["job_key"] = job.job_key
            record["participant"] = self._random.randint(1, participants)
            record["worker"] = record["participant"] * 10
            record["nonce"] = self._random.getrandbits(32)
            record["difficulty"] = difficulty
            self.append(record)

    def flush(self, watermark_us: int | None = None) -> None:
        """Make what was appended durable and visible to readers, and the time up to it complete."""
        self._segment.append(bytes(self._pending_jobs), bytes(self._pending))
        self._pending.clear()
        self._pending_jobs.clear()
        last_us = int(self.records[-1]["time_us"]) if self.records else 0
        watermark_us = last_us + 1 if watermark_us is None else watermark_us
        self._mark.set(Mark(self._segment.next_sequence, watermark_us))

    def rotate(self) -> None:
        """Close the segment with its digest and open the next."""
        self.flush()
        self._segment.seal(digest_before(self._segment.path))
        self._segment.close()
        self._segment = OpenSegment.create(
            self.directory, self.instance, len(self.records), START_US
        )

    def close(self) -> None:
        """Flush and let go of the files."""
        self.flush()
        assert last_segment(self.directory) == self._segment.path
        self._segment.close()
        self._mark.close()
        self.is_closed = True

    def job_of(self, number: int, job_key: int) -> ArchivedJob:
        """A job of this journal, as `fold` asks for it."""
        assert number == self.instance
        return self.jobs[job_key]

    def merged(self) -> Merged:
        """Everything appended so far, in the order of the pool."""
        return merged_of(self.array(), self.instance)

    def array(self) -> np.ndarray:  # type: ignore[type-arg]
        """Everything appended so far."""
        return np.array(self.records, SHARE)


def merged_of(records: np.ndarray, number: int = 0) -> Merged:  # type: ignore[type-arg]
    """Records of one journal as the pool's order has them."""
    return Merged(records, np.full(len(records), number, np.uint32), {number: len(records)})


def merged_journals(builders: Sequence[JournalBuilder]) -> Merged:
    """Everything appended to several journals, in the order of the pool."""
    lanes = []
    for builder in builders:
        lanes.append(Lane(builder.instance, is_drained=True, watermark_us=2**63))
        lanes[-1].extend(builder.array())
    merged = merge(lanes)
    assert merged is not None
    return merged
