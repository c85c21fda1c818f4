"""One PostgreSQL cluster on disk and the server that works on it, driven by initdb and pg_ctl.

Nothing here keeps two processes from doing this at once: `kench.pool.postgres` does.
"""

import contextlib
import hashlib
import os
import re
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

from kench.pool.postgres_account import (
    Account,
    PostgresError,
    account_for,
    open_way,
    processes_in,
    wheel_binaries,
)

SUPERUSER = "kench"
DATABASE = "kench"
SOCKET_NAME = ".s.PGSQL.5432"
SOCKET_PATH_MAX = 107
"""Longest path of a Unix socket on Linux, in bytes."""
LOG_BYTES_MAX = 4 * 1024 * 1024
POLL_S = 0.05
LOG_PREFIX = re.compile(r"^\S+ \S+ \S+ \[\d+\] ")
"""Time and process id before each line of the server's log."""
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
    # A standby or an archive that stays away must not fill the disk: it is made anew then.
    "max_slot_wal_keep_size": "8GB",
}

log = structlog.get_logger("postgres")


class Cluster:
    """The cluster in the folder `home`, made at first need.

    Every method may wait, with a bound. Raises PostgresError, and OSError where `home` cannot be
    written.
    """

    def __init__(self, home: Path, binaries: Path | None, start_timeout_s: float) -> None:
        self.log_file = home / "server.log"
        self._home = home
        self._cluster = home / "cluster"
        self._binaries = binaries or wheel_binaries()
        self._start_timeout_s = start_timeout_s
        self._account: Account | None = None

    @property
    def exists(self) -> bool:
        """Whether the cluster was made already."""
        try:
            return (self._cluster / "PG_VERSION").is_file()
        except PermissionError:
            return True  # Somebody else's: `bring_up` says so.

    @property
    def runs(self) -> bool:
        """Whether a server works on the cluster now."""
        return self._postmaster_pid() in set(processes_in(self._cluster))

    def url(self, database: str = DATABASE) -> str:
        """URL of one of its databases, through the socket that the running server names."""
        host = quote(str(self.socket_directory), safe="")
        return f"postgresql://{SUPERUSER}@/{database}?host={host}"

    def bring_up(self) -> None:
        """See that the cluster exists, that its server runs and answers, and has our database."""
        self._account = account_for(self._cluster)
        if self._account is not None:
            open_way(self._cluster, self._account)
            open_way(self._binaries / "postgres", self._account)
        if not self.exists:
            self._make_cluster()
        self._check_version()
        self._bury()
        if not self.runs:
            self._launch()
        self._await_answer()
        self._ensure_database()

    def has_clients(self) -> bool:
        """Whether anybody is connected to the server."""
        with _connected(self.url("postgres")) as connection, connection.cursor() as cursor:
            cursor.execute(
                "SELECT count(*) FROM pg_stat_activity"
                " WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"
            )
            row = cursor.fetchone()
            return row is not None and row[0] > 0

    def shut_down(self, timeout_s: float) -> None:
        """Stop the server; one that takes too long is cut off, and recovers at its next start."""
        if not self.runs:
            return
        directory = self.socket_directory
        stop = ("pg_ctl", "stop", "-D", str(self._cluster), "-w", "-t")
        try:
            self._run(*stop, str(max(1, round(timeout_s))), "-m", "fast")
        except PostgresError:
            if self.runs:
                log.warning(
                    "database did not stop in time and is cut off", cluster=str(self._cluster)
                )
                self._run(*stop, "2", "-m", "immediate")
        if directory != self._cluster:
            with contextlib.suppress(OSError):
                directory.rmdir()

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

    def _bury(self) -> None:
        """Put right what a dead server left behind; a living one is left alone."""
        deadline = time.monotonic() + self._start_timeout_s
        while True:
            alive = set(processes_in(self._cluster))
            if self._postmaster_pid() in alive:
                return
            if not alive:
                break
            # The postmaster was killed; the rest notice and end by themselves.
            if time.monotonic() > deadline:
                raise PostgresError(
                    f"processes of a dead server still work in {self._cluster}: end them "
                    f"(ids {', '.join(map(str, sorted(alive)))}) and start again"
                )
            time.sleep(POLL_S)
        # PostgreSQL itself would refuse to start if the id in a file now belongs to a stranger: in
        # the socket's, to one of the same account, such as another server of ours.
        (self.socket_directory / f"{SOCKET_NAME}.lock").unlink(missing_ok=True)
        (self._cluster / "postmaster.pid").unlink(missing_ok=True)

    def _launch(self) -> None:
        if self.log_file.exists() and self.log_file.stat().st_size > LOG_BYTES_MAX:
            self.log_file.replace(self.log_file.with_suffix(".log.1"))
        self.log_file.touch()
        if self._account is not None:
            os.chown(self.log_file, self._account.uid, self._account.gid)
        directory = '"' + str(self._make_socket_directory()).replace('"', '""') + '"'
        options = OPTIONS | {"unix_socket_directories": directory}
        words = " ".join(f"-c {shlex.quote(f'{name}={value}')}" for name, value in options.items())
        # Short names, since pg_ctl puts them into a shell's line without proper quotes.
        self._run(
            "pg_ctl", "start", "-D", self._cluster.name, "-l", self.log_file.name, "-o", words,
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

    @property
    def socket_directory(self) -> Path:
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

    def _await_answer(self) -> None:
        """Wait until the server takes connections: it may be replaying its log after a crash."""
        deadline = time.monotonic() + self._start_timeout_s
        while True:
            try:
                psycopg2.connect(self.url("postgres"), connect_timeout=5).close()
                return
            except psycopg2.OperationalError as error:
                if time.monotonic() > deadline:
                    raise PostgresError(
                        f"embedded PostgreSQL does not answer: {error}; see {self.log_file}"
                    ) from error
                time.sleep(POLL_S)

    def _ensure_database(self) -> None:
        with _connected(self.url("postgres")) as connection, connection.cursor() as cursor:
            cursor.execute("SELECT FROM pg_database WHERE datname = %s", (DATABASE,))
            if cursor.fetchone() is None:
                cursor.execute(f"CREATE DATABASE {DATABASE}")

    def _run(self, program: str, *arguments: str) -> str:
        """Run one of PostgreSQL's programs under the right account and return its output.

        It gets a session of its own (Ctrl-C is for us) and none of our environment. Raises
        PostgresError with the last line that it said, or the last ones that the server logged.
        """
        account = self._account
        with tempfile.TemporaryFile() as output:  # A pipe would be kept open by the server.
            try:
                done = subprocess.run(  # noqa: S603 - our own words, no shell
                    [str(self._binaries / program), *arguments],
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    cwd=self._home,
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
            logged = _last_words(self.log_file) if program == "pg_ctl" else ""
            last = logged or next(iter(reversed(said.strip().splitlines())), "no output")
            raise PostgresError(f"{program} failed: {last} (in {self._home})")
        return said


@contextlib.contextmanager
def _connected(url: str) -> Iterator[PgConnection]:
    connection = psycopg2.connect(url, connect_timeout=5)
    try:
        connection.autocommit = True
        yield connection
    finally:
        connection.close()


def _last_words(log_file: Path) -> str:
    """The last two lines of the server's log, as one without their times."""
    try:
        with log_file.open("rb") as file:
            file.seek(max(0, log_file.stat().st_size - 8192))
            lines = file.read().decode(errors="replace").splitlines()
    except OSError:
        return ""
    return "; ".join(LOG_PREFIX.sub("", line).strip() for line in lines[-2:])
