"""The numbers of all workers in memory: windows for display, open buckets for the history."""

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from kench.pool.journal import Flag, ShareArray
from kench.stratum.statistics.copying import NEVER
from kench.stratum.statistics.outcomes import Outcome, outcome_of
from kench.stratum.statistics.windows import Numbers, Ring
from kench.stratum.statistics.work import LIMBS, Floats, Limbs, Works, joined
from kench.stratum.statistics.workers import Ids, Rows, WorkerRows
from kench.stratum.user_agents import Tally

BUCKET_S = 600
HOUR_S = 3600
# Windows of the hashrate: seconds a step, steps.
HASHRATES = {"1m": (10, 6), "10m": (60, 10), "1h": (600, 6), "24h": (HOUR_S, 24)}
# Windows that are filled from the journal again after a restart; the others from the history.
SHORT = ("1m", "10m")
COUNTED_HOURS = 24
# Rows are made room for in strides, since each time all arrays are copied.
STRIDE = 1024


class Credited(NamedTuple):
    """One worker's accepted shares of one bucket."""

    bucket_s: int
    participant: int
    worker: int
    accepted: int
    work_hashes: int


@dataclass(slots=True)
class Bucket:
    """Ten minutes' accepted shares that are not in the history yet: counts and exact work."""

    accepted: npt.NDArray[np.int64]
    limbs: Limbs


@dataclass(slots=True)
class SentWork:
    """The difficulty of each worker's share before, and its work."""

    difficulty: Floats
    floats: Floats
    limbs: Limbs

    @classmethod
    def empty(cls) -> "SentWork":
        """Return one without rows."""
        return cls(np.zeros(0), np.zeros(0), np.zeros((LIMBS, 0), np.uint64))

    def extended(self, room: int) -> "SentWork":
        """Return one with more rows."""
        return SentWork(
            _extended(self.difficulty, room),
            _extended(self.floats, room),
            _extended(self.limbs, room),
        )

    def kept(self, rows: Rows) -> "SentWork":
        """Return one with these rows alone."""
        return SentWork(self.difficulty[rows], self.floats[rows], self.limbs[:, rows])


