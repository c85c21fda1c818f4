"""One front in simulated time: its own pacing, group commit and broadcast, on measured costs."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from kench.pool.clock import ManualClock
from kench.pool.job import Job
from kench.pool.journal import Batch, JournalWriter
from kench.sim.costs import FrontCosts
from kench.sim.loop import SimLoop
from kench.stratum.acknowledge import Acknowledger
from kench.stratum.broadcast import Broadcast
from kench.stratum.connection import Connection
from kench.stratum.pacing import Pacer

if TYPE_CHECKING:
    from kench.native import RecordBuffer

# A storm that has not ended by then is said not to have; nor one that leaves no time for anything
# but shares: a turn of the loop that has so many seconds of them.
STORM_S, HOPELESS_S = 600.0, 5.0
PERCENT = 99.0


@dataclass(frozen=True, slots=True)
class Load:
    """What a front has to carry: shares a second in all, connections that are logged in.

    Shares come at any moment, or, where `bunch_s` is given, each so often, as a load client's do.
    """

    shares_per_s: float
    connections: int
    bunch_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Everyday:
    """A front under a steady load."""

    cpu: float
    """Part of a core that it takes on an idle machine, its threads together."""
    loop: float
    """Part of its loop's time that it needs however busy it is; near 1 it cannot keep up."""
    commits_per_s: float
    shares_per_commit: float
    p50_ms: float
    p99_ms: float


@dataclass(frozen=True, slots=True)
class NewBlock:
    """From the first line of a new job that a front sends to its last."""

    spread_ms: float
    p99_ms: float
    """Of shares answered meanwhile."""


class _Shares:
    """Shares as they come to a front, and when each was acknowledged."""

    def __init__(self, front: "Front", load: Load) -> None:
        self._front = front
        self.per_s = load.shares_per_s
        self._bunch_s = load.bunch_s
        self._until = 0.0
        self._owed = 0.0
        self._drawn: float | None = None
        self.came: list[np.ndarray[Any, np.dtype[np.float64]]] = []
        self.total = 0

    def take(self, now: float) -> bool:
        """Judge what came since the last time: it costs the loop's time."""
        span_s, begun = now - self._until, self._until
        if self._bunch_s:
            if span_s < self._bunch_s:
                return False
            bunches = int(span_s / self._bunch_s)
            span_s = bunches * self._bunch_s
            self._owed += self.per_s * span_s
            count = int(self._owed)
            self._owed -= count
            self._until += span_s
            times = np.full(count, self._until)
        else:
            if span_s <= 0 or (self._drawn is not None and now < self._drawn):
                return False
            chance = self._front.chance
            # That which was drawn has come; others may have meanwhile.
            first = 0 if self._drawn is None else 1
            since = begun if self._drawn is None else self._drawn
            count = first + int(chance.poisson(self.per_s * (now - since)))
            times = np.sort(chance.uniform(since, now, count)) if count else np.empty(0)
            self._until, self._drawn = now, None
        if not count:
            return False
        self.total += count
        self.came.append(times)
        self._front.judge(count)
        return True

    def next_at(self, now: float) -> float:
        """Return when the next share comes."""
        if self._bunch_s:
            return self._until + self._bunch_s
        if self.per_s <= 0:
            return np.inf
        if self._drawn is None:
            self._until = now
            self._drawn = now + float(self._front.chance.exponential(1 / self.per_s))
        return self._drawn


class _Records:
    """Stands for the native buffer: only how many records wait is of account here."""

    def __init__(self) -> None:
        self.waiting = 0

    def __len__(self) -> int:
        return self.waiting

    def take(self) -> tuple[bytes, int]:
        """Hand all over."""
        count, self.waiting = self.waiting, 0
        return b"", count

    def advance(self, now_us: int) -> int:
        """Say up to which time all records have come."""
        return now_us


class _Writer:
    """Stands for the journal's thread: a batch is durable after what that was measured to take."""

    next_sequence, floor_us = 0, 0

    def __init__(self, front: "Front") -> None:
        self._front = front
        self.on_durable: Any = None
        self.commits = 0

    def hand_over(self, batch: Batch) -> None:
        """Have a batch be durable a while later; one without records is a mark and no sync."""
        front = self._front
        self.commits += batch.count > 0
        wait_s = front.costs.commit_s.at(batch.count) if batch.count else 0.0
        front.loop.call_later(wait_s, self._durable, batch)

    def _durable(self, batch: Batch) -> None:
        self._front.answered(batch.count)
        self.on_durable(batch)


