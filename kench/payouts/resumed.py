"""Shares that a resumed session brought to a second journal: they are credited once.

A session keeps its extranonce1 when it is resumed, and may be resumed by another front, which does
not know what the first one recorded. Its solutions there may repeat those of the first journal. A
record is a repeat where the first credited record of the same job and solution, in the order of the
pool, is in another journal; it earns nothing.

An extranonce1 tells the front that gave it. Two records in two journals cannot be the same unless
one of them is foreign to its journal, so that only jobs with a foreign share need to be looked at.
"""

from bisect import bisect_left
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

import numpy as np

from kench.payouts.merge import Merged
from kench.payouts.totals import Records
from kench.pool.coinbase import EXTRANONCE1_COUNTER_BITS
from kench.pool.journal.format import SHARE, Flag

SOLUTIONS_MAX = 1_000_000
"""Solutions kept in memory; past it those of the oldest jobs are read again when asked for."""
WATCHED_MAX = 4096
"""Jobs remembered to have foreign shares; far more than can still be mined on."""
_SOLUTION = slice(40, 64)
"""Where a record holds extranonce1, extranonce2, ntime, nonce and version."""

ReadBack = Callable[[int, int, int], Iterable[Records]]
"""(journal number, job key, end sequence): the journal's records that may be of this job."""
_Solutions = dict[bytes, int]


class Repeats:
    """Finds repeats, chunk by chunk in the order of the pool.

    `watched` are jobs that had a foreign share before. An object that was shown a chunk which then
    was not booked has to be thrown away.
    """

    def __init__(self, read_back: ReadBack, watched: Iterable[int] = ()) -> None:
        self._read_back = read_back
        self.watched = set(watched)
        self._jobs: OrderedDict[int, _Solutions] = OrderedDict()

    def find(self, merged: Merged, starts: Mapping[int, int]) -> list[int]:
        """Return the positions of repeats in a chunk.

        `starts` has the sequence at which the chunk begins in each journal.
        """
        records = merged.records
        credited = (records["flags"] & Flag.UNCREDITED) == 0
        extranonces = np.ascontiguousarray(records["extranonce1"]).view("<u4")[:, 0]
        foreign = (extranonces >> EXTRANONCE1_COUNTER_BITS != merged.numbers) & credited
        self.watched.update(np.unique(records["job_key"][foreign]).tolist())
        if not self.watched:
            return []
        wanted = np.fromiter(self.watched, np.uint64, len(self.watched))
        positions = np.flatnonzero(np.isin(records["job_key"], wanted) & credited)
        found: list[int] = []
        for position, job_key, number, solution in zip(
            positions.tolist(),
            records["job_key"][positions].tolist(),
            merged.numbers[positions].tolist(),
            solutions_of(records[positions]),
            strict=True,
        ):
            # The solution's first journal; a second time in that same one is not for us to judge.
            first = self._solutions(job_key, starts).setdefault(solution, number)
            if first != number:
                found.append(position)
        self._forget()
        return found

    def _solutions(self, job_key: int, starts: Mapping[int, int]) -> _Solutions:
        solutions = self._jobs.get(job_key)
        if solutions is None:
            solutions = self._jobs[job_key] = self._read(job_key, starts)
        return solutions

    def _read(self, job_key: int, starts: Mapping[int, int]) -> _Solutions:
        """Read the solutions of a job that came before this chunk, of each the first journal."""
        solutions: _Solutions = {}
        times: dict[bytes, tuple[int, int]] = {}
        for number, end in sorted(starts.items()):
            for records in self._read_back(number, job_key, end):
                mine = records[
                    (records["job_key"] == job_key) & ((records["flags"] & Flag.UNCREDITED) == 0)
                ]
                for solution, time_us in zip(
                    solutions_of(mine), mine["time_us"].tolist(), strict=True
                ):
                    if solution not in times or (time_us, number) < times[solution]:
                        times[solution] = time_us, number
                        solutions[solution] = number
        return solutions

    def _forget(self) -> None:
        """Keep within the bounds: the jobs that were made last are kept."""
        if len(self.watched) > WATCHED_MAX:
            self.watched = set(sorted(self.watched)[-WATCHED_MAX:])
        held = sum(len(solutions) for solutions in self._jobs.values())
        for job_key in sorted(self._jobs)[:-1]:
            if held <= SOLUTIONS_MAX:
                return
            held -= len(self._jobs.pop(job_key))


def solutions_of(records: Records) -> Iterator[bytes]:
    """Yield what distinguishes each record from others of its job, as 24 bytes."""
    raw = np.ascontiguousarray(records).view(np.uint8).reshape(-1, SHARE.itemsize)
    packed = raw[:, _SOLUTION].tobytes()
    size = _SOLUTION.stop - _SOLUTION.start
    return (packed[start : start + size] for start in range(0, len(packed), size))


def sequences_at(merged: Merged, positions: list[int]) -> dict[int, list[int]]:
    """Return which records of which journal these are, each journal's in their order."""
    sequences: dict[int, list[int]] = {}
    for number, sequence in zip(
        merged.numbers[positions].tolist(),
        merged.records["sequence"][positions].tolist(),
        strict=True,
    ):
        sequences.setdefault(number, []).append(sequence)
    return sequences


def between(sequences: Sequence[int], start: int, end: int) -> Sequence[int]:
    """Return those of ascending sequences that are in a span."""
    return sequences[bisect_left(sequences, start) : bisect_left(sequences, end)]


def uncredit(merged: Merged, repeats: list[int]) -> Merged:
    """Return the chunk with these records earning nothing."""
    if not repeats:
        return merged
    records = merged.records.copy()
    records["flags"][repeats] |= np.uint16(Flag.UNCREDITED)
    return merged._replace(records=records)
