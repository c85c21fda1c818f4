"""A worker's shares by ten minutes: accepted, refused by reason, their work, the newest first."""

from typing import NamedTuple

import sqlalchemy as sa

from kench.pool.moments import moment_of

STEP_S = 600
ROWS = 36
"""Of one page: six hours, where each ten minutes had a share."""
BEFORE_MAX_S = 2**40
_SECOND_US = 1_000_000
_HASHES_PER_DIFFICULTY = 2**32


class LogRow(NamedTuple):
    """Ten minutes in which a worker sent shares."""

    at_s: int
    accepted: int
    stale: int
    low_difficulty: int
    duplicate: int
    other: int
    work_hashes: int

    @property
    def refused(self) -> int:
        """Shares that count for nothing."""
        return self.stale + self.low_difficulty + self.duplicate + self.other

    @property
    def hashrate(self) -> float:
        """What the accepted ones say, in hashes a second."""
        return self.work_hashes / STEP_S

    @property
    def difficulty(self) -> float | None:
        """Mean difficulty of the accepted ones."""
        return self.work_hashes / self.accepted / _HASHES_PER_DIFFICULTY if self.accepted else None


class LogPage(NamedTuple):
    """Some rows, and before which moment the next page begins (None: there is none)."""

    rows: tuple[LogRow, ...]
    older_s: int | None


_ROWS = sa.text(f"""
    SELECT extract(epoch FROM bucket_at)::bigint AS at_s, accepted, stale, low_difficulty,
        duplicate, other, work_hashes
    FROM worker_ten_minutes
    WHERE participant_id = :participant AND worker_id = :worker AND bucket_at < :before
    ORDER BY bucket_at DESC LIMIT {ROWS + 1}
""")  # noqa: S608 - a constant


def read_share_log(
    db: sa.Connection, participant_id: int, worker_id: int, before_s: int | None, now_us: int
) -> LogPage:
    """Return a page of the log: what is older than a moment (None: the newest)."""
    before_us = now_us + STEP_S * _SECOND_US if before_s is None else before_s * _SECOND_US
    asked = {
        "participant": participant_id,
        "worker": worker_id,
        "before": moment_of(min(before_us, now_us + STEP_S * _SECOND_US)),
    }
    found = db.execute(_ROWS, asked)
    rows = [LogRow(*(int(value) for value in row)) for row in found]
    return LogPage(tuple(rows[:ROWS]), rows[ROWS - 1].at_s if len(rows) > ROWS else None)
