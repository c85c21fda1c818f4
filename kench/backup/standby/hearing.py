"""When the standby heard its main machine last: by the journals that are shipped, by the database.

A machine that was heard a moment ago serves miners, whatever somebody believes of it: promotion
asks here first, since two machines that lead cannot be made one again.
"""

from pathlib import Path
from typing import NamedTuple

import psycopg2

from kench.backup.errors import RestoreError
from kench.backup.journals import journal_folders
from kench.backup.standby.told import read_told
from kench.pool.clock import Clock
from kench.pool.database_url import libpq_url
from kench.pool.postgres_cluster import Cluster

SILENT_S = 10
"""A main machine that serves is heard several times a second; after so long it is gone, or cut."""
_ASK = """
    SELECT coalesce(r.status, ''), (extract(epoch FROM r.last_msg_receipt_time) * 1000000)::bigint,
        pg_wal_lsn_diff(pg_last_wal_receive_lsn(), pg_last_wal_replay_lsn())::bigint,
        CASE WHEN pg_last_wal_receive_lsn() = pg_last_wal_replay_lsn() THEN 0
            ELSE extract(epoch FROM clock_timestamp() - pg_last_xact_replay_timestamp()) END
    FROM (SELECT pg_is_in_recovery() AS follows) AS one
    LEFT JOIN pg_stat_wal_receiver AS r ON true
    WHERE one.follows
"""


class Streamed(NamedTuple):
    """How the standby's database stands to the main one."""

    connected: bool
    heard_us: int
    unplayed_bytes: int
    """What is on disk here and not in the tables yet."""
    unplayed_s: float


class StillHeardError(RestoreError):
    """The main machine serves, as far as this one can tell."""


def streamed(data: Path) -> Streamed | None:
    """Return how the embedded database follows; None where it does not, or does not run."""
    cluster = Cluster(data / "postgres", None, 1.0)
    if not (cluster.exists and cluster.runs):
        return None
    try:
        connection = psycopg2.connect(libpq_url(cluster.url("postgres")), connect_timeout=5)
    except psycopg2.Error:
        return None
    try:
        with connection, connection.cursor() as cursor:
            cursor.execute(_ASK)
            row = cursor.fetchone()
    except psycopg2.Error:
        return None
    finally:
        connection.close()
    if row is None:
        return None
    return Streamed(row[0] == "streaming", row[1] or 0, row[2] or 0, max(0.0, float(row[3] or 0)))


def require_silence(data: Path, clock: Clock) -> None:
    """Raise StillHeardError where the main machine was heard within SILENT_S."""
    heard = {
        f"by journal {folder.name}": read_told(data, int(folder.name)).heard_us
        for folder in journal_folders(data / "journal")
    }
    database = streamed(data)
    if database is not None and database.connected:
        heard["by its database"] = database.heard_us
    how, last_us = max(heard.items(), key=lambda one: one[1], default=("", 0))
    ago_s = (clock.now_us() - last_us) / 1_000_000
    if last_us and ago_s < SILENT_S:
        raise StillHeardError(
            f"the main machine was heard {max(0.0, ago_s):.1f} s ago, {how}: nothing was changed. "
            "Stop it there (`kench up` or the services, then its database), or its power, wait "
            f"{SILENT_S} s and promote again. Where it cannot be stopped and miners, officers and "
            "venues reach it no more, say so with --main-is-off"
        )
