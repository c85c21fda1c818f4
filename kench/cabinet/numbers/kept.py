"""Numbers that many ask for, read once for all of them: for some seconds, or until written anew."""

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from datetime import UTC, datetime
from typing import Generic, TypeVar

from kench.pool.clock import Clock

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")
AGAIN_US = 60 * 1_000_000
"""Read again after so long even if nobody has written: workers fall silent with time."""
ALWAYS = datetime.min.replace(tzinfo=UTC)
"""Written at this moment is what is good for its time, whatever is written."""


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


class _Entry(Generic[Value]):
    """A value; who reads it holds the lock, so that others do not read it too."""

    __slots__ = ("at_us", "lock", "value", "written")

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.written: datetime | None = None
        self.at_us = 0
        self.value: Value | None = None


class KeptWhileWritten(Generic[Key, Value]):
    """Values by key, each good until the numbers that it is of are written again; bounded."""

    def __init__(self, most: int) -> None:
        """Keep so many; beyond, those that were not asked for longest go."""
        self._most = most
        self._entries: OrderedDict[Key, _Entry[Value]] = OrderedDict()
        self._lock = threading.Lock()

    def __contains__(self, key: Key) -> bool:
        with self._lock:
            return key in self._entries

    def value(
        self,
        key: Key,
        written: datetime,
        now_us: int,
        read: Callable[[], Value],
        again_us: int = AGAIN_US,
    ) -> Value:
        """Return it, read where numbers written at that moment have not been; raises what it does.

        While somebody reads it anew, others are given what was there before. A value of newer
        numbers is good too: whoever asked for when they were written asked before.
        """
        entry = self._entry(key)
        if not entry.lock.acquire(blocking=entry.value is None):
            before = entry.value
            if before is None:
                raise AssertionError("a value that was read is there for good")
            return before
        try:
            value, known = entry.value, entry.written
            old = known is None or known < written or now_us - entry.at_us >= again_us
            if value is None or old:
                value = read()
                entry.value, entry.written, entry.at_us = value, written, now_us
            return value
        finally:
            entry.lock.release()

    def _entry(self, key: Key) -> _Entry[Value]:
        with self._lock:
            entry = self._entries.setdefault(key, _Entry())
            self._entries.move_to_end(key)
            while len(self._entries) > self._most:
                self._entries.popitem(last=False)
            return entry
