"""The hand-over to settlement: a sold lot becomes what its participants are owed."""

from collections.abc import Callable

import sqlalchemy as sa

from kench.payouts.proceeds.write import Lot as SoldLot
from kench.payouts.proceeds.write import settle_lot
from kench.pool.clock import Clock
from kench.pool.moments import moment_of
from kench.pool.orders.book import OrderBook
from kench.sale.lots import Lot


def settle(orders: Callable[[], OrderBook], clock: Clock) -> Callable[[sa.Connection, Lot], object]:
    """Return what settles a sold lot in its caller's transaction."""

    def settle_one(connection: sa.Connection, lot: Lot) -> object:
        sold = SoldLot(lot.block_hash, lot.vout)
        return settle_lot(connection, sold, orders(), moment_of(clock.now_us()))

    return settle_one
