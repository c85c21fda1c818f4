"""The windows of an hour and a day after a restart, taken back from the history."""

import numpy as np
import sqlalchemy as sa

from kench.stratum.statistics.copying import from_postgres_us, read_copy
from kench.stratum.statistics.gathering import BUCKET_S, COUNTED_HOURS, HOUR_S, Gathering
from kench.stratum.statistics.outcomes import Outcome

_COLUMNS = (
    ("participant", ">i4"), ("worker", ">i4"), ("accepted", ">i8"), ("stale", ">i8"),
    ("low_difficulty", ">i8"), ("duplicate", ">i8"), ("other", ">i8"), ("work", ">f8"),
)  # fmt: skip
_ROWS = (
    "SELECT participant_id, worker_id, accepted, stale, low_difficulty, duplicate, other,"
    " work_hashes::double precision FROM {level} WHERE bucket_at = to_timestamp({at_s})"
)
_HOURS_DONE = sa.text(
    "SELECT extract(epoch FROM done_before)::bigint FROM statistics_rollups"
    " WHERE level = 'worker_hours'"
)


def restore(connection: sa.Connection, gathering: Gathering, now_s: float) -> None:
    """Fill an empty gathering with what the history has of the windows at this moment."""
    gathering.advance(now_s)
    hours_done_s = int(connection.execute(_HOURS_DONE).scalar_one())
    this_hour_s = int(now_s) // HOUR_S * HOUR_S
    for hour_s in range(this_hour_s - (COUNTED_HOURS - 1) * HOUR_S, this_hour_s + 1, HOUR_S):
        if hour_s < min(hours_done_s, this_hour_s - HOUR_S):
            _restore(connection, gathering, "worker_hours", hour_s, HOUR_S)
            continue
        for bucket_s in range(hour_s, hour_s + HOUR_S, BUCKET_S):
            _restore(connection, gathering, "worker_ten_minutes", bucket_s, BUCKET_S)
    _restore_last_shares(connection, gathering)


def _restore(
    connection: sa.Connection, gathering: Gathering, level: str, at_s: int, span_s: int
) -> None:
    rows = read_copy(connection, _ROWS.format(level=level, at_s=at_s), _COLUMNS)
    if not len(rows):
        return
    where = gathering.rows_of(
        rows["participant"].astype(np.uint32), rows["worker"].astype(np.uint32)
    )
    counts = {outcome: rows[outcome.name.lower()] for outcome in Outcome}
    gathering.restore(at_s, span_s, where, rows["work"].astype(np.float64), counts)


def _restore_last_shares(connection: sa.Connection, gathering: Gathering) -> None:
    """Take last share times from the live table, for workers that are known here."""
    rows = read_copy(
        connection,
        "SELECT worker_id, max(last_share_at) FROM worker_live GROUP BY 1",
        (("worker", ">i4"), ("last_share_at", ">i8")),
    )
    workers = rows["worker"].astype(np.uint32)
    known = np.isin(workers, gathering.workers.workers)
    where = gathering.rows_of(np.zeros(int(known.sum()), np.uint32), workers[known])
    gathering.last_share_us[where] = from_postgres_us(rows["last_share_at"][known])
