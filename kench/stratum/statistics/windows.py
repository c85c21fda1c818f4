"""Sums over the last minute, hour, day of each worker: rings of steps, one column a worker."""

from typing import Any

import numpy as np
import numpy.typing as npt

Numbers = npt.NDArray[Any]


class Ring:
    """Sums of the last `steps` steps of `step_s` seconds each, the present one among them.

    Its span is therefore between steps-1 and steps steps long; `covered_s` says how long.
    """

    def __init__(self, step_s: int, steps: int, kind: type[np.generic] = np.float64) -> None:
        self.step_s = step_s
        self.steps = steps
        self._sums = np.zeros((steps, 0), kind)
        self._newest = 0  # number of the present step since 1970

    def advance(self, now_s: float) -> None:
        """Let go of what lies before the window at this moment."""
        newest = int(now_s) // self.step_s
        passed = newest - self._newest
        if passed <= 0:
            return
        for number in range(newest - min(passed, self.steps) + 1, newest + 1):
            self._sums[number % self.steps] = 0
        self._newest = newest

    def covers(self, at_s: int) -> bool:
        """Say whether this second lies in the window."""
        return self._newest - self.steps < at_s // self.step_s <= self._newest

    def add(self, at_s: int, numbers: Numbers) -> None:
        """Add a number for each worker at a time; what lies outside the window is not counted."""
        if self.covers(at_s):
            self._sums[(at_s // self.step_s) % self.steps] += numbers

    def add_at(self, at_s: int, row: int, number: int) -> None:
        """Add a number for one worker at a time."""
        if self.covers(at_s):
            self._sums[(at_s // self.step_s) % self.steps, row] += number

    def sums(self) -> Numbers:
        """Return the sum over the window for each worker."""
        sums: Numbers = self._sums.sum(axis=0)
        return sums

    def covered_s(self, now_s: float) -> float:
        """Return how long the window is at this moment."""
        return max(now_s - (self._newest - self.steps + 1) * self.step_s, 1.0)

    def resize(self, workers: int) -> None:
        """Have columns for so many workers; new ones are empty."""
        more = np.zeros((self.steps, workers - self._sums.shape[1]), self._sums.dtype)
        self._sums = np.concatenate((self._sums, more), axis=1)

    def keep(self, rows: npt.NDArray[np.intp]) -> None:
        """Keep these workers' columns alone."""
        self._sums = np.ascontiguousarray(self._sums[:, rows])
