"""The WAL archive: what the database writes is streamed into a folder, as it is written.

PostgreSQL's own pg_receivewal does it, by a slot: the server keeps what the folder has not yet, the
folder has whole segments and a `.partial` one, each piece synced before the server may drop it. It
runs in the place of our process, so a supervisor that kills one kills the other, and one that
starts it again goes on where it was. No shell and no command of the server's is in between.
"""

import os
import subprocess
from pathlib import Path
from typing import NamedTuple

import psycopg2
import structlog

from kench.backup.dumping import environment
from kench.backup.errors import BackupError
from kench.pool.clock import Clock
from kench.pool.database_url import libpq_url
from kench.pool.postgres_account import wheel_binaries

SLOT = "kench_archive"
_LOST = " FROM pg_replication_slots WHERE slot_name = %s AND wal_status = 'lost'"

log = structlog.get_logger("archive")


class Receiving(NamedTuple):
    """The program that streams, and what it is told."""

    argv: list[str]
    environment: dict[str, str]


def prepare_archive(url: str, folder: Path, binaries: Path | None, clock: Clock) -> Receiving:
    """See that folder and slot are there; return what to run. Raises BackupError.

    A slot that the server gave up, since the archive was away for too long, is made anew; what was
    archived before is put aside, and a backup must follow: the log says so.
    """
    program = (binaries or wheel_binaries()) / "pg_receivewal"
    told = environment(url)
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        if _found(url, "SELECT" + _LOST):
            aside = folder / f"before-{clock.now_us() // 1_000_000}"
            aside.mkdir()
            for path in [path for path in folder.iterdir() if path.is_file()]:
                path.rename(aside / path.name)
            # Only now: cut off in between, the next start finds it lost again.
            _found(url, "SELECT pg_drop_replication_slot(slot_name)" + _LOST)
            log.error("the WAL archive has a gap: make a backup now", aside=str(aside))
    except OSError as error:
        raise BackupError(
            f"the WAL archive {folder} cannot be written ({error.strerror}): make it writable, or "
            "name another by KENCH_POSTGRES_WAL_ARCHIVE"
        ) from error
    slot = ["--slot", SLOT]
    done = subprocess.run(  # noqa: S603 - our own words, no shell
        [str(program), *slot, "--create-slot", "--if-not-exists", "--no-password"],
        env=told, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode:
        last = done.stderr.strip().splitlines()[-1:]
        raise BackupError(f"pg_receivewal makes no slot: {last[0] if last else 'it said nothing'}")
    return Receiving(
        [
            str(program), *slot, "--directory", str(folder), "--synchronous", "--no-loop",
            "--no-password",
        ],
        told,
    )  # fmt: skip


def replace_process(receiving: Receiving) -> None:
    """Go on as pg_receivewal; does not return."""
    os.execve(receiving.argv[0], receiving.argv, receiving.environment)  # noqa: S606 - our words


def _found(url: str, statement: str) -> bool:
    """Whether a statement about our slot finds one."""
    try:
        connection = psycopg2.connect(libpq_url(url), connect_timeout=10)
        try:
            with connection, connection.cursor() as cursor:
                cursor.execute(statement, (SLOT,))
                return cursor.rowcount > 0
        finally:
            connection.close()
    except psycopg2.Error as error:
        raise BackupError(f"the database does not answer: {str(error).strip()}") from error
