"""Mining for one pool: connect, log in, hand jobs to the threads, send what they find; again."""

import contextlib
import queue
import select
import socket
from collections import Counter
from collections.abc import Callable

import structlog

from kench.miner.address import PoolAddress
from kench.miner.conversation import (
    Conversation,
    Event,
    JobCame,
    LeaveAsked,
    LoggedIn,
    LoginRefused,
    PoolMisbehavedError,
    ShareAnswered,
    Told,
)
from kench.miner.hashing import Hashing
from kench.pool.clock import Clock
from kench.pool.errors import KenchError

CONNECT_S = 10.0
SILENCE_S = 90.0
"""A pool sends a job at least each 60 s (A7.4); a line silent for longer is dead."""
BACK_OFF_FIRST_S, BACK_OFF_MAX_S = 0.5, 30.0
LOGIN_REFUSALS_MAX = 8
"""A pool hears of a new participant within seconds; refused this often in a row means no."""
REPORT_FIRST_S, REPORT_S = 10.0, 60.0
READ_BYTES = 65_536
SUBMITS_AT_ONCE = 64


class LoginRefusedForGoodError(KenchError):
    """The pool keeps refusing the worker."""


class ConnectionLostError(Exception):
    """The line to the pool ended; connect again."""


class Mining:
    """Mines for one pool until the process is told to end."""

    def __init__(
        self, address: PoolAddress, user: str, password: str, threads: int, clock: Clock
    ) -> None:
        self._address = address
        self._user = user
        self._password = password
        self._clock = clock
        self._log = structlog.get_logger()
        self._wake_read, self._wake_write = socket.socketpair()
        self._wake_read.setblocking(False)
        self._wake_write.setblocking(False)
        self._hashing = Hashing(threads, clock, self._wake)
        self._current: set[str] = set()
        self._login_refusals = 0
        self._refused: Counter[str] = Counter()
        self._accepted = 0
        self._report_due = clock.monotonic() + REPORT_FIRST_S
        self._report_from = (clock.monotonic(), 0)

    def run(self, pause: Callable[[float], object]) -> None:
        """Mine for ever; `pause(seconds)` is called between two connections.

        Raises LoginRefusedForGoodError. Whatever ends it, the threads have ended when it returns.
        """
        self._hashing.start()
        back_off_s = BACK_OFF_FIRST_S
        try:
            while True:
                before = self._accepted
                try:
                    self._mine_once()
                except (ConnectionLostError, PoolMisbehavedError, OSError) as error:
                    self._log.warning("connection lost", why=str(error))
                self._hashing.assign(None)
                if self._accepted > before:
                    back_off_s = BACK_OFF_FIRST_S
                pause(back_off_s)
                back_off_s = min(BACK_OFF_MAX_S, back_off_s * 2)
        finally:
            self._hashing.stop()
            self._wake_read.close()
            self._wake_write.close()

    def _wake(self) -> None:
        """Tell the connection's loop that a share was found; called by the hashing threads."""
        with contextlib.suppress(BlockingIOError):  # full: it will wake for the bytes in there
            self._wake_write.send(b"\0")

    def _mine_once(self) -> None:
        """Mine on one connection; ends by ConnectionLostError, PoolMisbehavedError or OSError."""
        with socket.create_connection(self._address, timeout=CONNECT_S) as line:
            line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            conversation = Conversation(self._user, self._password)
            heard_at = self._clock.monotonic()
            while True:
                line.sendall(conversation.take_output())
                ready, _, _ = select.select([line, self._wake_read], [], [], 1.0)
                now = self._clock.monotonic()
                if line in ready:
                    self._hear(conversation, line)
                    heard_at = now
                elif now - heard_at > SILENCE_S:
                    raise ConnectionLostError(f"the pool was silent for {SILENCE_S:.0f} s")
                if self._wake_read in ready:
                    self._wake_read.recv(READ_BYTES)
                self._send_found(conversation)
                self._report(now)

    def _hear(self, conversation: Conversation, line: socket.socket) -> None:
        data = line.recv(READ_BYTES)
        if not data:
            raise ConnectionLostError("the pool closed the connection")
        for event in conversation.receive(data):
            self._act(event)

    def _act(self, event: Event) -> None:
        match event:
            case JobCame(job, clean):
                if clean:
                    self._current.clear()
                self._current.add(job.job_id)
                self._hashing.assign(job)
            case ShareAnswered(None):
                self._accepted += 1
            case ShareAnswered(refusal):
                self._refused[str(refusal)] += 1
            case LoggedIn():
                self._login_refusals = 0
                self._log.info("logged in", user=self._user)
            case LoginRefused(reason):
                self._refuse_login(reason)
            case Told(text):
                self._log.info("the pool says", text=text)
            case LeaveAsked():
                raise ConnectionLostError("the pool asked to connect again")

    def _refuse_login(self, reason: str) -> None:
        self._login_refusals += 1
        if self._login_refusals >= LOGIN_REFUSALS_MAX:
            raise LoginRefusedForGoodError(
                f"the pool refuses {self._user} ({reason}); "
                "`kench participant add NAME` prints a login and its password"
            )
        raise ConnectionLostError(f"the pool refuses {self._user}: {reason}")

    def _send_found(self, conversation: Conversation) -> None:
        for _ in range(SUBMITS_AT_ONCE):
            try:
                found = self._hashing.found.get_nowait()
            except queue.Empty:
                return
            if found.job.job_id in self._current:
                conversation.submit(found.job, found.extranonce2, found.nonce)
        self._wake()  # more may be left

    def _report(self, now: float) -> None:
        if now < self._report_due:
            return
        since, hashes_before = self._report_from
        hashes = self._hashing.hashes
        self._log.info(
            "mining",
            megahashes_per_s=round((hashes - hashes_before) / (now - since) / 1e6, 2),
            accepted=self._accepted,
            refused=dict(self._refused),
        )
        self._report_from, self._report_due = (now, hashes), now + REPORT_S
