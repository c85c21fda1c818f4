"""What a site takes and how it fares, every few seconds, in a thread: series by name."""

import contextlib
import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import psutil
import sqlalchemy as sa

from benchmarks.load.process_memory import proportional_bytes
from benchmarks.soak.miners import SoakCrowd
from benchmarks.soak.site import Site, state_of
from benchmarks.soak.slopes import Bound, Floats, Verdict, judge, outside
from benchmarks.soak.viewers import Viewers
from kench.pool.journal.reader import read_durable

EVERY_S = 3.0
WINDOW_S = 30.0
MEGA = 1 << 20
ROLES = (
    "stratum", "front", "settle", "sell", "cabinet", "tax", "node", "venue", "screening",
    "postgres", "up",
)  # fmt: skip
# What must not grow, by the beginning of its name; the rest is shown.
BOUNDS = (
    ("memory MB", Bound(24.0, 0.20)),
    ("descriptors", Bound(6.0, 0.10)),
    ("threads", Bound(2.0, 0.10)),
    ("settlement behind s", Bound(0.5)),
    ("disk lag ms", Bound(50.0)),
    ("answer p99 ms", Bound(100.0, 0.50)),
    ("refused/s", Bound(1.0)),
    ("pages failed", Bound(0.05)),
    ("rows waiting", Bound(50.0)),
)
# Rows that wait for somebody: queues in the database. All else there is history.
WAITING = {
    "blocks to sign": "SELECT count(*) FROM blocks_to_sign",
    "worker_live": "SELECT count(*) FROM worker_live",
}
SIZE = sa.text(
    "SELECT sum(pg_total_relation_size(oid)) FROM pg_class "
    "WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace"
)
SETTLED = sa.text("SELECT coalesce(sum(next_sequence), 0) FROM journal_positions")
BLOCKS = sa.text("SELECT count(*) FROM blocks")
SOLD = sa.text("SELECT count(*) FROM fills")


class Sampler:
    """Samples until it is stopped; what cannot be had at a moment is not a number."""

    def __init__(self, site: Site, engine: sa.Engine, crowd: SoakCrowd, viewers: Viewers) -> None:
        self._site = site
        self._engine = engine
        self._crowd = crowd
        self._viewers = viewers
        self._series: dict[str, list[float]] = {}
        self._times: list[float] = []
        self._before: dict[str, float] = {}
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="sampler", daemon=True)
        self.begun = time.monotonic()
        self.faults: list[tuple[float, str]] = []
        self.trouble: str | None = None

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End."""
        self._stop.set()
        self._thread.join(EVERY_S * 4)

    def note(self, words: str) -> None:
        """Note that a fault begins now."""
        self.faults.append((time.monotonic() - self.begun, words))

    def _run(self) -> None:
        while not self._stop.wait(EVERY_S):
            try:
                self._sample()
            except Exception as fault:  # noqa: BLE001 - told in the result: a soak goes on
                self.trouble = repr(fault)

    def _sample(self) -> None:
        now = time.monotonic() - self.begun
        values = {**self._processes(), **self._miners(now), **self._database()}
        state = state_of(self._site.metrics_port)
        fronts = [one for one in state.get("fronts", {}).values() if one.get("serving")]
        if fronts:
            values["disk lag ms"] = max(float(one.get("durable_lag_ms") or 0) for one in fronts)
            values["connections"] = sum(float(one.get("connections") or 0) for one in fronts)
        self._times.append(now)
        for name in self._series.keys() | values.keys():
            series = self._series.setdefault(name, [np.nan] * (len(self._times) - 1))
            series.append(values.get(name, np.nan))

    def _processes(self) -> dict[str, float]:
        values: dict[str, float] = {}
        for role, those in self._site.parts().items():
            if role not in ROLES:
                continue
            memory, descriptors, threads = 0.0, 0, 0
            for one in those:
                with contextlib.suppress(psutil.Error, OSError):
                    memory += proportional_bytes(one.pid)
                    descriptors += one.num_fds()
                    threads += one.num_threads()
            if memory:
                values[f"memory MB {role}"] = memory / MEGA
                values[f"descriptors {role}"] = descriptors
                values[f"threads {role}"] = threads
        return values

    def _miners(self, now: float) -> dict[str, float]:
        crowd, seen = self._crowd, self._viewers.seen
        totals = {
            "acknowledged/s": float(crowd.acknowledged),
            "refused/s": float(sum(crowd.refused_total.values())),
            "unserved/s": float(crowd.unserved_now),
            "pages failed": float(seen.pages_failed),
            "questions failed": float(seen.questions_failed),
        }
        since = now - self._before.get("now", 0.0)
        values = {
            name: (total - self._before.get(name, 0.0)) / since for name, total in totals.items()
        }
        self._before = {**totals, "now": now}
        latencies = crowd.take_latencies()
        if latencies:
            values["answer p50 ms"] = float(np.percentile(latencies, 50)) * 1000
            values["answer p99 ms"] = float(np.percentile(latencies, 99)) * 1000
        return values

    def _database(self) -> dict[str, float]:
        values: dict[str, float] = {}
        with contextlib.suppress(sa.exc.SQLAlchemyError), self._engine.connect() as connection:
            ask = _asker(connection)
            durable = sum(read_durable(one) for one in journals_of(self._site.data))
            values["settlement behind s"] = (durable - ask(SETTLED)) / self._crowd.rate
            values["blocks"] = ask(BLOCKS)
            values["fills"] = ask(SOLD)
            values["database MB"] = ask(SIZE) / MEGA
            for name, question in WAITING.items():
                values[f"rows waiting {name}"] = ask(sa.text(question))
        return values

    @property
    def times_s(self) -> Floats:
        """When samples were taken, seconds from the start."""
        return np.array(self._times)

    @property
    def series(self) -> dict[str, Floats]:
        """All series by name, as long as `times_s`."""
        return {name: np.array(values) for name, values in sorted(self._series.items())}

    def verdicts(self) -> list[Verdict]:
        """Judge what must not grow, outside of what follows from faults."""
        times_s = self.times_s
        if len(times_s) < 2:
            return []
        kept = outside(times_s, [at for at, _ in self.faults], WINDOW_S)
        found = []
        for name, values in self.series.items():
            bound = next((one for begun, one in BOUNDS if name.startswith(begun)), None)
            if bound is not None:
                verdict = judge(name, times_s[kept], values[kept], bound)
                if verdict is not None:
                    found.append(verdict)
        return found


def journals_of(data: Path) -> list[Path]:
    """Return the folders of the journals."""
    root = data / "journal"
    return [one for one in sorted(root.iterdir()) if one.name.isdigit()] if root.is_dir() else []


def _asker(connection: sa.Connection) -> Callable[[sa.TextClause], float]:
    def ask(question: sa.TextClause) -> float:
        return float(connection.execute(question).scalar_one() or 0)

    return ask
