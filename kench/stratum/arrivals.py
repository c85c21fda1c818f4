"""Accepted sockets of plain doors until each is a connection: in order, a little in each turn."""

import asyncio
import os
import socket
from collections import Counter, deque
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any, cast

import structlog

from kench.pool.clock import Clock
from kench.stratum.accepting import Acceptor, reset
from kench.stratum.connection import Connection
from kench.stratum.guard import Guard
from kench.stratum.opening import Refusal

# Accepted sockets that may wait to become connections; further ones are reset.
ARRIVALS_MAX = 16_384
# Connections are made of them for at most so long in a turn of the loop.
TURN_S = 0.002

log = structlog.get_logger("stratum")


class _Accepted:
    """What the loop wants to know of a socket; the descriptor is the transport's to close."""

    __slots__ = ("_descriptor", "family")

    type = int(socket.SOCK_STREAM)

    def __init__(self, descriptor: int, family: int) -> None:
        self._descriptor = descriptor
        self.family = family

    def fileno(self) -> int:
        return self._descriptor

    def close(self) -> None:
        """Do nothing: the transport that asks for this has closed the descriptor."""


class Arrivals:
    """Takes miners in at one plain door; runs on the loop.

    A loop's own server makes connections as it accepts: where it accepts all that wait, everybody
    else waits meanwhile; where it accepts one in a turn, the kernel's queue overflows in a storm.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        clock: Clock,
        make_connection: Callable[[str, int], Connection],
        guard: Guard,
        refused: Counter[Refusal],
    ) -> None:
        self._loop = loop
        self._clock = clock
        self._make_connection = make_connection
        self._guard = guard
        self._waiting: deque[tuple[socket.socket, str]] = deque()
        self._begun: list[Coroutine[Any, Any, object]] = []
        self._has_turn = False
        self._acceptor = Acceptor(loop, clock, self._take)
        self.refused = refused

    def listen(self, bound: socket.socket, backlog: int) -> None:
        """Begin to accept at a bound socket, which is ours to close from now on."""
        self._acceptor.listen(bound, backlog)

    def close(self) -> None:
        """Accept no more, and close what has not become a connection."""
        self._acceptor.close()
        for raw, _ in self._waiting:
            reset(raw)
        self._waiting.clear()

    def _take(self, raw: socket.socket, peer: str) -> None:
        if self._guard.turns_away(peer, self._loop.time()):
            reset(raw)
            return
        if len(self._waiting) >= ARRIVALS_MAX:
            self.refused[Refusal.TOO_MANY] += 1
            reset(raw)
            return
        self._waiting.append((raw, peer))
        if not self._has_turn:
            self._has_turn = True
            self._loop.call_soon(self._turn)

    def _turn(self) -> None:
        begun, self._begun = self._begun, []
        for handover in begun:
            _end(handover)
        waiting, end = self._waiting, self._clock.monotonic() + TURN_S
        while waiting:
            self._begin(*waiting.popleft())
            if self._clock.monotonic() >= end:
                break
        self._has_turn = bool(waiting or self._begun)
        if self._has_turn:
            self._loop.call_soon(self._turn)

    def _begin(self, raw: socket.socket, peer: str) -> None:
        """Have the loop make a transport, which calls `connection_made` in its next turn.

        The coroutine is taken along by hand, since a task for each costs more than all the rest.
        """
        family = int(raw.family)
        descriptor = raw.detach()
        accepted = cast("socket.socket", _Accepted(descriptor, family))
        handover = self._loop.connect_accepted_socket(
            partial(self._make_connection, peer, descriptor), accepted
        )
        try:
            handover.send(None)
        except OSError as error:
            log.warning("no connection could be made", peer=peer, error=str(error))
            os.close(descriptor)
            return
        self._begun.append(handover)


def _end(handover: Coroutine[Any, Any, object]) -> None:
    """Let a coroutine come to its end, whose transport has called `connection_made` by now."""
    try:
        handover.send(None)
    except StopIteration:
        return
    except (OSError, RuntimeError):
        return  # the connection was not welcome, and is closed
    raise AssertionError("a transport was not made in its turn")
