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
import hashlib
import os
import shlex
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import psycopg2
import structlog
from psycopg2.extensions import connection as PgConnection  # noqa: N812 - it is a class

from kench.pool.database import migrate
from kench.pool.postgres_account import (
    Account,
    PostgresError,
    account_for,
    open_way,
    processes_in,
    wheel_binaries,
)
from kench.pool.settings import Settings

SUPERUSER = "kench"
DATABASE = "kench"
SOCKET_NAME = ".s.PGSQL.5432"
SOCKET_PATH_MAX = 107
"""Longest path of a Unix socket on Linux, in bytes."""
LOG_BYTES_MAX = 4 * 1024 * 1024
POLL_S = 0.05
OPTIONS = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "fsync": "on",
    "full_page_writes": "on",
    "shared_buffers": "64MB",
    "max_connections": "100",
    "log_checkpoints": "off",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "cluster_name": "kench",
}

log = structlog.get_logger("postgres")


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
        self._cluster = self._home / "cluster"
        self._log_file = self._home / "server.log"
        self._binaries = binaries or wheel_binaries()
        self._start_timeout_s = start_timeout_s
        self._stop_timeout_s = stop_timeout_s
        self._account: Account | None = None
        self._in_use: int | None = None

    @property
    def exists(self) -> bool:
        """Whether a cluster was made in this folder already."""
        return (self._cluster / "PG_VERSION").is_file()

    def start(self) -> str:
        """Attach to the running server, or start it (making the cluster at first); return its URL.

        From here until `stop`, or the death of this process, nobody else's `stop` ends the server.
        Raises PostgresError.
        """
        if self._in_use is not None:
            return self._url()
        try:
            self._home.mkdir(parents=True, exist_ok=True)
            with self._steps(self._start_timeout_s):
                in_use = _open_lock(self._home / "users.lock")
                try:
                    fcntl.flock(in_use, fcntl.LOCK_SH)
                    self._bring_up()
                except BaseException:
                    os.close(in_use)
                    raise
                self._in_use = in_use
        except OSError as error:
            raise PostgresError(
                f"cannot keep the database in {self._home}: {error.strerror}: {error.filename}; "
                "make the folder writable or choose another with --data"
            ) from error
        return self._url()

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
                if not (spare_clients and self._has_clients()):
                    self._shut_down()
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
                            f"{self._home} for {timeout_s:.0f} s; see {self._log_file}"
                        ) from None
                    time.sleep(POLL_S)
            yield
        finally:
            os.close(lock)

    def _bring_up(self) -> None:
        self._account = account_for(self._cluster)
        if self._account is not None:
            open_way(self._cluster, self._account)
            open_way(self._binaries / "postgres", self._account)
        if not self.exists:
            self._make_cluster()
        self._check_version()
        if not self._runs():
            self._launch()
        self._await_answer()
        self._ensure_database()

    def _make_cluster(self) -> None:
        """Run initdb beside the final place, so that one killed half-way leaves no half cluster."""
        draft = self._home / "cluster.draft"
        if draft.exists():
            shutil.rmtree(draft)
        draft.mkdir(mode=0o700)
        if self._account is not None:
            os.chown(draft, self._account.uid, self._account.gid)
        self._run(
            "initdb", "-D", str(draft), "-U", SUPERUSER, "--encoding=UTF8", "--locale=C",
            "--data-checksums", "--auth-local=trust", "--auth-host=reject",
        )  # fmt: skip
        draft.rename(self._cluster)

    def _check_version(self) -> None:
        made_by = (self._cluster / "PG_VERSION").read_text().strip()
        ours = self._run("postgres", "--version").split()[2].partition(".")[0]
        if made_by != ours:
            raise PostgresError(
                f"{self._cluster} was made by PostgreSQL {made_by} and this is {ours}: move its "
                "contents with pg_upgrade, or set KENCH_DATABASE_URL to a server that holds them"
            )

    def _runs(self) -> bool:
        """Whether a server works on our cluster; what a dead one left behind is put right."""
        deadline = time.monotonic() + self._start_timeout_s
        while True:
            postmaster = self._postmaster_pid()
            alive = set(processes_in(self._cluster))
            if postmaster in alive:
                return True
            if not alive:
                break
            # Its postmaster was killed; the rest notice and end by themselves.
            if time.monotonic() > deadline:
                raise PostgresError(
                    f"processes of a dead server still work in {self._cluster}: end them "
                    f"(ids {', '.join(map(str, sorted(alive)))}) and start again"
                )
            time.sleep(POLL_S)
        # PostgreSQL itself would refuse to start if the id in the file now belongs to a stranger.
        (self._cluster / "postmaster.pid").unlink(missing_ok=True)
        return False

    def _launch(self) -> None:
        if self._log_file.exists() and self._log_file.stat().st_size > LOG_BYTES_MAX:
            self._log_file.replace(self._log_file.with_suffix(".log.1"))
        self._log_file.touch()
        if self._account is not None:
            os.chown(self._log_file, self._account.uid, self._account.gid)
        directory = '"' + str(self._make_socket_directory()).replace('"', '""') + '"'
        options = OPTIONS | {"unix_socket_directories": directory}
        words = " ".join(f"-c {shlex.quote(f'{name}={value}')}" for name, value in options.items())
        self._run(
            "pg_ctl", "start", "-D", str(self._cluster), "-l", str(self._log_file), "-o", words,
            "-w", "-t", str(round(self._start_timeout_s)),
        )  # fmt: skip

    def _make_socket_directory(self) -> Path:
        """The cluster itself; for a path too long, a temporary folder that only we may enter."""
        if len(os.fsencode(self._cluster / SOCKET_NAME)) <= SOCKET_PATH_MAX:
            return self._cluster
        name = hashlib.sha256(os.fsencode(self._cluster)).hexdigest()[:16]
        directory = Path(tempfile.gettempdir()) / f"kench-{name}"
        owner = self._account.uid if self._account else os.geteuid()
        with contextlib.suppress(FileExistsError):
            directory.mkdir(mode=0o700)
            os.chown(directory, owner, -1)
        status = directory.lstat()
        if status.st_uid != owner or status.st_mode & 0o077 or not directory.is_dir():
            raise PostgresError(
                f"{directory} is not a private folder of the database's account: remove it, or "
                "choose a shorter --data so that it is not needed"
            )
        return directory

    def _socket_directory(self) -> Path:
        """Where the running server says that its socket is (line 5 of postmaster.pid)."""
        lines = self._postmaster_lines()
        return Path(lines[4]) if len(lines) > 4 and lines[4] else self._cluster

    def _postmaster_lines(self) -> list[str]:
        try:
            return (self._cluster / "postmaster.pid").read_text().splitlines()
        except FileNotFoundError:
            return []

    def _postmaster_pid(self) -> int | None:
        first = next(iter(self._postmaster_lines()), "")
        return int(first) if first.strip().isdigit() else None

    def _url(self, database: str = DATABASE) -> str:
        host = quote(str(self._socket_directory()), safe="")
        return f"postgresql://{SUPERUSER}@/{database}?host={host}"

    def _await_answer(self) -> None:
        """Wait until the server takes connections: it may be replaying its log after a crash."""
        deadline = time.monotonic() + self._start_timeout_s
        while True:
            try:
                psycopg2.connect(self._url("postgres"), connect_timeout=5).close()
                return
            except psycopg2.OperationalError as error:
                if time.monotonic() > deadline:
                    raise PostgresError(
                        f"embedded PostgreSQL does not answer: {error}; see {self._log_file}"
                    ) from error
                time.sleep(POLL_S)

    def _ensure_database(self) -> None:
        with _connected(self._url("postgres")) as connection, connection.cursor() as cursor:
            cursor.execute("SELECT FROM pg_database WHERE datname = %s", (DATABASE,))
            if cursor.fetchone() is None:
                cursor.execute(f"CREATE DATABASE {DATABASE}")

    def _has_clients(self) -> bool:
        with _connected(self._url("postgres")) as connection, connection.cursor() as cursor:
            cursor.execute(
                "SELECT count(*) FROM pg_stat_activity"
                " WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"
            )
            row = cursor.fetchone()
            return row is not None and row[0] > 0

    def _shut_down(self) -> None:
        """Stop the server; one that takes too long is cut off, and recovers at its next start."""
        directory = self._socket_directory()
        stop = ("pg_ctl", "stop", "-D", str(self._cluster), "-w", "-t")
        try:
            self._run(*stop, str(max(1, round(self._stop_timeout_s))), "-m", "fast")
        except PostgresError:
            if self._postmaster_pid() is not None:
                log.warning(
                    "database did not stop in time and is cut off", cluster=str(self._cluster)
                )
                self._run(*stop, "2", "-m", "immediate")
        if directory != self._cluster:
            with contextlib.suppress(OSError):
                directory.rmdir()

    def _run(self, program: str, *arguments: str) -> str:
        """Run one of PostgreSQL's programs under the right account and return its output.

        It gets a session of its own (Ctrl-C is for us) and none of our environment. Raises
        PostgresError with the last line that it said, or that the server logged.
        """
        account = self._account
        with tempfile.TemporaryFile() as output:  # A pipe would be kept open by the server.
            try:
                done = subprocess.run(  # noqa: S603 - our own words, no shell
                    [str(self._binaries / program), *arguments],
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    cwd="/",
                    env={"PATH": "/usr/bin:/bin", "LC_ALL": "C"},
                    start_new_session=True,
                    user=account.uid if account else None,
                    group=account.gid if account else None,
                    extra_groups=[] if account else None,
                    check=False,
                )
            except PermissionError as error:
                raise PostgresError(
                    f"the account {account.name if account else os.geteuid()} cannot run "
                    f"{self._binaries / program}: open it with "
                    f"`chmod -R o+rX {self._binaries.parent}`"
                ) from error
            output.seek(0)
            said = output.read().decode(errors="replace")
        if done.returncode:
            logged = _last_fatal(self._log_file) if program == "pg_ctl" else ""
            last = logged or next(iter(reversed(said.strip().splitlines())), "no output")
            raise PostgresError(f"{program} failed: {last} (in {self._home})")
        return said


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


@contextlib.contextmanager
def _connected(url: str) -> Iterator[PgConnection]:
    connection = psycopg2.connect(url, connect_timeout=5)
    try:
        connection.autocommit = True
        yield connection
    finally:
        connection.close()


def _last_fatal(log_file: Path) -> str:
    """The newest reason in the server's log (its last 8 KiB), for a one-line message."""
    try:
        with log_file.open("rb") as file:
            file.seek(max(0, log_file.stat().st_size - 8192))
            lines = file.read().decode(errors="replace").splitlines()
    except OSError:
        return ""
    marks = ("FATAL:", "PANIC:", "could not")
    return next((line for line in reversed(lines) if any(mark in line for mark in marks)), "")
