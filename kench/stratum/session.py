"""A miner's Stratum session, sans-IO: bytes in, bytes out; no socket, clock or loop.

The shell gives it bytes and the time; it answers in order. Plain submits go to native code as they
lie in the buffer; every other line takes the general parser and `methods`. Where something must be
asked of PostgreSQL (a worker's first login), the session pauses: later lines wait, so that answers
keep their order (A1.2).
"""

import enum
import re
from dataclasses import dataclass
from typing import Protocol

from kench import native
from kench.native import Verdict
from kench.pool.coinbase import EXTRANONCE2_SIZE
from kench.pool.job import Job
from kench.pool.work import target_le_of
from kench.stratum import messages, user_agents
from kench.stratum.agent_defaults import defaults_of
from kench.stratum.contract import (
    NO_WORKER,
    Admission,
    Claim,
    Limits,
    NewWorker,
    Pool,
    Resumable,
)
from kench.stratum.difficulty import Difficulty
from kench.stratum.faults import Fault
from kench.stratum.login import parse_password

# A peer that sends this many lines that are no messages is cut off (A1.5).
BAD_LINES_MAX = 3
# What is certainly no Stratum V1: other protocols' first words, or bytes that JSON never has raw,
# as in a TLS or Stratum V2 handshake (A1.14).
_FOREIGN = re.compile(
    rb"(?:GET|POST|HEAD|PUT|OPTIONS|PROXY) |SSH-|[^\n]*?[\x00-\x08\x0b\x0c\x0e-\x1f]"
)
# Only so much of a line is looked at for that: who sends it byte by byte has it looked at as often.
FOREIGN_BYTES = 64
USER_AGENT_MAX = 128
# Bytes kept while a login waits for the register, or all for their turn: one read of the socket,
# what TLS had gathered before it, and the line before that.
PAUSED_BYTES_MAX = 320 * 1024
# General lines, and bytes of them, that one session is answered in one go; the rest has its turn
# (`pacing`). A line takes some 10 µs, and its JSON up to 10 µs for each KiB.
LINES_PER_TURN, BYTES_PER_TURN = 64, 16 * 1024


class State(enum.Enum):
    """How far a session has come. Authorisation may precede subscription (A3.1)."""

    CONNECTED = "connected"
    SUBSCRIBED = "subscribed"
    AUTHORISED = "authorised"
    WORKING = "working"
    CLOSED = "closed"


@dataclass(frozen=True, slots=True)
class _Pause:
    """The request that a paused session will answer first; the rest is a login's."""

    request: messages.Request
    name: bytes = b""
    tokens: tuple[str, ...] = ()


