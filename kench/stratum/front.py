"""The stratum front: all connections of this process, their jobs, and whether it serves."""

import asyncio
import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Protocol

import structlog

from kench.native import JobTable, RecordBuffer
from kench.pool.clock import Clock
from kench.pool.door_settings import Network
from kench.pool.job import Job
from kench.pool.template import ROLLING_MASK
from kench.stratum import messages, methods
from kench.stratum.acknowledge import Acknowledger
from kench.stratum.admission import Admissions
from kench.stratum.broadcast import Broadcast
from kench.stratum.claims import Claims
from kench.stratum.connection import Connection
from kench.stratum.contract import Admission, Claim, NewWorker, Resumable
from kench.stratum.costs import CostLimits
from kench.stratum.extranonce import Extranonces
from kench.stratum.feed import Kind
from kench.stratum.former_shares import FormerShares
from kench.stratum.guard import Guard
from kench.stratum.jobs import JobBook
from kench.stratum.newcomers import Newcomers
from kench.stratum.pacing import Pacer
from kench.stratum.session import Session, State
from kench.stratum.statistics.origins import OriginTeller
from kench.stratum.statistics.telling import SessionTeller
from kench.stratum.sweep import Sweep
from kench.stratum.user_agents import Tally, UserAgents

# The least time between two jobs made only because difficulties changed.
RETARGET_S = 3.0
# The first such job of a quiet time comes this soon, so that a burst is tamed at once.
RETARGET_SOON_S = 0.1
PING_ID = 42
# Who names the id of an ended session takes over its extranonce (A2.7): it cannot be guessed.
SESSION_ID_BYTES = 8
# Made together: the kernel is asked for random bytes once for so many.
SESSION_IDS_AT_ONCE = 512

log = structlog.get_logger("stratum")


@dataclass(frozen=True, slots=True)
class Found:
    """A share that met its template's block target."""

    job: Job
    header: bytes
    block_hash_le: bytes
    extranonce1: bytes
    extranonce2: bytes
    participant: int
    worker: int


@dataclass(frozen=True, slots=True)
class Bounds:
    """What bounds the front as a whole; from the settings."""

    connections_max: int
    login_timeout_s: float
    send_timeout_s: float
    stale_grace_ms: int
    logins_per_s: float
    costs: CostLimits
    cost_exempt: tuple[Network, ...] = ()
    shared_addresses: tuple[Network, ...] = ()


def session_ids(random_bytes: Callable[[int], bytes] = os.urandom) -> Iterator[str]:
    """Yield ids of sessions for ever."""
    digits = 2 * SESSION_ID_BYTES
    while True:
        block = random_bytes(SESSION_ID_BYTES * SESSION_IDS_AT_ONCE).hex()
        for at in range(0, len(block), digits):
            yield block[at : at + digits]


class Edges(Protocol):
    """What the front asks of the rest of the process; each returns at once."""

    def block_found(self, found: Found) -> None:
        """Send a block to the nodes."""
        ...

    def make_worker(self, wanted: NewWorker, done: Callable[[int | None], None]) -> None:
        """Put a worker into the register; `done` is called on the loop."""
        ...

    def make_retarget_job(self) -> None:
        """Have another job of the same template made and given to `new_job(for_all=False)`."""
        ...

    def say(self, kind: Kind, body: bytes) -> bool:
        """Tell the job maker something of values; False where it does not hear now."""
        ...


