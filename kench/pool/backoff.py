"""When a part that ended is started again: at once, then later and later while it keeps ending."""

from collections import deque

FIRST_DELAY_S = 0.2
DELAY_MAX_S = 30.0
STEADY_S = 60.0
"""A part that ran this long has recovered: its next end counts as the first."""
CRASH_LOOP_ENDS = 3
"""So many ends without a steady run in between are a crash loop."""
ENDS_KEPT = 16


class Backoff:
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
