"""The socket shell of one miner: an asyncio protocol around a sans-IO session."""

import asyncio
from typing import TYPE_CHECKING, cast

import structlog
from uvloop.loop import TCPTransport  # type: ignore[attr-defined]  # its stub leaves it out

from kench.stratum.addresses import plain_address
from kench.stratum.session import Session, State

if TYPE_CHECKING:
    from kench.stratum.doors import Door
    from kench.stratum.front import Front

# Bytes that may wait for a slow reader before we stop reading from it, and before it is cut off.
WRITE_HIGH_BYTES = 64 * 1024
WRITE_MAX_BYTES = 1024 * 1024
# A failed login is dropped after this long, doubled each time that the same name fails again, on
# whichever connection, up to the login time-out (A3.3).
FAILED_LOGIN_S, FAILED_DOUBLINGS_MAX = 1.0, 12

log = structlog.get_logger("stratum")


class Connection(asyncio.Protocol):
    """One accepted socket. All methods run on the loop."""

    __slots__ = (
        "awaiting",
        "descriptor",
        "door",
        "front",
        "peer",
        "refused_help",
        "refused_since",
        "session",
        "since",
        "stalled_since",
        "swept_accepted",
        "swept_refused",
        "swept_work_hashes",
        "transport",
    )

    def __init__(self, front: "Front", door: "Door", peer: str = "") -> None:
        self.front = front
        self.door = door
        self.awaiting = 0
        self.descriptor = -1  # of a socket that takes our bytes as they are; not under TLS
        self.stalled_since: float | None = None
        self.refused_since: float | None = None
        self.refused_help = 0  # steps taken since (A8.15)
        self.swept_accepted = 0  # as of the last sweep
        self.swept_refused = 0
        self.swept_work_hashes = 0
        self.since = 0.0
        self.peer = peer  # as a proxy announced it, else that of the socket
        self.transport: asyncio.Transport
        self.session: Session

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin a session, unless there are too many."""
        self.transport = cast("asyncio.Transport", transport)
        self.since = self.front.loop.time()
        if not self.peer:
            address = transport.get_extra_info("peername")
            self.peer = plain_address(address[0]) if address else ""
        if type(transport) is TCPTransport:
            self.descriptor = transport.get_extra_info("socket").fileno()
        self.transport.set_write_buffer_limits(high=WRITE_HIGH_BYTES)
        session = self.front.welcome(self)
        if session is None:
            self.transport.abort()
            return
        self.session = session

    def data_received(self, data: bytes) -> None:
        """Answer what came; replies to accepted shares wait for the journal."""
        front, session = self.front, self.session
        before = session.gate.accepted
        out = session.receive(data, front.clock.now_us(), front.loop.time())
        if out:
            if self.awaiting or session.gate.accepted != before:
                front.acknowledger.send(self, out)
            else:
                self.transport.write(out)
        if session.attention or front.table.candidates:
            self.attend()

    def attend(self) -> None:
        """Do what the session asks for beside bytes."""
        front, session = self.front, self.session
        session.attention = False
        if front.table.candidates:
            front.take_candidates()
        if session.closing is not None:
            self.close(session.closing)
        elif session.wants is not None:
            self.transport.pause_reading()
            front.make_worker(self, session.wants)
        elif session.difficulty.changed:
            session.difficulty.changed = False
            front.want_retarget(self)
        if session.login_failed:
            session.login_failed = False
            doublings = min(session.failed_logins - 1, FAILED_DOUBLINGS_MAX)
            delay = min(FAILED_LOGIN_S * 2**doublings, front.login_timeout_s)
            front.loop.call_later(delay, self.drop_unless_authorised)

    def worker_made(self, worker: int | None) -> None:
        """Go on after the register was asked."""
        if self.session.state is State.CLOSED or self.session.wants is None:
            return
        out = self.session.worker_made(worker, self.front.clock.now_us(), self.front.loop.time())
        self.front.acknowledger.send(self, out)
        if not self.transport.is_closing() and self.stalled_since is None:
            self.transport.resume_reading()
        if self.session.attention:
            self.attend()

    def drop_unless_authorised(self) -> None:
        """Close a connection whose logins all failed."""
        if self.session.state is not State.CLOSED and not self.session.participants:
            self.close("login refused")

    def send(self, data: bytes) -> None:
        """Send something of our own accord, unless the peer does not take what it has."""
        if data and self.stalled_since is None and not self.transport.is_closing():
            if self.awaiting:
                self.front.acknowledger.send(self, data)
            else:
                self.transport.write(data)

    def is_direct(self) -> bool:
        """Say whether bytes written to the descriptor now would be the next that the peer gets."""
        transport = self.transport
        return not (
            self.descriptor < 0
            or self.awaiting
            or transport.get_write_buffer_size()
            or transport.is_closing()
        )

    def deliver(self, reply: bytes) -> None:
        """Send a reply whose shares are durable (called by the acknowledger)."""
        if self.transport.is_closing():
            return
        if reply:
            self.transport.write(reply)
            if self.transport.get_write_buffer_size() > WRITE_MAX_BYTES:
                self.transport.abort()
                return
        if self.session.closing is not None and not self.awaiting:
            self.transport.close()

    def close(self, why: str) -> None:
        """Close once everything owed is sent."""
        log.debug("connection closed", peer=self.peer, why=why)
        self.session.closing = why
        if not self.transport.is_closing():
            self.transport.pause_reading()
        if not self.awaiting:
            self.transport.close()

    def abort(self) -> None:
        """Close at once; replies that wait are not sent."""
        self.transport.abort()

    def pause_writing(self) -> None:
        """Stop reading from a peer that does not read (A1.17)."""
        self.stalled_since = self.front.loop.time()
        self.transport.pause_reading()

    def resume_writing(self) -> None:
        """Go on, with the job it missed."""
        self.stalled_since = None
        if self.session.wants is None and self.session.closing is None:
            self.transport.resume_reading()
            self.front.catch_up(self)

    def eof_received(self) -> bool:
        """Keep a half-closed connection until its last replies are out."""
        if self.awaiting and not self.door.tls:  # TLS has no half-closed connections
            self.session.closing = "peer finished"
            return True
        return False

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        """End the session."""
        self.descriptor = -1  # the kernel gives the number to others
        if hasattr(self, "session"):
            self.front.farewell(self)
            self.session.state = State.CLOSED
