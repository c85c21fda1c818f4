"""How hard a block is, hour by hour: from the jobs that miners are given, to PostgreSQL.

An hour counts by the first target that was seen in it. The network changes its own about every two
weeks: of one hour in 336 a part counts by the target before.
"""

from collections.abc import Mapping

import sqlalchemy as sa

from kench.pool.work import work_of_target
from kench.stratum.statistics.gathering import HOUR_S

# Hours that wait for PostgreSQL; past it the oldest are left out, and stay unknown.
WAITING_MAX = 1024
# Without a job for so long nobody mines on, whatever the last one said.
STALE_S = 600.0

_ADD = sa.text("""
    INSERT INTO network_hours (bucket_at, nbits, block_work_hashes)
    VALUES (to_timestamp(:hour_s), :nbits, :block_work_hashes)
    ON CONFLICT (bucket_at) DO NOTHING
""")


class NetworkHours:
    """The target of each hour, written once; in one thread but for `hear`."""

    def __init__(self) -> None:
        self._heard: tuple[float, int, int] | None = None
        self._noted_s = -1
        self._waiting: dict[int, tuple[int, int]] = {}

    def hear(self, at_s: float, nbits: int, block_target: int) -> None:
        """Hear of a job, in any thread."""
        self._heard = at_s, nbits, block_target

    def note(self, now_s: float) -> None:
        """Keep what holds in an hour that has begun."""
        hour_s = int(now_s) // HOUR_S * HOUR_S
        heard = self._heard
        if heard is None or hour_s <= self._noted_s or now_s - heard[0] > STALE_S:
            return
        _, nbits, block_target = heard
        self._noted_s = hour_s
        self._waiting[hour_s] = nbits, work_of_target(block_target)
        if len(self._waiting) > WAITING_MAX:
            del self._waiting[min(self._waiting)]

    def write(self, engine: sa.Engine) -> None:
        """Write what waits; nothing is lost where that fails."""
        waiting = dict(self._waiting)
        add_hours(engine, waiting)
        for hour_s in waiting:
            del self._waiting[hour_s]


def add_hours(engine: sa.Engine, hours: Mapping[int, tuple[int, int]]) -> None:
    """Write bits and work of hours; one that has its row keeps it."""
    if hours:
        rows = [
            {"hour_s": hour_s, "nbits": nbits, "block_work_hashes": work_hashes}
            for hour_s, (nbits, work_hashes) in hours.items()
        ]
        with engine.begin() as connection:
            connection.execute(_ADD, rows)
