"""Extranonce1 values: one owner each, and handed back to a miner that reconnects."""

from collections import OrderedDict
from dataclasses import dataclass

from kench.pool.coinbase import EXTRANONCE1_COUNTER_BITS as COUNTER_BITS
from kench.pool.errors import KenchError
from kench.pool.settings import FRONT_NUMBER_MAX
from kench.stratum.contract import Resumable

_COUNTER_RANGE = 1 << COUNTER_BITS
# Ended sessions remembered, and for how long: miners resubmit for 120 s (A2.7).
RESUMABLE_MAX = 20_000
RESUMABLE_S = 300.0


class ExtranoncesExhaustedError(KenchError):
    """Every extranonce1 of this front is in use."""


@dataclass(frozen=True, slots=True)
class _Ended:
    left: Resumable
    at: float


class Extranonces:
    """Allocates the four bytes, a little-endian number of counter and front number (A2.8).

    No two fronts of a pool ever give the same value, and what changes from one value to the next
    comes first.
    """

    def __init__(self, front_number: int) -> None:
        if not 0 <= front_number <= FRONT_NUMBER_MAX:
            raise ExtranoncesExhaustedError(
                f"front {front_number} is beyond {FRONT_NUMBER_MAX}: set KENCH_INSTANCE lower"
            )
        self._high_bits = front_number << COUNTER_BITS
        self._next = 1
        self._taken: set[bytes] = set()
        self._ended: OrderedDict[str, _Ended] = OrderedDict()

    def take(self) -> bytes:
        """Return a value that no live connection has."""
        for _ in range(len(self._taken) + 1):
            value = (self._high_bits | self._next).to_bytes(4, "little")
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


def front_of(extranonce1: bytes) -> int:
    """Return the number of the front that gave a value."""
    return int.from_bytes(extranonce1, "little") >> COUNTER_BITS
