"""The order book as settlement sees it: read again in the transaction where orders have come."""

from collections.abc import Callable

import sqlalchemy as sa

from kench.pool.orders.book import OrderBook
from kench.pool.orders.register import accepted_digests, load_orders
from kench.pool.signature.verifier import Verifier


class OrdersInForce:
    """Keeps the book that was loaded last; its orders are never taken back.

    Where there are no orders nobody's signature is asked for, and no authority needs to be set.
    """

    def __init__(self, verifier_of: Callable[[], Verifier]) -> None:
        self._verifier_of = verifier_of
        self._book = OrderBook()

    def on(self, connection: sa.Connection) -> OrderBook:
        """Return all orders accepted so far.

        Raises OrderUnsoundError, also where one that was accepted is there no more: what orders
        say is not known then, and nothing may be booked by them.
        """
        if accepted_digests(connection) != self._book.digests:
            self._book = load_orders(connection, self._verifier_of(), self._book)
        return self._book
