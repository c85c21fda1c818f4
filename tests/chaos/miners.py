"""Miners of a stand: steady shares on many connections, each answer kept, and who waits how long.

Shares are not mined: the pool takes every hash, and now and then one is a block. A miner knows
several addresses of the pool and goes on to the next where one does not answer, as miners do.
"""

import asyncio
import contextlib
import itertools
import json
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from tests.chaos.hosts import Host
from tests.support.load import ShareKey

PATIENCE_S = 3.0
"""A miner leaves a pool that is silent for so long; real ones wait longer, and lose as much."""
CONNECT_S, RECONNECT_S = 1.0, 0.1
IN_FLIGHT_MAX = 64
LOOK_S = 0.02

Address = tuple[str, int]


class Heard(NamedTuple):
    """What became of shares since it was last asked."""

    acknowledged: list[ShareKey]
    unanswered: list[ShareKey]
    """Sent and not answered: the line was cut, or the answer is still to come."""
    refused: list[ShareKey]
    faults: list[str]
    """What must not be."""


@dataclass
class Miner:
    """One connection after the other; what it was told."""

    number: int
    addresses: Sequence[Address]
    per_s: float
    extranonce1: bytes = b""
    """Of the session that stands; empty where none does."""
    served_sent: float = 0.0
    """When that share was sent which was acknowledged last."""
    answered: float = 0.0
    """When something was acknowledged last."""
    silence_s: float = 0.0
    """The longest that it was without, since somebody began to count."""
    asked: dict[int, tuple[ShareKey, float]] = field(default_factory=dict)
    refused: str = ""


