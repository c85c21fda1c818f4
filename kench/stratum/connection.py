"""The socket shell of one miner: an asyncio protocol around a sans-IO session."""

import asyncio
import socket
import struct
from typing import TYPE_CHECKING, cast

import structlog
from uvloop.loop import TCPTransport  # type: ignore[attr-defined]  # its stub leaves it out

from kench.native import Wire
from kench.stratum.addresses import plain_address
from kench.stratum.contract import Claim, NewWorker, Resumable
from kench.stratum.costs import Address, SessionCost
from kench.stratum.faults import IDLE_FREE_S, Fault
from kench.stratum.session import Session, State

if TYPE_CHECKING:
    from kench.stratum.doors import Door
    from kench.stratum.front import Front

# Bytes that may wait for a slow reader before we stop reading from it, and before it is cut off.
WRITE_HIGH_BYTES = 64 * 1024
WRITE_MAX_BYTES = 1024 * 1024
# Bytes that TLS takes from a peer whose lines have to wait, before it stops reading too; at most
# one read of the socket more is there when they have had their turn (`session.PAUSED_BYTES_MAX`).
TLS_HIGH_BYTES = 32 * 1024
# A failed login is dropped after this long, doubled each time that the same name fails again, on
# whichever connection, up to the login time-out (A3.3).
FAILED_LOGIN_S, FAILED_DOUBLINGS_MAX = 1.0, 12

# More than this in one read is no login but a flood, and no more is read until its turn.
PROMPT_BYTES_MAX = 4096

# SO_LINGER's: on, and no time at all.
RESET = struct.pack("ii", 1, 0)

log = structlog.get_logger("stratum")