class Front:
    """The `Pool` of all sessions; runs on the loop alone."""

    def __init__(  # noqa: PLR0913, PLR0917 - each is one collaborator
        self,
        loop: asyncio.AbstractEventLoop,
        clock: Clock,
        extranonces: Extranonces,
        former: FormerShares,
        admissions: Admissions,
        acknowledger: Acknowledger,
        records: RecordBuffer,
        table: JobTable,
        edges: Edges,
        bounds: Bounds,
    ) -> None:
        self.loop = loop
        self.clock = clock
        self.table = table
        self.user_agents = UserAgents()
        self.acknowledger = acknowledger
        self.admissions = admissions
        self.login_timeout_s = bounds.login_timeout_s
        # In the order in which they came, which is that of the sockets in memory too.
        self.connections: dict[Connection, None] = {}
        self.newcomers = Newcomers()
        self.found_blocks = 0
        self.guard = Guard(bounds.costs, bounds.cost_exempt)
        self.pacer = Pacer(loop, clock, bounds.logins_per_s)
        self.tip_at = 0.0  # when the tip came, by the loop's time
        self.teller = SessionTeller(clock)
        self.origins = OriginTeller(clock, bounds.shared_addresses)
        self._sweep = Sweep(
            loop,
            bounds.login_timeout_s,
            bounds.send_timeout_s,
            self.current_job,
            self.teller,
            self.origins,
        )
        self._book = JobBook(table)
        self._records = records
        self._edges = edges
        self.claims = Claims(
            loop,
            extranonces,
            table,
            former,
            self._book.recent,
            lambda sequence: acknowledger.durable_records >= sequence,
            edges.say,
        )
        self._session_ids = session_ids()
        self._connections_max = bounds.connections_max
        self.send_timeout_s = bounds.send_timeout_s
        self._stale_grace_us = bounds.stale_grace_ms * 1000
        self.broadcast = Broadcast(loop, clock)
        self._retargets: set[Connection] = set()
        self._retarget_timer: asyncio.TimerHandle | None = None
        self._retargeted_at = -RETARGET_S

    # -- the Pool that sessions see ---------------------------------------------------------

    def current_job(self) -> Job | None:
        """Return the job that a new connection is given."""
        return self._book.current

    def rolling_mask(self) -> int:
        """Return the version bits that miners may roll (A7.7)."""
        job = self._book.current
        return ROLLING_MASK if job is None else job.facts.rolling_mask

    def admit(self, user: object, tokens: tuple[str, ...]) -> Admission | NewWorker | None:
        """Look a login up in the cached register (D2)."""
        return self.admissions.admit(user, tokens)

    def count_failed(self, name: bytes) -> int:
        """Count a refused login and say how many in a row it was (A3.3)."""
        return self.admissions.count_failed(name)

    def resume(self, session_id: str, unused: bytes) -> Resumable | Claim | None:
        """Hand back an ended session's extranonce and difficulty (A2.7)."""
        return self.claims.resume(session_id, unused)

    # -- connections ------------------------------------------------------------------------

    def welcome(self, connection: Connection) -> Session | None:
        """Open a session for a new connection; None when there is no place, and none is given."""
        if len(self.connections) >= self._connections_max:
            oldest = self.newcomers.take_oldest(self.loop.time())
            if oldest is None:
                return None
            oldest.give_place()
        self.connections[connection] = None
        self.newcomers.add(connection)
        connection.door.connections += 1
        connection.door.accepted += 1
        return Session(
            self,
            connection.door.limits,
            self._records,
            self.claims.take(),
            next(self._session_ids),
            self.loop.time(),
            methods.handle,
        )

    def farewell(self, connection: Connection) -> None:
        """Forget a connection; its extranonce may be resumed for a while."""
        self.connections.pop(connection, None)
        self.newcomers.discard(connection)
        connection.door.connections -= 1
        self._retargets.discard(connection)
        self._sweep.count_work(connection)
        session = connection.session
        self.user_agents.give_back(session.agent)
        self.teller.ended(connection)
        self.claims.farewell(connection, self._records.next_sequence)

    def make_worker(self, connection: Connection, wanted: NewWorker) -> None:
        """Have the register asked while the connection waits."""
        self._edges.make_worker(wanted, connection.worker_made)

    def participants_changed(self, changed: Iterable[int]) -> None:
        """Cut off those who came in by what lets nobody in any more (D2)."""
        ended = self.admissions.take_ended(changed)
        if not ended:
            return
        for connection in tuple(self.connections):
            if connection.session.forget_tokens(ended):
                connection.close("participant may not mine")

    def close_all(self, why: str) -> None:
        """Close every connection, owed replies unsent: nothing more is acknowledged."""
        for connection in tuple(self.connections):
            connection.session.closing = why
            connection.abort()

    # -- jobs -------------------------------------------------------------------------------

    def new_job(self, job: Job, *, for_all: bool) -> None:
        """Take a job that was made, and send it to all, or to those whose difficulty changed."""
        self.acknowledger.archive(job.archived)
        new_tip = self._book.add(job, self.clock.now_us() + self._stale_grace_us)
        if new_tip:
            self.tip_at = self.loop.time()
        waiting, self._retargets = self._retargets, set()
        if not for_all:  # whoever asked for it: the next one is due for all fronts alike
            self._retargeted_at = self.loop.time()
        if for_all or new_tip:
            self.broadcast.to_all(job, self.connections, clean=new_tip)
        else:
            self.broadcast.to_some(job, waiting)

    def catch_up(self, connection: Connection) -> None:
        """Send the current job to a connection that missed it while it did not read."""
        job, session = self._book.current, connection.session
        if job is not None and session.state is State.WORKING and session.job_key < job.key:
            connection.send(session.give(job, self.loop.time(), clean=True))

    # -- difficulty -------------------------------------------------------------------------

    def want_retarget(self, connection: Connection) -> None:
        """Give a connection its new difficulty with a job made for that, soon (A6.4)."""
        job = self._book.current
        if job is None or not connection.session.retarget_due(job):
            return
        self._retargets.add(connection)
        if self._retarget_timer is None:
            now = self.loop.time()
            wait = max(RETARGET_SOON_S, self._retargeted_at + RETARGET_S - now)
            self._retarget_timer = self.loop.call_later(wait, self._retarget)

    def _retarget(self) -> None:
        self._retarget_timer = None
        self._retargeted_at = self.loop.time()
        if self._retargets:
            self._edges.make_retarget_job()

    # -- blocks -----------------------------------------------------------------------------

    def take_candidates(self) -> None:
        """Send what met a block target to the nodes, whatever became of the share (A8.13)."""
        for candidate in self.table.take_candidates():
            key, header, hash_le, extranonce1, extranonce2, participant, worker, _, _ = candidate
            job = self._book.get(key)
            if job is None:
                raise AssertionError("native code judged a share of a job that is not kept")
            self.found_blocks += 1
            self._edges.block_found(
                Found(job, header, hash_le, extranonce1, extranonce2, participant, worker)
            )
        self.acknowledger.schedule()

    def take_tally(self) -> Tally:
        """Return the refusals counted since the last call."""
        return self.user_agents.named(self.table.take_tally())

    # -- sweeps -----------------------------------------------------------------------------

    def ping_all(self) -> None:
        """Keep lines alive while no node gives work (A7.4)."""
        line = messages.ping(PING_ID)
        for connection in tuple(self.connections):
            if connection.session.state is State.WORKING:
                connection.send(line)

    def sweep(self) -> None:
        """Look at every connection: time-outs, silence, endless refusals."""
        self._sweep.begin(self.connections)

    @property
    def work_hashes(self) -> int:
        """Work accepted since the start, as of the last sweep."""
        return self._sweep.work_hashes

    def take_work(self) -> dict[int, int]:
        """Return the work accepted between the last two sweeps, by participant, for display."""
        return self._sweep.take_work()

    def take_tokens(self) -> set[int]:
        """Return the tokens that were in use between the last two sweeps."""
        return self._sweep.take_tokens()
