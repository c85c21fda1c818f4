"""The regular look at every connection: time-outs, silence, endless refusals, work for display."""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable, Iterator

from kench.pool.job import Job
from kench.stratum import messages
from kench.stratum.connection import Connection
from kench.stratum.faults import CHATTER_FREE_LINES, IDLE_FREE_S, Fault
from kench.stratum.session import State
from kench.stratum.statistics.origins import OriginTeller
from kench.stratum.statistics.telling import SessionTeller

# How often every connection is looked at.
SWEEP_S = 5.0
# Connections looked at per turn of the loop.
SWEEP_SLICE = 1024
# A session whose every share is refused: told its job anew, asked to reconnect, dropped (A8.15).
REFUSED_AGAIN_S, REFUSED_RECONNECT_S, REFUSED_DROP_S = 60.0, 120.0, 180.0


def slices_of(connections: Iterable[Connection], size: int) -> Iterator[tuple[Connection, ...]]:
    """Split the connections of this moment into slices for one turn of the loop each."""
    everyone = tuple(connections)
    return (everyone[start : start + size] for start in range(0, len(everyone), size))


class Sweep:
    """Looks at connections in slices; `current_job` is what a confused miner is told again."""

    def __init__(  # noqa: PLR0913, PLR0917 - each is one collaborator
        self,
        loop: asyncio.AbstractEventLoop,
        login_timeout_s: float,
        send_timeout_s: float,
        current_job: Callable[[], Job | None],
        teller: SessionTeller,
        origins: OriginTeller,
    ) -> None:
        self._loop = loop
        self._login_timeout_s = login_timeout_s
        self._send_timeout_s = send_timeout_s
        self._current_job = current_job
        self._teller = teller
        self._origins = origins
        self._work_hashes: Counter[int] = Counter()
        self._tokens: set[int] = set()
        self.work_hashes = 0  # accepted since the start

    def begin(self, connections: Iterable[Connection]) -> None:
        """Look at the connections of this moment, some now and the rest in later turns."""
        self._next(slices_of(connections, SWEEP_SLICE))

    def take_work(self) -> dict[int, int]:
        """Return the work accepted between the last two sweeps, by participant."""
        work, self._work_hashes = dict(self._work_hashes), Counter()
        return work

    def take_tokens(self) -> set[int]:
        """Return the tokens under which work was accepted between the last two sweeps."""
        tokens, self._tokens = self._tokens, set()
        return tokens

    def _next(self, slices: Iterator[tuple[Connection, ...]]) -> None:
        some = next(slices, ())
        now = self._loop.time()
        for connection in some:
            self._look_at(connection, now)
        if some:
            self._loop.call_soon(self._next, slices)

    def _look_at(self, connection: Connection, now: float) -> None:
        session = connection.session
        stalled = connection.stalled_since
        if stalled is not None and now - stalled > self._send_timeout_s:
            connection.charge(Fault.SLOW_READER)
            connection.abort()
        elif session.state is not State.WORKING:
            if session.state is not State.CLOSED and session.closing is None:
                self._look_at_idle(connection, now)
        else:
            self.count_work(connection)
            self._teller.look_at(connection, now)
            connection.front.claims.look_at(connection)
            session.sweep(now)
            self._charge_chatter(connection)
            self._answer_refusals(connection, now)
            if session.attention:
                connection.attend()

    def _look_at_idle(self, connection: Connection, now: float) -> None:
        """Charge a connection that has no work, and close it when it is too late."""
        age = now - connection.since
        if connection.queued or connection.resting:
            return  # it waits for us
        if age > self._login_timeout_s:
            if not connection.authorised:
                connection.charge(Fault.NO_LOGIN)
            connection.close("no login in time")
        elif not connection.authorised and connection.is_banned(now):
            connection.close("address banned")
        elif age > IDLE_FREE_S and not connection.authorised:
            connection.charge(Fault.IDLE)

    def _charge_chatter(self, connection: Connection) -> None:
        fresh = connection.session.general_lines - connection.swept_lines
        connection.swept_lines += fresh
        if fresh > CHATTER_FREE_LINES:
            connection.charge(Fault.CHATTER, fresh - CHATTER_FREE_LINES)

    def count_work(self, connection: Connection) -> None:
        """Count the work accepted since the last look; the last time when the connection ends."""
        session = connection.session
        session.take_counted()
        work_hashes = session.difficulty.work_hashes
        fresh = work_hashes - connection.swept_work_hashes
        connection.swept_work_hashes = work_hashes
        self.work_hashes += fresh
        if fresh and session.admitted:
            self._origins.look_at(connection)
            self._work_hashes[next(iter(session.admitted.values())).participant] += fresh
            for admission in session.admitted.values():
                self._tokens.add(admission.token)

    def _answer_refusals(self, connection: Connection, now: float) -> None:
        """Help a miner whose every share is refused, then let it go (A8.15)."""
        gate = connection.session.gate
        if gate.accepted != connection.swept_accepted:
            connection.forgive(gate.accepted - connection.swept_accepted, now)
            connection.refused_since, connection.refused_help = None, 0
        elif gate.refused != connection.swept_refused:
            self._help_refused(connection, now)
        connection.swept_accepted, connection.swept_refused = gate.accepted, gate.refused

    def _help_refused(self, connection: Connection, now: float) -> None:
        """Take the next step for a miner whose shares were refused again, none accepted since."""
        if connection.refused_since is None:
            connection.refused_since = now
        elapsed = now - connection.refused_since
        help_given = connection.refused_help
        if help_given == 0 and elapsed > REFUSED_AGAIN_S:
            job = self._current_job()
            if job is not None:
                connection.send(connection.session.repeat(job, now))
        elif help_given == 1 and elapsed > REFUSED_RECONNECT_S:
            connection.send(messages.reconnect())
        elif help_given == 2 and elapsed > REFUSED_DROP_S:
            connection.close("all shares refused")
        else:
            return
        connection.refused_help += 1
