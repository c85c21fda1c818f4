"""How far the standby's copy of the database is, as the main database tells it: by its slots."""

from typing import Any

import sqlalchemy as sa

SLOT = "kench_standby"
"""What names of the standbys' slots begin with: each standby that is made has its own."""
_SLOTS = sa.text(
    """
    SELECT count(*) AS slots, coalesce(bool_or(active), false) AS connected,
        (min(behind) FILTER (WHERE active))::bigint AS behind_bytes,
        count(*) FILTER (WHERE NOT active) AS left,
        coalesce(max(behind) FILTER (WHERE NOT active), 0)::bigint AS left_bytes
    FROM (
        SELECT active, CASE WHEN pg_is_in_recovery() THEN 0
            ELSE pg_wal_lsn_diff(pg_current_wal_lsn(), restart_lsn) END AS behind
        FROM pg_replication_slots
        WHERE slot_type = 'physical' AND starts_with(slot_name, :slot)
    ) AS of_standbys
    """
)


def read_followers(connection: sa.Connection) -> dict[str, Any] | None:
    """Return {connected, behind_bytes, left, left_bytes}; None where no standby was ever made.

    `behind_bytes` is what a connected standby has not on its disk yet, null where none is; `left`
    counts slots that nobody uses, for which the server keeps `left_bytes` of WAL. Any role may ask.
    """
    found = dict(connection.execute(_SLOTS, {"slot": SLOT}).one()._asdict())
    return found if found.pop("slots") else None
