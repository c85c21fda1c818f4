"""A lease in PostgreSQL: which one of several processes does a kind of work, and since when.

Its row is written anew by its holder again and again. Who sees the same row for `ttl_s` takes it
and raises its epoch (`kench.pool.watched`). A holder whose connection is gone is not waited for:
each keeps an advisory lock, the line, which ends with its connection. The line only says who may be
gone; what holds is the epoch, which each transaction of a holder names (migration 0054).
"""

import contextlib
import os
import socket
from dataclasses import dataclass
from enum import IntEnum

import sqlalchemy as sa
import structlog
from sqlalchemy.exc import DBAPIError

from kench.pool.clock import Clock
from kench.pool.database import PERMISSION_DENIED, first_line
from kench.pool.errors import KenchError
from kench.pool.watched import Watched

LEASE_S = 10.0
"""Without a renewal for so long a lease is anybody's."""
FENCE_LOCK = 0x6C656173
"""First key of the lock that transactions of a holder share ("leas"); migration 0054 has it too."""
LINE_LOCK = 0x6C696E65
"""First key of the lock that lives with a holder's connection ("line")."""
END_MS = 2000
"""How long PostgreSQL is waited for to end a backend."""

_LOOK = sa.text("SELECT epoch, beat, holder FROM leases WHERE number = :number")
_TAKE = sa.text("""
    UPDATE leases SET epoch = epoch + 1, beat = beat + 1, holder = :holder,
        taken_at = clock_timestamp(), renewed_at = clock_timestamp()
    WHERE (number, epoch, beat) = (:number, :epoch, :beat) RETURNING epoch
""")
_RENEW = sa.text("""
    UPDATE leases SET beat = beat + 1, renewed_at = clock_timestamp()
    WHERE (number, epoch, holder) = (:number, :epoch, :holder) RETURNING epoch
""")
_RELEASE = sa.text("""
    UPDATE leases SET beat = beat + 1, holder = NULL
    WHERE (number, epoch, holder) = (:number, :epoch, :holder) RETURNING epoch
""")
_END_OTHERS = sa.text("""
    SELECT pid, pg_terminate_backend(pid, :ms) AS ended FROM (
        SELECT DISTINCT pid FROM pg_locks
        WHERE locktype = 'advisory' AND objsubid = 2 AND granted AND pid <> pg_backend_pid()
            AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
            AND classid IN (:fence, :line) AND objid = :number
    ) AS others
""")

log = structlog.get_logger("lease")


class Work(IntEnum):
    """Works that one process of a database does; the numbers are those of the table `leases`."""

    SETTLE = 1
    SELL = 2
    ALERTS = 3
    PUSHES = 4


class LeaseLostError(KenchError):
    """Another process does this work now; nothing more of ours is committed."""


@dataclass(frozen=True, slots=True)
class Seen:
    """The row of a lease."""

    epoch: int
    beat: int
    holder: str | None


def this_process() -> str:
    """Return how a process is called in the row of a lease."""
    return f"{socket.gethostname()} process {os.getpid()}"


