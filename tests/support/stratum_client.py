"""A front with its real journal behind a real socket, its time in the test's hands; and a client.

async with serving(folder) as desk:
    peer = await desk.connect()
    await peer.login()
    assert (await peer.submit(peer.miner.share()))["result"] is True
"""

import asyncio
import functools
import heapq
import itertools
import json
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, ParamSpec

import uvloop

from kench.native import JobTable, RecordBuffer
from kench.pool.clock import ManualClock
from kench.pool.job import Job
from kench.pool.journal import JournalWriter
from kench.pool.settings import Settings
from kench.pool.template import Template
from kench.stratum.acknowledge import Acknowledger
from kench.stratum.admission import Admissions
from kench.stratum.certificate import Certificate
from kench.stratum.connection import Connection
from kench.stratum.contract import Limits, NewWorker
from kench.stratum.costs import CostLimits
from kench.stratum.doors import Door
from kench.stratum.extranonce import Extranonces
from kench.stratum.feed import Kind
from kench.stratum.former_shares import FormerShares
from kench.stratum.front import Bounds, Found, Front
from kench.stratum.pacing import GATHER_S
from tests.support.jobs import Jobs, now_of, small_template
from tests.support.sessions import EASY_LIMITS, TOKEN, Miner, Pool, Register
from tests.support.waiting import until

P = ParamSpec("P")
ANSWER_S = 10.0
"""Longest wait for a line of the server: reached only when a test fails."""
TURNS = 50
COSTS = CostLimits(
    half_life_s=60.0,
    session_soft=100.0,
    session_hard=500.0,
    address_soft=400.0,
    address_hard=2000.0,
    ban_s=60.0,
    ban_max_s=3600.0,
)
BOUNDS = Bounds(
    connections_max=100,
    login_timeout_s=60.0,
    send_timeout_s=60.0,
    stale_grace_ms=0,
    logins_per_s=20_000.0,
    costs=COSTS,
)


def run(test: Coroutine[Any, Any, None]) -> None:
    """Run a test on a uvloop loop of its own."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(test)


def on_loop(test: Callable[P, Coroutine[Any, Any, None]]) -> Callable[P, None]:
    """Have pytest run a test that is a coroutine."""

    @functools.wraps(test)
    def begun(*args: P.args, **kwargs: P.kwargs) -> None:
        run(test(*args, **kwargs))

    return begun


def shut_door(limits: Limits, certificate: Certificate | None = None, **plan: Any) -> Door:
    """A door of 127.0.0.1 on any free port; `plan` says what else is different."""
    (first,) = Settings(stratum_port=0).all_doors
    return Door(replace(first, tls=certificate is not None, **plan), limits, certificate)


async def turns(count: int = TURNS) -> None:
    """Let everything that is due on the loop happen."""
    for _ in range(count):
        await asyncio.sleep(0)
    await asyncio.sleep(2 * GATHER_S)
    for _ in range(count):
        await asyncio.sleep(0)


class HandTimer:
    """A timer of `HandLoop`."""

    def __init__(self, callback: Callable[..., object], args: tuple[Any, ...]) -> None:
        self._callback = callback
        self._args = args
        self._cancelled = False

    def cancel(self) -> None:
        self._cancelled = True

    def ring(self) -> None:
        if not self._cancelled:
            self._callback(*self._args)


class HandLoop:
    """The running loop, but its time passes and its timers ring only by `advance`.

    Those of a moment, which only gather what comes, are the running loop's.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, clock: ManualClock) -> None:
        self._loop = loop
        self._clock = clock
        self._timers: list[tuple[float, int, HandTimer]] = []
        self._numbers = itertools.count()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._loop, name)

    def time(self) -> float:
        return self._clock.monotonic()

    def call_later(
        self, delay: float, callback: Callable[..., object], *args: Any
    ) -> "HandTimer | asyncio.TimerHandle":
        if 0 < delay <= GATHER_S:
            return self._loop.call_later(delay, callback, *args)
        timer = HandTimer(callback, args)
        heapq.heappush(self._timers, (self.time() + delay, next(self._numbers), timer))
        return timer

    def advance(self, seconds: float) -> None:
        """Let time pass and ring what is due."""
        self._clock.advance(seconds)
        while self._timers and self._timers[0][0] <= self.time():
            *_, timer = heapq.heappop(self._timers)
            timer.ring()


