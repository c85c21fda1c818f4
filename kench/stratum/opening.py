"""Sockets whose peer must announce itself (PROXY) or shake hands (TLS) before it is a connection.

Doors that ask for neither are served by uvloop's own acceptor. Here the header is taken off before
there is a transport, so that TLS can follow it on the same port, and each socket gets the
certificate of its moment. Handshakes cost a signature each: only a few begin in a turn of the
loop, so that a storm of them does not hold up the answers of others.
"""

import asyncio
import enum
import errno
import socket
import ssl
import struct
from collections import Counter, deque
from collections.abc import Callable
from functools import partial

import structlog

from kench.pool.door_settings import Network
from kench.stratum.addresses import BACKLOG, is_within, plain_address
from kench.stratum.certificate import Certificate
from kench.stratum.connection import Connection
from kench.stratum.faults import Fault
from kench.stratum.guard import Guard
from kench.stratum.proxied import HEADER_BYTES_MAX, BadHeaderError, read_header

# Sockets at once that have not announced themselves or shaken hands; further ones are closed.
OPENINGS_MAX = 2048
# Sockets taken from the kernel in a turn of the loop, and handshakes begun.
ACCEPTS_EACH_TURN = 64
HANDSHAKES_EACH_TURN = 4
# Together as many as can be in the queue of a port.
DRAIN_TURNS = BACKLOG // ACCEPTS_EACH_TURN + 1
# Nothing is accepted for this long when there are no descriptors or no memory left.
EXHAUSTED_S = 1.0
_EXHAUSTED = {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM}
# A peer that does not answer our farewell is let go after this long.
FAREWELL_S = 5.0
# Close with a reset: nothing of the connection is kept.
_RESET = struct.pack("ii", 1, 0)

log = structlog.get_logger("stratum")


class Refusal(enum.Enum):
    """Why a socket never became a connection."""

    TOO_MANY = "too_many_openings"
    NO_HEADER = "no_proxy_header"
    NO_HANDSHAKE = "no_tls_handshake"
    LATE = "late"
    NO_CERTIFICATE = "no_certificate"


class _Opening:
    """One accepted socket: whom it is known as, and what of a header has come."""

    __slots__ = ("header", "peer", "raw", "timer")

    def __init__(self, raw: socket.socket, peer: str, header: bytes | None) -> None:
        self.raw = raw
        self.peer = peer
        self.header = header  # None where no header is, or is any more, to come
        self.timer: asyncio.TimerHandle


