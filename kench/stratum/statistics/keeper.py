"""The thread that keeps the statistics: reads the journals, hears the fronts, writes PostgreSQL."""

import fcntl
import os
import queue
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import psycopg2
import sqlalchemy as sa
import structlog
from sqlalchemy.exc import SQLAlchemyError

from kench.pool.clock import Clock
from kench.pool.database import Role, first_line, open_engine
from kench.pool.journal import JournalError
from kench.pool.settings import Settings
from kench.stratum.statistics.former_hours import fill_hours
from kench.stratum.statistics.gathering import HASHRATES, HOUR_S, SHORT, Gathering
from kench.stratum.statistics.history import (
    PositionMovedError,
    add_credited,
    read_positions,
    roll_up,
)
from kench.stratum.statistics.journals import Journals
from kench.stratum.statistics.live import LiveRows, LiveWriter, PoolNumbers
from kench.stratum.statistics.network import NetworkHours
from kench.stratum.statistics.origins import OriginBook, forget_old
from kench.stratum.statistics.outcomes import Outcome
from kench.stratum.statistics.partitions import Retention, keep_partitions
from kench.stratum.statistics.restore import restore
from kench.stratum.statistics.sessions import SessionBook, decode
from kench.stratum.user_agents import Tally

POLL_S = 1.0
# Messages of fronts that may wait for the thread; past it they are refused.
WAITING_MAX = 4096
# After a fault (PostgreSQL away) it is tried again this much later.
RETRY_S = 5.0
# A day of many workers takes a while to be summed.
STATEMENT_S = 300.0
LOCK_NAME = "statistics.lock"

# COPY goes past SQLAlchemy, whose errors are of another family.
DATABASE_FAULTS = (SQLAlchemyError, psycopg2.Error)

log = structlog.get_logger("stratum")


@dataclass(frozen=True, slots=True)
class KeeperSettings:
    """What the settings say of statistics."""

    journals: Path
    run_directory: Path
    source: int  # the first front number of this machine
    live_s: float
    retention: Retention


