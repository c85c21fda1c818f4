"""Who writes the live table of a filled database: what a job maker does every few seconds."""

import threading
import time

import numpy as np
import sqlalchemy as sa

from benchmarks.load.cabinet_data import SOURCE
from kench.pool.clock import SystemClock
from kench.stratum.statistics.live import LiveRows, LiveWriter, PoolNumbers
from kench.stratum.statistics.outcomes import Outcome

_WORKERS = sa.text("SELECT participant_id, id FROM workers ORDER BY id")
_AGENTS = [f"bosminer/{number}" for number in range(40)]
JOIN_S = 60.0


class LiveTable:
    """Writes all workers' numbers, moved a little each time, in a thread until it is stopped."""

    def __init__(self, engine: sa.Engine, every_s: float) -> None:
        self._engine = engine
        self._every_s = every_s
        with engine.connect() as db:
            who = np.array([tuple(row) for row in db.execute(_WORKERS)], np.int64)
        self._participant, self._worker = who[:, 0], who[:, 1]
        self._writer = LiveWriter(SOURCE)
        self._clock = SystemClock()
        self._random = np.random.default_rng(1)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="live", daemon=True)
        self._written = threading.Condition()
        self.written_s: list[float] = []
        """When each writing was committed, by the monotonic clock."""

    def start(self) -> None:
        """Begin."""
        self.write()
        self._thread.start()

    def stop(self) -> None:
        """End."""
        self._stop.set()
        self._thread.join(JOIN_S)

    def write(self) -> None:
        """Write once."""
        now_us = self._clock.now_us()
        rows = self._rows(now_us)
        rates = {name: float(getattr(rows, f"hashrate_{name}").sum())
                 for name in ("1m", "10m", "1h", "24h")}  # fmt: skip
        pool = PoolNumbers(len(rows), rates, dict.fromkeys(Outcome, 1.0))
        with self._engine.begin() as db:
            self._writer.write(db, rows, pool, now_us / 1e6)
        with self._written:
            self.written_s.append(time.monotonic())
            self._written.notify_all()

    def wait(self, count: int) -> None:
        """Wait until it was written so often."""
        with self._written:
            self._written.wait_for(lambda: len(self.written_s) >= count or self._stop.is_set())

    def _rows(self, now_us: int) -> LiveRows:
        count, worker = len(self._worker), self._worker
        rate = (1e14 + worker % 1000 * 1e10) * self._random.uniform(0.9, 1.1, count)
        silent_s = np.where(worker % 20 == 0, 3000, worker % 100)
        return LiveRows(
            participant=self._participant,
            worker=worker,
            hashrate_1m=rate,
            hashrate_10m=rate,
            hashrate_1h=rate,
            hashrate_24h=rate,
            accepted=1000 + worker % 400,
            stale=worker % 20,
            low_difficulty=np.zeros(count, np.int64),
            duplicate=np.zeros(count, np.int64),
            other=worker % 3,
            last_share_us=now_us - silent_s * 1_000_000,
            sessions=np.ones(count, np.int64),
            session_since_us=np.full(count, now_us - 86_400_000_000),
            difficulty=np.full(count, 65_536.0),
            user_agent=(worker % len(_AGENTS)).astype(np.intp),
            user_agents=_AGENTS,
        )

    def _run(self) -> None:
        while not self._stop.wait(self._every_s):
            self.write()
