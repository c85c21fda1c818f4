"""Income records of `kench settle`: yesterday's are formed some minutes after Bishkek's midnight.

In a thread of its own, with a connection of its own. What goes wrong is told and tried again, later
and later; a transaction that began before midnight has committed or been given up by then.
"""

import contextlib
import threading
from datetime import date, timedelta

import sqlalchemy as sa
import structlog
from sqlalchemy.exc import SQLAlchemyError

from kench.payouts.income.errors import IncomeError, PeriodClosedError
from kench.payouts.income.generate import QUIET_US, generate
from kench.payouts.income.progress import Turn, keep_turn
from kench.pool.backoff import Backoff
from kench.pool.calendar import day_at
from kench.pool.clock import Clock
from kench.pool.database import first_line
from kench.pool.moments import moment_of

LOOK_S = 20.0
MONTHS_BACK = 2
"""So many months are looked at for what they lack; older ones by `kench income generate`."""
_DAY = timedelta(days=1)

log = structlog.get_logger("kench.payouts")


class IncomeMaker:
    """Forms what the last months lack, once a day and after each start."""

    def __init__(self, engine: sa.Engine, clock: Clock) -> None:
        self._engine = engine
        self._clock = clock
        self._done: date | None = None

    def start(self, stop: threading.Event) -> threading.Thread:
        """Work in a daemon thread until `stop` is set."""
        thread = threading.Thread(target=self._run, args=(stop,), name="income", daemon=True)
        thread.start()
        return thread

    def turn(self) -> int:
        """Form what is due; returns how many records. Raises IncomeError, SQLAlchemyError.

        A month that cannot be formed keeps no other from it.
        """
        now_us = self._clock.now_us()
        last = day_at(now_us - QUIET_US) - _DAY
        if self._done == last:
            return 0
        made, trouble, began = 0, None, self._clock.monotonic()
        for period in _periods(last):
            try:
                with self._engine.begin() as db:
                    formed = generate(db, period, now_us)
            except PeriodClosedError:
                continue
            except IncomeError as error:
                trouble = trouble or error
                continue
            made += formed.records
            log.info("income formed", period=period, records=formed.records, until=str(last))
        took_s = self._clock.monotonic() - began
        if trouble is not None:
            self._keep(Turn(made, took_s, fault=str(trouble)))
            raise trouble
        self._keep(Turn(made, took_s, until=last))
        self._done = last
        return made

    def _keep(self, turn: Turn) -> None:
        with self._engine.begin() as db:
            keep_turn(db, turn, moment_of(self._clock.now_us()))

    def _keep_fault(self, why: str) -> None:
        """Keep that a turn broke off, where the database takes it."""
        with contextlib.suppress(SQLAlchemyError):
            self._keep(Turn(0, 0.0, fault=why))

    def _run(self, stop: threading.Event) -> None:
        backoff = Backoff(self._clock)
        while not stop.is_set():
            try:
                self.turn()
            except IncomeError as trouble:
                wait_s = backoff.fail()
                log.critical("income not formed", why=str(trouble), retry_s=wait_s)
                stop.wait(wait_s)
            except SQLAlchemyError as away:
                wait_s = backoff.fail()
                log.warning("no income for now", why=first_line(away), retry_s=wait_s)
                self._keep_fault(first_line(away))
                stop.wait(wait_s)
            except Exception as fault:  # No fault of one turn may end the forming, unnoticed.
                wait_s = backoff.fail()
                log.exception("forming income broke", retry_s=wait_s)
                self._keep_fault(type(fault).__name__)
                stop.wait(wait_s)
            else:
                backoff.succeed()
                stop.wait(LOOK_S)


def _periods(last: date) -> list[str]:
    """The months up to a day's own, the oldest first."""
    found = [last]
    while len(found) < MONTHS_BACK:
        found.append(found[-1].replace(day=1) - _DAY)
    return [f"{day:%Y-%m}" for day in reversed(found)]
