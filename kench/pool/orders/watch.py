"""The order book of a running process: loaded and checked at start, followed in a thread.

What was accepted stays accepted. If the database comes to hold anything else (an order changed,
taken away, or not signed as it must be), the last sound book stays in force, and `fault` says what
is wrong until it is mended: that is an alarm. While the database is away the book stays too.
"""

from collections.abc import Callable

import sqlalchemy as sa
import structlog
from sqlalchemy.exc import SQLAlchemyError

from kench.pool.database import first_line
from kench.pool.errors import KenchError
from kench.pool.looking import Looking
from kench.pool.orders.book import OrderBook
from kench.pool.orders.register import load_orders
from kench.pool.signature.verifier import Verifier

LOOK_S = 2.0

log = structlog.get_logger("orders")


class OrderWatch(Looking):
    """Load first, then start; `book` and `fault` may be read by any thread."""

    def __init__(self, engine: sa.Engine, verifier: Verifier) -> None:
        self._engine = engine
        self._verifier = verifier
        self._on_change: Callable[[OrderBook], None] | None = None
        self._book: OrderBook | None = None
        self._fault: str | None = None
        self._away = False
        super().__init__("orders")

    @property
    def book(self) -> OrderBook:
        """The orders in force; those of before there were any until they are loaded."""
        return self._book or OrderBook()

    @property
    def fault(self) -> str | None:
        """What is wrong with the orders in the database, None while nothing is."""
        return self._fault

    def load(self) -> OrderBook:
        """Read and check all orders; raises OrderUnsoundError, and SQLAlchemyError.

        A process that starts does not go on where this raises.
        """
        with self._engine.connect() as connection:
            self._book = load_orders(connection, self._verifier, self._book)
        return self._book

    def start(self, on_change: Callable[[OrderBook], None] | None = None) -> None:
        """Look for new orders from now on; `on_change` is called in the thread of the watch."""
        self._on_change = on_change
        self._thread.start()

    def look(self) -> None:
        """Look once; never raises for what the database holds, or for one that is away."""
        newest = self.book.newest
        try:
            book = self.load()
        except SQLAlchemyError as error:
            if not self._away:
                log.warning("orders cannot be read", why=first_line(error))
            self._away = True
        except KenchError as unsound:
            self._alarm(str(unsound))
        else:
            self._away, self._fault = False, None
            if book.newest != newest:
                log.info("orders accepted", newest=book.newest)
                if self._on_change is not None:
                    self._on_change(book)

    def _alarm(self, why: str) -> None:
        if self._fault != why:
            log.critical("orders not followed, the last sound ones stay in force", why=why)
        self._fault = why

    def _run(self) -> None:
        while not self._stop.wait(LOOK_S):
            try:
                self.look()
            except Exception as broken:  # noqa: BLE001 - ended, it would follow no order, unnoticed
                self._alarm(f"orders cannot be followed: {broken!r}")
