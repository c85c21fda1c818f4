"""A PostgreSQL server and its replica, each in a folder of its own: killed, promoted, come back."""

import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from kench.pool.database import migrate
from kench.pool.postgres_account import account_for, processes_in, wheel_binaries
from kench.pool.postgres_cluster import Cluster
from tests.conftest import MEMORY, MEMORY_BYTES_MIN, execute

START_S = 60.0
STOP_S = 10.0


class Server:
    """One of the two."""

    def __init__(self, home: Path) -> None:
        self._folder = home / "cluster"
        self._cluster = Cluster(home, None, START_S)

    def start(self) -> None:
        """Start it, however it ended."""
        self._cluster.bring_up()

    def kill(self) -> None:
        """As a machine that loses its power."""
        deadline = time.monotonic() + STOP_S
        while left := list(processes_in(self._folder)):
            for pid in left:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            assert time.monotonic() < deadline
            time.sleep(0.05)

    def stop(self) -> None:
        """In order."""
        self._cluster.shut_down(STOP_S)

    def promote(self) -> None:
        """Have it lead."""
        execute(self.url, "SELECT pg_promote()")

    @property
    def socket(self) -> str:
        """What a URL names as its host."""
        return str(self._cluster.socket_directory)

    @property
    def url(self) -> str:
        """The URL of this one alone."""
        return self._cluster.url()


class Pair:
    """A primary at the newest schema, and a replica that follows it."""

    def __init__(self, folder: Path) -> None:
        (folder / "a").mkdir()
        (folder / "b").mkdir()
        self.first, self.second = Server(folder / "a"), Server(folder / "b")
        self.first.start()
        # Nobody pulls this machine's plug while a test runs.
        execute(self.first.url, "ALTER SYSTEM SET fsync = off")
        execute(self.first.url, "SELECT pg_reload_conf()")
        migrate(self.first.url)
        _copy(self.first, folder / "b" / "cluster")
        self.second.start()

    @property
    def url(self) -> str:
        """The URL of both."""
        return f"postgresql://kench@/kench?host={self.first.socket},{self.second.socket}"


@contextlib.contextmanager
def running_pair() -> Iterator[Pair]:
    """Make the two; they are gone when the block ends."""
    roomy = MEMORY.is_dir() and shutil.disk_usage(MEMORY).free >= MEMORY_BYTES_MIN
    folder = Path(tempfile.mkdtemp(prefix="kench-pair-", dir=MEMORY if roomy else None))
    pair = None
    try:
        pair = Pair(folder)
        yield pair
    finally:
        if pair is not None:
            pair.first.stop()
            pair.second.stop()
        shutil.rmtree(folder, ignore_errors=True)


def _copy(source: Server, cluster: Path) -> None:
    subprocess.run(
        [str(wheel_binaries() / "pg_basebackup"), "-D", str(cluster), "-X", "stream", "-R",
         "--checkpoint=fast", "-h", source.socket, "-U", "kench"],
        check=True, capture_output=True,
    )  # fmt: skip
    for left in (*cluster.glob(".s.PGSQL.*"), *cluster.glob("postmaster.*")):
        left.unlink()
    cluster.chmod(0o700)
    account = account_for(cluster)
    if account is not None:
        for path in [cluster, *cluster.rglob("*")]:
            os.chown(path, account.uid, account.gid)
