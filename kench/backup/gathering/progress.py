"""How gathering fares, kept by its one thread for whoever tells metrics."""

from collections import Counter
from collections.abc import Sequence
from enum import StrEnum
from typing import NamedTuple

from kench.backup.gathering.gathered import DivergedError, GapError
from kench.pool.clock import Clock
from kench.pool.journal.remote import RemoteState
from kench.pool.nats.cluster import ClusterAwayError, ClusterRefusedError


class Reason(StrEnum):
    """What keeps journals from being gathered; each is tried again."""

    CLUSTER_AWAY = "cluster-away"
    CLUSTER_REFUSES = "cluster-refuses"
    GAP = "gap"
    DIVERGED = "diverged"
    DISK = "disk"
    OTHER = "other"


def reason_of(error: Exception) -> Reason:
    """Return which one an error is."""
    match error:
        case ClusterAwayError():
            return Reason.CLUSTER_AWAY
        case ClusterRefusedError():
            return Reason.CLUSTER_REFUSES
        case GapError():
            return Reason.GAP
        case DivergedError():
            return Reason.DIVERGED
        case OSError():
            return Reason.DISK
    return Reason.OTHER


class JournalStand(NamedTuple):
    """How far the copy of one journal is."""

    number: int
    state: RemoteState
    records: int
    complete_us: int
    """No record before this time comes any more."""


class Progress:
    """What was gathered since the start, and where the copies stand; values are replaced whole."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.journals: Sequence[JournalStand] = ()
        """As of the last turn that ended well."""
        self.lacking: frozenset[int] = frozenset()
        """Journals whose fronts are asked for what the stream lost."""
        self.messages = self.set_aside = 0
        """Taken since the start; of journals that were declared lost."""
        self.troubles: Counter[Reason] = Counter(dict.fromkeys(Reason, 0))
        self.reason: Reason | None = None
        """What is in the way now, and `why` in words; None where nothing is."""
        self.why: str | None = None
        self._turned_s = clock.monotonic()

    @property
    def turn_age_s(self) -> float:
        """Since a turn ended well."""
        return self._clock.monotonic() - self._turned_s

    def still_s(self, journal: JournalStand) -> float:
        """Return for how long a journal's time stands still."""
        return max(0.0, (self._clock.now_us() - journal.complete_us) / 1_000_000)

    def turned(self, taken: int, journals: Sequence[JournalStand], lacking: frozenset[int]) -> None:
        """A turn ended well."""
        self.messages += taken
        self.journals, self.lacking = journals, lacking
        self.reason = self.why = None
        self._turned_s = self._clock.monotonic()

    def failed(self, error: Exception) -> None:
        """One did not."""
        self.reason = reason_of(error)
        self.why = str(error) or type(error).__name__
        self.troubles[self.reason] += 1
