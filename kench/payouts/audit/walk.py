"""All journals walked in the order of the pool, each share hashed again, up to what is settled."""

from collections.abc import Iterator, Mapping
from pathlib import Path

from kench.payouts.audit.report import Report
from kench.payouts.audit.shares import CHUNK_RECORDS, ShareAudit
from kench.payouts.merge import Lane, Merged, merge
from kench.payouts.totals import Records
from kench.pool.journal.archive import ArchivedJob
from kench.pool.journal.reader import JournalReader
from kench.pool.orders.book import OrderBook

_NEVER_US = 2**64 - 1
"""What lies behind the settled position is not of this walk: nothing is waited for."""


class Walk:
    """Goes through the journals up to their settled positions.

    Where a journal breaks, the walk ends: what the others hold behind that cannot be put in order.
    """

    def __init__(
        self, journal_root: Path, ends: Mapping[int, int], orders: OrderBook, report: Report
    ) -> None:
        self._audits = {
            number: ShareAudit(journal_root / str(number), number, end, orders, report)
            for number, end in sorted(ends.items())
        }
        self._readers = {number: JournalReader(journal_root / str(number)) for number in ends}
        self._chunks = {number: one.chunks() for number, one in self._audits.items()}
        self.lanes = [Lane(number, watermark_us=_NEVER_US) for number in self._audits]

    @property
    def is_broken(self) -> bool:
        """Whether a journal could not be read up to its settled position."""
        return any(one.is_broken for one in self._audits.values())

    def chunks(self) -> Iterator[tuple[Merged, dict[int, int]]]:
        """Yield checked records in order, with the sequence at which each journal's begin."""
        while True:
            for lane in self.lanes:
                self._fill(lane)
            if self.is_broken:
                # Each journal is checked to its end all the same.
                for chunks in self._chunks.values():
                    for _ in chunks:
                        pass
                return
            merged = merge(self.lanes)
            if merged is None:
                return
            yield merged, {lane.number: lane.next_sequence for lane in self.lanes}
            for lane in self.lanes:
                lane.drop(merged.counts[lane.number])

    def job(self, number: int, job_key: int) -> ArchivedJob:
        """Return a job as a journal keeps it. Raises JobNotArchivedError."""
        return self._audits[number].jobs.job(job_key)

    def read(self, number: int, start: int, end: int) -> Records:
        """Return records of a journal that were walked over."""
        return self._readers[number].read_span(start, end)

    def read_back(self, number: int, job_key: int, end: int) -> Iterator[Records]:
        """Yield records of a journal before `end` among which those of a job are."""
        return self._readers[number].chunks_since(job_key, end, CHUNK_RECORDS)

    def _fill(self, lane: Lane) -> None:
        """Have a lane hold something, or know that nothing is left."""
        if not len(lane.records) and not lane.is_drained:
            records = next(self._chunks[lane.number], None)
            if records is None:
                lane.is_drained = True
            else:
                lane.extend(records)
