"""The sale's loop: one process of a database sells, others stand by."""

import threading
from collections.abc import Callable
from contextlib import closing

import structlog
from sqlalchemy.exc import IntegrityError

from kench.pool.database import first_line
from kench.pool.holder import Holder
from kench.sale.daily import Daily
from kench.sale.desk import Desk
from kench.sale.executor import Executor
from kench.sale.wishes import Wishes

IDLE_S = 0.2
"""Wait between two turns."""
RETRY_MAX_S = 30.0

log = structlog.get_logger("kench.sale")


class SaleService:
    """Turns of the executor for as long as this process is the one that sells."""

    def __init__(
        self,
        holder: Holder,
        desk: Desk,
        executor: Callable[[], Executor],
        wishes: Wishes | None = None,
    ) -> None:
        """Prepare it; what the desk writes goes through the holder's engine."""
        self._holder = holder
        self._desk = desk
        self._executor = executor
        self._daily = Daily(desk)
        self._wishes = wishes

    def run(self, stop: threading.Event) -> None:
        """Work until `stop` is set; lost connections are made again."""
        self._holder.run(stop, lambda: self._work(stop))

    def _work(self, stop: threading.Event) -> None:
        """Sell for as long as this is the one sale of the database."""
        log.info("selling", venues=sorted(self._desk.venues))
        try:
            # Closed under the lease still: the next one begins when all is at rest.
            with closing(self._executor()) as executor:
                while not stop.is_set():
                    self._daily.look(executor)
                    if self._wishes is not None:
                        self._wishes.look()
                    executor.turn()
                    stop.wait(IDLE_S)
        except IntegrityError as refusal:
            log.critical("PostgreSQL refused what the sale wrote: run `kench audit`",
                         why=first_line(refusal), retry_s=RETRY_MAX_S)  # fmt: skip
            stop.wait(RETRY_MAX_S)
