"""Fronts of a story: journals written by the pool's own writer, torn where a front is killed."""

import os
import random
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from kench.native import RECORD_SIZE, crc32
from kench.pool.bitcoin import hash_le
from kench.pool.clock import Clock
from kench.pool.coinbase import EXTRANONCE2_SIZE, Output, coinbase_halves
from kench.pool.journal.archive import ArchivedJob
from kench.pool.journal.format import DURABLE_NAME, HEADER_SIZE, SHARE, Flag, segment_paths
from kench.pool.journal.mark import MARK_SIZE
from kench.pool.journal.writer import Batch, JournalWriter
from kench.pool.work import target_of

EASY = 2.0**-33
"""Every hash meets it."""
BLOCK_TARGET = 2**252
"""One hash in sixteen is a block."""
COMMITMENT = bytes.fromhex("6a24aa21a9ed") + bytes(32)
SEGMENT_BYTES = HEADER_SIZE + 12 * RECORD_SIZE


def job_of(
    key: int, height: int, prevhash: str, outputs: Sequence[Output], now_us: int
) -> ArchivedJob:
    """A job that pays these outputs."""
    coinb1, coinb2 = coinbase_halves(height, outputs, COMMITMENT, key, b"/kench/")
    return ArchivedJob(
        job_key=key, height=height, prevhash=prevhash, version=0x2000_0000, nbits=0x207F_FFFF,
        ntime=now_us // 1_000_000, mintime=now_us // 1_000_000 - 600, block_target=BLOCK_TARGET,
        coinb1=coinb1, coinb2=coinb2, branches=b"", extranonce2_size=EXTRANONCE2_SIZE,
        reward_sat=sum(output.amount_sat for output in outputs),
    )  # fmt: skip


class Front:
    """One front: it takes shares, writes them, and acknowledges what is on disk."""

    def __init__(self, folder: Path, number: int, clock: Clock, draw: random.Random) -> None:
        self.folder = folder / str(number)
        self.number = number
        self.acknowledged: list[int] = []
        """Checksums of the shares whose miners were told that they count."""
        self.blocks: list[tuple[ArchivedJob, np.void]] = []
        self._clock = clock
        self._draw = draw
        self._writer: JournalWriter | None = None
        self._archived: set[int] = set()
        self._last_us = 0
        self.begin()

    @property
    def is_up(self) -> bool:
        return self._writer is not None

    def begin(self) -> None:
        """Open the journal, mending what was torn."""
        self._writer = JournalWriter(
            self.folder, self.number, self._clock, SEGMENT_BYTES, segment_s=1e9
        )
        self._last_us = self._writer.floor_us
        self._archived.clear()

    def batch(
        self, job: ArchivedJob, shares: list[tuple[int, float]], *, block: bool
    ) -> tuple[Batch, list[np.void]]:
        """Make shares by (participant, difficulty); the last is a block, if one is wanted."""
        assert self._writer is not None
        self._last_us = max(self._last_us, self._clock.now_us())
        start, records = self._writer._segment.next_sequence, []
        for place, (participant, difficulty) in enumerate(shares):
            record = np.zeros(1, SHARE)[0]
            record["sequence"] = start + place
            record["time_us"] = self._last_us
            record["job_key"] = job.job_key
            record["participant"], record["worker"] = participant, participant * 10
            record["extranonce1"] = np.frombuffer(self._draw.randbytes(4), np.uint8)
            record["extranonce2"] = np.frombuffer(self._draw.randbytes(8), np.uint8)
            record["ntime"], record["version"] = job.ntime, job.version
            record["difficulty"] = difficulty
            wants_block = block and place == len(shares) - 1
            _search(job, record, difficulty, wants_block)
            record["crc32"] = crc32(record.tobytes()[4:])
            records.append(record)
        jobs = [] if job.job_key in self._archived else [job]
        self._archived.add(job.job_key)
        raw = b"".join(record.tobytes() for record in records)
        return Batch(jobs, raw, len(records), self._last_us), records

    def write(self, batch: Batch, records: list[np.void], job: ArchivedJob) -> None:
        """Make a batch durable, then acknowledge it."""
        assert self._writer is not None
        if not self._writer._write(batch, lambda _error: None):
            raise AssertionError("the disk of a story refuses nothing")
        self.acknowledged += [int(record["crc32"]) for record in records]
        self._find(job, records)

    def _find(self, job: ArchivedJob, records: list[np.void]) -> None:
        self.blocks += [(job, record) for record in records if record["flags"] & Flag.BLOCK]

    def tell_time(self) -> None:
        """Say that the time up to now has passed."""
        self._last_us = max(self._last_us, self._clock.now_us())
        assert self._writer is not None
        self._writer._write(Batch([], b"", 0, self._last_us), lambda _error: None)

    def tear(self, batch: Batch, records: list[np.void], job: ArchivedJob, cut: int) -> None:
        """Be killed while a batch is written: `cut` bytes of it are on disk, job lines first.

        A block goes out to the nodes before anything else, acknowledged or not.
        """
        assert self._writer is not None
        segment = self._writer._segment
        lines = b"".join(job.line() for job in batch.jobs)
        os.pwrite(segment._jobs_fd, lines[:cut], segment.jobs_size)
        written = max(0, cut - len(lines))
        os.pwrite(segment._shares_fd, batch.records[:written], segment.size)
        self._find(job, records[: written // RECORD_SIZE])
        self.kill()

    def kill(self) -> None:
        """End as kill -9 ends it."""
        if self._writer is not None:
            self._writer._segment.close()
            self._writer._mark.close()
            self._writer = None

    def tear_mark(self, draw: random.Random) -> None:
        """Leave the mark as a crash of the machine may."""
        (self.folder / DURABLE_NAME).write_bytes(draw.randbytes(MARK_SIZE))

    def on_disk(self) -> np.ndarray:  # type: ignore[type-arg]
        """Every whole record of the journal, read by the plainest way there is."""
        parts = []
        for path in segment_paths(self.folder):
            raw = path.read_bytes()[HEADER_SIZE:]
            parts.append(np.frombuffer(raw[: len(raw) // RECORD_SIZE * RECORD_SIZE], SHARE))
        return np.concatenate([np.empty(0, SHARE), *parts])


def _search(job: ArchivedJob, record: np.void, difficulty: float, wants_block: bool) -> None:
    target = target_of(difficulty)
    for nonce in range(1 << 20):
        record["nonce"] = nonce
        found = int.from_bytes(hash_le(job.block_hash(record)), "little")
        if found <= target and (found <= BLOCK_TARGET) == wants_block:
            record["flags"] = Flag.BLOCK if wants_block else 0
            return
    raise AssertionError("no share within the bound of the search")
