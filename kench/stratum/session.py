"""A miner's Stratum session, sans-IO: bytes in, bytes out; no socket, clock or loop.

The shell gives it bytes and the time; it answers in order. Plain submits go to native code as they
lie in the buffer; every other line takes the general parser and `methods`. Where something must be
asked of PostgreSQL (a worker's first login), the session pauses: later lines wait, so that answers
keep their order (A1.2).
"""

import enum
from dataclasses import dataclass
from typing import Protocol

from kench import native
from kench.native import Verdict
from kench.pool.job import Job
from kench.pool.work import (
    EASIEST_DIFFICULTY,
    settle_difficulty,
    target_of,
    wire_difficulty,
)
from kench.stratum import messages
from kench.stratum.login import Password, parse_password
from kench.stratum.vardiff import Vardiff

# A peer that sends this many lines that are no messages is cut off (A1.5).
BAD_LINES_MAX = 3
# The first bytes of what is certainly no Stratum V1 (A1.14).
FOREIGN_OPENINGS = (b"GET ", b"POST", b"HEAD", b"PUT ", b"OPTI", b"\x16\x03", b"SSH-")
USER_AGENT_MAX = 128
# Firmware that rents out hash power wants a high floor from its first job on (A6.9, A10.1).
RENTAL_FLOORS = {"nicehash/": 524_288.0, "mrr-hash/": 1_000_000.0}


class State(enum.Enum):
    """How far a session has come. Authorisation may precede subscription (A3.1)."""

    CONNECTED = "connected"
    SUBSCRIBED = "subscribed"
    AUTHORISED = "authorised"
    WORKING = "working"
    CLOSED = "closed"


@dataclass(frozen=True, slots=True)
class Limits:
    """What bounds one session; from the settings."""

    start_difficulty: float
    min_difficulty: float
    max_difficulty: float
    shares_per_minute: float
    max_line_bytes: int
    workers_per_connection: int


@dataclass(frozen=True, slots=True)
class Admission:
    """A worker that may mine: what the register says of a login."""

    participant: int
    worker: int


@dataclass(frozen=True, slots=True)
class NewWorker:
    """A lawful login whose worker is not in the register yet: the shell has it made."""

    participant: int
    worker: str


class Pool(Protocol):
    """What a session asks of the server around it; everything answers at once."""

    table: native.JobTable

    def rolling_mask(self) -> int:
        """Return the version bits that miners may roll on the current template (A7.7)."""
        ...

    def current_job(self) -> Job | None:
        """Return the job that a new connection is given."""
        ...

    def admit(self, user: object, tokens: tuple[str, ...]) -> Admission | NewWorker | None:
        """Look a login up in the cached register; None if it may not mine (D2)."""
        ...

    def resume(self, session_id: str) -> "Resumable | None":
        """Hand back what an ended session left behind, once (A2.7)."""
        ...


@dataclass(frozen=True, slots=True)
class Resumable:
    """What lets a reconnecting miner's last shares stay valid (A2.7)."""

    extranonce1: bytes
    difficulty: float


@dataclass(frozen=True, slots=True)
class _Pause:
    """The login that a paused session will answer first."""

    request: messages.Request
    name: bytes


