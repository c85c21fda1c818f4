"""Each participant's hashrate as the pool sees it, from accepted work. For display: floats."""

import math
from collections.abc import Mapping

# Time constant of the average: long enough for twelve shares a minute to be steady.
SMOOTHING_S = 120.0
# Below this nobody is shown any more.
FORGET_BELOW = 1e-3


class Hashrates:
    """Exponential averages of hashes a second by participant id, corrected for a young start."""

    def __init__(self, now: float) -> None:
        self._rates: dict[int, float] = {}
        self._began: dict[int, float] = {}
        self._at = now

    def add(self, work_hashes: Mapping[int, int], now: float) -> None:
        """Count the work accepted since the last call."""
        elapsed = now - self._at
        if elapsed <= 0:
            return
        keep = math.exp(-elapsed / SMOOTHING_S)
        for participant in self._rates.keys() | work_hashes.keys():
            self._began.setdefault(participant, self._at)
            fresh = work_hashes.get(participant, 0) / elapsed
            self._rates[participant] = self._rates.get(participant, 0.0) * keep + fresh * (1 - keep)
        for participant in [one for one, rate in self._rates.items() if rate < FORGET_BELOW]:
            del self._rates[participant], self._began[participant]
        self._at = now

    def current(self) -> dict[int, float]:
        """Return hashes a second by participant."""
        return {
            participant: rate / (1 - math.exp((self._began[participant] - self._at) / SMOOTHING_S))
            for participant, rate in self._rates.items()
        }
