"""The reward split: satoshi by work, in integers, so that the sum is the reward always."""

from collections.abc import Mapping


class NothingToSplitByError(ValueError):
    """A reward was to be split by credits that hold no work at all."""


def split(reward_sat: int, work_hashes: Mapping[int, int]) -> dict[int, int]:
    """Return satoshi for each participant id of `work_hashes` (participant id -> work in hashes).

    Each participant is due reward * work / all work. The whole satoshi of that are given at once;
    what is left, always fewer satoshi than participants, goes one by one to the largest fractions,
    equal fractions by the lower participant id. Participants without work appear with 0.

    Raises ValueError for a negative reward or work and NothingToSplitByError where no one worked.
    """
    if reward_sat < 0 or any(work < 0 for work in work_hashes.values()):
        raise ValueError("a reward and the work it pays are never negative")
    work_sum = sum(work_hashes.values())
    if work_sum == 0:
        raise NothingToSplitByError("no work was credited, so a reward cannot be split by it")
    amounts: dict[int, int] = {}
    fractions: list[tuple[int, int]] = []
    for participant_id, work in work_hashes.items():
        whole, fraction = divmod(reward_sat * work, work_sum)
        amounts[participant_id] = whole
        # Negated, so that plain sorting puts the largest fraction and the lowest id first.
        fractions.append((-fraction, participant_id))
    left_sat = reward_sat - sum(amounts.values())
    for _, participant_id in sorted(fractions)[:left_sat]:
        amounts[participant_id] += 1
    return amounts
