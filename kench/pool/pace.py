"""How many requests a server takes: a bucket that fills as time passes."""

from kench.pool.clock import Clock


class Pace:
    """`per_s` requests a second, and twice as many at once."""

    def __init__(self, clock: Clock, per_s: float) -> None:
        self._clock = clock
        self._per_s = per_s
        self._most = max(1.0, 2 * per_s)
        self._left = self._most
        self._at_s = clock.monotonic()

    def wait_s(self) -> float:
        """Take a place; return 0, or after how many seconds there is one."""
        now_s = self._clock.monotonic()
        self._left = min(self._most, self._left + (now_s - self._at_s) * self._per_s)
        self._at_s = now_s
        if self._left < 1:
            return (1 - self._left) / self._per_s
        self._left -= 1
        return 0.0
