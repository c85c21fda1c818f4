"""Who writes the live table of a filled database: what a job maker does every few seconds."""

import multiprocessing
import time
from collections.abc import Iterator
from multiprocessing.synchronize import Event

import numpy as np
import sqlalchemy as sa

from benchmarks.load.cabinet_data import SOURCE
from kench.pool.clock import SystemClock
from kench.pool.database import open_engine
from kench.stratum.statistics.live import LiveRows, LiveWriter, PoolNumbers
from kench.stratum.statistics.outcomes import Outcome

_WORKERS = sa.text("SELECT participant_id, id FROM workers ORDER BY id")
_AGENTS = [f"bosminer/{number}" for number in range(40)]
STOP_S, WRITTEN_S = 30.0, 120.0


class LiveTable:
    """Writes all workers' numbers, moved a little each time, in a process of its own."""

    def __init__(self, url: str, every_s: float) -> None:
        spawning = multiprocessing.get_context("spawn")
        self._stop = spawning.Event()
        self._told: multiprocessing.Queue[float] = spawning.Queue()
        self._process = spawning.Process(
            target=_write, args=(url, every_s, self._stop, self._told), daemon=True
        )

    def start(self) -> None:
        """Begin; return when it was written for the first time."""
        self._process.start()
        self._told.get(timeout=WRITTEN_S)

    def stop(self) -> None:
        """End."""
        self._stop.set()
        self._process.join(STOP_S)

    def told(self) -> Iterator[float]:
        """Yield when each writing was committed that nobody was told of, by the monotonic clock."""
        while not self._told.empty():
            yield self._told.get()

    def next(self) -> float:
        """Wait for the next one; return the same."""
        return self._told.get(timeout=WRITTEN_S)


def _write(url: str, every_s: float, stop: Event, told: "multiprocessing.Queue[float]") -> None:
    """Write until it is to stop."""
    engine = open_engine(url, application_name="benchmark live", statement_timeout_s=300)
    writing = _Writing(engine)
    writing.write()
    told.put(time.monotonic())
    while not stop.wait(every_s):
        writing.write()
        told.put(time.monotonic())
    engine.dispose()


class _Writing:
    """What is written, and by what."""

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine
        with engine.connect() as db:
            who = np.array([tuple(row) for row in db.execute(_WORKERS)], np.int64)
        self._participant, self._worker = who[:, 0], who[:, 1]
        self._writer = LiveWriter(SOURCE)
        self._clock = SystemClock()
        self._random = np.random.default_rng(1)

    def write(self) -> None:
        """Write once."""
        now_us = self._clock.now_us()
        rows = self._rows(now_us)
        rates = {name: float(getattr(rows, f"hashrate_{name}").sum())
                 for name in ("1m", "10m", "1h", "24h")}  # fmt: skip
        pool = PoolNumbers(len(rows), rates, dict.fromkeys(Outcome, 1.0))
        with self._engine.begin() as db:
            self._writer.write(db, rows, pool, now_us / 1e6)

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
