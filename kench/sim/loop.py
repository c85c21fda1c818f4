"""An event loop whose time passes only by what is done on it: one core, as a front has it."""

import asyncio
import heapq
import itertools
from collections import deque
from collections.abc import Callable
from typing import Any, Protocol, cast

from kench.pool.clock import ManualClock


class Source(Protocol):
    """What comes from outside, as sockets do."""

    def take(self, now: float) -> bool:
        """Do what has come by now, which takes time; False where nothing had come."""
        ...

    def next_at(self, now: float) -> float:
        """Return when something comes next."""
        ...


class SimLoop:
    """The part of asyncio's loop that the front's own code uses. What runs advances `clock`.

    A turn is as asyncio's: what came, timers that are due, then what was asked for before it.
    """

    def __init__(self, clock: ManualClock) -> None:
        self.clock = clock
        self._ready: deque[tuple[Callable[..., object], tuple[Any, ...]]] = deque()
        self._timers: list[tuple[float, int, Callable[..., object], tuple[Any, ...]]] = []
        self._numbers = itertools.count()

    @property
    def as_asyncio(self) -> asyncio.AbstractEventLoop:
        """The same loop, for code that is typed for asyncio's."""
        return cast("asyncio.AbstractEventLoop", self)

    def time(self) -> float:
        """Return the simulated time, seconds."""
        return self.clock.monotonic()

    def call_soon(self, call: Callable[..., object], *given: Any) -> None:
        """Call in the next turn."""
        self._ready.append((call, given))

    call_soon_threadsafe = call_soon

    def call_later(self, delay_s: float, call: Callable[..., object], *given: Any) -> None:
        """Call so much later."""
        due = self.time() + max(delay_s, 0.0)
        heapq.heappush(self._timers, (due, next(self._numbers), call, given))

    def run(self, source: Source, until: float, has_ended: Callable[[], bool]) -> None:
        """Run turns until a time, or until `has_ended` says so after one."""
        while self.time() < until and not has_ended():
            came = source.take(self.time())
            fired = self._fire()
            if self._ready:
                for _ in range(len(self._ready)):
                    call, given = self._ready.popleft()
                    call(*given)
            elif not came and not fired:
                at = min(source.next_at(self.time()), until)
                if self._timers:
                    at = min(at, self._timers[0][0])
                # Never by nothing: the sum may round to what it was.
                self.clock.advance(max(at - self.time(), 1e-9))

    def _fire(self) -> bool:
        fired = False
        while self._timers and self._timers[0][0] <= self.time():
            _, _, call, given = heapq.heappop(self._timers)
            call(*given)
            fired = True
        return fired
