"""The reward split: satoshi by work, in integers, so that the sum is the reward always."""

from collections.abc import Callable, Mapping

import numpy as np
import numpy.typing as npt

REWARD_BITS = 63
"""A reward is below 2**63 satoshi; all that will ever be are below 2**51."""
_FRACTION_BITS = 64


class NothingToSplitByError(ValueError):
    """A reward was to be split by credits that hold no work at all."""


def split(reward_sat: int, work_hashes: Mapping[int, int]) -> dict[int, int]:
    """Return satoshi for each participant id of `work_hashes` (participant id -> work in hashes).

    Each participant is due reward * work / all work. The whole satoshi of that are given at once;
    what is left, always fewer satoshi than participants, goes one by one to the largest fractions,
    equal fractions by the lower participant id. Participants without work appear with 0. Work may
    be any integer: 78 digits are no less exact than three.

    Raises ValueError for a reward or work that is none and NothingToSplitByError where no one
    worked.
    """
    works = list(work_hashes.values())
    if not 0 <= reward_sat < 1 << REWARD_BITS or (works and min(works) < 0):
        raise ValueError("a reward and the work it pays are never negative, nor is it above 2**63")
    work_sum = sum(works)
    if work_sum == 0:
        raise NothingToSplitByError("no work was credited, so a reward cannot be split by it")
    # One exact division for each: above, the whole satoshi; below, the first 64 bits of the rest.
    scaled = reward_sat << _FRACTION_BITS
    due = np.frombuffer(
        b"".join([(scaled * work // work_sum).to_bytes(16, "little") for work in works]), "<u8"
    ).reshape(-1, 2)
    amounts = due[:, 1].copy()
    left_sat = reward_sat - int(amounts.sum())
    if left_sat:
        chosen = _largest(
            due[:, 0],
            left_sat,
            np.fromiter(work_hashes, np.uint64, len(works)),
            lambda position: reward_sat * works[position] % work_sum,
        )
        amounts[chosen] += np.uint64(1)
    return dict(zip(work_hashes, amounts.tolist(), strict=True))


def _largest(
    fractions: npt.NDArray[np.uint64],
    count: int,
    ids: npt.NDArray[np.uint64],
    exact: Callable[[int], int],
) -> npt.NDArray[np.intp]:
    """Return the positions of the `count` largest fractions, equal ones by the lower id.

    What the first 64 bits leave equal is told apart by the `exact` fraction at a position.
    """
    limit = np.partition(fractions, -count)[-count]
    sure = np.flatnonzero(fractions > limit)
    equal = np.flatnonzero(fractions == limit)
    equal = equal[np.argsort(ids[equal])]
    remainders = [exact(position) for position in equal.tolist()]
    # Sorting is stable, in reverse too: equal remainders stay in the order of their ids.
    order = sorted(range(len(equal)), key=remainders.__getitem__, reverse=True)
    return np.concatenate((sure, equal[order[: count - len(sure)]]))
