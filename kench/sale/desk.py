"""What the sale works with: the database, the orders in force, venues, screening, the clock."""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field

import sqlalchemy as sa

from kench.pool.clock import Clock
from kench.pool.orders.book import NoOrderError, OrderBook
from kench.sale.lots import Lot
from kench.sale.machine import LotState
from kench.sale.screening.port import Screening
from kench.sale.venues.port import Capabilities, Venue, VenueRefusedError

CAPABILITIES_AGE_S = 600.0
"""What a venue's market can do is asked again after so long."""
SECOND_US = 1_000_000


@dataclass(frozen=True, slots=True)
class Fault:
    """Why nothing may be accepted or sold at a venue now."""

    state: LotState
    words: str
    order_number: int | None = None


def do_nothing() -> None:
    """Lead without asking: of a command that people run."""


@dataclass
class Desk:
    """No transaction is open while anything here speaks to a venue or a provider."""

    transact: Callable[[], AbstractContextManager[sa.Connection]]
    clock: Clock
    orders: Callable[[], OrderBook]
    venues: Mapping[str, Venue]
    screenings: Mapping[str, Screening]
    look: Callable[[], AbstractContextManager[sa.Connection]] | None = None
    """For what is one query: a connection without a transaction around it."""
    snapshots: Callable[[], AbstractContextManager[sa.Connection]] | None = None
    """For what reads the books as of one moment: transactions whose isolation may be set."""
    require_lead: Callable[[], None] = do_nothing
    """Sees that nobody else sells, before what cannot be taken back; raises LeaseLostError."""
    _capabilities: dict[str, tuple[float, Capabilities]] = field(default_factory=dict)

    def read(self) -> AbstractContextManager[sa.Connection]:
        """Return what one query is asked through; a transaction where there is nothing lighter."""
        return (self.look or self.transact)()

    def snapshot(self) -> AbstractContextManager[sa.Connection]:
        """Return a transaction that nothing was asked in yet."""
        return (self.snapshots or self.transact)()

    def now_us(self) -> int:
        """Return Unix microseconds."""
        return self.clock.now_us()

    def capabilities(self, venue: Venue) -> Capabilities:
        """Return what a venue's market can do, as it said not long ago."""
        now_s = self.clock.monotonic()
        known = self._capabilities.get(venue.name)
        if known is None or now_s - known[0] > CAPABILITIES_AGE_S:
            known = now_s, venue.capabilities()
            self._capabilities[venue.name] = known
        return known[1]

    def fault(self, lot: Lot) -> Fault | None:
        """Return why a lot's venue may not be used now; None where it may. Asks the venue."""
        try:
            licence = self.orders().licence_of(lot.venue, self.now_us())
        except NoOrderError as missing:
            return Fault(LotState.LICENCE_LAPSED, str(missing))
        if licence is None:
            return Fault(LotState.LICENCE_LAPSED, f"venue {lot.venue} has no licence in force")
        venue = self.venues.get(lot.venue)
        if venue is None:
            words = f"venue {lot.venue} is not among those that the settings name"
            return Fault(LotState.DELISTED, words)
        try:
            can = self.capabilities(venue)
        except VenueRefusedError as refusal:
            return Fault(LotState.DELISTED, str(refusal))
        if not (can.client_ids and can.immediate_or_cancel):
            words = f"venue {lot.venue} has no orders that can be looked up by our id"
            return Fault(LotState.DELISTED, words)
        return None
