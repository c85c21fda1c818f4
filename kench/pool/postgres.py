"""Embedded PostgreSQL: one server a data folder, started by its first user, stopped by its last.

    DATA/postgres/cluster      the cluster; its socket too, unless the path is too long for one
    DATA/postgres/server.log   what the server says; moved to server.log.1 when it has grown
    DATA/postgres/steps.lock   held while somebody starts or stops the server
    DATA/postgres/users.lock   held, shared, by everybody who needs it to run

We drive initdb and pg_ctl ourselves. The wheel's own Python part stops the server at the exit of
the process that attached last, by a list of process ids in a file: a killed process stays on the
list, a process id used again counts as a user, and a short `kench status` could take the database
away from `kench up`. A lock on a file has none of that: the kernel lets go when its holder dies.

The server listens on a Unix socket only, in a folder that nobody else may enter; there lies the
access control, and so no password exists. fsync stays on: what is committed is on disk.
"""

import contextlib
import fcntl
import os
import time
from collections.abc import Iterator
from pathlib import Path

from kench.pool.database import migrate
from kench.pool.postgres_account import PostgresError
from kench.pool.postgres_cluster import Cluster
from kench.pool.settings import Settings

POLL_S = 0.05


class EmbeddedPostgres:
    """The PostgreSQL server of the folder `data_dir`, as one of its users sees it.

    `start` and `stop` may wait for other processes and for the server: seconds, each with a bound.
    Not for use by two threads at once.
    """

    def __init__(
        self,
        data_dir: Path,
        *,
        binaries: Path | None = None,
        start_timeout_s: float = 60.0,
        stop_timeout_s: float = 8.0,
    ) -> None:
        self._home = data_dir.expanduser().resolve() / "postgres"
        self._cluster = Cluster(self._home, binaries, start_timeout_s)
        self._start_timeout_s = start_timeout_s
        self._stop_timeout_s = stop_timeout_s
        self._in_use: int | None = None

    @property
    def exists(self) -> bool:
        """Whether a cluster was made in this folder already."""
        return self._cluster.exists

    @property
    def runs(self) -> bool:
        """Whether the server runs now; it costs a look at every process of the machine."""
        return self._cluster.runs

    def start(self) -> str:
        """Attach to the running server, or start it (making the cluster at first); return its URL.

        From here until `stop`, or the death of this process, nobody else's `stop` ends the server.
        Doing it again brings a server back that has died meanwhile. Raises PostgresError.
        """
        try:
            self._home.mkdir(parents=True, exist_ok=True)
            with self._steps(self._start_timeout_s):
                in_use = self._in_use
                if in_use is None:
                    in_use = _open_lock(self._home / "users.lock")
                    fcntl.flock(in_use, fcntl.LOCK_SH)
                try:
                    self._cluster.bring_up()
                except BaseException:
                    self._in_use = None
                    os.close(in_use)
                    raise
                self._in_use = in_use
        except OSError as error:
            raise PostgresError(
                f"cannot keep the database in {self._home}: {error.strerror}: {error.filename}; "
                "make the folder writable or choose another with --data"
            ) from error
        return self._cluster.url()

    def stop(self, *, spare_clients: bool = False) -> None:
        """Leave the server; the last user to leave stops it. With nothing started, do nothing.

        With `spare_clients` it keeps running while a client is connected that holds no lock: what
        a killed `kench up` left behind must not lose its database to a passing `kench status`.
        """
        if self._in_use is None:
            return
        with self._steps(self._stop_timeout_s):
            in_use, self._in_use = self._in_use, None
            try:
                fcntl.flock(in_use, fcntl.LOCK_UN)
                fcntl.flock(in_use, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return  # Somebody else needs it.
            else:
                if not (spare_clients and self._cluster.has_clients()):
                    self._cluster.shut_down(self._stop_timeout_s)
            finally:
                os.close(in_use)

    @contextlib.contextmanager
    def _steps(self, timeout_s: float) -> Iterator[None]:
        """Be the only one who starts or stops the server of this folder."""
        lock = _open_lock(self._home / "steps.lock")
        try:
            deadline = time.monotonic() + timeout_s
            while True:
                try:
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    if time.monotonic() > deadline:
                        raise PostgresError(
                            f"another process has been starting or stopping the database in "
                            f"{self._home} for {timeout_s:.0f} s; see {self._cluster.log_file}"
                        ) from None
                    time.sleep(POLL_S)
            yield
        finally:
            os.close(lock)


@contextlib.contextmanager
def database_url(settings: Settings, *, make: bool = False) -> Iterator[str]:
    """URL of the pool's database for as long as a short command runs.

    The one that the settings name; else the embedded one of the data folder, which is attached to
    if it runs and is started for the duration if not. An embedded database is brought to this
    version's schema; one by URL is left as it is (`open_engine` checks it).

    Raises PostgresError; also when there is no embedded database yet, unless `make` is set.
    """
    if settings.database_url is not None:
        yield settings.database_url.get_secret_value()
        return
    server = EmbeddedPostgres(settings.data_dir)
    if not (make or server.exists):
        raise PostgresError(
            f"no pool in {settings.data_dir}: start one with `kench up --data "
            f"{settings.data_dir}`, or name another folder with --data"
        )
    url = server.start()
    try:
        migrate(url)
        yield url
    finally:
        server.stop(spare_clients=True)


def _open_lock(path: Path) -> int:
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
