"""The sale's loop: one process of a database sells, others stand by."""

import threading
from collections.abc import Callable
from contextlib import closing

import sqlalchemy as sa
import structlog
from sqlalchemy.exc import IntegrityError

from kench.pool.backoff import Backoff
from kench.pool.database import first_line
from kench.pool.holder import Holder
from kench.sale.daily import Daily
from kench.sale.desk import Desk
from kench.sale.executor import Executor
from kench.sale.wishes import Wishes

SALE_LOCK = 0x6B656E63685F6C
"""Key of the advisory lock that the one sale of a database holds ("kench_l" in ASCII)."""
IDLE_S = 0.2
"""Wait between two turns."""
RETRY_MAX_S = 30.0

log = structlog.get_logger("kench.sale")


class SaleService:
    """Turns of the executor for as long as this process is the one that sells."""

    def __init__(
        self,
        engine: sa.Engine,
        desk: Desk,
        executor: Callable[[], Executor],
        wishes: Wishes | None = None,
    ) -> None:
        self._engine = engine
        self._desk = desk
        self._executor = executor
        self._daily = Daily(desk)
        self._wishes = wishes

    def run(self, stop: threading.Event) -> None:
        """Work until `stop` is set; lost connections are made again."""
        backoff = Backoff(self._desk.clock, RETRY_MAX_S)
        holder = Holder(self._engine, SALE_LOCK, "sale", backoff)
        holder.run(stop, lambda connection: self._work(connection, stop))

    def _work(self, connection: sa.Connection, stop: threading.Event) -> None:
        """Sell for as long as this is the one sale of the database."""
        log.info("selling", venues=sorted(self._desk.venues))
        try:
            # Closed under the lock still: the next one begins when all is at rest.
            with closing(self._executor()) as executor:
                while not stop.is_set():
                    with connection.begin():
                        connection.execute(sa.text("SELECT 1"))  # the lock's connection still lives
                    self._daily.look(executor)
                    if self._wishes is not None:
                        self._wishes.look()
                    executor.turn()
                    stop.wait(IDLE_S)
        except IntegrityError as refusal:
            log.critical("PostgreSQL refused what the sale wrote: run `kench audit`",
                         why=first_line(refusal), retry_s=RETRY_MAX_S)  # fmt: skip
            stop.wait(RETRY_MAX_S)
