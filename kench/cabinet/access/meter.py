"""How often a grant may be used, and how many wrong secrets an address may try.

A grant that was good before is never held up by what others at its address try.
"""

import threading
from collections import OrderedDict
from collections.abc import Hashable
from math import ceil
from typing import NamedTuple

from kench.cabinet.login.guard import Allowance

SUBJECTS_MAX = 65_536
"""Whose counts are kept; the one seen least recently is forgotten."""
ROUNDING = 1e-6
"""Whoever waits as told is let in, whatever floats make of it."""
USES = Allowance(60, 1.0)
WRONG = Allowance(30, 2.0)


class Reading(NamedTuple):
    """Whether one more is allowed, and what is left."""

    admitted: bool
    at_once: int
    left: int
    wait_s: int
    """Until one more is allowed; 0 if it is now."""

    def headers(self) -> dict[str, str]:
        """Say so to programs."""
        said = {"RateLimit-Limit": str(self.at_once), "RateLimit-Remaining": str(self.left)}
        if not self.admitted:
            said["Retry-After"] = str(self.wait_s)
        return said


class Meter:
    """Counts in memory, for any thread: each runs down with time."""

    def __init__(self, allowance: Allowance, subjects_max: int = SUBJECTS_MAX) -> None:
        """Create it with nobody known."""
        self.allowance = allowance
        self._lock = threading.Lock()
        self._subjects_max = subjects_max
        self._used: OrderedDict[Hashable, tuple[float, float]] = OrderedDict()

    def knows(self, subject: Hashable) -> bool:
        """Whether it was counted before, and not forgotten since."""
        with self._lock:
            return subject in self._used

    def read(self, subject: Hashable, now_s: float) -> Reading:
        """Whether one more is allowed; counts nothing. `now_s` is monotonic."""
        with self._lock:
            return self._reading(self._level(subject, now_s))

    def count(self, subject: Hashable, now_s: float) -> Reading:
        """Count one more if it is allowed."""
        with self._lock:
            level = self._level(subject, now_s)
            reading = self._reading(level)
            if reading.admitted:
                level += 1
                reading = reading._replace(left=reading.left - 1)
            self._used[subject] = (level, now_s)
            self._used.move_to_end(subject)
            while len(self._used) > self._subjects_max:
                self._used.popitem(last=False)
        return reading

    def _level(self, subject: Hashable, now_s: float) -> float:
        level, at_s = self._used.get(subject, (0.0, now_s))
        return max(0.0, level - (now_s - at_s) / self.allowance.each_s)

    def _reading(self, level: float) -> Reading:
        at_once = self.allowance.at_once
        over = max(0.0, level + 1 - at_once - ROUNDING)
        left = max(0, int(at_once - level + ROUNDING))
        return Reading(over == 0, at_once, left, ceil(over * self.allowance.each_s))