class Miners:
    """All of them, in a thread of their own on their host."""

    def __init__(
        self, host: Host, user: str, password: str, plans: Sequence[Sequence[Address]], per_s: float
    ) -> None:
        self._host, self._user, self._password = host, user, password
        self.miners = [
            Miner(number, addresses, per_s) for number, addresses in enumerate(plans, start=1)
        ]
        self._lock = threading.Lock()
        self._acknowledged: list[ShareKey] = []
        self._unanswered: list[ShareKey] = []
        self._refused: list[ShareKey] = []
        self._sessions: dict[tuple[int, bytes], int] = {}
        self._faults: list[str] = []
        self._session, self._share = itertools.count(1), itertools.count(1)
        self._mining, self._stopped = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(self) -> None:
        """Begin."""
        self._mining.set()
        self._thread.start()

    def stop(self) -> None:
        """End."""
        self._stopped.set()
        self._thread.join(10)

    def pause(self) -> None:
        """Send no more; return when all that was sent is answered, or given up."""
        self._mining.clear()
        deadline = time.monotonic() + 2 * PATIENCE_S
        time.sleep(LOOK_S)  # whoever was about to send has sent
        while any(one.asked for one in self.miners) and time.monotonic() < deadline:
            time.sleep(LOOK_S)

    def go_on(self) -> None:
        """Send again; nobody has waited until now."""
        now = time.monotonic()
        for one in self.miners:
            one.answered = now
        self._mining.set()

    def count_silence(self) -> None:
        """Begin to count who waits how long."""
        now = time.monotonic()
        for one in self.miners:
            one.silence_s, one.answered = 0.0, max(one.answered, now)

    def longest_silence_s(self) -> float:
        """Return the longest that any miner had no share acknowledged."""
        now = time.monotonic()
        return max(max(one.silence_s, now - one.answered) for one in self.miners)

    def unserved(self, since: float) -> list[Miner]:
        """Return those of whose shares none that was sent since then is acknowledged."""
        return [one for one in self.miners if one.served_sent < since]

    def wait_until_served(self, since: float, limit_s: float) -> float | None:
        """Return seconds from `since` until all miners are served; None where it takes longer."""
        while waiting := self.unserved(since):
            if time.monotonic() - since > limit_s:
                return None
            del waiting
            time.sleep(LOOK_S)
        return time.monotonic() - since

    def take(self) -> Heard:
        """Return what became of shares since this was last asked."""
        with self._lock:
            waiting = [key for one in self.miners for key, _ in tuple(one.asked.values())]
            heard = Heard(
                self._acknowledged, self._unanswered + waiting, self._refused, self._faults
            )
            self._acknowledged, self._unanswered = [], []
            self._refused, self._faults = [], []
        return heard

    def living(self) -> list[bytes]:
        """Return the extranonce1 of every session that stands."""
        return [one.extranonce1 for one in self.miners if one.extranonce1]

    def _run(self) -> None:
        self._host.enter()
        asyncio.run(self._mine_all())

    async def _mine_all(self) -> None:
        tasks = [asyncio.create_task(self._mine(one)) for one in self.miners]
        while not self._stopped.is_set():
            await asyncio.sleep(0.1)
            for task in tasks:
                if task.done():
                    task.result()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _mine(self, miner: Miner) -> None:
        for address in itertools.cycle(miner.addresses):
            writer = None
            try:
                async with asyncio.timeout(CONNECT_S):
                    reader, writer = await asyncio.open_connection(*address)
                await self._converse(miner, reader, writer)
            except (OSError, asyncio.IncompleteReadError, TimeoutError, ValueError):
                pass  # it goes on to the next address; how long it waits is counted
            finally:
                if writer is not None:
                    writer.close()
                self._leave(miner)
            await asyncio.sleep(RECONNECT_S)

    def _leave(self, miner: Miner) -> None:
        miner.extranonce1 = b""
        with self._lock:
            self._unanswered += [key for key, _ in miner.asked.values()]
        miner.asked = {}

    async def _converse(
        self, miner: Miner, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        session = _Session(self, miner, next(self._session))
        session.send(writer, 1, "mining.subscribe", ["chaos/1"])
        session.send(writer, 2, "mining.authorize", [self._user, self._password])
        sender = asyncio.create_task(self._submit(session, writer))
        try:
            while True:
                try:
                    async with asyncio.timeout(PATIENCE_S):
                        line = await reader.readline()
                except TimeoutError:
                    # With nothing asked, nothing has to be answered.
                    if miner.asked or not session.job or self._mining.is_set():
                        raise
                    continue
                if not line:
                    return
                session.take(json.loads(line))
        finally:
            sender.cancel()
            with contextlib.suppress(asyncio.CancelledError, OSError):
                await sender

    async def _submit(self, session: "_Session", writer: asyncio.StreamWriter) -> None:
        miner = session.miner
        while True:
            await asyncio.sleep(1 / miner.per_s)
            ready = session.job and session.is_let_in and self._mining.is_set()
            if ready and len(miner.asked) < IN_FLIGHT_MAX:
                session.submit(writer, next(self._share), self._user)

    def refuse(self, key: ShareKey) -> None:
        """Keep a share that was refused: nobody is paid for it."""
        with self._lock:
            self._refused.append(key)

    def acknowledge(self, key: ShareKey, session: int) -> None:
        """Keep a share that was acknowledged, and see whose search space it is of."""
        with self._lock:
            self._acknowledged.append(key)
            holder = self._sessions.setdefault((key[0], key[1]), session)
            if holder != session:
                self._faults.append(
                    f"extranonce1 {key[1].hex()} of job {key[0]:x} was given to two sessions"
                )


class _Session:
    """One connection's state."""

    def __init__(self, miners: Miners, miner: Miner, number: int) -> None:
        self._miners, self.miner, self._number = miners, miner, number
        self.job: list[Any] | None = None
        self.is_let_in = False

    def send(self, writer: asyncio.StreamWriter, number: int, method: str, params: object) -> None:
        message = {"id": number, "method": method, "params": params}
        writer.write(json.dumps(message).encode() + b"\n")

    def submit(self, writer: asyncio.StreamWriter, share: int, user: str) -> None:
        assert self.job is not None
        number = share + 10
        job, ntime = self.job[0], self.job[7]
        key = (
            int(job, 16), self.miner.extranonce1, share.to_bytes(8, "big"), int(ntime, 16), share
        )  # fmt: skip
        self.miner.asked[number] = key, time.monotonic()
        self.send(
            writer, number, "mining.submit", [user, job, f"{share:016x}", ntime, f"{share:08x}"]
        )

    def take(self, message: dict[str, Any]) -> None:
        if message.get("method") == "mining.notify":
            self.job = message["params"]
        elif "method" in message:
            return
        elif message["id"] == 1:
            self.miner.extranonce1 = bytes.fromhex(message["result"][1])
        elif message["id"] == 2:
            if message["error"]:
                raise ValueError(message["error"])
            self.is_let_in = True
        elif message["id"] in self.miner.asked:
            self._answered(*self.miner.asked.pop(message["id"]), message["error"])

    def _answered(self, key: ShareKey, sent: float, error: list[Any] | None) -> None:
        if error is not None:
            self._miners.refuse(key)
            return
        now = time.monotonic()
        self.miner.silence_s = max(self.miner.silence_s, now - self.miner.answered)
        self.miner.answered = now
        self.miner.served_sent = max(self.miner.served_sent, sent)
        self._miners.acknowledge(key, self._number)
