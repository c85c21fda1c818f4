"""The one process of a database that does a kind of work; others stand by and take over."""

import threading
from collections.abc import Callable

import sqlalchemy as sa
import structlog
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from kench.pool.backoff import Backoff
from kench.pool.database import first_line

log = structlog.get_logger("holder")


class Holder:
    """Holds an advisory lock for as long as its connection lives, and works meanwhile."""

    def __init__(self, engine: sa.Engine, lock_key: int, work_name: str, backoff: Backoff) -> None:
        self._engine = engine
        self._lock_key = lock_key
        self._work_name = work_name
        self._backoff = backoff

    def run(self, stop: threading.Event, work: Callable[[sa.Connection], None]) -> None:
        """Call `work` with the connection that holds the lock, again where it is lost.

        `work` returns when `stop` is set, and raises DBAPIError where the connection is lost; other
        errors of its end all.
        """
        while not stop.is_set():
            try:
                with self._engine.connect() as connection:
                    try:
                        held = self._take(connection)
                        if held:
                            self._backoff.succeed()
                            work(connection)
                    finally:
                        # The lock ends with the connection: it must not go back to be used again.
                        connection.invalidate()
            except (DBAPIError, PoolTimeoutError) as away:
                wait_s = self._backoff.fail()
                log.warning("database away", why=first_line(away), retry_s=wait_s)
                stop.wait(wait_s)
            else:
                if not held:
                    wait_s = self._backoff.fail()
                    words = f"another {self._work_name} is at work, standing by"
                    log.warning(words, retry_s=wait_s)
                    stop.wait(wait_s)

    def _take(self, connection: sa.Connection) -> bool:
        """Try to take the lock; False where another process has it."""
        with connection.begin():
            got = connection.execute(sa.select(sa.func.pg_try_advisory_lock(self._lock_key)))
            return bool(got.scalar_one())
