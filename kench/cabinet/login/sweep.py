"""A thread that forgets what is over: signing requests and logins, a bounded number at a time."""

import sqlalchemy as sa
import structlog
from sqlalchemy.exc import SQLAlchemyError

from kench.cabinet.login.guard import forget_allowances
from kench.cabinet.login.logins import forget_logins
from kench.cabinet.sign_on.requests import forget_sign_ons
from kench.cabinet.signing.requests import forget_requests
from kench.pool.clock import Clock
from kench.pool.looking import Looking

PERIOD_S = 60.0
ROUNDS_MAX = 20
"""Transactions in one look; what is left waits for the next."""
FORGETTING = (forget_requests, forget_logins, forget_sign_ons, forget_allowances)

log = structlog.get_logger("cabinet")


class Sweep(Looking):
    """Sweeps each minute until it is stopped; several processes may, side by side."""

    def __init__(self, engine: sa.Engine, clock: Clock) -> None:
        """Create it; `start` begins."""
        self._engine = engine
        self._clock = clock
        super().__init__("sweep")

    def look(self) -> int:
        """Forget what is over now; return how many rows. Never raises for an absent database."""
        gone = 0
        try:
            for _ in range(ROUNDS_MAX):
                with self._engine.begin() as db:
                    now_us = self._clock.now_us()
                    count = sum(forget(db, now_us) for forget in FORGETTING)
                gone += count
                if not count:
                    break
        except SQLAlchemyError as error:
            log.warning("nothing could be forgotten", why=str(error).partition("\n")[0])
        return gone

    def _run(self) -> None:
        while not self._stop.wait(PERIOD_S):
            self.look()
