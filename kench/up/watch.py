"""Watching the pool for the people at the terminal: a thread reads the status each second.

It also notices that the database does not answer any more, and has it started again.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import structlog
from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from kench.commands.status_view import read_status
from kench.pool.errors import KenchError
from kench.pool.looking import Looking

PERIOD_S = 1.0
JOIN_S = 3.0
FAILURES_MAX = 3
"""So many readings in a row without an answer mean that the database is down."""
BLOCKS_SHOWN = 5

log = structlog.get_logger("up")


class Watch(Looking):
    """The latest status, at most a second old while the database answers."""

    def __init__(
        self, engine: Engine, journal_directory: Path, revive: Callable[[], None] | None
    ) -> None:
        """Prepare the thread; `revive` starts the database again, None where it is not ours."""
        self._engine = engine
        self._journal_directory = journal_directory
        self._revive = revive
        self._latest: dict[str, Any] | None = None
        self._failures = 0
        super().__init__("watch", JOIN_S)

    @property
    def latest(self) -> dict[str, Any] | None:
        """The object of `kench status --json`, with the last few blocks; None at first."""
        return self._latest

    def _run(self) -> None:
        while not self._stop.wait(PERIOD_S):
            try:
                with self._engine.connect() as connection:
                    self._latest = read_status(
                        connection, self._journal_directory, blocks_max=BLOCKS_SHOWN
                    )
                self._failures = 0
            except (SQLAlchemyError, KenchError, OSError) as error:
                self._see_failure(error)

    def _see_failure(self, error: Exception) -> None:
        self._failures += 1
        log.warning("status cannot be read", why=str(error).partition("\n")[0])
        if self._failures % FAILURES_MAX or self._revive is None or self._stop.is_set():
            return
        try:
            self._revive()
        except KenchError as fault:
            log.error("database does not start", why=str(fault))
