"""Blocks that work lets expect: each hour's work by what a block took in that hour, as integers.

A day in which one difficulty held is weighed whole, for there are 24 times as many hours; a day in
which it changed, or of which not every hour is known, by the hours that are.
"""

import math
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import NamedTuple

import sqlalchemy as sa

MIXED_DAYS_MAX = 40
"""So many days, the newest, are looked at by their hours. The network changes its difficulty in one
day of fourteen; what is beyond is left out, and said so."""
_DAY = timedelta(days=1)

_TARGETS = sa.text("""
    SELECT date_trunc('day', bucket_at, 'UTC') AS day_at,
        max(block_work_hashes) AS block_work_hashes,
        count(*) = 24 AND max(block_work_hashes) = min(block_work_hashes) AS whole
    FROM network_hours WHERE bucket_at >= :since AND bucket_at < :until GROUP BY 1 ORDER BY 1
""")
HOURS = sa.text("""
    SELECT participant_id, block_work_hashes, sum(work_hashes) AS work_hashes
    FROM participant_hours JOIN network_hours USING (bucket_at)
    WHERE bucket_at >= :since AND bucket_at < :until
        AND (:only = 0 OR participant_id = :only)
    GROUP BY 1, 2
""")


class Targets(NamedTuple):
    """How hard blocks were on which days."""

    days: list[datetime]
    """Those of one difficulty."""
    block_work_hashes: list[int]
    """Of each of them."""
    mixed: list[datetime]


class Weighed(NamedTuple):
    """What a participant's work lets expect, and how much of it was weighed."""

    expected: float = 0.0
    work_hashes: int = 0


def read_targets(db: sa.Connection, since: datetime, until: datetime) -> Targets:
    """Return what is known of these days."""
    rows = db.execute(_TARGETS, {"since": since, "until": until}).all()
    whole = [row for row in rows if row.whole]
    return Targets(
        [row.day_at for row in whole],
        [int(row.block_work_hashes) for row in whole],
        [row.day_at for row in rows if not row.whole][-MIXED_DAYS_MAX:],
    )


def read_hours(db: sa.Connection, targets: Targets, only: int) -> list[tuple[int, int, int]]:
    """Return participant, work of a block, work done, of the hours of days that are not whole."""
    return [
        (row.participant_id, int(row.block_work_hashes), int(row.work_hashes))
        for day in targets.mixed  # each day of its own: so few pages are read of each month
        for row in db.execute(HOURS, {"since": day, "until": day + _DAY, "only": only})
    ]


def weigh(parts: Iterable[tuple[int, int, int]]) -> dict[int, Weighed]:
    """Return what each may expect; `parts` are participant, work of a block, work done."""
    works: dict[int, dict[int, int]] = {}
    for participant_id, block_work_hashes, work_hashes in parts:
        of_one = works.setdefault(participant_id, {})
        of_one[block_work_hashes] = of_one.get(block_work_hashes, 0) + work_hashes
    return {
        participant_id: Weighed(
            math.fsum(work / block_work for block_work, work in of_one.items()),
            sum(of_one.values()),
        )
        for participant_id, of_one in works.items()
    }
