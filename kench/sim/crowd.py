"""A crowd of miners and their difficulties: the rules of `stratum.vardiff`, for all at once.

A test holds that each decision here is the one that `Vardiff` and `Difficulty` make. Time goes in
steps of a sweep, as a front looks at its connections; what a front judges between two sweeps,
after a burst of shares, is judged at the next one here.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from kench.pool.work import EASIEST_DIFFICULTY
from kench.stratum.difficulty import DifficultyLimits
from kench.stratum.front import RETARGET_S
from kench.stratum.sweep import SWEEP_S
from kench.stratum.vardiff import (
    BURST_SHARES,
    ELAPSED_MIN_S,
    EVIDENCE,
    RATE_HIGH,
    RATE_LOW,
    SETTLE_S,
    SILENCE_MAX,
    STEP_DOWN_MAX,
    STEP_UP_MAX,
    WINDOW_SHARES,
)

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
HASHES_PER_DIFFICULTY = 2.0**32


@dataclass(slots=True)
class Estimates:
    """What `Vardiff` holds, one entry a connection."""

    since: Floats
    shares: Ints
    proven: Floats

    def judge(
        self, now: float, difficulty: Floats, shares_per_minute: float
    ) -> tuple[Ints, Floats]:
        """Judge all; return which wish for another difficulty, and which one."""
        early = now <= self.since
        np.minimum(self.since, now + SETTLE_S, out=self.since, where=early)
        elapsed = np.maximum(now - self.since, ELAPSED_MIN_S)
        expected = shares_per_minute / 60 * elapsed
        ratio = self.shares / expected
        off = ~early & ~((ratio >= RATE_LOW) & (ratio <= RATE_HIGH))
        places = np.flatnonzero(off)
        seen, awaited = self.shares[places], expected[places]
        # What has none seen has no logarithm either.
        known = np.log(np.maximum(seen, 1) / awaited)
        strong = np.where(seen > 0, seen * known, 0.0) - seen + awaited >= EVIDENCE
        begin_anew = ~early & (expected >= WINDOW_SHARES)
        begin_anew[places[strong]] = False
        judged = places[strong & ((ratio[places] < 1) | (seen >= BURST_SHARES))]
        self.proven[begin_anew] = difficulty[begin_anew]
        self.since[begin_anew] = now
        self.shares[begin_anew] = 0
        return self._fitting(now, judged, difficulty[judged], ratio[judged])

    def _fitting(
        self, now: float, places: Ints, difficulty: Floats, ratio: Floats
    ) -> tuple[Ints, Floats]:
        fitting = difficulty * np.clip(ratio, 1 / STEP_DOWN_MAX, STEP_UP_MAX)
        silent = self.shares[places] == 0
        fitting = np.where(silent, np.maximum(fitting, self.proven[places] / SILENCE_MAX), fitting)
        slower = places[~silent & (ratio < 1)]
        self.proven[slower] = fitting[~silent & (ratio < 1)]
        self.restart(places, now)
        differs = fitting != difficulty
        return places[differs], fitting[differs]

    def restart(self, places: Ints, now: float) -> None:
        """Begin new estimates, because difficulties changed."""
        self.since[places] = now + SETTLE_S
        self.shares[places] = 0


def settle_difficulties(wished: Floats, lowest: float, highest: float) -> Floats:
    """Return what `pool.work.settle_difficulty` does for each."""
    bounded = np.minimum(np.maximum(wished, lowest), highest)
    return np.where(bounded >= 1, np.floor(bounded), bounded)


@dataclass(frozen=True, slots=True)
class Step:
    """What one sweep's time brought: shares of all workers, and difficulties that changed."""

    shares: int
    retargets: int


class Crowd:
    """Miners that all began at the start difficulty at time 0, each on a connection of its own."""

    def __init__(
        self,
        hashrates: Floats,
        limits: DifficultyLimits,
        network_difficulty: float,
        chance: np.random.Generator,
    ) -> None:
        count = len(hashrates)
        self._hashrates = hashrates
        self._limits = limits
        self._lowest = max(limits.lowest, EASIEST_DIFFICULTY)
        self._highest = min(limits.highest, network_difficulty)
        self._chance = chance
        start = settle_difficulties(np.array([limits.start]), self._lowest, self._highest)[0]
        self.difficulty = np.full(count, start)
        self.rates = hashrates / (self.difficulty * HASHES_PER_DIFFICULTY)
        """Shares a second of each."""
        self._estimates = Estimates(
            np.full(count, SETTLE_S), np.zeros(count, np.int64), np.zeros(count)
        )
        self.now = 0.0

    def step(self) -> Step:
        """Let a sweep's time pass, then judge everybody."""
        begun, self.now = self.now, self.now + SWEEP_S
        counted_s = np.clip(self.now - np.maximum(self._estimates.since, begun), 0.0, SWEEP_S)
        counted = self._chance.poisson(self.rates * counted_s)
        self._estimates.shares += counted
        uncounted = float(np.dot(self.rates, SWEEP_S - counted_s))
        places, wished = self._estimates.judge(
            self.now, self.difficulty, self._limits.shares_per_minute
        )
        settled = settle_difficulties(wished, self._lowest, self._highest)
        changed = settled != self.difficulty[places]
        places, settled = places[changed], settled[changed]
        # In force with the next job that is made for it: until then shares come as before.
        delay_s = self._chance.uniform(0.0, RETARGET_S)
        before = self.rates[places]
        self.difficulty[places] = settled
        self.rates[places] = self._hashrates[places] / (settled * HASHES_PER_DIFFICULTY)
        self._estimates.restart(places, self.now + delay_s)
        more = float((before - self.rates[places]).sum()) * delay_s
        late = int(self._chance.poisson(max(uncounted + more, 0.0)))
        return Step(int(counted.sum()) + late, len(places))
