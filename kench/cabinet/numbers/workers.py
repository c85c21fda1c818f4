"""Workers of a participant as lists show them: searched, sorted, in groups, page by page."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple

import sqlalchemy as sa

from kench.cabinet.numbers.live import PER_WORKER, WorkerState
from kench.pool.moments import moment_of

PAGE_WORKERS = 50
PAGES_MAX = 10_000
SEARCH_MAX = 64


class Sort(StrEnum):
    """By what a list is sorted; each in the direction that people look for first."""

    NAME = "name"
    HASHRATE = "hashrate"
    DAY = "day"
    REFUSED = "refused"
    LAST_SHARE = "last"


_ORDERS = {
    Sort.NAME: "name",
    Sort.HASHRATE: "hashrate_1h DESC NULLS LAST",
    Sort.DAY: "hashrate_24h DESC NULLS LAST",
    Sort.REFUSED: "refused::float8 / nullif(accepted + refused, 0) DESC NULLS LAST",
    Sort.LAST_SHARE: "last_share_at DESC NULLS LAST",
}


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which workers, in which order, from where on."""

    search: str = ""
    state: WorkerState | None = None
    group_id: int | None = None
    sort: Sort = Sort.NAME
    page: int = 1


class WorkerLine(NamedTuple):
    """One worker; hashrates in hashes a second, counts of the last 24 hours."""

    id: int
    name: str
    created_at: datetime
    group_id: int | None
    group_name: str | None
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
    user_agent: str | None

    @property
    def refused(self) -> int:
        """Shares of the day that count for nothing."""
        return self.stale + self.low_difficulty + self.duplicate + self.other

    @property
    def refused_part(self) -> float | None:
        """Their part of all shares of the day."""
        whole = self.accepted + self.refused
        return self.refused / whole if whole else None


class Page(NamedTuple):
    """Some of the workers wanted, and how many those are in all."""

    workers: tuple[WorkerLine, ...]
    total: int

    @property
    def pages(self) -> int:
        """How many pages they fill."""
        return max(1, -(-self.total // PAGE_WORKERS))


class Refusal(NamedTuple):
    """Shares of a worker that were refused for one reason, since ever."""

    reason: str
    shares: int


_LINES = f"""
    SELECT workers.id, workers.name, workers.created_at, members.group_id,
        groups.name AS group_name, coalesce(state, 'gone') AS state,
        coalesce(hashrate_10m, 0) AS hashrate_10m, coalesce(hashrate_1h, 0) AS hashrate_1h,
        coalesce(hashrate_24h, 0) AS hashrate_24h, coalesce(accepted, 0) AS accepted,
        coalesce(stale, 0) AS stale, coalesce(low_difficulty, 0) AS low_difficulty,
        coalesce(duplicate, 0) AS duplicate, coalesce(other, 0) AS other,
        coalesce(sessions, 0) AS sessions, last_share_at, difficulty, user_agent,
        coalesce(stale + low_difficulty + duplicate + other, 0) AS refused
    FROM workers LEFT JOIN ({PER_WORKER}) AS live ON live.worker_id = workers.id
    LEFT JOIN worker_group_members AS members ON members.worker_id = workers.id
    LEFT JOIN worker_groups AS groups ON groups.id = members.group_id
    WHERE workers.participant_id = :participant
"""  # noqa: S608 - constants
_PAGE = f"""
    SELECT *, count(*) OVER () AS total FROM ({_LINES}) AS lines
    WHERE (CAST(:search AS text) = '' OR strpos(lower(name), lower(:search)) > 0)
        AND (CAST(:state AS text) IS NULL OR state = :state)
        AND (CAST(:group AS integer) IS NULL OR group_id = :group)
    ORDER BY {{order}}, id LIMIT {PAGE_WORKERS} OFFSET :offset
"""  # noqa: S608
_ONE = sa.text(f"{_LINES} AND workers.id = :worker")
_REFUSALS = sa.text("""
    SELECT reason, sum(count)::bigint AS shares FROM refusals
    WHERE participant_id = :participant AND worker_id = :worker
    GROUP BY reason ORDER BY shares DESC, reason
""")


def read_workers(db: sa.Connection, participant_id: int, wanted: Wanted, now_us: int) -> Page:
    """Return one page of the workers wanted."""
    statement = sa.text(_PAGE.format(order=_ORDERS[wanted.sort]))
    rows = db.execute(
        statement,
        {
            "participant": participant_id,
            "ids": [participant_id],
            "now": moment_of(now_us),
            "search": wanted.search[:SEARCH_MAX],
            "state": wanted.state,
            "group": wanted.group_id,
            "offset": (min(max(wanted.page, 1), PAGES_MAX) - 1) * PAGE_WORKERS,
        },
    ).all()
    return Page(tuple(_line(row) for row in rows), rows[0].total if rows else 0)


def read_worker(
    db: sa.Connection, participant_id: int, worker_id: int, now_us: int
) -> WorkerLine | None:
    """Return a worker of the participant; None for whatever is none of its own."""
    row = db.execute(
        _ONE,
        {
            "participant": participant_id,
            "ids": [participant_id],
            "now": moment_of(now_us),
            "worker": worker_id,
        },
    ).one_or_none()
    return None if row is None else _line(row)


def read_refusals(db: sa.Connection, participant_id: int, worker_id: int) -> list[Refusal]:
    """Return what a worker was refused for, since ever, the most frequent first."""
    rows = db.execute(_REFUSALS, {"participant": participant_id, "worker": worker_id})
    return [Refusal(row.reason, row.shares) for row in rows]


def _line(row: sa.Row[tuple[object, ...]]) -> WorkerLine:
    values = {name: row._mapping[name] for name in WorkerLine._fields}
    return WorkerLine(**values | {"state": WorkerState(values["state"])})