class Session:
    """One connection's protocol state.

    `receive` returns the bytes to send; `gate.accepted` tells the shell whether they must wait
    for the journal. `wants` is what must be asked before the session goes on: for a worker to be
    made, or for a session to be resumed; `closing` says why the shell should close once everything
    is sent.
    """

    __slots__ = (
        "_asked_mask",
        "_bad_lines",
        "_buffer",
        "_handle",
        "_mask_for",
        "_paused",
        "_prevhash_le",
        "_records",
        "admitted",
        "agent",
        "attention",
        "closing",
        "difficulty",
        "extranonce1",
        "failed_logins",
        "faults",
        "gate",
        "general_lines",
        "job_key",
        "limits",
        "login_failed",
        "more",
        "pool",
        "resumed",
        "session_id",
        "state",
        "user_agent",
        "version_mask",
        "wants",
    )

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
        self.agent = user_agents.NONE  # its number
        self.version_mask = 0  # granted; part of what was asked for
        self._asked_mask = 0
        self._mask_for = -1  # the template's mask for which that is in force; -1 if it is not
        self.difficulty = Difficulty(limits.difficulty, now)
        self.job_key = 0  # the newest job sent, and the tip it is on
        self._prevhash_le = b""
        self.admitted: dict[bytes, Admission] = {}  # by the worker's name as it was given
        self.failed_logins = 0
        self.login_failed = False
        self.wants: NewWorker | Claim | None = None
        self.resumed = False
        self.closing: str | None = None
        # The shell should look at closing, wants, difficulty.changed, login_failed, faults, more.
        self.attention = False
        self.faults: dict[Fault, int] | None = None  # since the shell last took them
        self.more = False  # whole lines wait: `receive` should be called again, without data
        self.general_lines = 0  # answered or not, since the connection began
        self.gate = native.Gate(pool.table, records, extranonce1, limits.workers_per_connection)
        self._records = records
        self._buffer = b""
        self._bad_lines = 0
        self._paused: _Pause | None = None

    def end(self, why: str) -> None:
        """Have the shell close the connection once everything owed is sent."""
        self.closing = why
        self.attention = True

    def blame(self, fault: Fault) -> None:
        """Note what the peer did, for the shell to charge it."""
        if self.faults is None:
            self.faults = {}
        self.faults[fault] = self.faults.get(fault, 0) + 1
        self.attention = True

    # -- bytes in ---------------------------------------------------------------------------

    def receive(self, data: bytes, now_us: int, now: float) -> bytes:
        """Take what the miner sent; return what to send, in order."""
        if self.closing is not None:
            return b""
        if self._buffer:
            data = self._buffer + data
            self._buffer = b""
            self.more = False
        if self.wants is not None:
            self._keep(data)
            return b""
        if self.state is not State.WORKING:
            return self._general(data, 0, now_us, now)
        end, replies = self._plain(data, 0, now_us, now)
        return replies if end == len(data) else replies + self._general(data, end, now_us, now)

    def _plain(self, data: bytes, start: int, now_us: int, now: float) -> tuple[int, bytes]:
        """Have native code take the plain submits that stand at `start`."""
        end, replies, accepted = self.gate.plain(data, start, now_us)
        if accepted:
            self.count_accepted(accepted, now)
        return end, replies

    @property
    def is_plain(self) -> bool:
        """Whether what comes next may be judged as plain submits, as far as it is that."""
        return (
            self.state is State.WORKING
            and not self._buffer
            and not self.more
            and self.wants is None
            and self.closing is None
        )

    def _general(self, data: bytes, start: int, now_us: int, now: float) -> bytes:
        """Take lines one by one, handing plain runs after them back to native code."""
        out = bytearray()
        lines_max, end = self.general_lines + LINES_PER_TURN, start + BYTES_PER_TURN
        while self.closing is None and self.wants is None:
            if self.state is State.CONNECTED and _FOREIGN.match(data, start, start + FOREIGN_BYTES):
                self.blame(Fault.FOREIGN_PROTOCOL)
                self.end("not a Stratum miner")
                break
            newline = data.find(b"\n", start)
            if newline < 0:
                break
            if self.general_lines >= lines_max or start > end:
                self.more = self.attention = True
                break
            line = data[start:newline]
            start = newline + 1
            self.general_lines += 1
            if len(line) > self.limits.max_line_bytes:
                self._end_oversized()
                break
            line = line.strip()
            if line:
                out += self._line(line, now_us, now)
            if self.state is State.WORKING and self.closing is None and self.wants is None:
                start, replies = self._plain(data, start, now_us, now)
                out += replies
        if start < len(data):
            self._keep(data[start:])
        return bytes(out)

    def _line(self, line: bytes, now_us: int, now: float) -> bytes:
        try:
            request = messages.parse_line(line)
        except messages.BadMessageError:
            self._bad_lines += 1
            self.blame(Fault.BAD_JSON)
            if self._bad_lines >= BAD_LINES_MAX:
                self.end("not JSON")
            return messages.error(None, 20, "Invalid JSON")
        if request is None:
            return b""
        out = self._handle(self, request, now_us, now)
        self.attention |= self.difficulty.changed
        return out

    def _keep(self, rest: bytes) -> None:
        """Keep an unfinished line, or what came while paused, within bounds (A1.4)."""
        if self.closing is not None:
            return
        paused = PAUSED_BYTES_MAX if self.wants or self.more else 0
        if len(rest) > self.limits.max_line_bytes + paused:
            self._end_oversized()
            return
        self._buffer = rest

    def hold(self, data: bytes) -> None:
        """Keep what came until `receive` is called with nothing more."""
        self.more = True
        self._keep(self._buffer + data if self._buffer else data)

    def _end_oversized(self) -> None:
        self.blame(Fault.OVERSIZED_LINE)
        self.end("line too long")

    # -- subscription -----------------------------------------------------------------------

    def subscribe(self, request: messages.Request, former: str | None, now: float) -> bytes:
        """Answer the first subscribe, with what session `former` left behind if that may be had.

        Pauses when another front must be asked for that (A2.7).
        """
        left = None if former is None else self.pool.resume(former, self.extranonce1)
        if isinstance(left, Claim):
            self._paused = _Pause(request)
            self.wants = left
            self.attention = True
            return b""
        return self._subscribed(request, left, now)

    def claim_answered(self, left: Resumable | None, now_us: int, now: float) -> bytes:
        """Go on after a pause, with what the former session left behind, if anything."""
        paused = self._paused
        if paused is None or not isinstance(self.wants, Claim):
            raise AssertionError("claim_answered without a pause")
        self._paused = self.wants = None
        out = self._subscribed(paused.request, left, now)
        return out + self.receive(b"", now_us, now)

    def _subscribed(self, request: messages.Request, left: Resumable | None, now: float) -> bytes:
        if left is not None:
            self._adopt(left)
        out = self.answer_subscribe(request)
        if self.state is State.AUTHORISED:
            return out + self.begin(now)
        self.state = State.SUBSCRIBED
        return out

    def answer_subscribe(self, request: messages.Request) -> bytes:
        """Return the answer to a subscribe, the first or another (A2.6)."""
        if request.id is None:
            return b""
        return messages.subscribed(request.id, self.session_id, self.extranonce1, EXTRANONCE2_SIZE)

    # -- login ------------------------------------------------------------------------------

    def authorise(self, request: messages.Request, name: bytes, now: float) -> bytes:
        """Answer a login (A3); pauses when its worker must be made first."""
        user = name.decode()
        tokens: tuple[str, ...] = ()
        params = request.params
        if len(params) > 1:
            password = parse_password(params[1])
            tokens = password.tokens
            self.difficulty.take_options(password)
        admission = self.pool.admit(user, tokens)
        if isinstance(admission, NewWorker) and defaults_of(self.user_agent).is_probe:
            admission = Admission(admission.participant, NO_WORKER, admission.token)
        if isinstance(admission, NewWorker):
            self._paused = _Pause(request, name, tokens)
            self.wants = admission
            self.attention = True
            return b""
        return self._settle_login(request, name, admission, now)

    def worker_made(self, worker: int | None, now_us: int, now: float) -> bytes:
        """Go on after a pause: `worker` is the new worker's id, None if it may not be made."""
        paused, wants = self._paused, self.wants
        if paused is None or not isinstance(wants, NewWorker):
            raise AssertionError("worker_made without a pause")
        self._paused = self.wants = None
        self.attention |= self.difficulty.changed
        admission = None
        # The participant may have been suspended while the register was asked (D2).
        again = self.pool.admit(paused.name.decode(), paused.tokens)
        if worker is not None and again is not None:
            admission = Admission(wants.participant, worker, again.token)
        out = self._settle_login(paused.request, paused.name, admission, now)
        return out + self.receive(b"", now_us, now)

    def _settle_login(
        self, request: messages.Request, name: bytes, admission: Admission | None, now: float
    ) -> bytes:
        full = len(self.admitted) >= self.limits.workers_per_connection
        if admission is None or (full and name not in self.admitted):
            self.failed_logins = self.pool.count_failed(name)
            self.login_failed = self.attention = True
            self.blame(Fault.LOGIN_REFUSED)
            if request.id is None:
                return b""
            return messages.refusal(request.id, Verdict.UNAUTHORISED, result=False)
        if admission.worker != NO_WORKER:
            self.gate.allow(name, admission.participant, admission.worker)
        self.admitted[name] = admission
        if self.agent == user_agents.OTHER:  # there is more room for those who are known
            self.name_agent(self.user_agent)
        out = b"" if request.id is None else messages.answer(request.id, result=True)
        if self.state is State.CONNECTED:
            self.state = State.AUTHORISED
        elif self.state is State.SUBSCRIBED:
            out += self.begin(now)
        return out

    def forget_tokens(self, ended: set[int]) -> bool:
        """Take off this connection the workers that came by these (D2); True if none are left."""
        gone = [name for name, came in self.admitted.items() if came.token in ended]
        for name in gone:
            self.gate.forget(name)
            del self.admitted[name]
        return bool(gone) and not self.admitted

    # -- version rolling --------------------------------------------------------------------

    def ask_mask(self, asked: int) -> int:
        """Grant what may be rolled of the version bits asked for, and return it.

        The mask before stays valid until the next clean job (A4.7).
        """
        granted = asked & self.pool.rolling_mask()
        self.gate.set_mask(granted | self.version_mask)
        self._asked_mask, self.version_mask = asked, granted
        self._mask_for = -1
        return granted

    def _renew_mask(self, job: Job) -> bytes:
        """Let go of the mask before, and follow a template that rolls other bits (A7.7)."""
        self._mask_for = job.facts.rolling_mask
        granted = self._asked_mask & self._mask_for
        self.gate.set_mask(granted)
        if granted == self.version_mask:
            return b""
        self.version_mask = granted
        return messages.set_version_mask(granted)

    # -- difficulty and jobs ----------------------------------------------------------------

    def count_accepted(self, count: int, now: float) -> None:
        """Count accepted shares; their rate may ask for another difficulty at once."""
        if self.gate.count(count, now):
            self.judge_rate(now)

    def judge_rate(self, now: float) -> None:
        """Judge the share rate; it may ask for another difficulty."""
        self.take_counted()
        self.difficulty.judge(now)
        self._tell_rate()
        self.attention |= self.difficulty.changed

    def take_counted(self) -> None:
        """Put down what the gate has counted."""
        self.difficulty.count(*self.gate.take_counted())

    def _tell_rate(self) -> None:
        """Tell the gate which shares count from now on, and how many are to be looked at."""
        self.gate.tell(self.difficulty.counts_after, self.difficulty.burst_shares)

    def sweep(self, now: float) -> None:
        """Judge the share rate of a session that may have fallen silent."""
        if self.state is State.WORKING:
            self.judge_rate(now)

    def retarget_due(self, job: Job) -> bool:
        """Say whether the difficulty wished for differs from the one in force."""
        wished = self.difficulty.bounded(job, self.user_agent)
        return self.state is State.WORKING and wished != self.difficulty.in_force

    def give(self, job: Job, now: float, *, clean: bool) -> bytes:
        """Return what announces `job`: its difficulty first if that changed (A6.1, A6.4).

        The first job on a tip is clean whatever is asked: a broadcast of it may have been
        overtaken by the next job (A7.3).
        """
        clean = clean or job.prevhash_le != self._prevhash_le
        self.job_key, self._prevhash_le = job.key, job.prevhash_le
        if (
            self.difficulty.settled_at == job.network_difficulty
            and self._mask_for == job.facts.rolling_mask
        ):
            # What nearly all of thousands get; nothing of theirs is looked at beyond this.
            return job.notify_clean if clean else job.notify_more
        mask = self._renew_mask(job) if clean else b""
        first = self.difficulty.in_force == 0.0
        self.take_counted()  # at what they were worth
        if not self.difficulty.renew(job, self.user_agent, now):
            return mask + job.notify(clean=clean)
        self._tell_rate()
        in_force = self.difficulty.in_force
        self.gate.set_difficulty(in_force, target_le_of(in_force), 0 if first else job.key)
        return mask + self._set_difficulty() + job.notify(clean=clean)

    def repeat(self, job: Job, now: float) -> bytes:
        """Return difficulty and job once more, for a miner that seems to hold others (A8.15)."""
        before = self.difficulty.in_force
        out = self.give(job, now, clean=True)
        return out if self.difficulty.in_force != before else self._set_difficulty() + out

    def _set_difficulty(self) -> bytes:
        return messages.set_difficulty(self.difficulty.in_force)

    def begin(self, now: float) -> bytes:
        """Return the first difficulty and job once subscribed and authorised (A6.1)."""
        self.state = State.WORKING
        job = self.pool.current_job()
        return b"" if job is None else self.give(job, now, clean=True)

    def _adopt(self, left: Resumable) -> None:
        """Take over the extranonce and difficulty of the session before (A2.7)."""
        self.resumed = True
        self.extranonce1 = left.extranonce1
        self.difficulty.start = left.difficulty
        self.gate = native.Gate(
            self.pool.table, self._records, left.extranonce1, self.limits.workers_per_connection
        )
        self.gate.set_mask(self.version_mask)
        self.gate.set_agent(self.agent)

    def name_agent(self, text: str) -> None:
        """Take the miner's word for what it is."""
        self.user_agent = text
        self.pool.user_agents.give_back(self.agent)
        self.agent = self.pool.user_agents.take(text, known=bool(self.admitted))
        self.gate.set_agent(self.agent)

    def refuse(self, verdict: Verdict) -> None:
        """Count a refusal that was decided before a share reached the gate."""
        # Whose it was is certain where only one worker speaks on the connection.
        owner = self.gate.owners()[0] if self.gate.names == 1 else (0, 0)
        self.pool.table.refuse(*owner, verdict, self.agent)
        known = verdict is Verdict.NOT_SUBSCRIBED
        self.blame(Fault.NOT_SUBSCRIBED if known else Fault.INVALID_PARAMS)


class Handler(Protocol):
    """The general handler of requests (`kench.stratum.methods.handle`)."""

    def __call__(
        self, session: Session, request: messages.Request, now_us: int, now: float
    ) -> bytes:
        """Act on a request and return the bytes to send."""
        ...
