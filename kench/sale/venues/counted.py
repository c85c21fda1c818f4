"""A venue whose answers are counted: how many of which kind, and for how long it has failed."""

import threading
from collections import Counter
from collections.abc import Callable, Sequence
from decimal import Decimal
from enum import StrEnum
from typing import TypeVar

from kench.pool.clock import Clock
from kench.sale.venues.port import (
    Balance,
    Book,
    Capabilities,
    Deposit,
    Fees,
    Fill,
    OrderView,
    Venue,
    VenueBusyError,
    VenueError,
    VenueRefusedError,
    VenueUnreadableError,
)

T = TypeVar("T")


class Outcome(StrEnum):
    """How a question ended."""

    ANSWERED = "answered"
    REFUSED = "refused"
    BUSY = "busy"
    """It takes no more now, or could not be reached: nothing was sent."""
    UNREADABLE = "unreadable"
    SILENT = "silent"


# A venue that says no has taken the question.
TAKEN = frozenset({Outcome.ANSWERED, Outcome.REFUSED})


def outcome_of(trouble: VenueError) -> Outcome:
    """Return how a question ended that raised this."""
    match trouble:
        case VenueBusyError():
            return Outcome.BUSY
        case VenueRefusedError():
            return Outcome.REFUSED
        case VenueUnreadableError():
            return Outcome.UNREADABLE
    return Outcome.SILENT


class CountedVenue:
    """Asks the venue that it is made of, and counts; raises what that one raises."""

    def __init__(self, venue: Venue, clock: Clock) -> None:
        self._venue = venue
        self._clock = clock
        self._lock = threading.Lock()
        self._outcomes: Counter[Outcome] = Counter(dict.fromkeys(Outcome, 0))
        self._failing_s: float | None = None

    @property
    def name(self) -> str:
        """Its name in the orders of the authorised body."""
        return self._venue.name

    @property
    def outcomes(self) -> dict[Outcome, int]:
        """How many questions ended how, since the start; for any thread."""
        with self._lock:
            return dict(self._outcomes)

    @property
    def failing_s(self) -> float:
        """For how long it has taken no question; 0 where it took the last one."""
        since_s = self._failing_s
        return 0.0 if since_s is None else self._clock.monotonic() - since_s

    def capabilities(self) -> Capabilities:
        """Return what its market can do."""
        return self._counted(self._venue.capabilities)

    def deposits(self, since_us: int) -> Sequence[Deposit]:
        """Return deposits that it saw first at or after this moment, oldest first."""
        return self._counted(lambda: self._venue.deposits(since_us))

    def balance(self) -> Balance:
        """Return what it holds for us."""
        return self._counted(self._venue.balance)

    def book(self) -> Book:
        """Return the order book of now."""
        return self._counted(self._venue.book)

    def fees(self) -> Fees:
        """Return what it takes."""
        return self._counted(self._venue.fees)

    def place_limit_ioc(
        self, client_id: str, amount_sat: int, limit_price: Decimal, intended_us: int
    ) -> OrderView:
        """Sell at once what buyers take at `limit_price` or more; signed as of `intended_us`."""
        return self._counted(
            lambda: self._venue.place_limit_ioc(client_id, amount_sat, limit_price, intended_us)
        )

    def look_up(self, client_id: str) -> OrderView | None:
        """Return the order of this id; None if the venue has none."""
        return self._counted(lambda: self._venue.look_up(client_id))

    def cancel(self, client_id: str) -> OrderView | None:
        """Cancel what is open of an order and return it; None if the venue has none."""
        return self._counted(lambda: self._venue.cancel(client_id))

    def fills(self, client_id: str) -> Sequence[Fill]:
        """Return the trades of an order, oldest first."""
        return self._counted(lambda: self._venue.fills(client_id))

    def fills_since(self, since_us: int) -> Sequence[Fill]:
        """Return all our trades at or after this moment, oldest first."""
        return self._counted(lambda: self._venue.fills_since(since_us))

    def _counted(self, ask: Callable[[], T]) -> T:
        try:
            answer = ask()
        except VenueError as trouble:
            self._count(outcome_of(trouble))
            raise
        self._count(Outcome.ANSWERED)
        return answer

    def _count(self, outcome: Outcome) -> None:
        with self._lock:
            self._outcomes[outcome] += 1
            if outcome in TAKEN:
                self._failing_s = None
            elif self._failing_s is None:
                self._failing_s = self._clock.monotonic()
