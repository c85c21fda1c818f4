"""Miners of a soak: each acknowledged share is remembered by a number, each answer is timed."""

import array
from collections import Counter
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks.load.client import Login
from benchmarks.reload import Crowd, Miner, Share

_MASK = (1 << 64) - 1
# Odd numbers without pattern: a share's number is a sum of its parts' products with them.
_JOB, _ONE, _TWO = 0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9
# Answers timed since they were last asked for, at most.
TIMED_MAX = 100_000


def number_of(share: Share) -> int:
    """Return a share's number, 64 bits: no two of millions have the same but by rare chance."""
    key, one, two = share
    parts = key * _JOB + int.from_bytes(one, "little") * _ONE + int.from_bytes(two, "little") * _TWO
    return parts & _MASK


def numbers_of(records: npt.NDArray[np.void]) -> npt.NDArray[np.uint64]:
    """Return the numbers of a journal's records."""
    one = np.ascontiguousarray(records["extranonce1"]).view("<u4").ravel().astype(np.uint64)
    two = np.ascontiguousarray(records["extranonce2"]).view("<u8").ravel()
    key = records["job_key"].astype(np.uint64)
    parts: npt.NDArray[np.uint64] = (
        key * np.uint64(_JOB) + one * np.uint64(_ONE) + two * np.uint64(_TWO)
    )
    return parts


class SoakMiner(Miner):
    """Times its answers."""

    def __init__(self, crowd: "SoakCrowd", number: int) -> None:
        super().__init__(crowd, number)
        self._soak = crowd
        self._asked_at: dict[int, float] = {}

    def connection_lost(self, exc: Exception | None) -> None:
        self._asked_at.clear()  # what is sent again is not timed
        super().connection_lost(exc)

    def submit(self) -> bool:
        if not super().submit():
            self._soak.unserved_now += 1
            return False
        self._asked_at[self._asked] = self.crowd.loop.time()
        return True

    def _hear(self, message: dict[str, Any]) -> None:
        asked_at = self._asked_at.pop(message.get("id") or 0, None)
        if asked_at is not None:
            self._soak.time(self.crowd.loop.time() - asked_at)
        super()._hear(message)


class SoakCrowd(Crowd):
    """All miners of a soak, of several participants."""

    def __init__(self, port: int, logins: list[Login], count: int, rate: float) -> None:
        self._logins = logins
        self._numbers = array.array("Q")
        self._latencies: list[float] = []
        self.unserved_now = 0
        """Shares that nobody was there to take, since the start."""
        super().__init__(port, logins[0], count, rate)

    def miner(self, number: int) -> Miner:
        return SoakMiner(self, number)

    def login_of(self, number: int) -> Login:
        return self._logins[number % len(self._logins)]

    def accept(self, share: Share) -> None:
        self._numbers.append(number_of(share))

    def time(self, seconds: float) -> None:
        """Note how long an answer took."""
        if len(self._latencies) < TIMED_MAX:
            self._latencies.append(seconds)

    def take_latencies(self) -> list[float]:
        """Return the seconds of the answers since this was last asked."""
        latencies, self._latencies = self._latencies, []
        return latencies

    @property
    def acknowledged(self) -> int:
        """Shares answered `true` since the start."""
        return len(self._numbers)

    @property
    def numbers(self) -> npt.NDArray[np.uint64]:
        """Their numbers."""
        return np.frombuffer(self._numbers, np.uint64)

    @property
    def refused_total(self) -> Counter[str]:
        """Refusals since the start, by their words."""
        return self.refused
