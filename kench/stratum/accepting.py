"""Taking connections from the kernel, some in a turn of the loop, and closing with a reset."""

import asyncio
import errno
import socket
import struct
from collections.abc import Callable

import structlog

from kench.pool.clock import Clock
from kench.stratum.addresses import plain_address

# Taken from the kernel for at most so long, and so many, in a turn of the loop. The kernel keeps
# BACKLOG that wait and lets the rest try again after a second, so that this is the first to be
# done in a storm: whoever is taken waits for its turn with us.
ACCEPTS_S, ACCEPTS_EACH_TURN = 0.004, 256
# Nothing is accepted for this long when there are no descriptors or no memory left.
EXHAUSTED_S = 1.0
_EXHAUSTED = {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM}
# Close with a reset: nothing of the connection is kept.
_RESET = struct.pack("ii", 1, 0)

log = structlog.get_logger("stratum")


class Acceptor:
    """Takes connections at listening sockets; `take` gets each with its peer's address."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        clock: Clock,
        take: Callable[[socket.socket, str], None],
    ) -> None:
        self._loop = loop
        self._clock = clock
        self._take = take
        self._listening: list[socket.socket] = []

    def listen(self, bound: socket.socket, backlog: int) -> None:
        """Begin to accept at a bound socket, which is ours to close from now on."""
        bound.listen(backlog)
        self._listening.append(bound)
        self._loop.add_reader(bound.fileno(), self._accept, bound)

    def close(self) -> None:
        """Accept no more."""
        for bound in self._listening:
            self._loop.remove_reader(bound.fileno())
            bound.close()
        self._listening.clear()

    def _accept(self, bound: socket.socket) -> None:
        end = self._clock.monotonic() + ACCEPTS_S
        for _ in range(ACCEPTS_EACH_TURN):
            try:
                raw, address = bound.accept()
            except (BlockingIOError, InterruptedError):
                return
            except OSError as error:
                if error.errno in _EXHAUSTED:
                    self._rest(bound, error)
                    return
                continue  # the peer was gone before we came
            host: str = address[0]
            self._take(raw, plain_address(host) if ":" in host else host)
            if self._clock.monotonic() >= end:
                return

    def _rest(self, bound: socket.socket, error: OSError) -> None:
        log.error("cannot accept", error=error.strerror)
        self._loop.remove_reader(bound.fileno())
        self._loop.call_later(EXHAUSTED_S, self._resume, bound)

    def _resume(self, bound: socket.socket) -> None:
        if bound in self._listening:
            self._loop.add_reader(bound.fileno(), self._accept, bound)


def reset(raw: socket.socket) -> None:
    """Close with a reset, which costs neither side anything more."""
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
    raw.close()
