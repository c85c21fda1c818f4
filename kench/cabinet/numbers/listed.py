"""All workers of a participant one after the other, for programs."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from kench.cabinet.numbers.live import WorkerState, per_worker
from kench.pool.moments import moment_of


@dataclass(frozen=True, slots=True)
class ListedWorker:
    """A worker now; hashrates in hashes a second, counts of the last 24 hours."""

    id: int
    name: str
    state: WorkerState
    hashrate_1m: float
    hashrate_10m: float
    hashrate_1h: float
    hashrate_24h: float
    accepted: int
    stale: int
    low_difficulty: int
    duplicate: int
    other: int
    last_share_at: datetime | None


_RATES = ("hashrate_1m", "hashrate_10m", "hashrate_1h", "hashrate_24h")
_COUNTS = ("accepted", "stale", "low_difficulty", "duplicate", "other")
# Only these workers are summed, whatever more the participant has.
_LIVE = per_worker("worker_id = ANY(ARRAY(SELECT id FROM page))")
_LISTED = sa.text(f"""
    WITH page AS MATERIALIZED (
        SELECT id, name FROM workers
        WHERE participant_id = :participant_id AND name > :after ORDER BY name LIMIT :most
    )
    SELECT page.id, page.name, coalesce(live.state, 'gone') AS state,
        {", ".join(f"coalesce({name}, 0) AS {name}" for name in _RATES + _COUNTS)}, last_share_at
    FROM page LEFT JOIN ({_LIVE}) AS live ON live.worker_id = page.id
    ORDER BY page.name
""")  # noqa: S608 - constants


def read_listed(
    db: sa.Connection, participant_id: int, now_us: int, *, after: str = "", at_most: int = 100
) -> list[ListedWorker]:
    """Return workers in the order of their names, after one of them."""
    asked = {"participant_id": participant_id, "after": after, "most": at_most}
    rows = db.execute(_LISTED, asked | {"ids": [participant_id], "now": moment_of(now_us)})
    return [_worker(row) for row in rows]


def _worker(row: Any) -> ListedWorker:
    rates: dict[str, Any] = {name: float(getattr(row, name)) for name in _RATES}
    counts: dict[str, Any] = {name: int(getattr(row, name)) for name in _COUNTS}
    state = WorkerState(row.state)
    return ListedWorker(
        id=row.id, name=row.name, state=state, **rates, **counts, last_share_at=row.last_share_at
    )
