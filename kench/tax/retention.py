"""Rows about requests that are older than they are kept go, a bounded number at a time."""

import sqlalchemy as sa
import structlog
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from kench.pool.database import first_line
from kench.pool.looking import Looking
from kench.pool.moments import moment_of
from kench.tax.provider import Provider
from kench.tax.tables import tax_answers, tax_requests

THREADS = 1
PERIOD_S = 3600.0
AT_ONCE = 1000
DAY_US = 86_400_000_000

log = structlog.get_logger("tax")


class Retention(Looking):
    """Looks each hour until it is stopped."""

    def __init__(self, provider: Provider) -> None:
        super().__init__("retention")
        self._provider = provider

    def look(self) -> int:
        """Forget what is old; return how many rows that were."""
        settings, clock = self._provider.settings, self._provider.clock
        before = moment_of(clock.now_us() - settings.tax_log_d * DAY_US)
        gone = 0
        with self._provider.engine.begin() as db:
            old = sa.select(tax_requests.c.id).where(tax_requests.c.at < before)
            old = old.order_by(tax_requests.c.at).limit(AT_ONCE)
            chosen = tax_requests.c.id.in_(old.scalar_subquery())
            gone += db.execute(sa.delete(tax_requests).where(chosen)).rowcount
            key = sa.tuple_(tax_answers.c.client, tax_answers.c.xroad_id)
            stale = sa.select(tax_answers.c.client, tax_answers.c.xroad_id)
            stale = stale.where(tax_answers.c.at < before).order_by(tax_answers.c.at).limit(AT_ONCE)
            gone += db.execute(sa.delete(tax_answers).where(key.in_(stale))).rowcount
        return gone

    def _run(self) -> None:
        wait_s = 0.0
        while not self._stop.wait(wait_s):
            wait_s = PERIOD_S
            try:
                if self.look() >= AT_ONCE:
                    wait_s = 1.0
            except (DBAPIError, PoolTimeoutError) as away:
                log.warning("database away", why=first_line(away), retry_s=PERIOD_S)
            except Exception:  # No fault of one look may end them, unnoticed.
                log.exception("forgetting old requests broke")
