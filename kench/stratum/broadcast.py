"""A new job on its way to all sessions, in slices, so that shares are answered between."""

import asyncio
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice

from kench import native
from kench.pool.clock import Clock
from kench.pool.job import Job
from kench.stratum.connection import Connection
from kench.stratum.session import State

# The loop's time that one slice takes, looked at after so many connections; a send on loopback
# takes the kernel about 10 µs, so that a slice is some four hundred connections.
SLICE_S = 0.004
CONNECTIONS_AT_ONCE = 32
# The first lines of a job leave sooner: who gets them reads while we go on.
CONNECTIONS_FIRST = 4


@dataclass(frozen=True, slots=True)
class _Run:
    """One job, and the connections that are still to get it."""

    job: Job
    clean: bool
    waiting: Iterator[Connection]
    begun_at: float
    to_all: bool


class Broadcast:
    """Sends jobs to connections. Loop only; `clock` tells how long a slice has taken.

    A line that is the same for many goes from native code straight to their sockets, where their
    transports have nothing else to send; all else takes the ordinary way.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, clock: Clock) -> None:
        self._loop = loop
        self._clock = clock
        self._key_to_all = 0
        self.last_s = 0.0  # from begin to end of the newest job that was sent to all
        self.last_sent = 0  # connections that it was sent to
        self._sent = 0

    def to_all(self, job: Job, connections: Iterable[Connection], *, clean: bool) -> None:
        """Send a job to every working session; what is left of jobs before it is given up."""
        self._key_to_all = job.key
        self._sent = 0
        self._begin(job, connections, clean=clean, to_all=True)

    def to_some(self, job: Job, connections: Iterable[Connection]) -> None:
        """Send a job of the current tip to some, while another may be on its way to all."""
        self._begin(job, connections, clean=False, to_all=False)

    def _begin(
        self, job: Job, connections: Iterable[Connection], *, clean: bool, to_all: bool
    ) -> None:
        waiting = iter(tuple(connections))
        self._slice(_Run(job, clean, waiting, self._clock.monotonic(), to_all), CONNECTIONS_FIRST)

    def _slice(self, run: _Run, at_once: int = CONNECTIONS_AT_ONCE) -> None:
        if run.job.key < self._key_to_all:
            return  # a newer job overtook this one
        now = self._loop.time()
        until = self._clock.monotonic() + SLICE_S
        while some := tuple(islice(run.waiting, at_once)):
            at_once = CONNECTIONS_AT_ONCE
            sent = self._send(run, some, now)
            if run.to_all:
                self._sent += sent
            if self._clock.monotonic() >= until:
                self._loop.call_soon(self._slice, run)
                return
        if run.to_all:
            self.last_s = self._clock.monotonic() - run.begun_at
            self.last_sent = self._sent

    @staticmethod
    def _send(run: _Run, some: Iterable[Connection], now: float) -> int:
        """Send to some connections; return how many of them took the job."""
        job, key, working = run.job, run.job.key, State.WORKING
        direct: dict[bytes, list[Connection]] = {}
        sent = 0
        for connection in some:
            session = connection.session
            before = session.job_key
            # One that stalled catches up later.
            if (
                session.state is not working
                or before >= key
                or connection.stalled_since is not None
            ):
                continue
            line = session.give(job, now, clean=run.clean or not before)
            sent += 1
            if connection.is_direct():
                direct.setdefault(line, []).append(connection)
            else:
                connection.send(line)
        for line, those in direct.items():
            descriptors = [connection.descriptor for connection in those]
            for place, taken in native.send_to_each(descriptors, line):
                those[place].write(line[taken:])
        return sent