class Gathering:
    """Takes records of shares and counts of refusals, each once; times are Unix seconds."""

    def __init__(self) -> None:
        self.workers = WorkerRows()
        self.rates = {name: Ring(step_s, steps) for name, (step_s, steps) in HASHRATES.items()}
        self.counts = {outcome: Ring(HOUR_S, COUNTED_HOURS, np.uint32) for outcome in Outcome}
        self.pool = {outcome: Ring(*HASHRATES["1m"]) for outcome in Outcome}
        self.last_share_us = np.zeros(0, np.int64)
        self.buckets: dict[int, Bucket] = {}
        self._works = Works()
        self._sent = SentWork.empty()
        self._room = 0
        for ring in self.pool.values():
            ring.resize(1)
        self._make_room()

    def advance(self, now_s: float) -> None:
        """Let windows move on to this moment."""
        for ring in self._rings():
            ring.advance(now_s)

    # -- what comes in ----------------------------------------------------------------------

    def fold(self, records: ShareArray, *, now_s: float = np.inf, counted: bool = True) -> None:
        """Add journal records; those that the history has go into the short windows alone.

        A record from after `now_s` counts as one of then.
        """
        credited = records[(records["flags"] & Flag.UNCREDITED) == 0]
        if not len(credited):
            return
        rows = self.rows_of(credited["participant"], credited["worker"])
        floats, limbs = self._work_of(rows, credited["difficulty"])
        times_us = np.minimum(credited["time_us"], now_s * 1e6).astype(np.int64)
        if counted:
            np.maximum.at(self.last_share_us, rows, times_us)
        times_s = times_us // 1_000_000
        finest_s = HASHRATES["1m"][0]
        for part in _runs(times_s // finest_s):
            at_s = int(times_s[part.start])
            self._add_to_windows(at_s, rows[part], floats[part], counted=counted)
        if counted:
            for part in _runs(times_s // BUCKET_S):
                bucket_s = int(times_s[part.start]) // BUCKET_S * BUCKET_S
                self._add_to_bucket(bucket_s, rows[part], limbs[:, part])

    def refuse(self, tally: Tally, now_s: float) -> None:
        """Add refusals counted just now."""
        at_s = int(now_s)
        for (participant, worker, verdict, _agent), count in tally.items():
            outcome = outcome_of(verdict)
            row = self.workers.row(participant, worker)
            self._make_room()
            self.counts[outcome].add_at(at_s, row, count)
            self.pool[outcome].add_at(at_s, 0, count)

    def restore(
        self,
        at_s: int,
        span_s: int,
        rows: Rows,
        work: Floats,
        counts: Mapping[Outcome, Numbers],
    ) -> None:
        """Add what the history has of a span (an hour or a bucket) that began at `at_s`."""
        self._make_room()
        for name, (step_s, _steps) in HASHRATES.items():
            if name not in SHORT and span_s <= step_s:
                self.rates[name].add(at_s, _spread(rows, work, self._room))
        for outcome, numbers in counts.items():
            self.counts[outcome].add(at_s, _spread(rows, numbers, self._room).astype(np.uint32))

    def rows_of(self, participants: Ids, workers: Ids) -> Rows:
        """Return the row of each worker; new ones get rows."""
        rows = self.workers.of(participants, workers)
        self._make_room()
        return rows

    # -- what goes out ----------------------------------------------------------------------

    def hashrates(self, now_s: float) -> dict[str, Floats]:
        """Return hashes a second of each row by window."""
        size = len(self.workers)
        return {
            name: ring.sums()[:size] / ring.covered_s(now_s) for name, ring in self.rates.items()
        }

    def counted(self) -> dict[Outcome, Numbers]:
        """Return shares of each row over the last day by outcome."""
        size = len(self.workers)
        return {outcome: ring.sums()[:size] for outcome, ring in self.counts.items()}

    def last_shares(self) -> npt.NDArray[np.int64]:
        """Return when each row's last share came, in Unix microseconds; NEVER if none did."""
        return self.last_share_us[: len(self.workers)]

    def shares_per_s(self, now_s: float) -> dict[Outcome, float]:
        """Return the whole pool's shares a second over the last minute by outcome."""
        return {
            outcome: float(ring.sums()[0] / ring.covered_s(now_s))
            for outcome, ring in self.pool.items()
        }

    def credited(self) -> Iterator[Credited]:
        """Return what the open buckets hold, oldest first."""
        participants, workers = self.workers.participants, self.workers.workers
        for bucket_s in sorted(self.buckets):
            bucket = self.buckets[bucket_s]
            rows = np.flatnonzero(bucket.accepted)
            for participant, worker, accepted, limbs in zip(
                participants[rows].tolist(),
                workers[rows].tolist(),
                bucket.accepted[rows].tolist(),
                bucket.limbs[:, rows].T.tolist(),
                strict=True,
            ):
                yield Credited(bucket_s, participant, worker, accepted, joined(limbs))

    def forget_idle(self, in_use: Ids) -> bool:
        """Let go of workers that did nothing in any window, but for those in use (by id)."""
        if self.buckets:
            return False
        size = len(self.workers)
        busy = np.isin(self.workers.workers, in_use)
        busy[0] = True
        for ring in (*self.rates.values(), *self.counts.values()):
            busy |= ring.sums()[:size] > 0
        rows = np.flatnonzero(busy)
        if len(rows) + STRIDE > size:
            return False
        self.workers.keep(rows)
        self.last_share_us = self.last_share_us[rows]
        self._sent = self._sent.kept(rows)
        for ring in (*self.rates.values(), *self.counts.values()):
            ring.keep(rows)
        self._room = len(rows)
        self._make_room()
        return True

    # -- inside -----------------------------------------------------------------------------

    def _rings(self) -> Iterator[Ring]:
        yield from self.rates.values()
        yield from self.counts.values()
        yield from self.pool.values()

    def _make_room(self) -> None:
        """Have all arrays hold as many rows as there are workers."""
        if len(self.workers) <= self._room:
            return
        self._room = len(self.workers) + max(STRIDE, len(self.workers) // 4)
        for ring in (*self.rates.values(), *self.counts.values()):
            ring.resize(self._room)
        self.last_share_us = _extended(self.last_share_us, self._room, NEVER)
        self._sent = self._sent.extended(self._room)
        for bucket in self.buckets.values():
            bucket.accepted = _extended(bucket.accepted, self._room)
            bucket.limbs = _extended(bucket.limbs, self._room)

    def _work_of(self, rows: Rows, difficulties: Floats) -> tuple[Floats, Limbs]:
        """Return the work of each share: nearly always that of its worker's share before."""
        sent = self._sent
        other = np.flatnonzero(sent.difficulty[rows] != difficulties)
        floats, limbs = sent.floats[rows], sent.limbs[:, rows]
        if len(other):
            floats[other], limbs[:, other] = self._works.of(difficulties[other])
            changed, first = np.unique(rows[other], return_index=True)
            sent.difficulty[changed] = difficulties[other][first]
            sent.floats[changed] = floats[other][first]
            sent.limbs[:, changed] = limbs[:, other][:, first]
        return floats, limbs

    def _add_to_windows(self, at_s: int, rows: Rows, work: Floats, *, counted: bool) -> None:
        names = [
            name
            for name, ring in self.rates.items()
            if (counted or name in SHORT) and ring.covers(at_s)
        ]
        if not names:
            return
        sums = np.bincount(rows, work, self._room)
        for name in names:
            self.rates[name].add(at_s, sums)
        if counted:
            accepted = np.bincount(rows, minlength=self._room).astype(np.uint32)
            self.counts[Outcome.ACCEPTED].add(at_s, accepted)
            self.pool[Outcome.ACCEPTED].add_at(at_s, 0, len(rows))

    def _add_to_bucket(self, bucket_s: int, rows: Rows, limbs: Limbs) -> None:
        bucket = self.buckets.get(bucket_s)
        if bucket is None:
            bucket = self.buckets[bucket_s] = Bucket(
                np.zeros(self._room, np.int64), np.zeros((LIMBS, self._room), np.uint64)
            )
        bucket.accepted += np.bincount(rows, minlength=self._room)
        for limb in range(LIMBS):
            # Exact: fewer than 2^21 numbers of 32 bits stay below the 53 bits of a float.
            sums = np.bincount(rows, limbs[limb].astype(np.float64), self._room)
            bucket.limbs[limb] += sums.astype(np.uint64)


def _runs(numbers: npt.NDArray[np.int64]) -> Iterator[slice]:
    """Split an array into slices of one number each."""
    starts = [0, *(np.flatnonzero(np.diff(numbers)) + 1).tolist(), len(numbers)]
    return (slice(start, end) for start, end in itertools.pairwise(starts))


def _spread(rows: Rows, numbers: Numbers, room: int) -> Numbers:
    """Return an array with each number at its row."""
    spread = np.zeros(room, numbers.dtype)
    np.add.at(spread, rows, numbers)
    return spread


def _extended(numbers: Numbers, room: int, empty: int = 0) -> Numbers:
    shape = (*numbers.shape[:-1], room - numbers.shape[-1])
    more = np.full(shape, empty, numbers.dtype)
    return np.concatenate((numbers, more), axis=-1)
