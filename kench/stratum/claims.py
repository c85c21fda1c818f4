"""Sessions resumed across fronts (A2.7), a front's side: it claims, lends, tells what it holds.

The job maker arbitrates. It knows of every value that has work which front holds it, and asks that
front to let go of it; a front that died is not asked any more.
"""

import asyncio
import json
import re
import struct
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import Any, Protocol

import structlog

from kench.native import Job, JobTable
from kench.pool.errors import KenchError
from kench.stratum.contract import Claim, Resumable
from kench.stratum.extranonce import Extranonces
from kench.stratum.feed import FeedBrokenError, Kind, content_of
from kench.stratum.former_shares import FormerShares
from kench.stratum.session import Session, State

# A miner waits no longer for what its former session left behind; then it begins anew.
CLAIM_PATIENCE_S = 1.0
# A session is lent when its last shares are on disk; that is looked at so often.
LEND_AGAIN_S, LEND_TRIES = 0.02, 40
# Session id, extranonce1, difficulty.
HELD = struct.Struct("<8s4sd")
VALUE_BYTES = 4
# One that comes alone is told at once; of many, those of so long together: each message wakes the
# job maker.
TOLD_AFTER_S = 0.02
TOLD_BYTES_MAX = 64 * 1024
_SESSION_ID = re.compile(r"[0-9a-f]{16}")

log = structlog.get_logger("stratum")


class Claimant(Protocol):
    """A connection whose session is paused for a claim, or which holds a value."""

    session: Session
    held_difficulty: float

    def claim_answered(self, left: Resumable | None) -> None:
        """Go on with what the former session left behind, if anything."""
        ...


class Say(Protocol):
    """Says something to the job maker; False where it does not hear now."""

    def __call__(self, kind: Kind, body: bytes) -> bool:
        """Send one message."""
        ...


