"""The database as a stream: a base backup of the embedded cluster, or a dump of another server."""

import contextlib
import os
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import BinaryIO, NamedTuple, cast

import psycopg2
from psycopg2.extras import PhysicalReplicationConnection
from sqlalchemy.engine import make_url

from kench.backup.errors import BackupError
from kench.pool.database_url import libpq_url
from kench.pool.postgres_account import wheel_binaries

BASE, DUMP = "base", "dump"
_SLOT = "kench_backup"


class Source(NamedTuple):
    """Where the database is: the embedded one's cluster is copied, another is dumped."""

    url: str
    embedded: bool
    binaries: Path | None = None
    """Folder of pg_dump, where it is not the wheel's."""


@contextlib.contextmanager
def dumped(source: Source) -> Iterator[BinaryIO]:
    """Give the stream; raises BackupError at the end where PostgreSQL's program failed."""
    binaries = source.binaries or wheel_binaries()
    if source.embedded:
        # The WAL of the copy goes at its end, in the same tar: a slot keeps it until then.
        command = [
            "pg_basebackup", "-D", "-", "-Ft", "-X", "fetch", "--checkpoint=fast",
            "--label=kench backup", "--no-password",
        ]  # fmt: skip
        with _kept_wal(source.url), _running(binaries, command, environment(source.url)) as stream:
            yield stream
    else:
        command = ["pg_dump", "--format=custom", "--no-password", "--compress=1"]
        with _running(binaries, command, environment(source.url)) as stream:
            yield stream


@contextlib.contextmanager
def _kept_wal(url: str) -> Iterator[None]:
    """Have the server keep its WAL for as long as this lasts, and this process lives."""
    name = f"{_SLOT}_{os.getpid()}"
    try:
        connection = psycopg2.connect(
            libpq_url(url), connection_factory=PhysicalReplicationConnection, connect_timeout=10
        )
    except psycopg2.Error as error:
        raise BackupError(f"the database does not let be copied: {str(error).strip()}") from error
    try:
        with connection.cursor() as cursor:
            cursor.execute(f"CREATE_REPLICATION_SLOT {name} TEMPORARY PHYSICAL RESERVE_WAL")
        yield
    except psycopg2.Error as error:
        raise BackupError(f"the database does not keep its WAL: {str(error).strip()}") from error
    finally:
        connection.close()


@contextlib.contextmanager
def _running(
    binaries: Path, command: list[str], variables: Mapping[str, str]
) -> Iterator[BinaryIO]:
    with tempfile.TemporaryFile() as said:
        try:
            process = subprocess.Popen(  # noqa: S603 - our own words, no shell
                [str(binaries / command[0]), *command[1:]],
                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=said, env=dict(variables),
            )  # fmt: skip
        except OSError as error:
            raise BackupError(
                f"{binaries / command[0]} cannot be run ({error.strerror}): set "
                "KENCH_BACKUP_POSTGRES_BIN to the folder of PostgreSQL's programs"
            ) from error
        with process:
            stream = cast("BinaryIO | None", process.stdout)
            if stream is None:
                raise AssertionError("its output is a pipe")
            try:
                yield stream
            except BaseException:
                process.kill()
                raise
        if process.returncode:
            said.seek(0)
            last = said.read().decode(errors="replace").strip().splitlines()[-1:]
            raise BackupError(f"{command[0]} failed: {last[0] if last else 'it said nothing'}")


def environment(url: str) -> dict[str, str]:
    """Return what tells PostgreSQL's programs where the server is: no word on a command line."""
    parts = make_url(url)
    host = parts.host or parts.query.get("host")
    told = {
        "PGHOST": host, "PGPORT": parts.port or parts.query.get("port"), "PGUSER": parts.username,
        "PGPASSWORD": parts.password, "PGDATABASE": parts.database,
    }  # fmt: skip
    more = {
        f"PG{name.upper()}": value
        for name, value in parts.query.items()
        if name in {"sslmode", "sslrootcert", "sslcert", "sslkey"}
    }
    base = {
        "PATH": os.environ.get("PATH", "/usr/bin:/bin"),
        "LC_ALL": "C",
        "PGCONNECT_TIMEOUT": "10",
    }
    return base | {name: str(value) for name, value in (told | more).items() if value is not None}
