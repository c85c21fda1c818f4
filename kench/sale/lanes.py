"""Lanes: the lots of one venue, walked by one thread at a time, so that none waits for another.

A venue that answers slowly, or not at all, holds up its own lane. Lanes share nothing but the
database; what two of them may not do at once is under its locks.
"""

from collections.abc import Callable, Collection
from collections.abc import Set as AbstractSet
from concurrent import futures
from dataclasses import dataclass
from typing import ParamSpec, TypeVar

from kench.pool.clock import Clock
from kench.sale.lots import Lot, LotKey
from kench.sale.machine import LotState
from kench.sale.screened import Screener

VENUES_AT_ONCE = 8
"""Lanes that are walked at a time; further venues take turns."""
RETRY_MIN_S = 2.0
RETRY_MAX_S = 300.0
P = ParamSpec("P")
T = TypeVar("T")


class InPlace(futures.Executor):
    """Does what it is given before it returns: one thing after another, in the caller's thread."""

    def submit(  # what it is given, it does: here is no queue
        self, task: Callable[P, T], /, *arguments: P.args, **named: P.kwargs
    ) -> futures.Future[T]:
        """Return what was done."""
        done: futures.Future[T] = futures.Future()
        try:
            done.set_result(task(*arguments, **named))
        except Exception as error:  # noqa: BLE001 - raised where the result is asked for
            done.set_exception(error)
        return done


def retry_s(failures: int) -> float:
    """Return how long to wait after so many failures in a row."""
    return min(RETRY_MAX_S, RETRY_MIN_S * 2.0 ** min(failures - 1, 16))


@dataclass(slots=True)
class _Due:
    at_s: float
    version: int
    failures: int = 0


class Schedule:
    """When each lot is looked at again; one that moved is due at once."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._due: dict[LotKey, _Due] = {}

    def is_due(self, lot: Lot) -> bool:
        """Whether a lot is to be looked at now."""
        due = self._due.get(lot.key)
        return due is None or due.version != lot.version or self._clock.monotonic() >= due.at_s

    def later(self, lot: Lot, seconds: float) -> None:
        """Look again after `seconds`."""
        self._due[lot.key] = _Due(self._clock.monotonic() + seconds, lot.version)

    def failed(self, lot: Lot, at_least_s: float = 0.0) -> float:
        """Look again after a while that doubles with each failure; return the seconds."""
        due = self._due.get(lot.key)
        failures = due.failures + 1 if due is not None and due.version == lot.version else 1
        wait_s = max(at_least_s, retry_s(failures))
        self._due[lot.key] = _Due(self._clock.monotonic() + wait_s, lot.version, failures)
        return wait_s

    def keep(self, lots: AbstractSet[LotKey]) -> None:
        """Forget lots that are at an end."""
        for key in self._due.keys() - lots:
            del self._due[key]


class Lane:
    """One venue's lots, and what is remembered of them between two walks."""

    def __init__(self, venue: str, clock: Clock, screener: Screener) -> None:
        self.venue = venue
        self.schedule = Schedule(clock)
        self.screener = screener
        self.asks_s = float("-inf")
        """When the venue may be asked for its deposits again, monotonic seconds."""
        self.unanswered = 0
        """So many times in a row it did not tell them."""
        self.queued: set[LotKey] = set()
        """Cleared lots that another one's turn kept from being sold."""
        self._task: futures.Future[None] | None = None

    def keep(self, lots: Collection[Lot]) -> None:
        """Forget what does not bear on these lots, all that are not at an end."""
        self.schedule.keep({lot.key for lot in lots})
        self.screener.keep({lot.key for lot in lots if lot.state is LotState.SCREENING})
        self.queued &= {lot.key for lot in lots if lot.state is LotState.CLEARED}

    def is_free(self) -> bool:
        """Whether nobody is in it; raises what its last walk ended with."""
        if self._task is None:
            return True
        if not self._task.done():
            return False
        task, self._task = self._task, None
        task.result()
        return True

    def start(self, threads: futures.Executor, walk: Callable[[], None]) -> None:
        """Begin a walk in a free lane; one that is over already is seen to at once."""
        self._task = threads.submit(walk)
        if self._task.done():
            self.is_free()

    def join(self) -> None:
        """Wait for the walk to end, however it does."""
        if self._task is not None:
            futures.wait([self._task])
