"""The server that leads, of the several that a URL names: none that was replaced is written to.

A replica that is promoted begins a new timeline of PostgreSQL, with a higher number. The server
before it may still run, or come back, and take writes that nobody will see; libpq takes whichever
of the servers comes first. So a process remembers the highest timeline that it has seen, refuses
servers of a lower one, looks around every few seconds, and cuts its connections to such a server
where it finds another one that leads: what was under way there is not committed.
"""

import contextlib
import functools
import os
import socket
import threading
import weakref
from typing import Any

import psycopg2
import structlog
from psycopg2.extensions import connection as PgConnection  # noqa: N812 - it is a class

from kench.pool.database_url import libpq_url, servers_of

LOOK_S = 5.0
"""Between two looks around."""
ANSWER_S = 2
"""A server that does not answer for so long is not there, for a look."""
_TIMELINE = "SELECT ('x' || left(pg_walfile_name(pg_current_wal_lsn()), 8))::bit(32)::bigint"

log = structlog.get_logger("database")


def connect(url: str, arguments: dict[str, Any]) -> PgConnection:
    """Connect to a database; with several servers, to the one that leads. Raises psycopg2.Error."""
    if len(servers_of(url)) < 2:
        connection: PgConnection = psycopg2.connect(libpq_url(url), **arguments)
        return connection
    primary = primary_of(url)
    primary.watch()
    return primary.connect(arguments)


@functools.cache
def primary_of(url: str) -> "Primary":
    """Return what this process knows of the servers of a URL: its settings name one."""
    return Primary(url)


class Primary:
    """The servers of one database, and the newest timeline among them. For any thread."""

    def __init__(self, url: str) -> None:
        self._url = libpq_url(url)
        self._servers = servers_of(url)
        self._lock = threading.Lock()
        self._newest = 0
        self._open: weakref.WeakKeyDictionary[PgConnection, int] = weakref.WeakKeyDictionary()
        self._thread: threading.Thread | None = None

    def watch(self) -> None:
        """Look around from now on, in a thread that ends with the process."""
        with self._lock:
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="primary", daemon=True)
                self._thread.start()

    def connect(self, arguments: dict[str, Any]) -> PgConnection:
        """Connect to the server that leads; raises psycopg2.Error where there is none."""
        if not self._newest:
            self.look()
        connection: PgConnection = psycopg2.connect(self._url, **arguments)
        timeline = _timeline_of(connection)
        if timeline < self._newest:
            connection.close()
            # libpq takes the first that writes: the others are asked by themselves.
            connection, timeline = self._connect_newest(arguments)
        with self._lock:
            self._open[connection] = timeline
        self._know(timeline)
        return connection

    def look(self) -> None:
        """Ask each server for its timeline, and leave those that were replaced."""
        found = 0
        for server in self._servers:
            with contextlib.suppress(psycopg2.Error):
                arguments: dict[str, Any] = server | {"connect_timeout": ANSWER_S}
                with contextlib.closing(psycopg2.connect(self._url, **arguments)) as asked:
                    found = max(found, _timeline_of(asked))
        if found:
            self._know(found)

    def _run(self) -> None:
        while True:
            threading.Event().wait(LOOK_S)
            self.look()

    def _connect_newest(self, arguments: dict[str, Any]) -> tuple[PgConnection, int]:
        for server in self._servers:
            with contextlib.suppress(psycopg2.Error):
                connection = psycopg2.connect(self._url, **arguments | server)
                timeline = _timeline_of(connection)
                if timeline >= self._newest:
                    return connection, timeline
                connection.close()
        raise psycopg2.OperationalError(
            f"the only server that takes writes was replaced: timeline {self._newest} of this "
            "database is known; stop the old server, or make it follow the new one"
        )

    def _know(self, timeline: int) -> None:
        """Take note of a timeline; connections to servers of older ones are cut."""
        with self._lock:
            if timeline < self._newest:
                return
            before, self._newest = self._newest, timeline
            stale = [one for one, known in self._open.items() if known < timeline]
            for connection in stale:
                del self._open[connection]
        if before and timeline > before:
            log.warning("the database has another primary", timeline=timeline, cut=len(stale))
        for connection in stale:
            _cut(connection)


def _timeline_of(connection: PgConnection) -> int:
    """Return the timeline of a server that takes writes; raises psycopg2.Error of one that not."""
    connection.autocommit = True
    with connection.cursor() as cursor:
        cursor.execute(_TIMELINE)
        (timeline,) = cursor.fetchone() or (0,)
    connection.autocommit = False
    return int(timeline)


def _cut(connection: PgConnection) -> None:
    """End a connection that another thread may be waiting at."""
    with contextlib.suppress(OSError, psycopg2.Error):
        line = socket.socket(fileno=os.dup(connection.fileno()))
        with contextlib.closing(line):
            line.shutdown(socket.SHUT_RDWR)