class Desk:
    """The front and what is around it in a process; its own edges, kept for the test to see."""

    def __init__(self, folder: Path, door: Door, template: Template, **more: Any) -> None:
        self.clock = ManualClock(now_of(template))
        self.loop = HandLoop(asyncio.get_running_loop(), self.clock)
        self.register = Register()
        self.found: list[Found] = []
        self.wanted: list[tuple[NewWorker, Callable[[int | None], None]]] = []
        self.retargets = 0
        self.said: list[tuple[Kind, bytes]] = []
        self.table = JobTable(256)
        self.writer = JournalWriter(folder, 0, self.clock, 1 << 20, 3600.0)
        self.records = RecordBuffer(65_536, 0)
        loop: Any = self.loop
        self.acknowledger = Acknowledger(loop, self.records, self.writer, self.clock)
        self.front = Front(
            loop,
            self.clock,
            Extranonces(0),
            FormerShares(folder.parent),
            Admissions(self.register),
            self.acknowledger,
            self.records,
            self.table,
            self,
            replace(BOUNDS, **more),
        )
        self.door = door
        self._maker = Jobs(JobTable(2), self.clock).maker
        self._peers: list[Peer] = []
        self.template = template
        self.new_job(template)

    # -- edges ------------------------------------------------------------------------------

    def block_found(self, found: Found) -> None:
        self.found.append(found)

    def make_worker(self, wanted: NewWorker, done: Callable[[int | None], None]) -> None:
        self.wanted.append((wanted, done))

    def make_retarget_job(self) -> None:
        self.retargets += 1
        self.new_job(for_all=False)

    def say(self, kind: Kind, body: bytes) -> bool:
        self.said.append((kind, body))
        return False

    # -- for tests --------------------------------------------------------------------------

    @property
    def job(self) -> Job | None:
        return self.front.current_job()

    def new_job(self, template: Template | None = None, *, for_all: bool = True) -> Job:
        self.template = template or self.template
        job = self._maker.make(self.template)
        self.front.new_job(job, for_all=for_all)
        return job

    async def sweep(self, seconds: float = 0.0) -> None:
        """Let time pass, then have the front look at every connection."""
        self.loop.advance(seconds)
        self.front.sweep()
        await turns()

    async def open(self) -> None:
        self.writer.start(self.acknowledger.on_durable, _no_trouble, _no_fault)
        loop: Any = self.loop
        assert await self.door.open(loop, self.front), self.door.fault

    async def connect(
        self, host: str = "127.0.0.1", *, awaited: bool = True, **options: Any
    ) -> "Peer":
        """Connect, and wait for the server's end unless its door wants to hear something first."""
        return await self.connect_to(self.door, host, awaited=awaited, **options)

    async def connect_to(
        self, door: Door, host: str = "127.0.0.1", *, awaited: bool = True, **options: Any
    ) -> "Peer":
        """Connect to another door of the same front."""
        port = door.port
        before = set(self.front.connections)
        reader, writer = await asyncio.open_connection(host, port, **options)
        peer = Peer(self, reader, writer)
        self._peers.append(peer)
        if not awaited:
            return peer

        def is_answered() -> bool:
            is_full = len(self.front.connections) >= self.front._connections_max
            return is_full or reader.at_eof() or bool(set(self.front.connections) - before)

        await until(is_answered)
        for new in set(self.front.connections) - before:
            peer.connection = new
        return peer

    async def close(self) -> None:
        for peer in self._peers:
            await peer.leave()
        self.door.close()
        self.front.close_all("the test is over")
        await turns()
        await asyncio.get_running_loop().run_in_executor(None, self.writer.stop)
        await turns()


class Peer:
    """A client's socket; what it hears teaches a `Miner` as in tests without sockets."""

    connection: Connection

    def __init__(
        self, desk: Desk, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self.desk = desk
        self.reader = reader
        self.writer = writer
        pool = Pool()
        self.miner = Miner(pool, pool.session())
        self._ids = itertools.count(1)

    async def line(self) -> dict[str, Any]:
        """The next line of the server."""
        raw = await asyncio.wait_for(self.reader.readuntil(b"\n"), ANSWER_S)
        (parsed,) = self.miner.heard(raw)
        return parsed

    def write(self, message: dict[str, Any] | bytes) -> None:
        data = message if isinstance(message, bytes) else json.dumps(message).encode() + b"\n"
        self.writer.write(data)

    async def call(self, method: str, *params: object) -> dict[str, Any]:
        """Send a request; return its answer, learning from what comes before it."""
        request_id = next(self._ids)
        self.write({"id": request_id, "method": method, "params": list(params)})
        for _ in range(100):
            line = await self.line()
            if "method" not in line:
                assert line["id"] == request_id
                return line
        raise AssertionError("no answer came")

    async def login(self, user: str = "1.w1", password: str = TOKEN, agent: str = "t/1") -> "Peer":
        """Subscribe, authorize, and wait for difficulty and job."""
        await self.call("mining.subscribe", agent)
        assert (await self.call("mining.authorize", user, password))["result"] is True
        if self.miner.work is None:
            assert (await self.line())["method"] == "mining.set_difficulty"
            assert (await self.line())["method"] == "mining.notify"
        return self

    async def submit(self, params: list[str]) -> dict[str, Any]:
        return await self.call("mining.submit", *params)

    async def ended(self) -> bytes:
        """Wait for the server to close; return what it had still to say."""
        try:
            return await asyncio.wait_for(self.reader.read(), ANSWER_S)
        except ConnectionResetError:
            return b""

    async def leave(self) -> None:
        self.writer.close()
        try:
            await self.writer.wait_closed()
        except OSError:
            return


@asynccontextmanager
async def serving(
    folder: Path,
    limits: Limits = EASY_LIMITS,
    template: Template | None = None,
    *,
    door: Door | None = None,
    **more: Any,
) -> AsyncIterator[Desk]:
    """Serve until the block ends: at `door`, or on a free port of 127.0.0.1."""
    desk = Desk(folder, door or shut_door(limits), template or small_template(), **more)
    await desk.open()
    try:
        yield desk
    finally:
        await desk.close()


def _no_fault(fault: Exception) -> None:
    raise AssertionError from fault


def _no_trouble(error: OSError | None) -> None:
    assert error is None, error
