"""A thread that forgets, hour by hour, what nobody signed within its time."""

import sqlalchemy as sa
import structlog
from sqlalchemy.exc import SQLAlchemyError

from kench.cabinet.personal.forgetting import Forgotten, forget_old
from kench.pool.clock import Clock
from kench.pool.looking import Looking

PERIOD_S = 3600.0
ROUNDS_MAX = 50
"""Transactions in one look; what is left waits for the next."""
DAY_US = 86_400_000_000

log = structlog.get_logger("cabinet")


class Retention(Looking):
    """Looks each hour until it is stopped; several processes may, side by side."""

    def __init__(self, engine: sa.Engine, clock: Clock, kept_d: int) -> None:
        """Create it; `start` begins."""
        self._engine = engine
        self._clock = clock
        self._kept_us = kept_d * DAY_US
        super().__init__("retention")

    def look(self) -> Forgotten:
        """Forget what is over now; return what went. Never raises for an absent database."""
        all_gone = Forgotten()
        try:
            for _ in range(ROUNDS_MAX):
                with self._engine.begin() as db:
                    gone = forget_old(db, self._clock.now_us(), self._kept_us)
                if not any(gone):
                    break
                all_gone = Forgotten(*map(sum, zip(all_gone, gone, strict=True)))
        except SQLAlchemyError as error:
            log.warning("nothing could be forgotten", why=str(error).partition("\n")[0])
        if any(all_gone):
            log.info("forgotten", **all_gone._asdict())
        return all_gone

    def _run(self) -> None:
        while not self._stop.wait(PERIOD_S):
            self.look()