class _Broadcast(Broadcast):
    """The front's own slices; a send costs what it was measured to."""

    def __init__(self, front: "Front") -> None:
        super().__init__(front.loop.as_asyncio, front.clock)
        self._front = front

    def _send(self, run: Any, some: Iterable[Connection], now: float) -> int:  # type: ignore[override]  # noqa: ARG002 - the signature of what it stands in for
        count = len(tuple(some))
        self._front.clock.advance(count * self._front.costs.send_s)
        return count


class Front:
    """One front under a load, from time 0 on."""

    def __init__(self, costs: FrontCosts, load: Load, chance: np.random.Generator) -> None:
        self.costs = costs
        self.chance = chance
        self.clock = ManualClock()
        self.loop = SimLoop(self.clock)
        self._records = _Records()
        self._writer = _Writer(self)
        self._acknowledger = Acknowledger(
            self.loop.as_asyncio,
            cast("RecordBuffer", self._records),
            cast("JournalWriter", self._writer),
            self.clock,
        )
        self._writer.on_durable = self._acknowledger.on_durable
        self._broadcast = _Broadcast(self)
        self._load = load
        self._shares = _Shares(self, load)
        self._answered: list[tuple[float, int]] = []
        self._is_hopeless = False

    def judge(self, count: int) -> None:
        """Judge shares that came; their records wait for the next commit."""
        took_s = count * self.costs.share_s
        self._is_hopeless |= took_s > HOPELESS_S
        self.clock.advance(took_s)
        self._records.waiting += count
        self._acknowledger.schedule()

    def answered(self, count: int) -> None:
        """Note that so many of those who have waited longest were answered."""
        if count:
            self._answered.append((self.clock.monotonic(), count))

    def everyday(self, seconds: float) -> Everyday:
        """Carry the load for a while."""
        self.loop.run(self._shares, seconds, _never)
        latencies = self._latencies_ms()
        commits = self._writer.commits
        took_s = max(self.clock.monotonic(), seconds)
        idle_cpu = self.costs.idle_cpu + self._load.connections * self.costs.connection_cpu
        return Everyday(
            idle_cpu + self.costs.cpu_at(self._load.shares_per_s),
            idle_cpu + self.costs.share_s * self._load.shares_per_s,
            commits / took_s,
            self._shares.total / max(commits, 1),
            float(np.percentile(latencies, 50)) if len(latencies) else 0.0,
            float(np.percentile(latencies, PERCENT)) if len(latencies) else 0.0,
        )

    def new_block(self, job: Job) -> NewBlock:
        """Send a job to all connections while shares come."""
        settle_s = 0.5
        self.loop.run(self._shares, settle_s, _never)
        begun = self.clock.monotonic()
        # A connection is nothing but its turn here.
        everyone = cast("Iterable[Connection]", range(self._load.connections))
        self._broadcast.to_all(job, everyone, clean=True)
        self.loop.run(self._shares, begun + STORM_S, lambda: self._broadcast.last_sent > 0)
        over = self.clock.monotonic()
        self.loop.run(self._shares, over + settle_s, _never)
        latencies = self._latencies_ms(begun)
        return NewBlock(
            (over - begun) * 1000,
            float(np.percentile(latencies, PERCENT)) if len(latencies) else 0.0,
        )

    def logins(self, count: int, login_s: float, share_per_s: float, per_s: float) -> float | None:
        """Let so many in who come at once; return the seconds it took, None for never.

        Each costs `login_s` and sends `share_per_s` shares a second from then on. They take their
        turns by the front's own pacing, `per_s` of them a second at most.
        """
        pacer = Pacer(self.loop.as_asyncio, self.clock, per_s)

        def one() -> None:
            self.clock.advance(login_s)
            self._shares.per_s += share_per_s

        for _ in range(count):
            pacer.queue(one)
        self.loop.run(self._shares, STORM_S, lambda: self._is_hopeless or not len(pacer))
        return None if len(pacer) else self.clock.monotonic()

    def _latencies_ms(self, after: float = 0.0) -> np.ndarray[Any, np.dtype[np.float64]]:
        """Return how long shares that came after a time waited, those answered already."""
        if not self._shares.came or not self._answered:
            return np.empty(0)
        came = np.concatenate(self._shares.came)
        at, counts = zip(*self._answered, strict=True)
        told = np.repeat(np.array(at), np.array(counts))
        came = came[: len(told)]
        return ((told - came) * 1000)[came >= after]


def _never() -> bool:
    return False
