"""A database of a benchmark's own: PostgreSQL with the newest schema, while it is needed."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

from benchmarks.load.client import Login
from kench.pool.database import migrate, one_transaction
from kench.pool.postgres import EmbeddedPostgres
from kench.pool.register import add_participant


@contextlib.contextmanager
def running_database(folder: Path) -> Iterator[str]:
    """Run PostgreSQL in a folder; yields its URL."""
    database = EmbeddedPostgres(folder)
    try:
        url = database.start()
        migrate(url)
        yield url
    finally:
        database.stop()


def enter_participant(url: str) -> Login:
    """Make a participant; return what a miner of it logs in with."""
    with one_transaction(url, application_name="benchmark") as connection:
        participant, token = add_participant(connection, "benchmark")
    return Login(f"{participant}.rig", token)