class Session:
    """One connection's protocol state.

    `receive` returns the bytes to send; `gate.accepted` tells the shell whether they must wait
    for the journal. `wants` is a worker to be made before the session goes on; `closing` says why
    the shell should close once everything is sent.
    """

    def __init__(  # noqa: PLR0913, PLR0917 - each is one collaborator or fact
        self,
        pool: Pool,
        limits: Limits,
        records: native.RecordBuffer,
        extranonce1: bytes,
        session_id: str,
        now: float,
        handle: "Handler",
    ) -> None:
        self.pool = pool
        self.limits = limits
        self._handle = handle
        self.state = State.CONNECTED
        self.session_id = session_id
        self.extranonce1 = extranonce1
        self.user_agent = ""
        self.version_mask = 0
        self.floor = limits.min_difficulty
        self.start = limits.start_difficulty
        self.start_is_explicit = False
        self.suggested: float | None = None
        self.difficulty = 0.0  # in force for the next job; 0 before the first
        self.job_key = 0  # the newest job sent
        self.vardiff = Vardiff(limits.shares_per_minute, now)
        self.participants: dict[bytes, int] = {}  # authorised worker names -> participant id
        self.failed_logins = 0
        self.login_failed = False
        self.wish_changed = False  # the shell should see whether a retarget is due
        self.wants: NewWorker | None = None
        self.closing: str | None = None
        # The shell should look at closing, wants, wish_changed and login_failed.
        self.attention = False
        self.gate = native.Gate(pool.table, records, extranonce1, limits.workers_per_connection)
        self._records = records
        self._buffer = b""
        self._bad_lines = 0
        self._paused: _Pause | None = None

    def end(self, why: str) -> None:
        """Have the shell close the connection once everything owed is sent."""
        self.closing = why
        self.attention = True

    # -- bytes in ---------------------------------------------------------------------------

    def receive(self, data: bytes, now_us: int, now: float) -> bytes:
        """Take what the miner sent; return what to send, in order."""
        if self._buffer:
            data = self._buffer + data
            self._buffer = b""
        if self.wants is not None:
            self._keep(data)
            return b""
        end, replies = 0, b""
        if self.state is State.WORKING:
            end, replies, accepted = self.gate.plain(data, 0, now_us)
            self.count_accepted(accepted, now)
            if end == len(data):
                return replies
        return replies + self._general(data, end, now_us, now)

    def _general(self, data: bytes, start: int, now_us: int, now: float) -> bytes:
        """Take lines one by one, handing plain runs back to native code."""
        out = bytearray()
        if self.state is State.CONNECTED and data.startswith(FOREIGN_OPENINGS, start):
            self.end("not a Stratum miner")
            return b""
        while self.closing is None and self.wants is None:
            if self.state is State.WORKING:
                start, replies, accepted = self.gate.plain(data, start, now_us)
                out += replies
                self.count_accepted(accepted, now)
            newline = data.find(b"\n", start)
            if newline < 0:
                break
            line = data[start:newline]
            start = newline + 1
            if len(line) > self.limits.max_line_bytes:
                self.end("line too long")
                break
            line = line.strip()
            if line:
                out += self._line(line, now_us, now)
        self._keep(data[start:])
        return bytes(out)

    def _line(self, line: bytes, now_us: int, now: float) -> bytes:
        try:
            request = messages.parse_line(line)
        except messages.BadMessageError:
            self._bad_lines += 1
            if self._bad_lines >= BAD_LINES_MAX:
                self.end("not JSON")
            return messages.error(None, 20, "Invalid JSON")
        return b"" if request is None else self._handle(self, request, now_us, now)

    def _keep(self, rest: bytes) -> None:
        """Keep an unfinished line, or what came while paused, within bounds (A1.4)."""
        if self.closing is not None:
            return
        if len(rest) > self.limits.max_line_bytes * (4 if self.wants else 1):
            self.end("line too long")
            return
        self._buffer = rest

    # -- login ------------------------------------------------------------------------------

    def authorise(self, request: messages.Request, name: bytes, now: float) -> bytes:
        """Answer a login (A3); pauses when its worker must be made first."""
        user = name.decode()
        tokens: tuple[str, ...] = ()
        params = request.params
        if len(params) > 1:
            password = parse_password(params[1])
            tokens = password.tokens
            self._take_options(password)
        admission = self.pool.admit(user, tokens)
        if isinstance(admission, NewWorker):
            self._paused = _Pause(request, name)
            self.wants = admission
            self.attention = True
            return b""
        return self._settle_login(request, name, admission, now)

    def worker_made(self, worker: int | None, now_us: int, now: float) -> bytes:
        """Go on after a pause: `worker` is the new worker's id, None if it may not be made."""
        paused, wants = self._paused, self.wants
        if paused is None or wants is None:
            raise AssertionError("worker_made without a pause")
        self._paused = self.wants = None
        admission = None if worker is None else Admission(wants.participant, worker)
        out = self._settle_login(paused.request, paused.name, admission, now)
        return out + self.receive(b"", now_us, now)

    def _settle_login(
        self, request: messages.Request, name: bytes, admission: Admission | None, now: float
    ) -> bytes:
        full = len(self.participants) >= self.limits.workers_per_connection
        if admission is None or (full and name not in self.participants):
            self.failed_logins += 1
            self.login_failed = self.attention = True
            self.refuse(Verdict.UNAUTHORISED)
            if request.id is None:
                return b""
            return messages.refusal(request.id, Verdict.UNAUTHORISED, result=False)
        self.gate.allow(name, admission.participant, admission.worker)
        self.participants[name] = admission.participant
        out = b"" if request.id is None else messages.answer(request.id, result=True)
        if self.state is State.CONNECTED:
            self.state = State.AUTHORISED
        elif self.state is State.SUBSCRIBED:
            out += self.begin(now)
        return out

    def _take_options(self, password: Password) -> None:
        """Take the minimum first, then the start; both are clamped when a job is sent (A3.7)."""
        if password.minimum_difficulty is not None:
            self.raise_floor(password.minimum_difficulty)
        if password.start_difficulty is not None:
            self.wish(password.start_difficulty)
            self.start_is_explicit = True

    def forget_participant(self, participant: int) -> bool:
        """Take a participant's workers off this connection (D2); True if none are left."""
        gone = [name for name, owner in self.participants.items() if owner == participant]
        for name in gone:
            self.gate.forget(name)
            del self.participants[name]
        return bool(gone) and not self.participants

    # -- wishes -----------------------------------------------------------------------------

    def wish(self, difficulty: float) -> None:
        """Have the next job sent at this difficulty, as far as the bounds allow."""
        self.start = difficulty
        self.wish_changed = self.attention = True

    def raise_floor(self, difficulty: float) -> None:
        """Never go below this difficulty on this connection (A4.6)."""
        self.floor = max(difficulty, self.limits.min_difficulty)
        self.wish_changed = self.attention = True

    def set_mask(self, mask: int) -> None:
        """Grant a version mask; the one before stays valid until the next clean job (A4.7)."""
        self.gate.set_mask(mask | self.version_mask)
        self.version_mask = mask

    # -- difficulty and jobs ----------------------------------------------------------------

    def settle(self, wished: float, job: Job) -> float:
        """Return the difficulty to send for one wished for: within all bounds (A8.14)."""
        highest = min(self.limits.max_difficulty, job.network_difficulty)
        return settle_difficulty(wished, max(self.floor, EASIEST_DIFFICULTY), highest)

    def count_accepted(self, count: int, now: float) -> None:
        """Let the share rate be judged at once when many shares came."""
        if count and self.vardiff.saw(count):
            self._judge(now)

    def _judge(self, now: float) -> None:
        wished = self.vardiff.judge(now, self.difficulty)
        if wished is not None:
            self.wish(wished)

    def sweep(self, now: float) -> None:
        """Judge the share rate of a session that may have fallen silent."""
        if self.state is State.WORKING:
            self._judge(now)

    def retarget_due(self, job: Job) -> bool:
        """Say whether the difficulty wished for differs from the one in force."""
        return self.state is State.WORKING and self.settle(self.start, job) != self.difficulty

    def give(self, job: Job, now: float, *, clean: bool) -> bytes:
        """Return what announces `job`: its difficulty first if that changed (A6.1, A6.4)."""
        self.job_key = job.key
        if clean:
            self.gate.set_mask(self.version_mask)
        wished = self.settle(self.start, job)
        if wished == self.difficulty:
            return job.notify(clean=clean)
        first = self.difficulty == 0.0
        self.difficulty = wished
        target = target_of(wished).to_bytes(32, "little")
        self.gate.set_difficulty(wished, target, 0 if first else job.key)
        self.vardiff.restart(now)
        return messages.set_difficulty(wire_difficulty(wished)) + job.notify(clean=clean)

    def begin(self, now: float) -> bytes:
        """Return the first difficulty and job once subscribed and authorised (A6.1)."""
        self.state = State.WORKING
        job = self.pool.current_job()
        return b"" if job is None else self.give(job, now, clean=True)

    def adopt(self, left: Resumable) -> None:
        """Take over the extranonce and difficulty of the session before (A2.7)."""
        self.extranonce1 = left.extranonce1
        self.start = left.difficulty
        self.gate = native.Gate(
            self.pool.table, self._records, left.extranonce1, self.limits.workers_per_connection
        )
        self.gate.set_mask(self.version_mask)

    def refuse(self, verdict: Verdict) -> None:
        """Count a refusal that was decided before a share reached the gate."""
        self.pool.table.refuse(0, 0, verdict)


class Handler(Protocol):
    """The general handler of requests (`kench.stratum.methods.handle`)."""

    def __call__(
        self, session: Session, request: messages.Request, now_us: int, now: float
    ) -> bytes:
        """Act on a request and return the bytes to send."""
        ...
