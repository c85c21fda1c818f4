"""The sale's loop: one process of a database sells, others stand by."""

import threading
from collections.abc import Callable, Sequence
from contextlib import closing

import structlog
from sqlalchemy.exc import IntegrityError

from kench.pool.database import first_line
from kench.pool.holder import Holder
from kench.sale.daily import Daily
from kench.sale.desk import Desk
from kench.sale.executor import Executor
from kench.sale.lots import Unfinished
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
        self._unfinished: Sequence[Unfinished] | None = None
        self._turned_s = desk.clock.monotonic()

    # What these tell is for any thread.

    @property
    def is_at_work(self) -> bool:
        """Whether this is the one sale of the database."""
        return self._holder.is_held

    @property
    def turn_age_s(self) -> float:
        """Since a turn over all lots ended, or the lease was taken."""
        return self._desk.clock.monotonic() - self._turned_s

    @property
    def unfinished(self) -> Sequence[Unfinished] | None:
        """Lots that are not at an end, as the last turn read them; None before the first."""
        return self._unfinished

    @property
    def differences(self) -> dict[str, int]:
        """How many the last reconciliation of each venue found."""
        return dict(self._daily.differences)

    @property
    def why(self) -> str | None:
        """What keeps this process from its work, None where nothing does."""
        return "PostgreSQL does not answer" if self._holder.is_away else None

    def run(self, stop: threading.Event) -> None:
        """Work until `stop` is set; lost connections are made again."""
        self._holder.run(stop, lambda: self._work(stop))

    def _work(self, stop: threading.Event) -> None:
        """Sell for as long as this is the one sale of the database."""
        log.info("selling", venues=sorted(self._desk.venues))
        self._turned_s = self._desk.clock.monotonic()
        try:
            # Closed under the lease still: the next one begins when all is at rest.
            with closing(self._executor()) as executor:
                while not stop.is_set():
                    self._daily.look(executor)
                    if self._wishes is not None:
                        self._wishes.look()
                    executor.turn()
                    self._unfinished = executor.unfinished
                    self._turned_s = self._desk.clock.monotonic()
                    stop.wait(IDLE_S)
        except IntegrityError as refusal:
            log.critical("PostgreSQL refused what the sale wrote: run `kench audit`",
                         why=first_line(refusal), retry_s=RETRY_MAX_S)  # fmt: skip
            stop.wait(RETRY_MAX_S)
