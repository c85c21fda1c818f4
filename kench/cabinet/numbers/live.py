"""A participant's numbers of now: hashrates, shares of the day, workers by state."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, NamedTuple

import sqlalchemy as sa

from kench.pool.moments import moment_of

SILENT_S = 20 * 60
GONE_S = 24 * 3600
LOW_PART = 0.75
"""A worker is low if its last hour had less than this part of its day's hashrate."""


class WorkerState(StrEnum):
    """How a worker does, by its accepted shares."""

    ACTIVE = "active"
    LOW = "low"
    SILENT = "silent"
    GONE = "gone"


@dataclass(frozen=True, slots=True)
class LiveNumbers:
    """A participant at one moment; hashrates in hashes a second, counts of the last 24 hours."""

    hashrate_1m: float = 0.0
    hashrate_10m: float = 0.0
    hashrate_1h: float = 0.0
    hashrate_24h: float = 0.0
    accepted: int = 0
    stale: int = 0
    low_difficulty: int = 0
    duplicate: int = 0
    other: int = 0
    sessions: int = 0
    last_share_at: datetime | None = None
    active: int = 0
    low: int = 0
    silent: int = 0
    gone: int = 0

    @property
    def refused(self) -> int:
        """Shares of the day that count for nothing."""
        return self.stale + self.low_difficulty + self.duplicate + self.other

    @property
    def workers(self) -> int:
        """All workers that it ever had."""
        return self.active + self.low + self.silent + self.gone


class WorkerNumbers(NamedTuple):
    """A worker at one moment; hashrates in hashes a second, counts of the last 24 hours."""

    state: WorkerState
    hashrate_10m: float
    hashrate_1h: float
    hashrate_24h: float
    accepted: int
    stale: int
    low_difficulty: int
    duplicate: int
    other: int
    sessions: int
    last_share_at: datetime | None
    difficulty: float | None


# Live columns of a worker, whichever machines it is on. A machine that has not written for a
# minute does not run.
_SUMS = {
    **{f"hashrate_{one}": f"sum(hashrate_{one} * fresh)" for one in ("1m", "10m", "1h", "24h")},
    **{
        name: f"sum({name})::bigint"
        for name in ("accepted", "stale", "low_difficulty", "duplicate", "other")
    },
    "sessions": "sum(sessions * fresh)::bigint",
    "last_share_at": "nullif(max(last_share_at), '-infinity')",
    "difficulty": "max(difficulty * fresh)",
    "user_agent": "max(user_agent)",
}
STATE = f"""
    CASE WHEN last_share_at > CAST(:now AS timestamptz) - interval '{SILENT_S} s' THEN
            CASE WHEN hashrate_1h < {LOW_PART} * hashrate_24h THEN 'low' ELSE 'active' END
        WHEN last_share_at > CAST(:now AS timestamptz) - interval '{GONE_S} s' THEN 'silent'
        ELSE 'gone' END
"""
"""The state of a worker by its live columns, at `:now`."""


def sums_of(columns: Collection[str], which: str = "TRUE") -> str:
    """Return what sums live columns by worker: of the participants `:ids`, `which` of theirs."""
    return f"""
        SELECT participant_id, worker_id, {", ".join(f"{_SUMS[one]} AS {one}" for one in columns)}
        FROM worker_live JOIN (
            SELECT source, (written_at > now() - interval '1 minute')::integer AS fresh
            FROM pool_live
        ) AS sources USING (source)
        WHERE participant_id = ANY(CAST(:ids AS integer[])) AND {which}
        GROUP BY participant_id, worker_id
    """  # noqa: S608 - constants


def per_worker(which: str = "TRUE") -> str:
    """Return what has a row for each such worker: all live columns, and its state."""
    return f"SELECT sums.*, {STATE} AS state FROM ({sums_of(_SUMS, which)}) AS sums"  # noqa: S608 - constants, from above


PER_WORKER = per_worker()
_OF_WORKERS = sa.text(per_worker("worker_id = ANY(CAST(:workers AS integer[]))"))
_SUMMED = (
    "hashrate_1m", "hashrate_10m", "hashrate_1h", "hashrate_24h",
    "accepted", "stale", "low_difficulty", "duplicate", "other", "sessions",
)  # fmt: skip
_COUNTED = ", ".join(
    f"count(*) FILTER (WHERE worker_id > 0 AND state = '{state}') AS {state}"
    for state in WorkerState
)
_LIVE = sa.text(f"""
    SELECT asked.id AS participant_id, sums.*,
        (SELECT count(*) FROM workers WHERE workers.participant_id = asked.id) AS known
    FROM unnest(CAST(:ids AS integer[])) AS asked (id) LEFT JOIN (
        SELECT participant_id AS whose, {", ".join(f"sum({name}) AS {name}" for name in _SUMMED)},
            max(last_share_at) AS last_share_at, {_COUNTED}
        FROM ({PER_WORKER}) AS workers GROUP BY participant_id
    ) AS sums ON whose = asked.id
""")  # noqa: S608 - constants, from above
_WRITTEN = sa.text("SELECT max(written_at) FROM pool_live")
_INTEGERS = ("accepted", "stale", "low_difficulty", "duplicate", "other", "sessions")


def read_live(
    db: sa.Connection, participants: Collection[int], now_us: int
) -> dict[int, LiveNumbers]:
    """Return the numbers of each participant asked for."""
    asked = {"ids": list(participants), "now": moment_of(now_us)}
    return {row.participant_id: _numbers(row) for row in db.execute(_LIVE, asked)}


def read_worker_numbers(
    db: sa.Connection, workers: Collection[tuple[int, int]], now_us: int
) -> dict[int, WorkerNumbers]:
    """Return the numbers of each worker asked for, as (participant, worker), that has some now."""
    asked = {
        "ids": sorted({participant_id for participant_id, _ in workers}),
        "workers": sorted({worker_id for _, worker_id in workers}),
        "now": moment_of(now_us),
    }
    return {
        row.worker_id: WorkerNumbers(
            WorkerState(row.state), *(getattr(row, name) for name in WorkerNumbers._fields[1:])
        )
        for row in db.execute(_OF_WORKERS, asked)
    }


def read_written(db: sa.Connection) -> datetime | None:
    """Return when the numbers were written last; None where nothing has run yet."""
    written: datetime | None = db.scalar(_WRITTEN)
    return written


def _numbers(row: sa.Row[Any]) -> LiveNumbers:
    # What is NULL is of a participant that has no worker in the live table.
    values = {name: value for name, value in row._mapping.items() if value is not None}
    values |= {name: int(values[name]) for name in _INTEGERS if name in values}
    listed = sum(values.get(state, 0) for state in WorkerState)
    # Who mined more than a day ago may be in the live table no more.
    values["gone"] = values.get("gone", 0) + max(0, values.pop("known") - listed)
    for name in ("participant_id", "whose"):
        values.pop(name, None)
    return LiveNumbers(**values)
