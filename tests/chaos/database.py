"""PostgreSQL on two hosts: one leads, the other follows by streaming; then the other leads.

Not the embedded one: it listens on its host's address, as where several machines work with it
(docs/operations.md). Whoever is on the stand's network may come.
"""

import shutil
import time
from collections.abc import Iterable
from pathlib import Path

import psycopg2

from kench.pool.postgres_account import account_for, open_way, wheel_binaries
from tests.chaos.hosts import NETWORK, Host
from tests.chaos.services import Service, run

PORT, USER, NAME = 5432, "kench", "kench"
COMMAND_S, PROMOTED_S = 90.0, 30.0
OPTIONS = {
    "listen_addresses": "*",
    "unix_socket_directories": "",
    "shared_buffers": "64MB",
    "wal_keep_size": "256MB",
    # A client whose line was cut is noticed, so that its locks are free.
    "tcp_keepalives_idle": "5",
    "tcp_keepalives_interval": "2",
    "tcp_keepalives_count": "3",
}
HBA = "".join(f"host {what} all {NETWORK}.0/24 trust\n" for what in ("all", "replication"))


def url_of(hosts: Iterable[Host]) -> str:
    """Return the URL by which processes find whichever of them leads."""
    where = ",".join(f"{host.address}:{PORT}" for host in hosts)
    return f"postgresql://{USER}@{where}/{NAME}"


class DatabaseServer:
    """One of the two. Every method may wait for seconds. Raises ServiceError."""

    def __init__(self, host: Host, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.host, self._cluster = host, folder / "cluster"
        account = account_for(self._cluster)
        own = ["setpriv", f"--reuid={account.uid}", f"--regid={account.gid}", "--clear-groups"]
        self._own = own if account else []
        if account is not None:
            open_way(self._cluster, account)
            open_way(wheel_binaries() / "postgres", account)
            shutil.chown(folder, account.uid, account.gid)
        words = [*self._program("postgres"), "-D", str(self._cluster)]
        for name, value in OPTIONS.items():
            words += ["-c", f"{name}={value}"]
        # What it says goes to its stderr; the service reads what is said.
        said = ["sh", "-c", 'exec "$@" 2>&1', "sh"]
        log = folder / "server.log"
        self.service = Service(host, "postgres", [*said, *words], {}, log, ready="connections")

    def make(self) -> None:
        """Make an empty cluster that leads, and start it."""
        words = ["-D", str(self._cluster), "-U", USER, "--encoding=UTF8", "--locale=C"]
        run(self.host, [*self._program("initdb"), *words, "--auth=trust"], {}, COMMAND_S)
        (self._cluster / "pg_hba.conf").write_text(HBA)
        self.service.start()
        self._ask("postgres", f"CREATE DATABASE {NAME}")

    def follow(self, leader: Host) -> None:
        """Copy the cluster that leads, and follow it from then on; what was here is gone."""
        shutil.rmtree(self._cluster, ignore_errors=True)
        words = ["-D", str(self._cluster), "-h", leader.address, "-U", USER, "-X", "stream", "-R"]
        words += ["--checkpoint=fast", "--no-password"]
        self.host.await_reached(leader, PORT)
        run(self.host, [*self._program("pg_basebackup"), *words], {}, COMMAND_S)
        self.service.start()

    def promote(self) -> None:
        """Have it lead."""
        self._ask(NAME, f"SELECT pg_promote(true, {PROMOTED_S:.0f})")

    def is_followed(self) -> bool:
        """Whether its WAL is streamed to another."""
        asked = "SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming'"
        return bool(self._ask(NAME, asked))

    def _ask(self, name: str, words: str) -> object:
        def ask() -> object:
            deadline = time.monotonic() + PROMOTED_S
            while True:
                try:
                    connection = psycopg2.connect(
                        host=self.host.address, port=PORT, user=USER, dbname=name
                    )
                    break
                except psycopg2.OperationalError:
                    if time.monotonic() > deadline:
                        raise
                    time.sleep(0.1)
            connection.autocommit = True
            with connection.cursor() as cursor:
                cursor.execute(words)
                row = cursor.fetchone() if cursor.description else None
            connection.close()
            return row and row[0]

        return self.host.within(ask)

    def _program(self, name: str) -> list[str]:
        return [*self._own, str(wheel_binaries() / name)]
