"""Connections without a login, the oldest first: who gives its place when all are taken."""

from collections import OrderedDict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kench.stratum.connection import Connection

# A connection keeps its place for so long, whatever it says: time enough for a slow line.
PLACE_KEPT_S = 5.0
# So many that wait for us are passed over before a newcomer is turned away instead.
PASSED_OVER_MAX = 8


class Newcomers:
    """Keeps them in the order in which they came; each call is the same work however many."""

    def __init__(self) -> None:
        self._waiting: OrderedDict[Connection, None] = OrderedDict()

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self._waiting)

    def add(self, connection: "Connection") -> None:
        """Take in a connection that was accepted."""
        self._waiting[connection] = None

    def discard(self, connection: "Connection") -> None:
        """Forget one that logged in or ended."""
        self._waiting.pop(connection, None)

    def take_oldest(self, now: float) -> "Connection | None":
        """Take out one that has had its time; None where nobody is to give way.

        Who waits for its turn is not late by its own doing, and goes to the end.
        """
        for _ in range(min(PASSED_OVER_MAX, len(self._waiting))):
            oldest = next(iter(self._waiting))
            if now - oldest.since < PLACE_KEPT_S:
                return None
            if oldest.resting or not oldest.is_kept_waiting:
                del self._waiting[oldest]
                return oldest
            self._waiting.move_to_end(oldest)
        return None
