"""The one source of time: everything else is given a clock."""

import time
from typing import Protocol


class Clock(Protocol):
    """Time as the pool sees it."""

    def now_us(self) -> int:
        """Return Unix time in microseconds; it may step when the machine's clock is set."""
        ...

    def monotonic(self) -> float:
        """Return seconds that never go back; only differences mean anything."""
        ...


class SystemClock:
    """The machine's own clock."""

    def now_us(self) -> int:
        """Return Unix time in microseconds."""
        return time.time_ns() // 1000

    def monotonic(self) -> float:
        """Return the machine's monotonic seconds."""
        return time.monotonic()


class ManualClock:
    """A clock that moves only when told to."""

    def __init__(self, start_us: int = 1_700_000_000_000_000) -> None:
        self._now_us = start_us
        self._monotonic = 0.0

    def now_us(self) -> int:
        """Return the Unix time set so far, in microseconds."""
        return self._now_us

    def monotonic(self) -> float:
        """Return the seconds advanced so far."""
        return self._monotonic

    def advance(self, seconds: float) -> None:
        """Let `seconds` pass on both scales."""
        self._now_us += round(seconds * 1_000_000)
        self._monotonic += seconds

    def step(self, seconds: float) -> None:
        """Set the wall clock forward or back, as an administrator or NTP may."""
        self._now_us += round(seconds * 1_000_000)
