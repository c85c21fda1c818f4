"""A number that many ask for, read once in a while for all of them."""

import threading
from collections.abc import Callable
from typing import Generic, TypeVar

from kench.pool.clock import Clock

Value = TypeVar("Value")


class Kept(Generic[Value]):
    """Reads at most once in so many seconds; whoever asks meanwhile gets what was read."""

    def __init__(self, read: Callable[[], Value], clock: Clock, seconds: float) -> None:
        self._read = read
        self._clock = clock
        self._seconds = seconds
        self._lock = threading.Lock()
        self._value: tuple[float, Value] | None = None

    def value(self) -> Value:
        """Return it; raises what reading raises."""
        with self._lock:
            now = self._clock.monotonic()
            if self._value is None or now - self._value[0] >= self._seconds:
                self._value = (now, self._read())
            return self._value[1]
