"""A pool of real parts around sans-IO sessions, and a miner that speaks to one of them.

    pool = Pool()
    miner = pool.miner()
    miner.login()
    assert miner.submit(miner.share())["result"] is True

The register is a snapshot as `RegisterFeed` keeps it; jobs, native code and admission are the
server's own. The miner builds headers from what the server sent, by code of its own.
"""

import json
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import numpy as np

from kench import native
from kench.pool.clock import ManualClock
from kench.pool.job import Job
from kench.pool.journal import SHARE
from kench.pool.register import State as ParticipantState
from kench.pool.register_feed import RegisteredParticipant, Snapshot
from kench.pool.template import ROLLING_MASK, Template
from kench.pool.tokens import token_digest
from kench.pool.work import EASIEST_DIFFICULTY, target_of
from kench.stratum import methods
from kench.stratum.admission import Admissions
from kench.stratum.contract import Admission, Limits, NewWorker, Resumable
from kench.stratum.difficulty import DifficultyLimits
from kench.stratum.extranonce import Extranonces
from kench.stratum.session import Session, State
from kench.stratum.user_agents import UserAgents
from tests.support.blocks import sha256d
from tests.support.jobs import Jobs, now_of, small_template

TOKEN = "0123456789abcdef" * 2
WORKERS = {"w1": 11, "w2": 12, "default": 10, "nerd": 13, "braiins": 14, "test": 15}
EASY = EASIEST_DIFFICULTY
"""Every hash meets it."""
SEARCH_MAX = 1 << 20


def easy_limits(
    *,
    start: float = EASY,
    lowest: float = EASY,
    highest: float = 2.0**63,
    shares_per_minute: float = 12.0,
    max_line_bytes: int = 16_384,
    workers_per_connection: int = 1024,
) -> Limits:
    """Limits under which every hash is a share, but for what is said."""
    difficulty = DifficultyLimits(start, lowest, highest, shares_per_minute)
    return Limits(difficulty, max_line_bytes, workers_per_connection)


EASY_LIMITS = easy_limits()


def token_id(number: int) -> int:
    """Id of a participant's token, which all log in with."""
    return 100 + number


def participant(
    number: int, *, active: bool = True, workers: dict[str, int] | None = None
) -> RegisteredParticipant:
    state = ParticipantState.ACTIVE if active else ParticipantState.SUSPENDED
    known = WORKERS if workers is None else workers
    tokens = ((token_id(number), token_digest(TOKEN)),)
    return RegisteredParticipant(number, state, tokens, known)


class Register:
    """The cached register: 1 is active, 2 suspended, 3 active with other workers."""

    def __init__(self) -> None:
        self.snapshot = Snapshot(
            {
                1: participant(1),
                2: participant(2, active=False),
                3: participant(3, workers={"w1": 31}),
            }
        )

    def replace(self, changed: RegisteredParticipant) -> None:
        self.snapshot = Snapshot({**self.snapshot.participants, changed.id: changed})