class Connection(Wire, asyncio.Protocol):
    """One accepted socket. All methods run on the loop."""

    __slots__ = (
        "address",
        "authorised",
        "cost",
        "door",
        "finished",
        "front",
        "held_difficulty",
        "peer",
        "queued",
        "refused_help",
        "refused_seen",
        "refused_since",
        "resting",
        "session",
        "since",
        "stalled_since",
        "swept_accepted",
        "swept_lines",
        "swept_refused",
        "swept_work_hashes",
        "told_difficulty",
        "told_names",
        "told_origin",
        "transport",
    )

    def __init__(self, front: "Front", door: "Door", peer: str = "") -> None:
        super().__init__()
        self.front = front
        self.door = door
        self.stalled_since: float | None = None
        self.refused_since: float | None = None
        self.refused_help = 0  # steps taken since (A8.15)
        self.swept_accepted = 0  # as of the last sweep
        self.swept_refused = 0
        self.swept_work_hashes = 0
        self.swept_lines = 0
        self.told_difficulty = 0.0  # to the job maker, for statistics
        self.told_names = 0
        self.told_origin = 0, 0  # day and names that its address was noted for
        self.held_difficulty = 0.0  # as the job maker was told, for who resumes the session
        self.refused_seen = 0  # by the gate, as of the last charge
        self.address: Address | None = None
        self.cost: SessionCost | None = None  # none yet: nothing was ever charged
        self.authorised = False  # a login succeeded, and its address knows
        self.queued = False  # what came waits for its turn
        self.resting = False  # it is not read from for a while, for what it did
        self.finished = False  # the peer will send no more, and waits for its turn
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
            host = address[0] if address else ""
            self.peer = plain_address(host) if ":" in host else host
        if not self._is_let_in():
            self.transport.abort()
            return
        if type(transport) is TCPTransport:
            # Not under TLS: bytes go there as they are.
            self.descriptor = transport.get_extra_info("socket").fileno()
        elif self.door.tls:
            transport.set_read_buffer_limits(high=TLS_HIGH_BYTES)  # type: ignore[attr-defined]  # uvloop's
        self.transport.set_write_buffer_limits(high=WRITE_HIGH_BYTES)
        session = self.front.welcome(self)
        if session is None:
            self.transport.abort()
            return
        self.session = session
        self.attach(session.gate, self.front.acknowledger.outbox)

    def _is_let_in(self) -> bool:
        """Count the connection to its address; False where that is banned."""
        guard, now = self.front.guard, self.since
        self.address = guard.arrive(self.peer, now)
        if self.address is None:
            return False
        pause = guard.entry_pause_s(self.address, now)
        if pause:
            self._rest(pause)
        return True

    def take(self, data: bytes) -> None:
        """Answer what is not plain submits alone; what is has been answered by the wire."""
        session = self.session
        if session.state is not State.WORKING:
            self._queue(data)
            return
        self._answer(data)
        self._after_lines()

    def _answer(self, data: bytes) -> None:
        """Have the session answer; replies to accepted shares wait for the journal."""
        front, session = self.front, self.session
        self.plain = False
        before = session.gate.accepted
        out = session.receive(data, front.clock.now_us(), front.loop.time())
        if out:
            if self.awaiting or session.gate.accepted != before:
                front.acknowledger.send(self, out)
            else:
                self.write(out)

    def look(self) -> None:
        """See to refused shares, blocks and the share rate after plain lines."""
        now = self.front.loop.time()
        if self.session.gate.count(0, now):
            self.session.judge_rate(now)
        self._after_lines()

    def _after_lines(self) -> None:
        session = self.session
        if session.gate.refused != self.refused_seen:
            self._charge_refused()
        if session.attention or self.front.table.candidates:
            self.attend()
        self._open_to_plain()

    def _open_to_plain(self) -> None:
        """Have the wire judge what comes next, if the session would do the same with it."""
        session = self.session
        if session.is_plain:
            self.attach(session.gate, self.front.acknowledger.outbox)
            self.plain = True

    def _shut_to_plain(self) -> None:
        """Have all lines and replies of a connection that ends go the ordinary way."""
        self.plain, self.occupied = False, True

    # -- turns ------------------------------------------------------------------------------

    def _queue(self, data: bytes) -> None:
        """Have a login, or the rest of too many lines, done in its turn."""
        self.plain = False
        self.session.hold(data)
        if self.queued or self.resting or len(data) > PROMPT_BYTES_MAX:
            self.transport.pause_reading()
        if not self.queued:
            self._enqueue()

    def _enqueue(self) -> None:
        self.queued = True
        if not self.resting:
            self.front.pacer.queue(self._proceed)

    def _proceed(self) -> None:
        """Take the turn."""
        self.queued = False
        session = self.session
        if session.state is State.CLOSED or self.stalled_since is not None:
            return
        self._answer(b"")
        self._note_login()
        self._after_lines()
        if self.finished and not self.queued:
            self.close("peer finished")
        self._read_on()

    def _note_login(self) -> None:
        if not self.authorised and self.session.admitted and self.address is not None:
            self.authorised = True
            self.front.newcomers.discard(self)
            self.address.enter(self.front.loop.time())
        if not self.held_difficulty and self.session.state is State.WORKING:
            self.front.claims.look_at(self)

    def _read_on(self) -> None:
        """Read again, unless something stands against it."""
        session = self.session
        if (
            session.closing is None
            and session.wants is None
            and self.stalled_since is None
            and not (self.resting or session.more or self.transport.is_closing())
        ):
            self.transport.resume_reading()

    # -- costs ------------------------------------------------------------------------------

    def charge(self, fault: Fault, count: int = 1) -> None:
        """Have the peer pay for what it did: slow it, or cut it off, when that is too much."""
        if self.address is None or self.session.state is State.CLOSED:
            return
        if self.cost is None:
            self.cost = SessionCost()
        now = self.front.loop.time()
        pause = self.front.guard.charge(self.address, self.cost, fault, count, now)
        if pause is None:
            if self.session.closing is None:
                self.close("too many faults")
        elif pause:
            self._rest(pause)

    def forgive(self, accepted: int, now: float) -> None:
        """Let accepted shares take from what the address costs."""
        if self.address is not None:
            self.front.guard.forgive(self.address, accepted, now)

    def is_banned(self, now: float) -> bool:
        """Say whether its address has been banned since it came."""
        return self.address is not None and self.front.guard.is_banned(self.address, now)

    def _charge_refused(self) -> None:
        """Charge refused shares that neither accepted ones nor a new tip excuse."""
        gate = self.session.gate
        self.refused_seen = gate.refused
        if self.cost is None:
            self.cost = SessionCost()
        front = self.front
        wrong, late = self.cost.unpaid(gate, self.since, front.tip_at, front.loop.time())
        if wrong:
            self.charge(Fault.WRONG_SHARE, wrong)
        if late:
            self.charge(Fault.LATE_SHARE, late)

    def _rest(self, pause_s: float) -> None:
        if not self.resting:
            self.resting = True
            self.transport.pause_reading()
            self.front.loop.call_later(pause_s, self._rested)

    def _rested(self) -> None:
        self.resting = False
        if self.transport.is_closing():
            return
        if self.queued:
            self.front.pacer.queue(self._proceed)
        else:
            self._read_on()

    # -- what the session asks for ----------------------------------------------------------

    def attend(self) -> None:
        """Do what the session asks for beside bytes."""
        front, session = self.front, self.session
        session.attention = False
        if front.table.candidates:
            front.take_candidates()
        if session.faults:
            faults, session.faults = session.faults, None
            for fault, count in faults.items():
                self.charge(fault, count)
        if session.more and not self.queued and session.closing is None:
            self.transport.pause_reading()
            self._enqueue()
        if session.closing is not None:
            self.close(session.closing)
        elif session.wants is not None:
            self.transport.pause_reading()
            if isinstance(session.wants, Claim):
                front.claims.ask(self, session.wants)
            else:
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
        session, front = self.session, self.front
        if session.state is not State.CLOSED and isinstance(session.wants, NewWorker):
            self._go_on(session.worker_made(worker, front.clock.now_us(), front.loop.time()))

    def claim_answered(self, left: Resumable | None) -> None:
        """Go on with what the former session left behind, if that may be had."""
        session, front = self.session, self.front
        if session.state is not State.CLOSED and isinstance(session.wants, Claim):
            self._go_on(session.claim_answered(left, front.clock.now_us(), front.loop.time()))

    def _go_on(self, out: bytes) -> None:
        self.front.acknowledger.send(self, out)
        self._note_login()
        if self.session.attention:
            self.attend()
        self._open_to_plain()
        self._read_on()

    def drop_unless_authorised(self) -> None:
        """Close a connection whose logins all failed."""
        if self.session.state is not State.CLOSED and not self.session.admitted:
            self.close("login refused")

    def send(self, data: bytes) -> None:
        """Send something of our own accord, unless the peer does not take what it has."""
        if data and self.stalled_since is None and not self.transport.is_closing():
            if self.awaiting:
                self.front.acknowledger.send(self, data)
            else:
                self.write(data)

    def write(self, data: bytes) -> None:
        """Send at once, by the transport."""
        self.occupied = True
        self.transport.write(data)

    def is_direct(self) -> bool:
        """Say whether bytes written to the descriptor now would be the next that the peer gets."""
        if self.awaiting or self.descriptor < 0:
            return False
        return not self.occupied or self.is_clear()

    def is_clear(self) -> bool:
        """Say whether bytes written to its descriptor would come after all that was sent before."""
        transport = self.transport
        if (
            transport.get_write_buffer_size()
            or transport.is_closing()
            or self.session.closing is not None
        ):
            return False
        self.occupied = False
        return True

    def deliver(self, reply: bytes) -> None:
        """Send a reply whose shares are durable (called by the acknowledger)."""
        if self.transport.is_closing():
            return
        if reply:
            self.write(reply)
            if self.transport.get_write_buffer_size() > WRITE_MAX_BYTES:
                self.charge(Fault.SLOW_READER)
                self.abort()
                return
        if self.session.closing is not None and not self.awaiting:
            self.transport.close()

    def close(self, why: str) -> None:
        """Close once everything owed is sent."""
        log.debug("connection closed", peer=self.peer, why=why)
        self.session.closing = why
        self._shut_to_plain()
        if not self.transport.is_closing():
            self.transport.pause_reading()
        if not self.awaiting:
            self.transport.close()

    def abort(self) -> None:
        """Close at once; replies that wait are not sent."""
        self._shut_to_plain()
        self.transport.abort()

    def reset(self) -> None:
        """Close at once, and have the peer's kernel know that nothing of it is left."""
        raw = self.transport.get_extra_info("socket")
        if raw is not None and self.session.state is not State.CLOSED:
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        self.abort()

    @property
    def is_kept_waiting(self) -> bool:
        """Whether it is our turn to do something: its login waits, or the register is asked."""
        return self.queued or self.session.wants is not None

    def give_place(self) -> None:
        """Make way for another when there are too many: it has waited, and said nothing of use."""
        self.session.closing = "its place was needed"
        if self.address is not None:
            self.front.guard.evict(self.address, self.front.loop.time())
        self.abort()

    def pause_writing(self) -> None:
        """Stop reading from a peer that does not read (A1.17)."""
        self.stalled_since = self.front.loop.time()
        self.transport.pause_reading()

    def resume_writing(self) -> None:
        """Go on, with the job it missed."""
        self.stalled_since = None
        if self.session.wants is None and self.session.closing is None:
            if self.session.more and not self.queued:
                self._enqueue()
            self._read_on()
            self.front.catch_up(self)

    def eof_received(self) -> bool:
        """Keep a half-closed connection until its last replies are out."""
        if self.queued:
            self.finished = not self.door.tls  # TLS has no half-closed connections
            return self.finished
        if self.awaiting and not self.door.tls:
            self.session.closing = "peer finished"
            self._shut_to_plain()
            return True
        return False

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        """End the session."""
        self.plain = False
        self.descriptor = -1  # the kernel gives the number to others
        address = self.address
        if hasattr(self, "session"):
            session = self.session
            self.front.farewell(self)
            session.state = State.CLOSED
            now = self.front.loop.time()
            # Who waited long for its turn may leave.
            patient = self.queued and now - self.since > IDLE_FREE_S
            useless = session.closing is None and not session.gate.accepted and not patient
            if useless and address is not None:
                self.front.guard.charge_ended(address, Fault.NO_WORK, now)
        if address is not None:
            self.front.guard.leave(address, authorised=self.authorised)