class Keeper:
    """Keeps the statistics of all journals of a data folder; of several processes one at a time.

    What is not said to be called by others runs in its own thread.
    """

    def __init__(self, settings: KeeperSettings, engine: sa.Engine, clock: Clock) -> None:
        self._settings = settings
        self._engine = engine
        self._clock = clock
        self._inbox: queue.Queue[Callable[[], None]] = queue.Queue(WAITING_MAX)
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self._lock: int | None = None
        self._book = SessionBook()
        self._live = LiveWriter(settings.source)
        self._network = NetworkHours()
        self._origins = OriginBook()
        self._gathering: Gathering | None = None
        self._journals: Journals | None = None
        self._live_due_s = self._hour_due_s = self._retry_due_s = 0.0
        self._fault: str | None = None
        self._faults = 0

    # -- called by others -------------------------------------------------------------------

    def start(self) -> None:
        """Begin."""
        self._thread = threading.Thread(target=self._run, name="statistics", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Write what was gathered and end; another process may go on from there."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join()
        self._engine.dispose()

    def take_sessions(self, front: int, body: bytes) -> bool:
        """Hear what a front tells of its sessions; False where it must be told anew later."""
        return self._hear(lambda: self._book.take(front, decode(body)))

    def take_origins(self, body: bytes) -> bool:
        """Hear from which addresses participants mine; False where it must be told anew later."""
        return self._hear(lambda: self._origins.take(body))

    def front_gone(self, front: int) -> bool:
        """Hear that a front has ended: so have its sessions."""
        return self._hear(lambda: self._book.drop(front))

    def refuse(self, tally: Tally) -> bool:
        """Hear of refusals; the history has them by way of the reports."""
        return self._hear(lambda: self._refuse(tally))

    def take_target(self, nbits: int, block_target: int) -> None:
        """Hear of a job how hard its block is."""
        self._network.hear(self._now_s(), nbits, block_target)

    def status(self) -> dict[str, Any]:
        """Return what operators should know."""
        gathering, thread = self._gathering, self._thread
        return {
            "running": gathering is not None and (thread is None or thread.is_alive()),
            "workers": len(gathering.workers) - 1 if gathering is not None else 0,
            "fault": self._fault,
            "faults": self._faults,
        }

    def _hear(self, what: Callable[[], None]) -> bool:
        try:
            self._inbox.put_nowait(what)
        except queue.Full:
            return False
        return True

    def _refuse(self, tally: Tally) -> None:
        if self._gathering is not None:
            self._gathering.refuse(tally, self._now_s())

    # -- the thread -------------------------------------------------------------------------

    def _run(self) -> None:
        while not self._stopping.wait(POLL_S):
            self.turn()
        self.end()

    def turn(self) -> None:
        """Do what is due; a fault is told once and tried again later."""
        self.drain()
        self._network.note(self._now_s())
        if self._clock.monotonic() < self._retry_due_s:
            return
        try:
            self._work()
        except PositionMovedError as moved:
            log.warning("statistics begin again", why=str(moved))
            self._let_go()
        except (*DATABASE_FAULTS, JournalError, OSError) as fault:
            self._retry_due_s = self._clock.monotonic() + RETRY_S
            kind = type(fault).__name__
            if kind != self._fault:
                log.error("statistics wait", kind=kind, why=first_line(fault))
            self._fault = kind
            self._faults += 1
        else:
            if self._fault is not None:
                log.info("statistics go on")
            self._fault = None

    def end(self) -> None:
        """Write what was gathered, if that can be, and let another process go on."""
        try:
            if self._gathering is not None and self._journals is not None:
                self._flush(self._gathering, self._journals)
        except (*DATABASE_FAULTS, PositionMovedError) as fault:
            # It is read again from the journals, where it still is.
            log.warning("last statistics not written", error=type(fault).__name__)
        self._let_go()
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def drain(self) -> None:
        """Act on what was heard."""
        for _ in range(WAITING_MAX):
            try:
                heard = self._inbox.get_nowait()
            except queue.Empty:
                return
            try:
                heard()
            except ValueError as broken:
                log.error("what a front told was not understood", why=str(broken))

    def _work(self) -> None:
        if self._lock is None and not self._claim():
            return
        if self._gathering is None or self._journals is None:
            self._begin()
        gathering, journals = self._gathering, self._journals
        if gathering is None or journals is None:
            raise AssertionError("statistics that began are not there")
        self._network.write(self._engine)
        now_s = self._now_s()
        journals.look(now_s)
        gathering.advance(now_s)
        while not self._stopping.is_set():
            more = journals.read(gathering, now_s)
            if journals.bucket_is_over(now_s):
                self._flush(gathering, journals)
                journals.next_bucket(now_s)
                roll_up(self._engine, now_s)
                more = True
                if journals.bucket_end_s > now_s:
                    more = journals.read(gathering, now_s)
            if not more:
                break
            now_s = self._now_s()
            gathering.advance(now_s)
        if self._clock.monotonic() >= self._live_due_s:
            self._live_due_s = self._clock.monotonic() + self._settings.live_s
            self._write_live(gathering, self._now_s())
            self._origins.write(self._engine)
        if self._clock.monotonic() >= self._hour_due_s:
            self._hour_due_s = self._clock.monotonic() + HOUR_S
            self._each_hour(gathering)

    def _claim(self) -> bool:
        """Be the one process that keeps this folder's statistics, if nobody else is."""
        self._settings.run_directory.mkdir(parents=True, exist_ok=True)
        lock = os.open(self._settings.run_directory / LOCK_NAME, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(lock)
            return False
        self._lock = lock
        return True

    def _begin(self) -> None:
        """Take back what the history has, and go on reading from there."""
        now_s = self._now_s()
        gathering = Gathering()
        with self._engine.begin() as connection:
            keep_partitions(connection, self._settings.retention)
            positions = read_positions(connection)
            restore(connection, gathering, now_s)
        journals = Journals(self._settings.journals, positions, now_s)
        longest = max(
            step_s * steps for name, (step_s, steps) in HASHRATES.items() if name in SHORT
        )
        journals.replay(gathering, longest, now_s)
        if filled := fill_hours(self._engine, self._settings.journals, now_s):
            log.info("difficulty of past hours taken from archived jobs", hours=filled)
        self._live.forget()
        self._gathering, self._journals = gathering, journals
        roll_up(self._engine, now_s)

    def _let_go(self) -> None:
        if self._journals is not None:
            self._journals.close()
        self._gathering = self._journals = None

    def _flush(self, gathering: Gathering, journals: Journals) -> None:
        """Put the open buckets and the positions they stand for into the history, as one."""
        before, after = journals.positions()
        if not after:
            return
        with self._engine.begin() as connection:
            add_credited(connection, gathering.credited(), before, after)
        journals.stored(after)
        gathering.buckets.clear()

    def _write_live(self, gathering: Gathering, now_s: float) -> None:
        participants, workers = self._book.workers()
        rows = gathering.rows_of(participants, workers)
        sessions = self._book.by_row(rows, len(gathering.workers))
        counted = gathering.counted()
        hashrates = gathering.hashrates(now_s)
        last_share_us = gathering.last_shares()
        live = LiveRows(
            participant=gathering.workers.participants,
            worker=gathering.workers.workers,
            **{f"hashrate_{name}": rates for name, rates in hashrates.items()},
            **{outcome.name.lower(): counted[outcome] for outcome in Outcome},
            last_share_us=last_share_us,
            sessions=sessions.sessions,
            session_since_us=sessions.since_us,
            difficulty=sessions.difficulty,
            user_agent=sessions.user_agent,
            user_agents=self._book.user_agents,
        )
        pool = PoolNumbers(
            len(self._book),
            {name: float(rates.sum()) for name, rates in hashrates.items()},
            gathering.shares_per_s(now_s),
        )
        with self._engine.begin() as connection:
            self._live.write(connection, live, pool, now_s)

    def _each_hour(self, gathering: Gathering) -> None:
        with self._engine.begin() as connection:
            dropped = keep_partitions(connection, self._settings.retention)
            forgotten = forget_old(connection, self._settings.retention.addresses_d)
        if forgotten:
            log.info("old addresses forgotten", days_of_participants=forgotten)
        if dropped:
            log.info("old statistics dropped", partitions=dropped)
        if gathering.forget_idle(np.unique(self._book.workers()[1])):
            self._live.forget()

    def _now_s(self) -> float:
        return self._clock.now_us() / 1e6


def keeper_of(settings: Settings, clock: Clock) -> Keeper:
    """Return the keeper for a data folder, with connections of its own."""
    url = settings.database_url
    engine = open_engine(
        url.get_secret_value() if url else "",
        Role.STRATUM,
        application_name="kench statistics",
        pool_size=2,
        statement_timeout_s=STATEMENT_S,
    )
    retention = Retention(
        settings.history_ten_minutes_d,
        settings.history_hours_d,
        settings.history_days_d,
        settings.history_addresses_d,
    )
    chosen = KeeperSettings(
        settings.journal_directory.parent,
        settings.run_directory,
        settings.instance,
        settings.statistics_live_s,
        retention,
    )
    return Keeper(chosen, engine, clock)
