"""A server and a database for stories alone."""

import logging
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import structlog

from kench.pool.database import migrate
from kench.pool.postgres import EmbeddedPostgres
from tests.conftest import execute, url_of_database

MEMORY = Path("/dev/shm")
SETTINGS = ("fsync = off", "synchronous_commit = off", "full_page_writes = off",
            "autovacuum = off", "jit = off")  # fmt: skip


@contextmanager
def server() -> Iterator[tuple[str, Path]]:
    """Run a server in memory; yields its URL and a folder."""
    folder = Path(
        tempfile.mkdtemp(prefix="kench-stories-", dir=MEMORY if MEMORY.is_dir() else None)
    )
    postgres = EmbeddedPostgres(folder)
    url = postgres.start()
    try:
        for setting in SETTINGS:
            execute(url, f"ALTER SYSTEM SET {setting}")
        execute(url, "SELECT pg_reload_conf()")
        yield url, folder
    finally:
        postgres.stop()
        shutil.rmtree(folder, ignore_errors=True)


def database_of(url: str, name: str) -> str:
    """Make a database at the newest schema; return its URL."""
    execute(url, f"CREATE DATABASE {name}")
    made = url_of_database(url, name)
    migrate(made)
    return made


def be_quiet() -> None:
    """Log nothing: what goes wrong in a story is meant to."""
    logging.getLogger("sqlalchemy.pool").setLevel(logging.CRITICAL)
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL), processors=[_drop]
    )


def _drop(*_: object) -> str:
    raise structlog.DropEvent