class Lease:
    """One process's part in a lease: taken, renewed and let go by one thread at a time.

    `is_held`, `epoch` and `fence` may be used by any. It has a connection of its own, made again
    where it was lost; all that asks PostgreSQL raises SQLAlchemy's DBAPIError and TimeoutError.
    """

    def __init__(
        self, engine: sa.Engine, work: Work, holder: str, ttl_s: float, clock: Clock
    ) -> None:
        self._engine = engine
        self._work = work
        self._holder = holder
        self._watched = Watched[Seen](ttl_s, clock)
        self._connection: sa.Connection | None = None
        self._has_line = False
        self._epoch: int | None = None

    @property
    def is_held(self) -> bool:
        """Whether nobody who looked on can have taken it before this moment, by our clock.

        One that finds our connection ended, before we do, may have.
        """
        return self._watched.is_held

    @property
    def epoch(self) -> int | None:
        """The epoch that we have, as far as we know; None where we have none."""
        return self._epoch

    @property
    def seen(self) -> Seen | None:
        """The row as it was when it was last looked at; None before."""
        return self._watched.seen

    def take(self) -> bool:
        """Look at it, and take it where it is free; whether it is ours now."""
        connection = self._connected()
        seen = self._look(connection)
        is_stale = self._watched.look(seen)
        if not (self._try_line(connection) or is_stale or seen.holder is None):
            return False
        if is_stale and seen.holder is not None:
            self._end_others(connection)
        began_s = self._watched.begin()
        epoch = self._raise_epoch(connection, seen)
        if epoch is None:
            return False
        self._epoch = epoch
        self._watched.hold(began_s)
        return True

    def renew(self) -> bool:
        """Say that we live; False where the lease was taken from us."""
        began_s = self._watched.begin()
        connection = self._connected()
        self._try_line(connection)
        if not self._write(connection, _RENEW):
            self._lose()
            self._watched.look(self._look(connection))
            return False
        self._watched.hold(began_s)
        return True

    def release(self) -> bool:
        """Let it go, so that another need not wait; False where it was taken from us."""
        if self._epoch is None:
            return False
        self._watched.lose()  # from the write on it may be another's
        try:
            return self._write(self._connected(), _RELEASE)
        finally:
            self._lose()

    def close(self) -> None:
        """End the connection, and the line with it."""
        self._lose()
        connection, self._connection = self._connection, None
        self._has_line = False
        if connection is not None:
            with contextlib.suppress(DBAPIError):
                # The line ends with the connection: it must not go back to be used again.
                connection.invalidate()
            connection.close()

    def fence(self, connection: sa.Connection) -> None:
        """Begin a transaction of the work: whoever takes the lease over ends or outwaits it.

        Raises LeaseLostError where the lease is another's by now.
        """
        held = (
            self._epoch is not None
            and connection.exec_driver_sql(
                "SELECT hold_lease(%s, %s)", (int(self._work), self._epoch)
            ).scalar()
        )
        if not held:
            self._lose()
            row = connection.execute(_LOOK, {"number": self._work}).one()
            raise LeaseLostError(
                f"{row.holder or 'nobody'} has the lease {self._work.name} at epoch {row.epoch}: "
                "nothing more of ours is committed"
            )

    def _look(self, connection: sa.Connection) -> Seen:
        with connection.begin():
            row = connection.execute(_LOOK, {"number": self._work}).one()
        return Seen(row.epoch, row.beat, row.holder)

    def _lose(self) -> None:
        self._epoch = None
        self._watched.lose()

    def _connected(self) -> sa.Connection:
        if self._connection is None or self._connection.invalidated:
            self._has_line = False
            if self._connection is not None:
                self._connection.close()
                self._connection = None
            self._connection = self._engine.connect()
        return self._connection

    def _try_line(self, connection: sa.Connection) -> bool:
        if not self._has_line:
            with connection.begin():
                lock = sa.func.pg_try_advisory_lock(LINE_LOCK, int(self._work))
                self._has_line = bool(connection.execute(sa.select(lock)).scalar_one())
        return self._has_line

    def _end_others(self, connection: sa.Connection) -> None:
        """End what a holder that says nothing has left open in PostgreSQL."""
        asked = {"fence": FENCE_LOCK, "line": LINE_LOCK, "number": self._work, "ms": END_MS}
        try:
            with connection.begin():
                # The role of the work may end nobody; who connected may end its own connections.
                connection.exec_driver_sql("SET LOCAL ROLE NONE")
                ended = connection.execute(_END_OTHERS, asked).all()
        except DBAPIError as refused:
            if getattr(refused.orig, "pgcode", None) != PERMISSION_DENIED:
                raise
            log.warning("a stale holder's transaction cannot be ended: PostgreSQL does within 60 s",
                        lease=self._work.name, why=first_line(refused))  # fmt: skip
            return
        if ended:
            log.warning("a stale holder's connections ended", lease=self._work.name,
                        backends=[row.pid for row in ended])  # fmt: skip

    def _raise_epoch(self, connection: sa.Connection, seen: Seen) -> int | None:
        """Return the new epoch; None where a transaction of the old one is open, or another won."""
        with connection.begin():
            lock = sa.func.pg_try_advisory_xact_lock(FENCE_LOCK, int(self._work))
            if not connection.execute(sa.select(lock)).scalar_one():
                return None
            values = {"epoch": seen.epoch, "beat": seen.beat, "holder": self._holder}
            epoch: int | None = connection.execute(
                _TAKE, values | {"number": self._work}
            ).scalar_one_or_none()
            return epoch

    def _write(self, connection: sa.Connection, statement: sa.TextClause) -> bool:
        values = {"number": self._work, "epoch": self._epoch, "holder": self._holder}
        with connection.begin():
            return connection.execute(statement, values).scalar_one_or_none() is not None
