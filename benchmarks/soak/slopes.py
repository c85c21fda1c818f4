"""Does a figure grow? The median of all slopes between samples, and how sure that is."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
HOUR_S = 3600.0
# Pairs grow with the square of the samples: of more, every so many is taken.
SAMPLES_MAX = 400
SAMPLES_MIN = 8
# Of the normal distribution: 95 % of it lie within.
SURE = 1.96
# What comes first is not looked at: caches fill.
LEFT_OUT = 1 / 3
# The end is compared with the highest of so many parts of what was looked at before it.
PARTS = 8


@dataclass(frozen=True, slots=True)
class Bound:
    """What a figure may grow by in an hour: so much, or that part of what it is if that is more."""

    by: float
    part: float = 0.0

    def of(self, middle: float) -> float:
        """Return the bound for a figure of that size."""
        return max(self.by, self.part * abs(middle))


@dataclass(frozen=True, slots=True)
class Verdict:
    """One figure: its median, its growth in an hour with 95 % of certainty, and what it may be."""

    name: str
    samples: int
    middle: float
    growth: float
    least: float
    most: float
    rise: float
    """What the end is above the highest level of the first half, for an hour of such growth."""
    bound: float

    @property
    def is_flat(self) -> bool:
        """Whether it is not certain that it grows by more than it may.

        What fills again after a fault, as the pools of a database that was killed, rises to a level
        that it had: a leak passes all that was before.
        """
        return self.least <= self.bound or self.rise <= self.bound


def theil_sen(times_s: Floats, values: Floats) -> tuple[float, float, float]:
    """Return the slope, a second, and the ends of its 95 % interval (Sen, 1968).

    Up to a quarter of the samples may be anything without moving it far.
    """
    step = -(-len(times_s) // SAMPLES_MAX)
    times_s, values = times_s[::step], values[::step]
    one, two = np.triu_indices(len(times_s), 1)
    apart = times_s[two] - times_s[one]
    known = apart > 0
    slopes = np.sort((values[two] - values[one])[known] / apart[known])
    count = len(times_s)
    spread = SURE * np.sqrt(count * (count - 1) * (2 * count + 5) / 18)
    low = int(max(0, (len(slopes) - spread) / 2))
    high = int(min(len(slopes) - 1, (len(slopes) + spread) / 2))
    return float(np.median(slopes)), float(slopes[low]), float(slopes[high])


def rise_of(times_s: Floats, values: Floats) -> float:
    """Return how far the last quarter is above the highest eighth of the first half, a second.

    By their medians, over the time between their middles.
    """
    parts = np.array_split(np.arange(len(values)), PARTS)
    levels = [(float(np.median(values[one])), one) for one in parts[: PARTS // 2]]
    highest, where = max(levels, key=lambda level: level[0])
    end = np.concatenate(parts[-PARTS // 4 :])
    apart = float(np.median(times_s[end]) - np.median(times_s[where]))
    return (float(np.median(values[end])) - highest) / apart


def outside(times_s: Floats, faults_s: Sequence[float], window_s: float) -> npt.NDArray[np.bool_]:
    """Say which moments lie neither in the first third nor within `window_s` after a fault."""
    begun, over = times_s[0], times_s[-1]
    kept: npt.NDArray[np.bool_] = times_s >= begun + (over - begun) * LEFT_OUT
    for at in faults_s:
        kept &= ~((times_s >= at) & (times_s < at + window_s))
    return kept


def judge(name: str, times_s: Floats, values: Floats, bound: Bound) -> Verdict | None:
    """Judge a figure; None where there is too little of it."""
    known = np.isfinite(values)
    times_s, values = times_s[known], values[known]
    if len(times_s) < SAMPLES_MIN:
        return None
    middle = float(np.median(values))
    slope, least, most = (one * HOUR_S for one in theil_sen(times_s, values))
    rise = rise_of(times_s, values) * HOUR_S
    return Verdict(name, len(times_s), middle, slope, least, most, rise, bound.of(middle))
