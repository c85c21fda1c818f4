"""Extranonce1 values: one owner each, and handed back to a miner that reconnects."""

from collections import OrderedDict
from dataclasses import dataclass

from kench.pool.errors import KenchError
from kench.stratum.contract import Resumable

# Instance numbers that fit the last byte of an extranonce1.
INSTANCE_MAX = 255
_COUNTER_RANGE = 1 << 24
# Ended sessions remembered, and for how long: miners resubmit for 120 s (A2.7).
RESUMABLE_MAX = 20_000
RESUMABLE_S = 300.0


class ExtranoncesExhaustedError(KenchError):
    """Every extranonce1 of this instance is in use."""


@dataclass(frozen=True, slots=True)
class _Ended:
    left: Resumable
    at: float


class Extranonces:
    """Allocates the four bytes: a counter of three, low byte first, then the instance (A2.8)."""

    def __init__(self, instance: int) -> None:
        if not 0 <= instance <= INSTANCE_MAX:
            raise ExtranoncesExhaustedError(f"KENCH_INSTANCE must be 0 to {INSTANCE_MAX}")
        self._instance = instance
        self._next = 1
        self._taken: set[bytes] = set()
        self._ended: OrderedDict[str, _Ended] = OrderedDict()

    def take(self) -> bytes:
        """Return a value that no live connection has."""
        for _ in range(len(self._taken) + 1):
            value = self._next.to_bytes(3, "little") + bytes([self._instance])
            self._next = (self._next + 1) % _COUNTER_RANGE
            if value not in self._taken:
                self._taken.add(value)
                return value
        raise ExtranoncesExhaustedError("all extranonces are in use: lower KENCH_CONNECTIONS_MAX")

    def release(self, session_id: str, left: Resumable, now: float) -> None:
        """Free a value when its session ends, remembering it for a while under the session's id."""
        self._taken.discard(left.extranonce1)
        self._ended[session_id] = _Ended(left, now)
        while len(self._ended) > RESUMABLE_MAX:
            self._ended.popitem(last=False)

    def resume(self, session_id: str, unused: bytes, now: float) -> Resumable | None:
        """Give an ended session's value to its successor, unless it is old or taken again.

        `unused` is the value that the successor had taken; it is free if another is given.
        """
        ended = self._ended.pop(session_id, None)
        if ended is None or now - ended.at > RESUMABLE_S or ended.left.extranonce1 in self._taken:
            return None
        self.give_back(unused)
        self._taken.add(ended.left.extranonce1)
        return ended.left

    def give_back(self, value: bytes) -> None:
        """Free a value that no share was made with."""
        self._taken.discard(value)
