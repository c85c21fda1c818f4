"""How long to wait before the next try: a little, then longer and longer while it keeps failing."""

from collections import deque

from kench.pool.clock import Clock

RETRY_MIN_S = 0.5
RETRY_MAX_S = 10.0
FIRST_DELAY_S = 0.2
DELAY_MAX_S = 30.0
STEADY_S = 60.0
"""A part that ran this long has recovered: its next end counts as the first."""
CRASH_LOOP_ENDS = 3
"""So many ends without a steady run in between are a crash loop."""
ENDS_KEPT = 16


class Backoff:
    """Waits that double from RETRY_MIN_S to `max_s` until something succeeds."""

    def __init__(self, clock: Clock, max_s: float = RETRY_MAX_S) -> None:
        self._clock = clock
        self._max_s = max_s
        self._wait_s = 0.0
        self._due_s = float("-inf")

    def fail(self) -> float:
        """Take note of a failure; returns the seconds until the next try is due."""
        self._wait_s = min(max(self._wait_s * 2, RETRY_MIN_S), self._max_s)
        self._due_s = self._clock.monotonic() + self._wait_s
        return self._wait_s

    def succeed(self) -> bool:
        """Take note of a success; True where it ends a row of failures."""
        ended = self._wait_s > 0
        self._wait_s, self._due_s = 0.0, float("-inf")
        return ended

    @property
    def is_due(self) -> bool:
        """Whether a try is due."""
        return self._clock.monotonic() >= self._due_s


class PartBackoff:
    """The ends of one part, and the delay that follows from them. Seconds are monotonic."""

    def __init__(self) -> None:
        self._ends: deque[float] = deque(maxlen=ENDS_KEPT)

    @property
    def looping(self) -> bool:
        """Whether the part keeps ending soon after each start."""
        return len(self._ends) >= CRASH_LOOP_ENDS

    def delay_after_end(self, started_s: float, ended_s: float) -> float:
        """Count an end; return the seconds to wait before the next start."""
        if ended_s - started_s >= STEADY_S:
            self._ends.clear()
        self._ends.append(ended_s)
        return float(min(DELAY_MAX_S, FIRST_DELAY_S * 2 ** (len(self._ends) - 1)))


def delay_after(failures: int, first_s: float, max_s: float) -> float:
    """Return the seconds to wait after so many failures, kept by whoever outlives a process."""
    return min(max_s, first_s * 2.0 ** min(failures - 1, 64))
