"""How long workers ran (D18): ten minutes with an accepted share, of all since they are known."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from kench.pool.moments import moment_of

STEP_S = 600
DAYS = 30
_DAY_US = 86_400 * 1_000_000


@dataclass(frozen=True, slots=True)
class Uptime:
    """Ten minutes with a share, of all that could have had one."""

    up: int
    whole: int

    @property
    def part(self) -> float | None:
        """Its part of one; None before the first full hour."""
        return min(1.0, self.up / self.whole) if self.whole else None


# Whole days, and the hours after them. Both tables are summed up to `hour_until`.
_UNTIL = sa.text("""
    SELECT max(done_before) FILTER (WHERE level = :days) AS day_until,
        max(done_before) FILTER (WHERE level = :hours) AS hour_until
    FROM statistics_rollups
""")
_WORKERS = sa.text("""
    SELECT worker_id, sum(up)::bigint AS up FROM (
        SELECT worker_id, up FROM worker_days
        WHERE participant_id = :participant AND worker_id = ANY(CAST(:workers AS integer[]))
            AND bucket_at >= :since AND bucket_at < :day_until
        UNION ALL
        SELECT worker_id, up FROM worker_hours
        WHERE participant_id = :participant AND worker_id = ANY(CAST(:workers AS integer[]))
            AND bucket_at >= :day_until AND bucket_at < :hour_until
    ) AS parts GROUP BY worker_id
""")
_WHOLE = sa.text("""
    SELECT sum(up)::bigint FROM (
        SELECT up FROM participant_days WHERE participant_id = :participant
            AND bucket_at >= :since AND bucket_at < :day_until
        UNION ALL
        SELECT up FROM participant_hours WHERE participant_id = :participant
            AND bucket_at >= :day_until AND bucket_at < :hour_until
    ) AS parts
""")
_COULD = f"""
    SELECT id, greatest(0, floor(extract(epoch FROM
        CAST(:hour_until AS timestamptz) - greatest(CAST(:since AS timestamptz), created_at))
        / {STEP_S}))::bigint AS whole
    FROM workers WHERE participant_id = :participant
"""  # noqa: S608 - a constant, from above
_EACH = sa.text(f"{_COULD} AND id = ANY(CAST(:workers AS integer[]))")
_ALL = sa.text(f"SELECT sum(whole)::bigint FROM ({_COULD}) AS each")  # noqa: S608 - a constant, from above


def read_uptimes(
    db: sa.Connection, participant_id: int, workers: Collection[int], now_us: int
) -> dict[int, Uptime]:
    """Return the uptime of some workers in the last 30 days."""
    asked = _window(db, "worker", now_us) | {
        "participant": participant_id,
        "workers": list(workers),
    }
    ups = {row.worker_id: row.up for row in db.execute(_WORKERS, asked)}
    return {row.id: Uptime(ups.get(row.id, 0), row.whole) for row in db.execute(_EACH, asked)}


def read_uptime(db: sa.Connection, participant_id: int, now_us: int) -> Uptime:
    """Return the uptime of all workers of a participant together."""
    asked = _window(db, "participant", now_us) | {"participant": participant_id}
    return Uptime(db.scalar(_WHOLE, asked) or 0, db.scalar(_ALL, asked) or 0)


def _window(db: sa.Connection, whose: str, now_us: int) -> dict[str, datetime]:
    done = db.execute(_UNTIL, {"days": f"{whose}_days", "hours": f"{whose}_hours"}).one()
    since = moment_of(now_us // _DAY_US * _DAY_US - DAYS * _DAY_US)
    hour_until = min(done.hour_until, moment_of(now_us))
    return {"since": since, "day_until": min(done.day_until, hour_until), "hour_until": hour_until}