class Openings:
    """Takes sockets in at one door until each is a connection or closed; runs on the loop."""

    def __init__(  # noqa: PLR0913, PLR0917 - each is one fact of the door
        self,
        loop: asyncio.AbstractEventLoop,
        make_connection: Callable[[str], Connection],
        guard: Guard,
        proxies: tuple[Network, ...],
        certificate: Certificate | None,
        patience_s: float,
        refused: Counter[Refusal],
    ) -> None:
        self._loop = loop
        self._make_connection = make_connection
        self._guard = guard
        self._proxies = proxies
        self._certificate = certificate
        self._patience_s = patience_s
        self._listening: list[socket.socket] = []
        self._waiting: dict[int, _Opening] = {}
        self._ready: deque[_Opening] = deque()
        self._tasks: set[asyncio.Task[None]] = set()
        self._pumping = False
        self.refused = refused

    def listen(self, bound: socket.socket, backlog: int) -> None:
        """Begin to accept at a bound socket, which is ours to close from now on."""
        bound.listen(backlog)
        self._listening.append(bound)
        self._loop.add_reader(bound.fileno(), self._accept, bound)

    def close(self) -> None:
        """Accept no more, and close what has not become a connection."""
        for bound in self._listening:
            self._loop.remove_reader(bound.fileno())
            bound.close()
        self._listening.clear()
        for opening in [*self._waiting.values(), *self._ready]:
            self._drop(opening)
        self._ready.clear()
        for task in tuple(self._tasks):
            task.cancel()

    def drain(self) -> None:
        """Take in who is in the queue of the port, then accept no more; what began goes on."""
        for bound in self._listening:
            self._loop.remove_reader(bound.fileno())
            for _ in range(DRAIN_TURNS):
                self._accept(bound)
            bound.close()
        self._listening.clear()

    # -- accepting --------------------------------------------------------------------------

    def _accept(self, bound: socket.socket) -> None:
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
            raw.setblocking(False)
            self._take(raw, plain_address(address[0]))

    def _rest(self, bound: socket.socket, error: OSError) -> None:
        log.error("cannot accept", error=error.strerror)
        self._loop.remove_reader(bound.fileno())
        self._loop.call_later(EXHAUSTED_S, self._resume, bound)

    def _resume(self, bound: socket.socket) -> None:
        if bound in self._listening:
            self._loop.add_reader(bound.fileno(), self._accept, bound)

    def _take(self, raw: socket.socket, peer: str) -> None:
        if len(self._waiting) + len(self._ready) + len(self._tasks) >= OPENINGS_MAX:
            self.refused[Refusal.TOO_MANY] += 1
            raw.close()
            return
        is_proxy = is_within(peer, self._proxies)
        if not is_proxy and not self._may_come(peer):
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            raw.close()
            return
        opening = _Opening(raw, peer, b"" if is_proxy else None)
        if opening.header is None and self._certificate is None:
            self._begin(opening)
            return
        self._waiting[raw.fileno()] = opening
        opening.timer = self._loop.call_later(self._patience_s, self._give_up, opening)
        self._loop.add_reader(raw.fileno(), self._look, opening)

    def _may_come(self, peer: str) -> bool:
        """Say whether an address is not banned: a handshake costs more than the question."""
        address = self._guard.arrive(peer, self._loop.time())
        if address is not None:
            self._guard.leave(address, authorised=False)
        return address is not None

    # -- until it is ready ------------------------------------------------------------------

    def _look(self, opening: _Opening) -> None:
        """See what came: the rest of a header, or the first bytes of a handshake."""
        if opening.header is not None:
            try:
                whole = self._take_header(opening, opening.header)
            except BadHeaderError as error:
                self._refuse(opening, Refusal.NO_HEADER, str(error))
                return
            except BlockingIOError:
                return
            except OSError:
                self._refuse(opening, Refusal.NO_HEADER, "gone before its header")
                return
            if not whole:
                return
            opening.header = None
            if not self._may_come(opening.peer):
                self._drop(opening)
                return
            if self._certificate is not None:
                return  # the handshake's first bytes ring again
        self._forget(opening)
        self._ready.append(opening)
        if not self._pumping:
            self._pumping = True
            self._loop.call_soon(self._pump)

    def _take_header(self, opening: _Opening, before: bytes) -> bool:
        """Take from the socket what belongs to the header and nothing more."""
        peeked = opening.raw.recv(HEADER_BYTES_MAX, socket.MSG_PEEK)
        if not peeked:
            raise BadHeaderError("closed before its header")
        announced = read_header(before + peeked)
        own = peeked if announced is None else peeked[: announced.end - len(before)]
        opening.raw.recv(len(own))
        opening.header = before + own
        if announced is None:
            return False
        opening.peer = announced.address or opening.peer
        return True

    def _give_up(self, opening: _Opening) -> None:
        self._refuse(opening, Refusal.LATE)

    def _refuse(self, opening: _Opening, reason: Refusal, detail: str = "") -> None:
        self.refused[reason] += 1
        log.debug("connection refused", peer=opening.peer, why=reason.value, detail=detail)
        # What a proxy fails to say is not charged to all who come through it.
        if reason in {Refusal.LATE, Refusal.NO_HANDSHAKE} and opening.header is None:
            self._charge(opening.peer)
        self._drop(opening)

    def _charge(self, peer: str) -> None:
        now = self._loop.time()
        address = self._guard.arrive(peer, now)
        if address is not None:
            self._guard.leave(address, authorised=False)
            self._guard.charge_ended(address, Fault.NO_HANDSHAKE, now)

    def _forget(self, opening: _Opening) -> None:
        if self._waiting.pop(opening.raw.fileno(), None) is not None:
            opening.timer.cancel()
            self._loop.remove_reader(opening.raw.fileno())

    def _drop(self, opening: _Opening) -> None:
        self._forget(opening)
        opening.raw.close()

    # -- becoming a connection --------------------------------------------------------------

    def _pump(self) -> None:
        for _ in range(min(HANDSHAKES_EACH_TURN, len(self._ready))):
            self._begin(self._ready.popleft())
        self._pumping = bool(self._ready)
        if self._pumping:
            self._loop.call_soon(self._pump)

    def _begin(self, opening: _Opening) -> None:
        context = None
        if self._certificate is not None:
            context = self._certificate.context
            if context is None:
                self._refuse(opening, Refusal.NO_CERTIFICATE)
                return
        task = self._loop.create_task(self._connect(opening, context))
        self._tasks.add(task)
        task.add_done_callback(partial(self._begun, opening))

    def _begun(self, opening: _Opening, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if task.cancelled():
            opening.raw.close()

    async def _connect(self, opening: _Opening, context: ssl.SSLContext | None) -> None:
        peer, timeouts = opening.peer, {}
        if context is not None:  # the time that it waited for its turn is not its own fault
            timeouts = {
                "ssl_handshake_timeout": self._patience_s,
                "ssl_shutdown_timeout": FAREWELL_S,
            }
        try:
            await self._loop.connect_accepted_socket(
                lambda: self._make_connection(peer), opening.raw, ssl=context, **timeouts
            )
        except (OSError, TimeoutError) as error:
            self._refuse(opening, Refusal.NO_HANDSHAKE, str(error))