class Claims:
    """The values of a front, and what it says about them. On the loop alone."""

    def __init__(  # noqa: PLR0913, PLR0917 - each is one collaborator
        self,
        loop: asyncio.AbstractEventLoop,
        values: Extranonces,
        table: JobTable,
        former: FormerShares,
        jobs: Callable[[], Mapping[int, Job]],
        is_durable: Callable[[int], bool],
        say: Say,
    ) -> None:
        self._loop = loop
        self._values = values
        self._table = table
        self._former = former
        self._jobs = jobs
        self._is_durable = is_durable
        self._say = say
        self._reading = ThreadPoolExecutor(1, "former-shares")
        self._asked = 0
        self._asking: dict[int, tuple[Claimant, asyncio.TimerHandle]] = {}
        self._granted: dict[int, tuple[str, Resumable]] = {}
        self._held = bytearray()
        self._told_at = -TOLD_AFTER_S

    def stop(self) -> None:
        """End the thread."""
        self._reading.shutdown(cancel_futures=True)

    # -- sessions of this front -------------------------------------------------------------

    def take(self) -> bytes:
        """Return a value for a new session."""
        return self._values.take()

    def resume(self, session_id: str, unused: bytes) -> Resumable | Claim | None:
        """Hand back at once what a session of this front left; Claim where others may know it."""
        left = self._values.resume(session_id, unused, self._loop.time())
        if left is not None:
            return left
        return Claim(session_id) if _SESSION_ID.fullmatch(session_id) else None

    def look_at(self, connection: Claimant) -> None:
        """Tell of a session that has work, or another difficulty than was told."""
        session = connection.session
        difficulty = session.difficulty.in_force
        if session.state is State.WORKING and difficulty != connection.held_difficulty:
            connection.held_difficulty = difficulty
            self._hold(session.session_id, session.extranonce1, difficulty)

    def farewell(self, connection: Claimant, sequence: int) -> None:
        """Remember what a session leaves behind; `sequence` is that of the next share."""
        session = connection.session
        difficulty = session.difficulty.in_force
        if not difficulty and session.resumed:  # it got no work, but its session before did
            difficulty = session.difficulty.start
        if not difficulty:  # no job was sent, so no share can have been made
            self._values.give_back(session.extranonce1)
            return
        left = Resumable(session.extranonce1, difficulty)
        self._values.release(session.session_id, left, self._loop.time(), sequence)
        if not connection.held_difficulty:
            self._hold(session.session_id, session.extranonce1, difficulty)
        self._flush()  # its miner may be at another front in a moment

    def forget_old(self) -> None:
        """Tell of the values that nobody can resume any more."""
        forgotten = self._values.take_forgotten(self._loop.time())
        if forgotten:
            self._flush()
            self._say(Kind.GONE, b"".join(forgotten))

    def tell_anew(self, connections: Iterable[Claimant]) -> None:
        """Tell all that this front holds: who heard it may be gone."""
        self._held.clear()
        for connection in connections:
            session = connection.session
            if session.state is State.WORKING or session.resumed:
                connection.held_difficulty = session.difficulty.in_force
                difficulty = session.difficulty.in_force or session.difficulty.start
                self._hold(session.session_id, session.extranonce1, difficulty)
        for session_id, left in (*self._values.ended(), *self._granted.values()):
            self._hold(session_id, left.extranonce1, left.difficulty)
        self._flush()
        self._say(Kind.HELD_ALL, b"")

    def _hold(self, session_id: str, value: bytes, difficulty: float) -> None:
        if not self._held:
            due = max(0.0, self._told_at + TOLD_AFTER_S - self._loop.time())
            self._loop.call_later(due, self._flush)
        elif len(self._held) > TOLD_BYTES_MAX:
            self._flush()
        self._held += HELD.pack(bytes.fromhex(session_id), value, difficulty)

    def _flush(self) -> None:
        if self._held:
            self._say(Kind.HELD, bytes(self._held))
            self._held.clear()
            self._told_at = self._loop.time()

    # -- claiming ---------------------------------------------------------------------------

    def ask(self, connection: Claimant, claim: Claim) -> None:
        """Ask for what a session of another front left behind; the connection waits."""
        self._asked += 1
        ask = self._asked
        timer = self._loop.call_later(CLAIM_PATIENCE_S, self._answer, ask, None)
        self._asking[ask] = connection, timer
        if not self._tell(Kind.CLAIM, {"ask": ask, "session": claim.session_id}):
            self._loop.call_soon(self._answer, ask, None)

    def take_message(self, kind: int, body: bytes) -> None:
        """Take what the job maker says of values; raises FeedBrokenError."""
        try:
            self._take(kind, body)
        except (ArithmeticError, KeyError, TypeError, ValueError) as wrong:
            raise FeedBrokenError(f"the feed carries what cannot be read ({wrong!r})") from wrong

    def _take(self, kind: int, body: bytes) -> None:
        if kind == Kind.GRANT:
            self._take_grant(content_of(body))
        elif kind == Kind.YIELD:
            content = content_of(body)
            self._lend(content["ask"], str(content["session"]), LEND_TRIES)
        elif kind == Kind.RESERVED:
            self._values.keep_away(values_in(body))
        elif kind == Kind.RETURNED:
            self._values.returned(values_in(body))

    def _take_grant(self, content: dict[str, Any]) -> None:
        ask = content["ask"]
        if content["value"] is None:
            self._answer(ask, None)
            return
        left = Resumable(bytes.fromhex(content["value"]), float(content["difficulty"]))
        if not self._values.adopt(left.extranonce1):
            log.error("a value was granted that is in use", value=left.extranonce1.hex())
            self._answer(ask, None)
            return
        self._granted[ask] = str(content["session"]), left
        jobs, holders = dict(self._jobs()), [(one, epoch) for one, epoch in content["holders"]]
        if not (jobs and holders):
            self._take_hashes(ask, [])
            return
        reading = self._reading.submit(self._former.hashes, left.extranonce1, holders, jobs)
        reading.add_done_callback(
            lambda done: self._loop.call_soon_threadsafe(self._read, ask, done)
        )

    def _read(self, ask: int, done: "Future[list[tuple[int, bytes]]]") -> None:
        if done.cancelled():
            return
        try:
            self._take_hashes(ask, done.result())
        except (KenchError, OSError) as error:
            log.warning("not resumed", why=str(error))
            self._drop_grant(ask)

    def _take_hashes(self, ask: int, hashes: list[tuple[int, bytes]]) -> None:
        """Know the shares that a value has earned already, then give it to its miner."""
        kept = self._jobs()  # shares on others are refused whatever is known of them
        known = (self._table.remember(*share) for share in hashes if share[0] in kept)
        if not all(known):
            self._drop_grant(ask)
            return
        session_id, left = self._granted.pop(ask)
        waits = self._asking.get(ask)
        if waits is None or waits[0].session.state is State.CLOSED:
            # Too late: it can be claimed again, here or elsewhere.
            self._values.release(session_id, left, self._loop.time())
            self._answer(ask, None)
            return
        self._values.give_back(waits[0].session.extranonce1)
        self._answer(ask, left)

    def _drop_grant(self, ask: int) -> None:
        _, left = self._granted.pop(ask)
        self._values.give_back(left.extranonce1)
        self._say(Kind.GONE, left.extranonce1)
        self._answer(ask, None)

    def _answer(self, ask: int, left: Resumable | None) -> None:
        connection, timer = self._asking.pop(ask, (None, None))
        if connection is not None and timer is not None:
            timer.cancel()
            connection.claim_answered(left)

    # -- lending ----------------------------------------------------------------------------

    def _lend(self, ask: int, session_id: str, tries: int) -> None:
        """Let another front have an ended session, once its shares are on disk."""
        sequence = self._values.shares_until(session_id)
        if sequence is not None and not self._is_durable(sequence) and tries:
            self._loop.call_later(LEND_AGAIN_S, partial(self._lend, ask, session_id, tries - 1))
            return
        left = None
        if sequence is not None and self._is_durable(sequence):
            left = self._values.lend(session_id, self._loop.time())
        value = left and left.extranonce1.hex()
        answer = {"ask": ask, "value": value, "difficulty": left.difficulty if left else 0.0}
        if not self._tell(Kind.YIELDED, answer) and left is not None:
            # Nobody heard: it is ours as before.
            self._values.adopt(left.extranonce1)
            self._values.release(session_id, left, self._loop.time(), sequence or 0)

    def _tell(self, kind: Kind, content: object) -> bool:
        self._flush()
        return self._say(kind, json.dumps(content, separators=(",", ":")).encode())


def values_in(body: bytes) -> list[bytes]:
    """Return the values that a message lists; raises FeedBrokenError."""
    if len(body) % VALUE_BYTES:
        raise FeedBrokenError("the feed carries half an extranonce")
    return [body[at : at + VALUE_BYTES] for at in range(0, len(body), VALUE_BYTES)]
