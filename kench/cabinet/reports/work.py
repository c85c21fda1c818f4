"""What is done about reports by itself: they are made, and people are reminded of them.

A thread of its own: at a month's end there is work for minutes, and suspensions do not wait for it.
Of several cabinets on one database one at a time does it, under an advisory lock.
"""

from collections.abc import Callable

import sqlalchemy as sa
import structlog
from prometheus_client import CollectorRegistry, Gauge
from sqlalchemy.exc import SQLAlchemyError

from kench.cabinet.reports.aggregates import count_missing
from kench.cabinet.reports.making import make_some
from kench.cabinet.reports.reminding import remind_some
from kench.pool.calendar import WorkingDays, day_at
from kench.pool.clock import Clock
from kench.pool.errors import KenchError
from kench.pool.looking import Looking

LOOK_S = 60.0
WORK_THREADS = 1
"""Connections to PostgreSQL that it takes."""
WORK_LOCK = 0x6B656E6368727074
"""Key of the advisory lock of whoever does it ("kenchrpt")."""
PIECES_MAX = 10_000
"""Transactions of one look; the next goes on."""

log = structlog.get_logger("reports")
Piece = Callable[[sa.Connection, int, WorkingDays], int]


class ReportWork(Looking):
    """Looks each minute; `missing` counts reports whose day has passed."""

    def __init__(
        self,
        engine: sa.Engine,
        clock: Clock,
        calendar: Callable[[int], WorkingDays],
        registry: CollectorRegistry,
    ) -> None:
        """Take the calendar as it is known at a moment."""
        self._engine = engine
        self._clock = clock
        self._calendar = calendar
        self._away = False
        super().__init__("reports")
        self._gauge = Gauge(
            "kench_cabinet_reports_missing", "Reports that were due and are not filed",
            registry=registry,
        )  # fmt: skip
        self.missing = 0

    def look(self) -> int:
        """Look once; return how many reports were made and letters written."""
        now_us = self._clock.now_us()
        made = self._all(make_some, now_us)
        told = self._all(remind_some, now_us)
        with self._engine.connect() as db:
            self.missing = count_missing(db, day_at(now_us))
        self._gauge.set(self.missing)
        if made or told:
            log.info("reports looked after", made=made, told=told)
        return made + told

    def _all(self, piece: Piece, now_us: int) -> int:
        done = 0
        calendar = self._calendar(now_us)
        for _ in range(PIECES_MAX):
            with self._engine.begin() as db:
                if not db.scalar(sa.select(sa.func.pg_try_advisory_xact_lock(WORK_LOCK))):
                    return done
                step = piece(db, now_us, calendar)
            done += step
            if not step or self._stop.is_set():
                break
        return done

    def _run(self) -> None:
        while True:
            try:
                self.look()
                self._away = False
            except (SQLAlchemyError, KenchError) as error:
                if not self._away:
                    log.warning("reports cannot be made", why=str(error).partition("\n")[0])
                self._away = True
            except Exception:  # No fault of one report may end the looking for all.
                log.exception("the work on reports broke")
            if self._stop.wait(LOOK_S):
                return
