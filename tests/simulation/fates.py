"""The one source of chance of a story, what it does to calls, and the trace of all of it."""

import random
import zlib
from enum import StrEnum

from kench.pool.clock import ManualClock
from tests.support.orders import MOMENT_US


class Died(BaseException):
    """The process that runs is killed."""


class Fault(StrEnum):
    """What can become of a call to the database or to somebody else's server."""

    LOST_BEFORE = "lost before"
    """The connection is gone, and nothing was done."""
    LOST_AFTER = "lost after"
    """It was done, and the answer is lost with the connection."""
    TIMEOUT = "timeout"
    """Of the database: the statement is cancelled. Of HTTP: nobody answers, nothing was done."""
    DIES_BEFORE = "dies before"
    DIES_AFTER = "dies after"
    """The process that called is killed, before the call or when it was done."""
    REFUSED = "refused"
    """HTTP: there is nobody at the address."""
    CUT = "cut"
    """HTTP: it was done, and the answer breaks off."""
    GARBLED = "garbled"
    """HTTP: it was done, and the answer is no JSON."""
    LATE = "late"
    """HTTP: nobody answers; the request arrives later, when the caller has given up."""
    TWICE = "twice"
    """HTTP: the request arrives twice, and one of the two answers comes back."""
    UNAVAILABLE = "unavailable"
    """HTTP: 503, and nothing was done."""
    BUSY = "busy"
    """HTTP: 429, and nothing was done."""


OF_DATABASE = (Fault.LOST_BEFORE, Fault.LOST_AFTER, Fault.TIMEOUT, Fault.DIES_BEFORE,
               Fault.DIES_AFTER)  # fmt: skip
OF_HTTP = tuple(Fault)
OF_NODE = (Fault.LOST_BEFORE, Fault.TIMEOUT, Fault.REFUSED, Fault.GARBLED, Fault.DIES_BEFORE)
OF_FILES = (Fault.DIES_BEFORE,)
BEGIN_US = MOMENT_US + 36_000_000_000
"""Ten in the morning, when rules of the orders are in force."""
FAULTS_MAX = 4
CALLS_BETWEEN = (2, 6, 20, 60)
"""Calls between two faults of a story, in the mean; one of these for each story."""
FOCUSES = {
    "": 4, "settle": 2, "sell": 2, "commit": 3, "orders": 5, "paper": 2, "local": 1, "node": 1,
    "payout": 2, "take": 1,
}  # fmt: skip
"""What the faults of a story are about, by the name of who calls or is called, and how often: one
that fails everything early seldom comes to a payout."""
CALLS_BETWEEN_PAUSES = (15, 60, 200)


class Fates:
    """Draws whatever a story leaves to chance; the seed is all there is to it."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.clock = ManualClock(BEGIN_US)
        self.draw = random.Random(f"story {seed}")
        self.trace: list[str] = []
        self.happened: list[Fault] = []
        self.faults_left = self.draw.randrange(FAULTS_MAX + 1)
        self.has_pauses = self.draw.random() < 0.5
        self._focus = self.draw.choices(list(FOCUSES), list(FOCUSES.values()))[0]
        self._between = self.draw.choice(CALLS_BETWEEN) * (1 if self._focus else 4)
        self._pauses = self.draw.choice(CALLS_BETWEEN_PAUSES)
        self._fault_in = self._next(self._between)
        self._pause_in = self._next(self._pauses)

    def say(self, *words: object) -> None:
        """Keep a line of the trace."""
        self.trace.append(f"{self.clock.monotonic():.6f} " + " ".join(map(str, words)))

    def fault(self, names: str, kinds: tuple[Fault, ...], weight: int = 1) -> Fault | None:
        """Return what goes wrong with a call, mostly nothing; a call weighs as so many.

        `names` are those of who calls and who is called.
        """
        if self._focus not in names:
            return None
        self._fault_in -= weight
        if self._fault_in > 0 or not self.faults_left:
            return None
        self._fault_in = self._next(self._between)
        self.faults_left -= 1
        fault = self.draw.choice(kinds)
        self.happened.append(fault)
        self.say("FAULT", fault)
        return fault

    def is_paused(self) -> bool:
        """Whether others run before the next call is made."""
        if not self.has_pauses:
            return False
        self._pause_in -= 1
        if self._pause_in > 0:
            return False
        self._pause_in = self._next(self._pauses)
        return True

    def calm(self) -> None:
        """Let nothing go wrong from here on."""
        self.say("calm")
        self.faults_left, self.has_pauses = 0, False

    def _next(self, mean: float) -> float:
        return 1 + self.draw.expovariate(1 / mean)


def digest(said: bytes | str) -> str:
    """Return what a trace has in the place of long words."""
    raw = said if isinstance(said, bytes) else said.encode()
    return f"{zlib.crc32(raw):08x}"
