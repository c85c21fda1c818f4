"""Hashrates over time, of a participant or one of its workers, for charts: bounded points."""

from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

import sqlalchemy as sa

from kench.pool.moments import moment_of, us_of

SECOND_US = 1_000_000
SETTLED_S = 60
"""Shares of ten minutes are there so long after their end, if all goes well."""


class Span(StrEnum):
    """How far back a chart looks."""

    DAY = "24h"
    WEEK = "7d"
    MONTH = "30d"
    YEAR = "1y"


class Steps(NamedTuple):
    """From which level of the roll-ups a chart is drawn, and how long its steps are."""

    level: str
    step_s: int
    points: int
    row_points: int
    """So many points are one row of the table beside the chart."""


STEPS = {
    Span.DAY: Steps("ten_minutes", 600, 144, 6),
    Span.WEEK: Steps("hours", 3600, 168, 24),
    Span.MONTH: Steps("hours", 3600, 720, 24),
    Span.YEAR: Steps("days", 86_400, 365, 30),
}


class Point(NamedTuple):
    """One step: from when, how fast, how many shares."""

    at_s: int
    hashrate: float
    accepted: int
    refused: int


@dataclass(frozen=True, slots=True)
class Series:
    """Steps without a gap; those without a share are 0."""

    span: Span
    step_s: int
    points: tuple[Point, ...]

    @property
    def empty(self) -> bool:
        """Whether nothing at all was mined in it."""
        return not any(point.accepted for point in self.points)

    def rows(self) -> list[Point]:
        """Return the points of a table: several steps each, the newest first."""
        size = STEPS[self.span].row_points
        rows = []
        for end in range(len(self.points), 0, -size):
            part = self.points[max(0, end - size) : end]
            rows.append(
                Point(
                    part[0].at_s,
                    sum(point.hashrate for point in part) / len(part),
                    sum(point.accepted for point in part),
                    sum(point.refused for point in part),
                )
            )
        return rows


_DONE = sa.text("SELECT done_before FROM statistics_rollups WHERE level = :level")
_POINTS = """
    SELECT extract(epoch FROM bucket_at)::bigint AS at_s, work_hashes, accepted,
        stale + low_difficulty + duplicate + other AS refused
    FROM {level}
    WHERE participant_id = :participant {of_worker}
        AND bucket_at >= :since AND bucket_at < :until
"""


def read_series(
    db: sa.Connection, participant_id: int, span: Span, now_us: int, worker_id: int | None = None
) -> Series:
    """Return the hashrate of a participant, or of one of its workers."""
    steps = STEPS[span]
    whose = "participant" if worker_id is None else "worker"
    level = f"{whose}_{steps.level}"
    until_s = _until_s(db, level, steps.step_s, now_us)
    since_s = until_s - steps.points * steps.step_s
    of_worker = "" if worker_id is None else "AND worker_id = :worker"
    found = {
        row.at_s: row
        for row in db.execute(
            sa.text(_POINTS.format(level=level, of_worker=of_worker)),
            {
                "participant": participant_id,
                "since": moment_of(since_s * SECOND_US),
                "until": moment_of(until_s * SECOND_US),
            }
            | ({} if worker_id is None else {"worker": worker_id}),
        )
    }
    return Series(
        span,
        steps.step_s,
        tuple(
            Point(at_s, float(row.work_hashes) / steps.step_s, row.accepted, row.refused)
            if (row := found.get(at_s)) is not None
            else Point(at_s, 0.0, 0, 0)
            for at_s in range(since_s, until_s, steps.step_s)
        ),
    )


def _until_s(db: sa.Connection, level: str, step_s: int, now_us: int) -> int:
    """Return where the last whole step ends: one that is half filled would look like a fall."""
    until_s = now_us // SECOND_US // step_s * step_s
    done = db.scalar(_DONE, {"level": level})
    if done is None:  # the finest level, which nothing is summed for
        return (now_us // SECOND_US - SETTLED_S) // step_s * step_s
    return min(until_s, us_of(done) // SECOND_US)
