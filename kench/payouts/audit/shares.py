"""Every share of a journal hashed again, and the digests of its closed segments computed again."""

import hashlib
import struct
from collections import OrderedDict
from collections.abc import Iterator
from pathlib import Path

from kench.native import sha256d
from kench.native.twin_table import CANDIDATES_PER_TIP_MAX
from kench.payouts.audit.archive import JobsInOrder
from kench.payouts.audit.payees import unlawful
from kench.payouts.audit.report import Report
from kench.payouts.totals import Records
from kench.pool.journal.format import (
    NO_DIGEST,
    Flag,
    JobNotArchivedError,
    JournalCorruptError,
    SegmentDigest,
    digest_path,
    jobs_path,
)
from kench.pool.journal.reader import JournalReader, Segment
from kench.pool.orders.book import OrderBook
from kench.pool.work import target_of

CHUNK_RECORDS = 65_536
TIPS_KEPT_MAX = 4
"""Tips whose hashes are remembered to find a share that was credited twice."""
# A plain int: the complement of an IntFlag knows only the flags that it names.
_FLAGS_KNOWN = int(Flag.BLOCK | Flag.UNCREDITED)
_RECORD = struct.Struct("<IHHQQQII4s8sIIId")


class _Tip:
    """What was seen of the shares on one previous block."""

    def __init__(self) -> None:
        self.hashes: set[bytes] = set()
        self.candidates = 0


class ShareAudit:
    """Goes through one instance's journal from its first share to `end`, the settled position."""

    def __init__(
        self, directory: Path, instance: int, end: int, orders: OrderBook, report: Report
    ) -> None:
        self.jobs = JobsInOrder()
        self.is_broken = False
        self._directory = directory
        self._instance = instance
        self._end = end
        self._orders = orders
        self._report = report
        self._reader = JournalReader(directory)
        self._tips: OrderedDict[str, _Tip] = OrderedDict()
        self._last_us = 0

    def chunks(self) -> Iterator[Records]:
        """Yield checked chunks in order; ends early, with a difference, where the journal breaks.

        What a chunk's shares should not be is reported; the chunk is yielded all the same.
        """
        try:
            yield from self._chunks()
        except (JournalCorruptError, JobNotArchivedError, OSError) as broken:
            self.is_broken = True
            self._report.differ(f"journal {self._instance} cannot be read on: {broken}")

    def _chunks(self) -> Iterator[Records]:
        durable = self._reader.durable()
        if durable < self._end:
            self._report.differ(
                f"journal {self._instance} holds {durable} shares, but {self._end} were settled"
            )
        self._report.unsettled_shares += max(0, durable - self._end)
        segments = self._reader.segments()
        previous, expected = NO_DIGEST, 0
        for segment in segments:
            if segment.first_sequence != expected:
                raise JournalCorruptError(
                    f"shares {expected} to {segment.first_sequence - 1} are missing: restore them"
                )
            expected += segment.records
            if segment is not segments[-1]:
                previous = self._check_digest(segment, previous)
            for job in self.jobs.read(segment.path):
                wrong = unlawful(job, self._orders)
                if wrong:
                    self._report.differ(f"journal {self._instance}: {wrong}")
            yield from self._segment_chunks(segment, min(expected, self._end))

    def _segment_chunks(self, segment: Segment, end: int) -> Iterator[Records]:
        sequence = segment.first_sequence
        while sequence < end:
            records = self._reader.read(sequence, min(CHUNK_RECORDS, end - sequence))
            if not len(records):
                raise JournalCorruptError(f"share {sequence} is missing: restore {segment.path}")
            self._check_shares(records)
            self._report.shares += len(records)
            sequence += len(records)
            yield records

    def _check_shares(self, records: Records) -> None:
        for (
            _crc32, flags, reserved, sequence, time_us, job_key, participant, worker,
            extranonce1, extranonce2, ntime, nonce, version, difficulty,
        ) in _RECORD.iter_unpack(records.tobytes()):  # fmt: skip
            job, prepared = self.jobs.prepared(job_key)
            hash_le = sha256d(prepared.header(extranonce1, extranonce2, ntime, nonce, version))
            number = int.from_bytes(hash_le, "little")
            tip = self._tip(job.prevhash)
            wrong = None
            is_block = number <= job.block_target
            if flags & Flag.BLOCK:
                tip.candidates += 1
                wrong = None if is_block else "is flagged as a block and is none"
            elif is_block and tip.candidates < CANDIDATES_PER_TIP_MAX:
                wrong = "is a block and not flagged as one"
            if flags & Flag.UNCREDITED:
                wrong = wrong or (None if flags & Flag.BLOCK else "is neither share nor block")
            else:
                wrong = wrong or self._credited_wrong(number, difficulty, participant, worker)
                if hash_le[:16] in tip.hashes:
                    wrong = wrong or "was credited before"
                tip.hashes.add(hash_le[:16])
            if time_us < self._last_us:
                wrong = wrong or "is before the share before it in time"
            self._last_us = max(self._last_us, time_us)
            if reserved or flags & ~_FLAGS_KNOWN:
                wrong = wrong or "has flags that nobody knows"
            if wrong:
                self._report.differ(f"share {sequence} of journal {self._instance} {wrong}")

    def _credited_wrong(
        self, number: int, difficulty: float, participant: int, worker: int
    ) -> str | None:
        if not (participant and worker):
            return "is credited to nobody"
        try:
            target = target_of(difficulty)
        except ValueError as error:
            raise JournalCorruptError(f"a share has a difficulty that is none: {error}") from error
        return None if number <= target else f"does not meet its difficulty {difficulty}"

    def _tip(self, prevhash: str) -> _Tip:
        tip = self._tips.get(prevhash)
        if tip is None:
            tip = self._tips[prevhash] = _Tip()
            while len(self._tips) > TIPS_KEPT_MAX:
                self._tips.popitem(last=False)
        return tip

    def _check_digest(self, segment: Segment, previous: str) -> str:
        """Check a closed segment's digest; returns the digest that the next one must name."""
        path = digest_path(segment.path)
        if not path.exists():
            self._report.differ(f"{path} is missing: a closed segment has a digest")
            return NO_DIGEST
        stated = SegmentDigest.read(path)
        actual = SegmentDigest(
            first_sequence=segment.first_sequence,
            records=segment.records,
            shares_sha256=_sha256_of(segment.path),
            jobs_sha256=_sha256_of(jobs_path(segment.path)),
            previous=previous,
        )
        for name in ("first_sequence", "records", "shares_sha256", "jobs_sha256", "previous"):
            self._report.compare(f"{name} of {path}", getattr(stated, name), getattr(actual, name))
        return stated.digest


def _sha256_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
