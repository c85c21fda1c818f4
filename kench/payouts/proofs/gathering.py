"""A participant's shares that a block pays, read from the journals as they were credited."""

from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import sqlalchemy as sa

from kench.payouts import tables as books
from kench.payouts.proofs.manifest import Manifest
from kench.payouts.totals import Records
from kench.pool.journal.archive import ArchivedJob
from kench.pool.journal.format import Flag, JournalCorruptError
from kench.pool.journal.reader import JournalReader

CHUNK_RECORDS = 65_536


def read_repeats(connection: sa.Connection, manifest: Manifest) -> dict[int, set[int]]:
    """Return the shares of a window that another journal had before: they were not credited."""
    columns = books.repeats.c
    repeats: dict[int, set[int]] = {}
    for number, (start, end) in manifest.bounds().items():
        rows = connection.execute(
            sa.select(columns.sequence).where(
                columns.instance == number, columns.sequence >= start, columns.sequence < end
            )
        )
        repeats[number] = set(rows.scalars())
    return repeats


class WindowReader:
    """The journals of a manifest's window; `repeats` are those of each journal."""

    def __init__(
        self, journal_root: Path, manifest: Manifest, repeats: Mapping[int, set[int]]
    ) -> None:
        block = manifest.block
        self._manifest = manifest
        self._readers = {
            number: JournalReader(journal_root / str(number))
            for number in {*manifest.bounds(), block.instance}
        }
        self._repeats = repeats
        self.shares_read = 0

    def job(self, number: int, job_key: int) -> ArchivedJob:
        """Return a job as a journal keeps it. Raises JournalError."""
        return self._readers[number].job(job_key)

    def own(self, participant_id: int) -> Iterator[tuple[int, Records]]:
        """Yield what a participant was credited for, journal by journal, in the order of each.

        Raises JournalError.
        """
        nothing = True
        for number, records in self._chunks():
            mine = self._credited(number, records[records["participant"] == participant_id])
            if len(mine):
                nothing = False
                yield number, mine
        block = self._manifest.block
        if nothing and not block.credited:
            # The one hash of a refused candidate whose window held no work.
            yield block.instance, self._read(block.instance, block.sequence, block.sequence + 1)

    def _chunks(self) -> Iterator[tuple[int, Records]]:
        for number, (start, end) in sorted(self._manifest.bounds().items()):
            next_sequence = start
            while next_sequence < end:
                records = self._read(number, next_sequence, min(end, next_sequence + CHUNK_RECORDS))
                next_sequence += len(records)
                self.shares_read += len(records)
                yield number, records

    def _credited(self, number: int, records: Records) -> Records:
        credited: Records = records[(records["flags"] & Flag.UNCREDITED) == 0]
        repeats = self._repeats.get(number, set())
        if not repeats:
            return credited
        wanted = [sequence not in repeats for sequence in credited["sequence"].tolist()]
        kept: Records = credited[np.array(wanted, np.bool_)]
        return kept

    def _read(self, number: int, start: int, end: int) -> Records:
        records = self._readers[number].read_within(start, end - start, end)
        if not len(records):
            raise JournalCorruptError(f"journal {number} has no share {start}: restore it")
        return records
