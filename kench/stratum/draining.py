"""A front that is replaced lets go of its miners: slowly, in random order, each fully answered."""

import asyncio
import fcntl
import math
import random
import struct
import termios
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING

import structlog

from kench.stratum import messages
from kench.stratum.connection import Connection
from kench.stratum.session import State

if TYPE_CHECKING:
    from kench.stratum.front import Front

STEP_S = 0.05
# Who was asked to come again has so long to go by itself.
RECONNECT_PATIENCE_S = 2.0
# A connection whose shares are still coming in is let go at its next quiet moment, or after this.
BUSY_PATIENCE_S = 1.0
# What has not closed so long after its turn is reset.
LINGER_S = 3.0
# Beginnings of user agents, in lower case, that honour `client.reconnect` without a host (A9.5).
RECONNECTS = ("cgminer/", "bmminer/", "bitaxe/")

log = structlog.get_logger("stratum")


class Draining:
    """Ends every connection within about `drain_s`; then calls `on_drained`. On the loop."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        front: "Front",
        drain_s: float,
        on_drained: Callable[[], None],
        chance: random.Random,
    ) -> None:
        self._loop = loop
        self._front = front
        self._on_drained = on_drained
        self._chance = chance
        self._ends_at = loop.time() + drain_s
        self._queue: deque[Connection] = deque()
        self._leaving: dict[Connection, float] = {}  # due to be closed, or reset
        self._closed: set[Connection] = set()

    def begin(self) -> None:
        """Begin; the doors do not take anybody in any more."""
        log.info("draining", connections=len(self._front.connections))
        self._loop.call_later(STEP_S, self._step)

    def _gather(self) -> None:
        """Put everybody who is in no list yet into the queue, in random order."""
        fresh = [one for one in self._front.connections if one not in self._leaving]
        self._chance.shuffle(fresh)
        self._queue.extend(fresh)

    def _step(self) -> None:
        now = self._loop.time()
        if not self._queue:
            self._gather()
        steps = max(1, math.ceil((self._ends_at - now) / STEP_S))
        for _ in range(math.ceil(len(self._queue) / steps)):
            self._let_go(self._queue.popleft(), now)
        for connection in tuple(self._leaving):
            self._see_off(connection, now)
        if self._front.connections:
            self._loop.call_later(STEP_S, self._step)
        else:
            log.info("drained")
            self._on_drained()

    def _let_go(self, connection: Connection, now: float) -> None:
        """Take a connection's turn: ask it to come again, or close it."""
        session = connection.session
        if session.state is State.CLOSED:
            return
        if session.state is State.WORKING and _reconnects(session.user_agent):
            connection.send(messages.reconnect())
            self._leaving[connection] = now + RECONNECT_PATIENCE_S
        else:
            self._leaving[connection] = now

    def _see_off(self, connection: Connection, now: float) -> None:
        due = self._leaving[connection]
        if connection.session.state is State.CLOSED:
            del self._leaving[connection]
            self._closed.discard(connection)
        elif connection in self._closed:
            if now > due:
                connection.reset()
        elif now >= due and (now > due + BUSY_PATIENCE_S or not _is_busy(connection)):
            self._closed.add(connection)
            self._leaving[connection] = now + LINGER_S
            connection.close("another process of the pool goes on")


def _reconnects(user_agent: str) -> bool:
    return user_agent[:8].lower().startswith(RECONNECTS)


def _is_busy(connection: Connection) -> bool:
    """Say whether replies are owed, or bytes lie unread in the kernel."""
    if connection.awaiting:
        return True
    raw = connection.transport.get_extra_info("socket")
    if raw is None or connection.transport.is_closing():
        return False
    waiting = fcntl.ioctl(raw.fileno(), termios.FIONREAD, b"\0" * 4)
    return bool(struct.unpack("i", waiting)[0])
