"""Work totals: arrays of share records summed by participant and worker, in exact integers.

Native code counts how many shares each (participant, worker, difficulty) has, doubles told apart by
their bits; the counts then meet Python's unbounded integers: no work passes through a float.
"""

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from kench.native import ShareCounts
from kench.pool.journal.format import SHARE, Flag, JournalCorruptError
from kench.pool.work import work_of

ROWS_MAX = 1_000_000
"""Counts kept before they become totals; native code takes four times as many."""
_ROW = np.dtype([("worker", "<u4"), ("participant", "<u4"), ("difficulty", "<f8"),
                 ("count", "<u8")])  # fmt: skip

Records = npt.NDArray[np.void]
Totals = dict[tuple[int, int], "Total"]


class Total(NamedTuple):
    """Credited shares and their work in hashes."""

    accepted: int
    work_hashes: int


def totals_of(records: Records) -> Totals:
    """Sum credited SHARE records by (participant id, worker id); UNCREDITED ones earn nothing.

    Raises JournalCorruptError where a record's difficulty is not a positive number.
    """
    if records.dtype != SHARE:
        raise TypeError("totals are made of SHARE records")
    return totals_of_all([records])


def totals_of_all(parts: Iterable[Records]) -> Totals:
    """Sum many arrays of SHARE records as `totals_of` does one, none of them kept."""
    totals: Totals = {}
    counts = ShareCounts()
    for records in parts:
        counts.add(records.tobytes())
        if len(counts) > ROWS_MAX:
            _add_counts(totals, counts)
            counts = ShareCounts()
    _add_counts(totals, counts)
    return totals


def work_in(records: Records) -> int:
    """Return the work of all credited SHARE records, whosever they are.

    Raises JournalCorruptError as `totals_of` does, and makes no row for each worker.
    """
    credited = records["difficulty"][(records["flags"] & Flag.UNCREDITED) == 0]
    difficulties, counts = np.unique(credited, return_counts=True)
    return sum(
        work_of_share(difficulty) * count
        for difficulty, count in zip(difficulties.tolist(), counts.tolist(), strict=True)
    )


def _add_counts(totals: Totals, counts: ShareCounts) -> None:
    rows = np.frombuffer(counts.rows(), _ROW)
    # Each difficulty once: there can be more of them than work_of remembers.
    works = {one: work_of_share(one) for one in set(rows["difficulty"].tolist())}
    for worker, participant, difficulty, count in rows.tolist():
        key = (participant, worker)
        work = works[difficulty] * count
        before = totals.get(key)
        totals[key] = (
            Total(before.accepted + count, before.work_hashes + work)
            if before
            else Total(count, work)
        )


def work_of_share(difficulty: float) -> int:
    """Return the work in hashes of a share; JournalCorruptError if its difficulty is none."""
    try:
        return work_of(difficulty)
    except ValueError as error:
        raise JournalCorruptError(f"a share cannot be given work: {error}") from error


def add_totals(parts: Iterable[Totals]) -> Totals:
    """Return the sum of several totals."""
    result: Totals = {}
    for part in parts:
        grow(result, part)
    return result


def grow(totals: Totals, part: Totals) -> None:
    """Add a part to totals, touching no others than it has."""
    for key, total in part.items():
        before = totals.get(key, Total(0, 0))
        totals[key] = Total(
            before.accepted + total.accepted, before.work_hashes + total.work_hashes
        )


def work_by_participant(totals: Totals) -> dict[int, int]:
    """Return the work in hashes of each participant, over all its workers."""
    work_hashes: dict[int, int] = {}
    for (participant_id, _), total in totals.items():
        work_hashes[participant_id] = work_hashes.get(participant_id, 0) + total.work_hashes
    return work_hashes
