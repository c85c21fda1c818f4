"""The generation in the database: a machine that was replaced may reach the new one's by its URL.

It is a setting of the database, `kench.generation`, which each new connection brings along: it
needs no table, goes with the WAL to whatever follows, and no role of ours can change it.
"""

import contextlib

import psycopg2
import structlog
from psycopg2.extensions import cursor as Cursor  # noqa: N812 - it is a class
from psycopg2.sql import SQL, Identifier, Literal

from kench.pool import primary

ASK_S = 2

log = structlog.get_logger("lead")


def set_generation(cursor: Cursor, generation: int) -> None:
    """Write it down; one that is not the database's owner cannot, and the line fences alone."""
    try:
        cursor.execute("SELECT current_database()")
        (name,) = cursor.fetchone() or ("",)
        words = SQL("ALTER DATABASE {} SET kench.generation = {}")
        cursor.execute(words.format(Identifier(name), Literal(str(generation))))
    except psycopg2.errors.InsufficientPrivilege as refused:
        log.warning("the database does not keep the generation", why=str(refused).strip())


def ask_generation(url: str) -> int | None:
    """Return the generation that the database names; None where it names none or is away."""
    try:
        opened = primary.connect(url, {"connect_timeout": ASK_S})
        with contextlib.closing(opened), opened.cursor() as cursor:
            cursor.execute("SELECT current_setting('kench.generation', true)")
            (found,) = cursor.fetchone() or (None,)
        return int(found) if found else None
    except (psycopg2.Error, ValueError):
        return None
