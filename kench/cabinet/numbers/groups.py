"""Groups of workers: names that a participant gives to some of them."""

from collections.abc import Collection
from enum import StrEnum
from typing import NamedTuple

import sqlalchemy as sa

from kench.cabinet.numbers.live import PER_WORKER
from kench.pool.moments import moment_of

GROUPS_MAX = 200
GROUP_NAME_MAX = 64
MOVED_MAX = 1_000
"""Workers that one form moves."""


class Group(NamedTuple):
    """A group of workers, and how many are in it."""

    id: int
    name: str
    workers: int


class GroupNumbers(NamedTuple):
    """What the workers of a group do together."""

    name: str
    workers: int
    mining: int
    hashrate_24h: float


class GroupRefusal(StrEnum):
    """Why workers were not moved."""

    NAME = "name"
    LIMIT = "limit"
    UNKNOWN = "unknown"


_GROUPS = sa.text("""
    SELECT groups.id, groups.name, count(members.worker_id) AS workers
    FROM worker_groups AS groups
    LEFT JOIN worker_group_members AS members ON members.group_id = groups.id
    WHERE groups.participant_id = :participant GROUP BY groups.id ORDER BY groups.name
""")
_NUMBERS = sa.text(f"""
    SELECT groups.name, count(members.worker_id) AS workers,
        count(*) FILTER (WHERE state IN ('active', 'low')) AS mining,
        coalesce(sum(hashrate_24h), 0) AS hashrate_24h
    FROM worker_groups AS groups
    JOIN worker_group_members AS members ON members.group_id = groups.id
    LEFT JOIN ({PER_WORKER}) AS live ON live.worker_id = members.worker_id
    WHERE groups.participant_id = :participant GROUP BY groups.id ORDER BY groups.name
""")  # noqa: S608 - a constant, from above
_ADD_GROUP = sa.text("""
    INSERT INTO worker_groups (participant_id, name) VALUES (:participant, :name)
    ON CONFLICT (participant_id, name) DO UPDATE SET name = excluded.name RETURNING id
""")
_OWN = "SELECT id FROM workers WHERE participant_id = :participant AND id = ANY(:workers)"
_JOIN = sa.text(f"""
    INSERT INTO worker_group_members (worker_id, participant_id, group_id)
    SELECT id, :participant, :group FROM ({_OWN}) AS own ORDER BY id
    ON CONFLICT (worker_id) DO UPDATE SET group_id = excluded.group_id
""")  # noqa: S608 - a constant, from above
_LEAVE = sa.text(f"DELETE FROM worker_group_members WHERE worker_id IN ({_OWN})")  # noqa: S608 - a constant, from above
_FORGET = sa.text("""
    DELETE FROM worker_groups AS groups WHERE participant_id = :participant
        AND NOT EXISTS (SELECT FROM worker_group_members WHERE group_id = groups.id)
""")


def read_groups(db: sa.Connection, participant_id: int) -> list[Group]:
    """Return the participant's groups by name."""
    rows = db.execute(_GROUPS, {"participant": participant_id})
    return [Group(*row) for row in rows]


def read_group_numbers(db: sa.Connection, participant_id: int, now_us: int) -> list[GroupNumbers]:
    """Return what each group does now."""
    asked = {"participant": participant_id, "ids": [participant_id], "now": moment_of(now_us)}
    return [GroupNumbers(*row) for row in db.execute(_NUMBERS, asked)]


def move_workers(
    db: sa.Connection, participant_id: int, workers: Collection[int], group_id: int | None
) -> int | GroupRefusal:
    """Put workers into a group of the participant, or out of all (None); return how many moved.

    Workers of others are left alone. A group that is empty then is forgotten.
    """
    asked = {"participant": participant_id, "workers": sorted(workers)[:MOVED_MAX]}
    if group_id is None:
        moved = db.execute(_LEAVE, asked).rowcount
    else:
        if group_id not in {group.id for group in read_groups(db, participant_id)}:
            return GroupRefusal.UNKNOWN
        moved = db.execute(_JOIN, asked | {"group": group_id}).rowcount
    db.execute(_FORGET, {"participant": participant_id})
    return moved


def group_named(db: sa.Connection, participant_id: int, name: str) -> int | GroupRefusal:
    """Return the group of that name, made if there is none."""
    name = " ".join(name.split())
    if not 1 <= len(name) <= GROUP_NAME_MAX or not name.isprintable():
        return GroupRefusal.NAME
    known = read_groups(db, participant_id)
    if len(known) >= GROUPS_MAX and name not in {group.name for group in known}:
        return GroupRefusal.LIMIT
    return int(db.execute(_ADD_GROUP, {"participant": participant_id, "name": name}).scalar_one())
