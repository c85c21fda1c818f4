"""Which hashes an extranonce1 has earned already, on the fronts that it lived on before this one.

They are read from those fronts' journals. What a front that was killed had written but not synced
counts too: its successor may find it whole and keep it.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt
from numpy.lib.recfunctions import repack_fields

from kench.native import RECORD_SIZE, Job, sha256d
from kench.pool.errors import KenchError
from kench.pool.journal import SHARE, ShareArray
from kench.pool.journal.format import HEADER_SIZE, first_sequence_of, segment_paths
from kench.pool.journal.search import sequence_at

# What makes a header, and for whom.
KEPT = ["job_key", "extranonce1", "extranonce2", "ntime", "nonce", "version"]
# Records looked through for the jobs that are kept, 32 bytes each; beyond, nobody is resumed from
# that journal.
RECORDS_MAX = 2_000_000
# Records sorted at once; a larger piece is done, and what is new begins another.
PIECE_RECORDS = 65_536
# A job's key is the microsecond that it was made in, and no share on it is older, but for this much
# by which a clock may have been set back.
CLOCK_SLACK_US = 60_000_000


class TooManySharesError(KenchError):
    """There is more to read than is read for a miner that reconnects."""


@dataclass(slots=True)
class _Piece:
    """Records in the order of their extranonces."""

    records: ShareArray
    extranonces: npt.NDArray[np.uint32]
    newest_key: int


@dataclass(slots=True)
class _Tail:
    """What was read of one journal; `epoch` changes when its front is another process."""

    epoch: int
    next_sequence: int
    pieces: list[_Piece] = field(default_factory=list)


class FormerShares:
    """Reads the newest shares of other fronts' journals, each once. For one thread."""

    def __init__(self, journals: Path) -> None:
        self._journals = journals
        self._tails: dict[int, _Tail] = {}

    def hashes(
        self,
        extranonce1: bytes,
        holders: Iterable[tuple[int, int]],
        jobs: Mapping[int, Job],
    ) -> list[tuple[int, bytes]]:
        """Return (job key, hash) of each share that `extranonce1` has earned on `jobs`.

        `holders` are the fronts it lived on, each with its epoch. Raises TooManySharesError, and
        JournalCorruptError or OSError where a journal of theirs cannot be read.
        """
        found = []
        for number, epoch in holders:
            tail = self._tails.get(number)
            if tail is None or tail.epoch != epoch:
                since_us = max(0, min(jobs) - CLOCK_SLACK_US)
                tail = _Tail(epoch, sequence_at(self._journals / str(number), since_us))
                self._tails[number] = tail
            self._read_on(number, tail, min(jobs))
            for record in _of(tail, extranonce1):
                job = jobs.get(int(record["job_key"]))
                if job is not None:
                    found.append((job.job_key, _hash(job, record)))
        return found

    def _read_on(self, number: int, tail: _Tail, oldest_key: int) -> None:
        tail.pieces = [piece for piece in tail.pieces if piece.newest_key >= oldest_key]
        for path in segment_paths(self._journals / str(number)):
            first = first_sequence_of(path)
            end = first + _records_in(path)
            while tail.next_sequence < end:
                held = sum(len(piece.records) for piece in tail.pieces)
                if held > RECORDS_MAX:
                    raise TooManySharesError(
                        f"front {number} has more than {RECORDS_MAX} shares on jobs that are kept"
                    )
                start = max(first, tail.next_sequence)
                fresh = _read(path, start - first, min(PIECE_RECORDS, end - start))
                if not len(fresh):
                    break  # it has just become shorter: its front begins anew
                _add(tail, fresh)
                tail.next_sequence = start + len(fresh)


def _add(tail: _Tail, fresh: ShareArray) -> None:
    if tail.pieces and len(tail.pieces[-1].records) + len(fresh) <= PIECE_RECORDS:
        fresh = np.concatenate((tail.pieces.pop().records, fresh))
    extranonces = np.ascontiguousarray(fresh["extranonce1"]).view("<u4").ravel()
    order = np.argsort(extranonces, kind="stable")
    newest_key = int(fresh["job_key"].max())
    tail.pieces.append(_Piece(fresh[order], extranonces[order], newest_key))


def _of(tail: _Tail, extranonce1: bytes) -> Iterable[np.void]:
    wanted = np.uint32(int.from_bytes(extranonce1, "little"))
    for piece in tail.pieces:
        start = np.searchsorted(piece.extranonces, wanted, "left")
        end = np.searchsorted(piece.extranonces, wanted, "right")
        yield from piece.records[start:end]


def _hash(job: Job, record: np.void) -> bytes:
    return sha256d(
        job.header(
            record["extranonce1"].tobytes(),
            record["extranonce2"].tobytes(),
            int(record["ntime"]),
            int(record["nonce"]),
            int(record["version"]),
        )
    )


def _records_in(path: Path) -> int:
    """Return how many whole records a segment has, synced or not."""
    return max(0, (path.stat().st_size - HEADER_SIZE) // RECORD_SIZE)


def _read(path: Path, index: int, count: int) -> ShareArray:
    with path.open("rb") as file:
        file.seek(HEADER_SIZE + index * RECORD_SIZE)
        raw = file.read(count * RECORD_SIZE)
    records = np.frombuffer(raw, SHARE, len(raw) // RECORD_SIZE)
    return repack_fields(records[KEPT])
