"""Work totals: arrays of share records summed by participant and worker, in exact integers.

numpy counts how many shares each (participant, worker, difficulty) has; the few distinct
difficulties then meet Python's unbounded integers, so that no work passes through a float.
"""

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from kench.pool.journal.format import SHARE, Flag, JournalCorruptError
from kench.pool.work import work_of

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
    credited = records[(records["flags"] & Flag.UNCREDITED) == 0]
    if not len(credited):
        return {}
    pairs = (credited["participant"].astype(np.uint64) << np.uint64(32)) | credited["worker"]
    # Doubles are compared by their bits: one that was sent is one difficulty, whatever its value.
    difficulties = np.ascontiguousarray(credited["difficulty"]).view(np.uint64)
    order = np.lexsort((difficulties, pairs))
    pairs, difficulties = pairs[order], difficulties[order]
    changed = (pairs[1:] != pairs[:-1]) | (difficulties[1:] != difficulties[:-1])
    starts = np.concatenate(([0], np.flatnonzero(changed) + 1))
    counts = np.diff(np.concatenate((starts, [len(pairs)])))
    totals: Totals = {}
    for pair, difficulty, count in zip(
        pairs[starts].tolist(),
        difficulties[starts].view(np.float64).tolist(),
        counts.tolist(),
        strict=True,
    ):
        key = (pair >> 32, pair & 0xFFFF_FFFF)
        before = totals.get(key, Total(0, 0))
        totals[key] = Total(
            before.accepted + count, before.work_hashes + work_of_share(difficulty) * count
        )
    return totals


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
        for key, total in part.items():
            before = result.get(key, Total(0, 0))
            result[key] = Total(
                before.accepted + total.accepted, before.work_hashes + total.work_hashes
            )
    return result


def work_by_participant(totals: Totals) -> dict[int, int]:
    """Return the work in hashes of each participant, over all its workers."""
    work_hashes: dict[int, int] = {}
    for (participant_id, _), total in totals.items():
        work_hashes[participant_id] = work_hashes.get(participant_id, 0) + total.work_hashes
    return work_hashes
