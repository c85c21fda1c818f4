"""Pacing: what would hold up the shares of others waits its turn, in order.

Logins, and what a peer sends beyond one turn's worth of lines, are done for at most TURN_S in a
turn of the loop; between turns everybody's shares are answered. A rate of logins bounds the whole.
"""

import asyncio
from collections import deque
from collections.abc import Callable

from kench.pool.clock import Clock

# The longest that waiting work is done in one turn of the loop.
TURN_S = 0.002
# The first that comes waits so long for others: their answers leave together, so that who reads
# them is woken once, which costs us more than a small answer does.
GATHER_S = 0.001
# Tokens that gather while there is nothing to do, in seconds of the rate.
TOKENS_MAX_S = 0.1


class Pacer:
    """A queue of what is to be done, each thing once; bounded by the connections there are."""

    def __init__(self, loop: asyncio.AbstractEventLoop, clock: Clock, per_s: float) -> None:
        self._loop = loop
        self._clock = clock
        self._per_s = per_s
        self._tokens_max = max(1.0, per_s * TOKENS_MAX_S)
        self._tokens = self._tokens_max
        self._filled_at = clock.monotonic()
        self._waiting: deque[Callable[[], None]] = deque()
        self._scheduled = False

    def __len__(self) -> int:
        """Return how many wait."""
        return len(self._waiting)

    def queue(self, work: Callable[[], None]) -> None:
        """Have `work` called in its turn."""
        self._waiting.append(work)
        if not self._scheduled:
            self._scheduled = True
            self._loop.call_later(GATHER_S, self._turn)

    def _turn(self) -> None:
        now = self._clock.monotonic()
        self._tokens = min(self._tokens_max, self._tokens + (now - self._filled_at) * self._per_s)
        self._filled_at = now
        waiting, end = self._waiting, now + TURN_S
        try:
            while waiting and self._tokens >= 1.0:
                self._tokens -= 1.0
                waiting.popleft()()
                if self._clock.monotonic() >= end:
                    break
        finally:  # whatever one of them raised, the others have their turn
            self._go_on()

    def _go_on(self) -> None:
        if not self._waiting:
            self._scheduled = False
        elif self._tokens >= 1.0:
            self._loop.call_soon(self._turn)
        else:
            self._loop.call_later((1.0 - self._tokens) / self._per_s, self._turn)
