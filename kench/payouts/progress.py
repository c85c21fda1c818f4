"""How settlement fares, kept by its one thread for whoever tells metrics.

Each value is replaced whole, so that another thread reads one that was true.
"""

from collections import Counter
from collections.abc import Mapping
from enum import StrEnum
from typing import NamedTuple

from kench.pool.clock import Clock


class Stand(NamedTuple):
    """How far the books are behind one journal."""

    records: int
    """Durable and not booked."""
    oldest_us: int | None
    """Time of the first of them; None where there is none, or it was not read yet."""


class Trouble(StrEnum):
    """What keeps a turn from its end; each is tried again."""

    JOURNALS = "journals"
    ORDERS = "orders"
    CHAIN = "chain"


class Progress:
    """What settlement did since it started, and where it stands."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.records = self.blocks = self.repeats = 0
        """Booked since the start; shares that another journal had before."""
        self.troubles: Counter[Trouble] = Counter(dict.fromkeys(Trouble, 0))
        self.behind: Mapping[int, Stand] = {}
        """Of each journal, as of the last turn that ended well."""
        self.why: str | None = None
        """What keeps journals from being settled, in words; None where nothing does."""
        self._turned_s = self._chain_s = clock.monotonic()
        self._waits_s: float | None = None

    @property
    def turn_age_s(self) -> float:
        """Since a turn over the journals ended well, or the lease was taken."""
        return self._clock.monotonic() - self._turned_s

    @property
    def chain_age_s(self) -> float:
        """Since a node told of the chain, or the lease was taken."""
        return self._clock.monotonic() - self._chain_s

    @property
    def waits_s(self) -> float:
        """For how long something has held settlement up; 0 where nothing does."""
        since_s = self._waits_s
        return 0.0 if since_s is None else self._clock.monotonic() - since_s

    @property
    def behind_s(self) -> float:
        """Age of the oldest record that is durable and not booked; 0 where all are."""
        oldest_us = [one.oldest_us for one in self.behind.values() if one.oldest_us is not None]
        if not oldest_us:
            return 0.0
        return max(0.0, (self._clock.now_us() - min(oldest_us)) / 1_000_000)

    def began(self) -> None:
        """Count from here: the lease was taken."""
        self._turned_s = self._chain_s = self._clock.monotonic()

    def turned(self, behind: Mapping[int, Stand], waits_for: str | None) -> None:
        """A turn over the journals ended well."""
        self.behind = behind
        self._turned_s = self._clock.monotonic()
        self._say(waits_for)

    def failed(self, trouble: Trouble, why: str) -> None:
        """A turn over the journals did not."""
        self.troubles[trouble] += 1
        self._say(why)

    def saw_chain(self) -> None:
        """A node told of the chain."""
        self._chain_s = self._clock.monotonic()

    def _say(self, why: str | None) -> None:
        if why is None:
            self._waits_s = None
        elif self._waits_s is None:
            self._waits_s = self._clock.monotonic()
        self.why = why
