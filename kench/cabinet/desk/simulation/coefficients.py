"""What one hash of each step of time would be paid by a way of splitting rewards. Pure.

Statistics know each participant's work by steps of an hour or a day. Every method pays a block's
reward by work in some span of time, so with a method each step has one number: satoshi for a hash,
summed over the blocks whose spans it is in. A participant is paid the sum of its work times these
numbers, which is one pass over the statistics, however many blocks there were.

All are whole numbers, in units of 1 / SCALE satoshi.
"""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from kench.pool.calendar import day_at
from kench.pool.moments import midnight_us
from kench.pool.orders.rules import PPM, Reward

SCALE = 10**40
DAY_US = 86_400 * 1_000_000


class Found(NamedTuple):
    """A block: when it was found, what it paid, and the method that is asked about."""

    found_us: int
    reward_sat: int
    reward: Reward


@dataclass(frozen=True, slots=True)
class Steps:
    """The pool's work by steps of equal length, the oldest first; without gaps."""

    begin_us: int
    step_us: int
    work_hashes: Sequence[int]

    @property
    def end_us(self) -> int:
        """Where the last one ends."""
        return self.begin_us + self.step_us * len(self.work_hashes)


def coefficients(
    steps: Steps,
    blocks: Sequence[Found],
    *,
    former_us: int,
    network_work_hashes: int | None,
) -> list[int]:
    """What a hash of each step is paid, for blocks in the order in which they were found.

    A block whose span has no work pays nobody. `former_us` is when the block before them was
    found; `network_work_hashes` is what windows are measured by, and without it a window is as long
    as all there is.
    """
    sums = _Sums(steps)
    for block in blocks:
        begin_us = _begin_us(sums, block, former_us, network_work_hashes)
        end_us = block.found_us
        if block.reward.method == "period":
            end_us = begin_us + DAY_US
        former_us = block.found_us
        sums.pay(begin_us, min(end_us, steps.end_us), block.reward_sat)
    return sums.paid()


def _begin_us(sums: "_Sums", block: Found, former_us: int, network_work_hashes: int | None) -> int:
    """Where the span of a block begins."""
    match block.reward.method:
        case "round":
            return former_us
        case "period":
            return midnight_us(day_at(block.found_us))
        case "pplns":
            if network_work_hashes is None or block.reward.window_ppm is None:
                return sums.steps.begin_us
            window = max(1, block.reward.window_ppm * network_work_hashes // PPM)
            return sums.back_from(block.found_us, window)
    raise AssertionError(f"no such method: {block.reward.method}")


class _Sums:
    """Work up to any moment, and what spans of time are paid."""

    def __init__(self, steps: Steps) -> None:
        self.steps = steps
        self._before = [0]
        for work in steps.work_hashes:
            self._before.append(self._before[-1] + work)
        # Paid for each hash of whole steps, as differences; and for parts of single ones.
        self._whole = [0] * (len(steps.work_hashes) + 1)
        self._part = [0] * len(steps.work_hashes)

    def work_until(self, at_us: int) -> int:
        """Work from the beginning up to a moment; within a step it is spread evenly."""
        steps = self.steps
        offset_us = min(max(at_us, steps.begin_us), steps.end_us) - steps.begin_us
        index, rest_us = divmod(offset_us, steps.step_us)
        part = steps.work_hashes[index] * rest_us // steps.step_us if rest_us else 0
        return self._before[index] + part

    def back_from(self, at_us: int, work_hashes: int) -> int:
        """The moment so much work before another; the beginning where there is not so much."""
        steps = self.steps
        target = self.work_until(at_us) - work_hashes
        if target <= 0:
            return steps.begin_us
        index = bisect_right(self._before, target) - 1
        within = (target - self._before[index]) * steps.step_us // steps.work_hashes[index]
        return steps.begin_us + index * steps.step_us + within

    def pay(self, begin_us: int, end_us: int, reward_sat: int) -> None:
        """Pay a reward to the work of a span."""
        steps = self.steps
        begin_us, end_us = max(begin_us, steps.begin_us), min(end_us, steps.end_us)
        work = self.work_until(end_us) - self.work_until(begin_us) if end_us > begin_us else 0
        if work <= 0:
            return
        each = reward_sat * SCALE // work
        first, begin_rest = divmod(begin_us - steps.begin_us, steps.step_us)
        last, end_rest = divmod(end_us - steps.begin_us, steps.step_us)
        if first == last:
            self._part[first] += each * (end_rest - begin_rest) // steps.step_us
            return
        if begin_rest:
            self._part[first] += each * (steps.step_us - begin_rest) // steps.step_us
            first += 1
        if end_rest:
            self._part[last] += each * end_rest // steps.step_us
        self._whole[first] += each
        self._whole[last] -= each

    def paid(self) -> list[int]:
        """What a hash of each step is paid."""
        running, found = 0, []
        for index, part in enumerate(self._part):
            running += self._whole[index]
            found.append(running + part)
        return found
