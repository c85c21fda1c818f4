"""Workers of a participant as lists show them: searched, sorted, in groups, page by page."""

import sys
from array import array
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Any, NamedTuple

import sqlalchemy as sa

from kench.cabinet.numbers.live import STATE, WorkerState, per_worker, sums_of
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


_REFUSED = "(stale + low_difficulty + duplicate + other)"
_COUNTS = ("accepted", "stale", "low_difficulty", "duplicate", "other")


class _Order(NamedTuple):
    """How a list is sorted, and the live columns that this needs."""

    text: str
    columns: tuple[str, ...] = ()


_ORDERS = {
    Sort.NAME: _Order("name"),
    Sort.HASHRATE: _Order("hashrate_1h DESC NULLS LAST", ("hashrate_1h",)),
    Sort.DAY: _Order("hashrate_24h DESC NULLS LAST", ("hashrate_24h",)),
    Sort.REFUSED: _Order(
        f"{_REFUSED}::float8 / nullif(accepted + {_REFUSED}, 0) DESC NULLS LAST", _COUNTS
    ),
    Sort.LAST_SHARE: _Order("last_share_at DESC NULLS LAST", ("last_share_at",)),
}
_STATE_COLUMNS = ("last_share_at", "hashrate_1h", "hashrate_24h")


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


# First which workers, by as few columns as their order and state need; then all of those few.
_CHOSEN = """
    SELECT workers.id, count(*) OVER () AS total
    FROM workers {live} {members}
    WHERE workers.participant_id = :participant {only}
    ORDER BY {order}, workers.id LIMIT {most} OFFSET :offset
"""
# All of them, four bytes each.
_ORDER = """
    SELECT string_agg(int4send(workers.id), '' ORDER BY {order}, workers.id)
    FROM workers {live} WHERE workers.participant_id = :participant {only}
"""
_LINES = sa.text(f"""
    SELECT workers.id, workers.name, workers.created_at, members.group_id,
        groups.name AS group_name, coalesce(state, 'gone') AS state,
        coalesce(hashrate_10m, 0) AS hashrate_10m, coalesce(hashrate_1h, 0) AS hashrate_1h,
        coalesce(hashrate_24h, 0) AS hashrate_24h, coalesce(accepted, 0) AS accepted,
        coalesce(stale, 0) AS stale, coalesce(low_difficulty, 0) AS low_difficulty,
        coalesce(duplicate, 0) AS duplicate, coalesce(other, 0) AS other,
        coalesce(sessions, 0) AS sessions, last_share_at, difficulty, user_agent
    FROM workers
    LEFT JOIN ({per_worker("worker_id = ANY(CAST(:workers AS integer[]))")}) AS live
        ON live.worker_id = workers.id
    LEFT JOIN worker_group_members AS members ON members.worker_id = workers.id
    LEFT JOIN worker_groups AS groups ON groups.id = members.group_id
    WHERE workers.participant_id = :participant
        AND workers.id = ANY(CAST(:workers AS integer[]))
""")  # noqa: S608 - constants
_REFUSALS = sa.text("""
    SELECT reason, sum(count)::bigint AS shares FROM refusals
    WHERE participant_id = :participant AND worker_id = :worker
    GROUP BY reason ORDER BY shares DESC, reason
""")


def read_workers(db: sa.Connection, participant_id: int, wanted: Wanted, now_us: int) -> Page:
    """Return one page of the workers wanted."""
    asked = _asked(participant_id, now_us) | {
        "search": wanted.search[:SEARCH_MAX],
        "state": wanted.state,
        "group": wanted.group_id,
        "offset": first_of(wanted),
    }
    chosen = db.execute(sa.text(_chosen(_CHOSEN, wanted)), asked).all()
    lines = read_lines(db, participant_id, [row.id for row in chosen], now_us)
    return Page(lines, chosen[0].total if chosen else 0)


def read_order(db: sa.Connection, participant_id: int, wanted: Wanted, now_us: int) -> "array[int]":
    """Return the ids of all workers in that state in that order; search and group do not count."""
    statement = sa.text(_chosen(_ORDER, replace(wanted, search="", group_id=None)))
    asked = _asked(participant_id, now_us) | {"state": wanted.state}
    ids = array("i", bytes(db.scalar(statement, asked) or b""))
    if sys.byteorder == "little":
        ids.byteswap()
    return ids


def first_of(wanted: Wanted) -> int:
    """Return how many workers there are on the pages before."""
    return (min(max(wanted.page, 1), PAGES_MAX) - 1) * PAGE_WORKERS


def read_lines(
    db: sa.Connection, participant_id: int, workers: list[int], now_us: int
) -> tuple[WorkerLine, ...]:
    """Return some of a participant's workers, in the order in which they are asked for."""
    asked = _asked(participant_id, now_us) | {"workers": workers}
    lines = {row.id: _line(row) for row in db.execute(_LINES, asked)} if workers else {}
    return tuple(lines[one] for one in workers if one in lines)


def read_worker(
    db: sa.Connection, participant_id: int, worker_id: int, now_us: int
) -> WorkerLine | None:
    """Return a worker of the participant; None for whatever is none of its own."""
    return next(iter(read_lines(db, participant_id, [worker_id], now_us)), None)


def read_refusals(db: sa.Connection, participant_id: int, worker_id: int) -> list[Refusal]:
    """Return what a worker was refused for, since ever, the most frequent first."""
    rows = db.execute(_REFUSALS, {"participant": participant_id, "worker": worker_id})
    return [Refusal(row.reason, row.shares) for row in rows]


def _asked(participant_id: int, now_us: int) -> dict[str, Any]:
    return {"participant": participant_id, "ids": [participant_id], "now": moment_of(now_us)}


def _chosen(statement: str, wanted: Wanted) -> str:
    """Return the statement that chooses workers, with no more joined than is needed for that."""
    order = _ORDERS[wanted.sort]
    columns = set(order.columns) | (set(_STATE_COLUMNS) if wanted.state else set())
    live = f"LEFT JOIN ({sums_of(sorted(columns))}) AS live ON live.worker_id = workers.id"
    members = "JOIN worker_group_members AS members ON members.worker_id = workers.id"
    only = []
    if wanted.search:
        only.append("strpos(lower(name), lower(:search)) > 0")
    if wanted.group_id is not None:
        only.append("members.group_id = :group")
    if wanted.state:
        only.append(f"{STATE} = :state")
    return statement.format(
        live=live if columns else "",
        members=members if wanted.group_id is not None else "",
        only="".join(f" AND {one}" for one in only),
        order=order.text,
        most=PAGE_WORKERS,
    )


def _line(row: sa.Row[tuple[object, ...]]) -> WorkerLine:
    values = {name: row._mapping[name] for name in WorkerLine._fields}
    return WorkerLine(**values | {"state": WorkerState(values["state"])})