class Pool:
    """What a session sees of the server, made of the server's own parts."""

    def __init__(self, limits: Limits = EASY_LIMITS, template: Template | None = None) -> None:
        first = template or small_template()
        self.clock = ManualClock(now_of(first))
        self.limits = limits
        self.table = native.JobTable(256)
        self.records = native.RecordBuffer(65_536, 0)
        self.register = Register()
        self.jobs = Jobs(self.table, self.clock)
        self.template = first
        self.job, _ = self.jobs.add(first)
        self.has_job = True
        self._admissions = Admissions(self.register)
        self._extranonces = Extranonces(7)
        self._sessions = 0
        self.user_agents = UserAgents()

    # -- the Pool protocol ------------------------------------------------------------------

    def rolling_mask(self) -> int:
        return self.job.facts.rolling_mask if self.has_job else ROLLING_MASK

    def current_job(self) -> Job | None:
        return self.job if self.has_job else None

    def admit(self, user: object, tokens: tuple[str, ...]) -> Admission | NewWorker | None:
        return self._admissions.admit(user, tokens)

    def count_failed(self, name: bytes) -> int:
        return self._admissions.count_failed(name)

    def resume(self, session_id: str, unused: bytes) -> Resumable | None:
        return self._extranonces.resume(session_id, unused, self.clock.monotonic())

    # -- tests' own -------------------------------------------------------------------------

    def session(self, limits: Limits | None = None) -> Session:
        self._sessions += 1
        return Session(
            self,
            limits or self.limits,
            self.records,
            self._extranonces.take(),
            f"5e55{self._sessions:04x}",
            self.clock.monotonic(),
            methods.handle,
        )

    def miner(self, limits: Limits | None = None) -> "Miner":
        return Miner(self, self.session(limits))

    def end(self, miner: "Miner") -> None:
        """What the front does when a working connection is lost."""
        session = miner.session
        left = Resumable(session.extranonce1, session.difficulty.in_force)
        session.state = State.CLOSED
        self._extranonces.release(session.session_id, left, self.clock.monotonic())

    def new_job(self, template: Template | None = None, *, grace_ms: int = 0) -> tuple[Job, bool]:
        """Another job, of the same template unless one is given; and whether the tip is new."""
        self.template = template or self.template
        self.job, new_tip = self.jobs.add(self.template, grace_ms=grace_ms)
        return self.job, new_tip

    def taken(self) -> np.ndarray:
        """Records appended since last asked, as the journal's array."""
        data, _ = self.records.take()
        return np.frombuffer(data, dtype=SHARE)


class Work(NamedTuple):
    """A job as a miner understood it."""

    params: list[Any]
    extranonce1: bytes
    difficulty: float

    @property
    def job_id(self) -> str:
        return str(self.params[0])

    def head(self, extranonce2: bytes, ntime: int | None = None, bits: int = 0) -> bytes:
        """The header without its nonce, built as a miner does."""
        _, prevhash, coinb1, coinb2, branches, version, nbits, notified, *_ = self.params
        coinbase = bytes.fromhex(coinb1) + self.extranonce1 + extranonce2 + bytes.fromhex(coinb2)
        root = sha256d(coinbase)
        for branch in branches:
            root = sha256d(root + bytes.fromhex(branch))
        words = bytes.fromhex(prevhash)
        previous = b"".join(words[at : at + 4][::-1] for at in range(0, 32, 4))
        seconds = int(notified, 16) if ntime is None else ntime
        return b"".join(
            (
                (int(version, 16) | bits).to_bytes(4, "little"),
                previous,
                root,
                seconds.to_bytes(4, "little"),
                bytes.fromhex(nbits)[::-1],
            )
        )


