"""Sessions of a pool of real parts, fed with bytes; and what must have been answered."""

import copy
from collections.abc import Iterable
from functools import cache

from kench import native
from kench.stratum import messages
from kench.stratum.contract import Claim, Resumable
from kench.stratum.session import PAUSED_BYTES_MAX, State
from tests.support.sessions import Miner, Pool, easy_limits, parse_lines

# The least that settings allow, so that a short input can go past it.
LIMITS = easy_limits(max_line_bytes=1024, workers_per_connection=3)
# What a session of another front left behind.
LEFT = Resumable(b"\x0e\x0e\x0e\x0e", 64.0)
# Far more than an input has lines.
TURNS_MAX = 4096

Answer = tuple[type, object]


class FuzzedPool(Pool):
    """A pool that is not alone: some sessions are remembered by others."""

    def resume(self, session_id: str, unused: bytes) -> Resumable | Claim | None:
        """Ask elsewhere for sessions whose id looks like one of ours."""
        if session_id.startswith("5e"):
            return Claim(session_id)
        return super().resume(session_id, unused)


@cache
def _prototype() -> Pool:
    return FuzzedPool(LIMITS)


def begin(*, logged_in: bool) -> Miner:
    """Connect to a pool of its own; what was said at the login is not kept."""
    pool = copy.copy(_prototype())
    # Whatever a session may leave its marks on; the job and the register are read only.
    pool.table = native.JobTable(8, 64)
    pool.table.add(pool.job.prepared)
    pool.records = native.RecordBuffer(64, 0)
    pool._extranonces = copy.deepcopy(pool._extranonces)
    miner = pool.miner()
    if logged_in:
        miner.login()
        miner.raw = b""
    return miner


def play(miner: Miner, pieces: Iterable[bytes], *, lazily: bool = False) -> None:
    """Feed pieces as a connection does: lines beyond a turn's have the next, logins go through.

    A session that is not at work waits for its turn, `lazily` until all has come.
    """
    session, clock = miner.session, miner.pool.clock
    for piece in pieces:
        if lazily and session.state is not State.WORKING:
            session.hold(piece)
        else:
            miner.raw += session.receive(piece, clock.now_us(), clock.monotonic())
            _take_turns(miner)
        kept = len(session._buffer)
        assert kept <= LIMITS.max_line_bytes + PAUSED_BYTES_MAX
    _take_turns(miner)
    assert session.closing is not None or b"\n" not in session._buffer


def _take_turns(miner: Miner) -> None:
    session, clock = miner.session, miner.pool.clock
    for _ in range(TURNS_MAX):
        if isinstance(session.wants, Claim):
            left = LEFT if session.wants.session_id.endswith("1") else None
            miner.raw += session.claim_answered(left, clock.now_us(), clock.monotonic())
        elif session.wants is not None:
            miner.raw += session.worker_made(99, clock.now_us(), clock.monotonic())
        elif session.more and session.closing is None:
            miner.raw += session.receive(b"", clock.now_us(), clock.monotonic())
        else:
            return
    raise AssertionError("a session goes on asking")


def answered(miner: Miner) -> list[Answer]:
    """List the ids of the answers sent, each with its type."""
    lines = parse_lines(miner.raw)
    return [(type(line["id"]), line["id"]) for line in lines if "method" not in line]


def expected(stream: bytes) -> list[Answer]:
    """List the ids to be answered while a stream's lines are taken one by one."""
    ids: list[Answer] = []
    for line in stream.split(b"\n")[:-1]:
        text = line.strip()
        if not text:
            continue
        try:
            request = messages.parse_line(text)
        except messages.BadMessageError:
            ids.append((type(None), None))
            continue
        if request is not None and request.id is not None and request.method != "pong":
            ids.append((type(request.id), request.id))
    return ids
