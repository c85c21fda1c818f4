"""Real connections to a real PostgreSQL, each of whose calls may fail before, after, or in time.

What is lost is rolled back at the server at once, and the connection kept for who connects next:
to the program a connection that was lost is closed, and a new one is new.
"""

from collections import defaultdict
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import psycopg2
import psycopg2.extensions
import sqlalchemy as sa

from kench.pool.database import Role, open_engine
from tests.simulation.fates import OF_DATABASE, Died, Fault, digest

if TYPE_CHECKING:
    from tests.simulation.processes import Scheduler

COMMIT_WEIGHT = 4
"""What goes wrong at a commit is the most telling."""
STATEMENT_TIMEOUT_S = 30.0
LOCK_TIMEOUT_MS = 3
"""Who waits for a lock waits for a process that does not run: it would wait to the end anyway."""
CANCEL = """DO $$ BEGIN RAISE EXCEPTION 'canceling statement due to statement timeout'
    USING ERRCODE = '57014'; END $$"""
GONE = "server closed the connection unexpectedly"
_WRITES = ("INSERT", "UPDATE", "DELETE", "WITH")


class Park:
    """Connections by role, used by one story after another."""

    def __init__(self) -> None:
        self.scheduler: Scheduler | None = None
        self.wrote = False
        """Whether anything was committed since the story last looked."""
        self._free: dict[str, list[Link]] = defaultdict(list)
        self._all: list[Link] = []

    def take(self, role: str, arguments: dict[str, Any]) -> "Link":
        """Return a connection as if it were new."""
        link = None
        while link is None:
            link = self._free[role].pop() if self._free[role] else self._make(role, arguments)
            if psycopg2.extensions.connection.closed.__get__(link):
                link = None  # who took a lease over had it ended
        link.autocommit = False
        link.is_lost = False
        if self.scheduler and self.scheduler.current:
            self.scheduler.current.held.append(link)
        return link

    def give(self, link: "Link") -> None:
        """Take back a connection that nobody uses any more."""
        if link not in self._free[link.role]:
            self._free[link.role].append(link)

    def end_story(self) -> None:
        """Take back all."""
        self.scheduler = None
        for link in self._all:
            link.lose()
            self.give(link)

    def close(self) -> None:
        """Close all for good."""
        for link in self._all:
            psycopg2.extensions.connection.close(link)

    def _make(self, role: str, arguments: dict[str, Any]) -> "Link":
        link: Link = psycopg2.connect(**arguments, connection_factory=Link, cursor_factory=Cursor)
        link.park, link.role = self, role
        self._all.append(link)
        return link


class Link(psycopg2.extensions.connection):
    """A connection whose calls the story looks at first."""

    park: Park
    role: str
    is_lost = False
    has_locks = False
    wrote = False

    @property
    def closed(self) -> int:  # type: ignore[override]
        return 1 if self.is_lost else super().closed

    def close(self) -> None:
        self.lose()
        self.park.give(self)

    def lose(self) -> None:
        """End it as the server does when nobody is at the other end any more."""
        if not self.is_lost and not super().closed:
            # Who takes a lease over ends the server's side, which is noticed only here.
            with suppress(psycopg2.OperationalError):
                self._let_go()
        self.is_lost, self.has_locks, self.wrote = True, False, False

    def _let_go(self) -> None:
        super().rollback()
        if self.has_locks:
            with super().cursor(cursor_factory=psycopg2.extensions.cursor) as cursor:
                cursor.execute("SELECT pg_advisory_unlock_all()")
            super().rollback()

    def commit(self) -> None:
        if self.status == psycopg2.extensions.STATUS_READY:
            return
        self.call("COMMIT", super().commit, COMMIT_WEIGHT)
        self.park.wrote |= self.wrote
        self.wrote = False

    def rollback(self) -> None:
        if self.is_lost:
            raise psycopg2.InterfaceError("connection already closed")
        self.wrote = False
        super().rollback()

    def call(
        self, what: str, carry_out: Callable[[], None], weight: int = 1,
        said: Callable[[], bytes] = bytes,
    ) -> None:  # fmt: skip
        """Carry out a call, or what the story makes of it."""
        scheduler = self.park.scheduler
        if scheduler is None:
            carry_out()
            return
        scheduler.before_call()
        if self.is_lost:
            raise psycopg2.InterfaceError("connection already closed")
        fault = scheduler.fault(OF_DATABASE, weight, called=what[:6].lower())
        if fault is Fault.LOST_BEFORE or (fault is Fault.TIMEOUT and what == "COMMIT"):
            self._break()
        if fault is Fault.TIMEOUT:
            scheduler.advance(STATEMENT_TIMEOUT_S)
            psycopg2.extensions.cursor.execute(self.cursor(), CANCEL)
        try:
            carry_out()
        except psycopg2.Error as error:
            words = str(error).partition("\n")[0]
            scheduler.fates.say(what.strip()[:40].replace("\n", " "), "->", words)
            raise
        scheduler.fates.say(what.strip()[:40].replace("\n", " "), digest(said()))
        if fault is Fault.LOST_AFTER:
            self.park.wrote |= self.wrote and what == "COMMIT"
            self._break()
        if fault is Fault.DIES_AFTER:
            self.park.wrote |= self.wrote and what == "COMMIT"
            scheduler.die()

    def _break(self) -> None:
        self.lose()
        raise psycopg2.OperationalError(GONE)


class Cursor(psycopg2.extensions.cursor):
    """A cursor of such a connection."""

    def execute(self, query: str, vars: Any = None) -> None:  # noqa: A002 - psycopg2's name
        link: Link = self.connection  # type: ignore[assignment]
        if isinstance(query, bytes):
            query = query.decode()
        if "pg_try_advisory_lock" in query:
            link.has_locks = True
        if query.lstrip().startswith(_WRITES):
            link.wrote = True
        perform = super().execute
        link.call(query, lambda: perform(query, vars), said=lambda: self.query or b"")


def faulty_engine(url: str, role: Role, park: Park, *, name: str, pool_size: int) -> sa.Engine:
    """An engine as a root opens it, whose connections the story may fail."""
    engine = open_engine(url, role, application_name=name, pool_size=pool_size)

    def connect(_dialect: Any, _record: Any, arguments: Any, named: dict[str, Any]) -> Link:
        if park.scheduler is not None and park.scheduler.current is not None:
            if park.scheduler.current.is_killed:
                raise Died
            if park.scheduler.fault((Fault.LOST_BEFORE,)):
                raise psycopg2.OperationalError("could not connect to server")
        options = named["options"] + f" -c lock_timeout={LOCK_TIMEOUT_MS}"
        options += " -c synchronous_commit=off"
        return park.take(role, {**named, "options": options})

    sa.event.listen(engine, "do_connect", connect)
    # What a dialect asks its first server is not the story's.
    with engine.connect() as connection:
        connection.execute(sa.text("SELECT 1"))
    engine.dispose()
    return engine