class Miner:
    """The other end of one session: sends lines, keeps what it was told."""

    def __init__(self, pool: Pool, session: Session) -> None:
        self.pool = pool
        self.session = session
        self.extranonce1 = b""
        self.difficulty = 0.0
        self.work: Work | None = None
        self.raw = b""
        self._ids = iter(range(1000, 1 << 30))
        self._extranonce2s = iter(range(1, 1 << 30))

    # -- bytes ------------------------------------------------------------------------------

    def feed(self, data: bytes) -> list[dict[str, Any]]:
        """Give the session bytes; return its whole lines, parsed."""
        clock = self.pool.clock
        return self.heard(self.session.receive(data, clock.now_us(), clock.monotonic()))

    def heard(self, out: bytes) -> list[dict[str, Any]]:
        """Understand what the server sent."""
        self.raw += out
        lines = parse_lines(out)
        for line in lines:
            self._learn(line)
        return lines

    def _learn(self, line: dict[str, Any]) -> None:
        method, result = line.get("method"), line.get("result")
        if method == "mining.set_difficulty":
            self.difficulty = float(line["params"][0])
        elif method == "mining.notify":
            self.work = Work(line["params"], self.extranonce1, self.difficulty)
        elif isinstance(result, list) and len(result) == 3:
            self.extranonce1 = bytes.fromhex(result[1])

    # -- messages ---------------------------------------------------------------------------

    def call(self, method: str, *params: object) -> list[dict[str, Any]]:
        """Send one request with a fresh id."""
        return self.say({"id": next(self._ids), "method": method, "params": list(params)})

    def say(self, *messages: dict[str, Any]) -> list[dict[str, Any]]:
        """Send messages in one piece."""
        return self.feed(b"".join(json.dumps(one).encode() + b"\n" for one in messages))

    def subscribe(self, *params: object) -> list[dict[str, Any]]:
        return self.call("mining.subscribe", *(params or ("tests/1.0",)))

    def authorize(self, user: str = "1.w1", password: object = TOKEN) -> list[dict[str, Any]]:
        return self.call("mining.authorize", user, password)

    def login(self, user: str = "1.w1", password: object = TOKEN) -> "Miner":
        """Subscribe and authorize."""
        self.subscribe()
        answer, *_ = self.authorize(user, password)
        assert answer["result"] is True, answer
        return self

    def give(self, *, clean: bool = False) -> list[dict[str, Any]]:
        """What the front does with each working session when there is a job."""
        out = self.session.give(self.pool.job, self.pool.clock.monotonic(), clean=clean)
        return self.heard(out)

    # -- shares -----------------------------------------------------------------------------

    def share(
        self,
        user: str = "1.w1",
        *,
        work: Work | None = None,
        easier: float | None = None,
        harder: float | None = None,
        ntime: int | None = None,
        bits: int | None = None,
    ) -> list[str]:
        """Params of a submit whose hash meets `easier` (that of the job) but not `harder`."""
        work = work or self.work
        assert work is not None, "no job came"
        extranonce2 = next(self._extranonce2s).to_bytes(8, "big")
        seconds = int(work.params[7], 16) if ntime is None else ntime
        nonce = mine(work.head(extranonce2, seconds, bits or 0), easier or work.difficulty, harder)
        params = [user, work.job_id, extranonce2.hex(), f"{seconds:08x}", f"{nonce:08x}"]
        return params if bits is None else [*params, f"{bits:08x}"]

    def submit(self, params: Iterable[object]) -> dict[str, Any]:
        """Send a submit; return its answer, which must come first."""
        request_id = next(self._ids)
        answer, *_ = self.say({"id": request_id, "method": "mining.submit", "params": list(params)})
        assert answer["id"] == request_id
        return answer


def mine(head: bytes, easier: float, harder: float | None = None) -> int:
    """A nonce whose hash meets difficulty `easier` but not `harder`."""
    most, least = target_of(easier), target_of(harder) if harder else -1
    for nonce in range(SEARCH_MAX):
        value = int.from_bytes(sha256d(head + nonce.to_bytes(4, "little")), "little")
        if least < value <= most:
            return nonce
    raise AssertionError("that share is too hard for a test")


def error_of(answer: dict[str, Any]) -> int | None:
    """An answer's error code; holds that it has the one form miners read (A8.2)."""
    error = answer["error"]
    if error is None:
        return None
    code, text, nothing = error
    assert isinstance(text, str)
    assert text
    assert nothing is None
    assert not answer["result"]
    return int(code)


def parse_lines(out: bytes) -> list[dict[str, Any]]:
    """Lines of the server, each whole and ended by one line feed (A1.1)."""
    assert out == b"" or out.endswith(b"\n"), out[-80:]
    assert b"\r" not in out
    return [json.loads(line) for line in out.split(b"\n")[:-1]]


def methods_of(lines: Iterable[dict[str, Any]]) -> list[str]:
    """Each line's method, or `=` for an answer."""
    return [str(line.get("method", "=")) for line in lines]


def pieces(data: bytes, size: int = 1) -> Iterator[bytes]:
    """Data in pieces of one size, as segments may come."""
    return (data[at : at + size] for at in range(0, len(data), size))
