"""Extranonce1 values: one owner each, and handed back to a miner that reconnects."""

from collections import OrderedDict
from collections.abc import Iterable, Iterator
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
    sequence: int  # of the share after its last one


class Extranonces:
    """Allocates the four bytes, a little-endian number of counter and front number (A2.8).

    No two fronts of a pool ever give the same value, and what changes from one value to the next
    comes first. A value may live on another front than the one that gave it, when its miner
    reconnected there: it is away, and its own front gives it to nobody until it is back.
    """

    def __init__(self, front_number: int) -> None:
        if not 0 <= front_number <= FRONT_NUMBER_MAX:
            raise ExtranoncesExhaustedError(
                f"front {front_number} is beyond {FRONT_NUMBER_MAX}: set KENCH_INSTANCE lower"
            )
        self._number = front_number
        self._high_bits = front_number << COUNTER_BITS
        self._next = 1
        self._taken: set[bytes] = set()
        self._away: set[bytes] = set()
        self._ended: OrderedDict[str, _Ended] = OrderedDict()
        self._forgotten: list[bytes] = []

    def take(self) -> bytes:
        """Return a value that no live connection has, here or anywhere."""
        for _ in range(len(self._taken) + len(self._away) + 1):
            value = (self._high_bits | self._next).to_bytes(4, "little")
            self._next = (self._next + 1) % _COUNTER_RANGE
            if value not in self._taken and value not in self._away:
                self._taken.add(value)
                return value
        raise ExtranoncesExhaustedError("all extranonces are in use: lower KENCH_CONNECTIONS_MAX")

    def release(self, session_id: str, left: Resumable, now: float, sequence: int = 0) -> None:
        """Free a value when its session ends, remembering it for a while under the session's id.

        `sequence` is that of the first share after the session's last.
        """
        self._taken.discard(left.extranonce1)
        self._ended[session_id] = _Ended(left, now, sequence)
        while len(self._ended) > RESUMABLE_MAX:
            _, oldest = self._ended.popitem(last=False)
            self._forget(oldest)

    def resume(self, session_id: str, unused: bytes, now: float) -> Resumable | None:
        """Give an ended session's value to its successor, unless it is old or taken again.

        `unused` is the value that the successor had taken; it is free if another is given.
        """
        ended = self._pop(session_id, now)
        if ended is None:
            return None
        self.give_back(unused)
        self._taken.add(ended.left.extranonce1)
        return ended.left

    def give_back(self, value: bytes) -> None:
        """Free a value that no share was made with."""
        self._taken.discard(value)

    # -- across fronts ----------------------------------------------------------------------

    def shares_until(self, session_id: str) -> int | None:
        """Return the sequence that an ended session's last share is before; None if unknown."""
        ended = self._ended.get(session_id)
        return None if ended is None else ended.sequence

    def lend(self, session_id: str, now: float) -> Resumable | None:
        """Let another front have an ended session's value, once."""
        ended = self._pop(session_id, now)
        if ended is None:
            return None
        if front_of(ended.left.extranonce1) == self._number:
            self._away.add(ended.left.extranonce1)
        return ended.left

    def adopt(self, value: bytes) -> bool:
        """Take a value that was lent to this front; False if it is in use here."""
        if value in self._taken:
            return False
        self._away.discard(value)
        self._taken.add(value)
        return True

    def keep_away(self, values: Iterable[bytes]) -> None:
        """Learn of values of this front that live elsewhere, or may come to."""
        self._away.update(values)

    def returned(self, values: Iterable[bytes]) -> None:
        """Have values of this front back."""
        self._away.difference_update(values)

    def ended(self) -> Iterator[tuple[str, Resumable]]:
        """Yield the sessions that can be resumed."""
        for session_id, ended in self._ended.items():
            if ended.left.extranonce1 not in self._taken:
                yield session_id, ended.left

    def take_forgotten(self, now: float) -> list[bytes]:
        """Forget sessions that ended too long ago; return all values forgotten since last asked."""
        while self._ended:
            session_id, oldest = next(iter(self._ended.items()))
            if now - oldest.at <= RESUMABLE_S:
                break
            del self._ended[session_id]
            self._forget(oldest)
        forgotten, self._forgotten = self._forgotten, []
        return [value for value in forgotten if value not in self._taken]

    def _pop(self, session_id: str, now: float) -> _Ended | None:
        ended = self._ended.pop(session_id, None)
        if ended is None or ended.left.extranonce1 in self._taken:
            return None
        if now - ended.at > RESUMABLE_S:
            self._forget(ended)
            return None
        return ended

    def _forget(self, ended: _Ended) -> None:
        self._forgotten.append(ended.left.extranonce1)


def front_of(extranonce1: bytes) -> int:
    """Return the number of the front that gave a value."""
    return int.from_bytes(extranonce1, "little") >> COUNTER_BITS
