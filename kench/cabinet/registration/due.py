"""What falls due by itself, done by a thread of the cabinet; what is overdue is told, loudly.

Of several cabinets on one database one at a time does it, under an advisory lock.
"""

from datetime import date

import sqlalchemy as sa
import structlog
from prometheus_client import CollectorRegistry, Gauge
from sqlalchemy.exc import SQLAlchemyError

from kench.cabinet.measures.store import move_suspensions
from kench.cabinet.messages.circulars import tell_of_circulars
from kench.cabinet.registration.notice_store import take_effect
from kench.cabinet.registration.telling import tell_what_is_near
from kench.cabinet.registration.waiting import count_waiting, read_overdue
from kench.pool.calendar import day_at
from kench.pool.clock import Clock
from kench.pool.errors import KenchError
from kench.pool.looking import Looking

LOOK_S = 1.0
"""Suspensions begin at midnight, and the ports follow within two seconds."""
EVERY_S = 60.0
"""How often all is looked at while the day is the same: nothing but midnight makes it due."""
DUE_LOCK = 0x6B656E6368647565
"""Key of the advisory lock of whoever does what is due ("kenchdue")."""

log = structlog.get_logger("registration")


class DueWork(Looking):
    """Looks at midnight and each minute; `overdue` counts what should have been done already."""

    def __init__(self, engine: sa.Engine, clock: Clock, registry: CollectorRegistry) -> None:
        self._engine = engine
        self._clock = clock
        self._told: set[str] = set()
        self._away = False
        self._looked_on, self._looked_s = date.min, 0.0
        super().__init__("due work")
        self._gauge = Gauge(
            "kench_cabinet_overdue",
            "Applications undecided and notices not entered after their deadlines",
            registry=registry,
        )
        self.overdue = 0

    def is_time(self) -> bool:
        """Whether to look now: a day has begun, or a minute is over."""
        if day_at(self._clock.now_us()) != self._looked_on:
            return True
        return self._clock.monotonic() - self._looked_s >= EVERY_S

    def look(self) -> int:
        """Look once; return how much was done."""
        now_us = self._clock.now_us()
        done = 0
        while step := self._take(now_us):
            done += step
        with self._engine.begin() as db:
            tell_what_is_near(db, now_us)
        while self._tell_circulars(now_us):
            pass
        with self._engine.connect() as db:
            self._tell(db, now_us)
        self._looked_on, self._looked_s = day_at(now_us), self._clock.monotonic()
        if done:
            log.info("register moved", steps=done)
        return done

    def _take(self, now_us: int) -> int:
        """Do a bounded part of what is due; 0 where nothing is, or another cabinet does it."""
        with self._engine.begin() as db:
            if not db.scalar(sa.select(sa.func.pg_try_advisory_xact_lock(DUE_LOCK))):
                return 0
            # What a participant announced comes first: the authorised body's word is the last.
            return take_effect(db, now_us) + move_suspensions(db, now_us)

    def _tell_circulars(self, now_us: int) -> int:
        """Write a bounded number of letters of circulars; 0 where none are left to write."""
        with self._engine.begin() as db:
            return tell_of_circulars(db, now_us)

    def _tell(self, db: sa.Connection, now_us: int) -> None:
        today = day_at(now_us)
        late = read_overdue(db, today)
        for one in late:
            if one.what not in self._told:
                log.error("deadline missed", what=one.what, day=str(one.day))
        self._told = {one.what for one in late}
        self.overdue = count_waiting(db, today).overdue
        self._gauge.set(self.overdue)

    def _run(self) -> None:
        while not self._stop.wait(LOOK_S):
            try:
                if self.is_time():
                    self.look()
                self._away = False
            except (SQLAlchemyError, KenchError) as error:
                if not self._away:
                    log.warning("what is due cannot be done", why=str(error).partition("\n")[0])
                self._away = True
            except Exception:  # No fault of one case may end the looking for all.
                log.exception("what is due broke")
