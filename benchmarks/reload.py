"""Miners that mine on while the server is reloaded, and while one of its fronts is killed.

    python -m benchmarks.reload [--connections 5000] [--rate 1000] [--drain 60] [--json FILE]

A whole pool (PostgreSQL, node, job maker, two fronts), and connections that submit at a steady
rate. First `kench reload` with the whole of them, then `kill -9` of one front. A miner whose line
is lost connects again at once, names its session, and sends again what was not answered. Unserved
is a miner from the loss of its line until its next job. Exit status 1: a miner was unserved for
longer than --unserved (reload) or --back (kill), the rate was not back in the --settle seconds
after the end, an acknowledged share is not in the journals, or any share is there twice.
"""

import argparse
import asyncio
import json
import os
import signal
import sys
import tempfile
import urllib.request
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import uvloop
from rich.console import Console
from rich.table import Table

from benchmarks.ending import end
from benchmarks.load.client import LoadError, Login, allow_files
from benchmarks.load.ports import LOOPBACK
from benchmarks.load.servers import Pool, running_pool
from kench.pool.journal import JournalReader

CONNECTIONS, RATE, DRAIN_S = 5000, 1000.0, 60.0
# What is held: no miner unserved for longer at a reload, and at the death of a front.
UNSERVED_S, BACK_S = 2.0, 5.0
RATE_BACK_S, RATE_HELD = 10.0, 0.95
STEADY_S, STEP_S, AGAIN_S, REFUSED_S, LOGINS_AT_ONCE = 5.0, 0.02, 0.05, 1.0, 200
WIDTH = 110

# Job key, extranonce1, extranonce2.
Share = tuple[int, bytes, bytes]


class Miner(asyncio.Protocol):
    """One machine, over all its connections."""

    def __init__(self, crowd: "Crowd", number: int) -> None:
        self.crowd = crowd
        self.number = number
        self.login = crowd.login_of(number)
        self.session: str | None = None
        self.extranonce1 = b""
        self.job: list[Any] = []
        self.lost_at: float | None = None
        self.owed: dict[int, tuple[Share, list[str]]] = {}
        self._transport: asyncio.Transport | None = None
        self._rest = b""
        self._asked = 10

    async def connect(self) -> None:
        """Connect until it is done."""
        while not self.crowd.is_over:
            try:
                await self.crowd.loop.create_connection(lambda: self, LOOPBACK, self.crowd.port)
            except OSError:
                await asyncio.sleep(AGAIN_S)
            else:
                return

    def connection_made(self, transport: Any) -> None:
        self._transport, self._rest, self.job = transport, b"", []
        former = [self.session] if self.session else []
        self._send(1, "mining.subscribe", ["bench/1", *former])
        self._authorize()

    def _authorize(self) -> None:
        self._send(2, "mining.authorize", [self.login.user, self.login.password])

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        self._transport, self.job = None, []
        if self.lost_at is None:
            self.lost_at = self.crowd.loop.time()
        if not self.crowd.is_over:
            self.crowd.lost += 1
            self.crowd.keep(self.connect())

    def data_received(self, data: bytes) -> None:
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            self._hear(json.loads(line))

    def _hear(self, message: dict[str, Any]) -> None:
        if message.get("method") == "mining.notify":
            self._take_job(message["params"])
        elif message.get("id") == 1:
            self._subscribed(message["result"])
        elif message.get("id") == 2 and message["error"] is not None:
            # Entered a moment ago, and not known to this front yet: as a machine does, try again.
            self.crowd.loop.call_later(REFUSED_S, self._authorize)
        elif message.get("id") in self.owed:
            share, _ = self.owed.pop(message["id"])
            error = message["error"]
            if error is None:
                self.crowd.accept(share)
            else:
                self.crowd.refused[error[1]] += 1

    def _subscribed(self, result: list[Any]) -> None:
        self.session, value = result[0][0][1], bytes.fromhex(result[1])
        if self.extranonce1 and value == self.extranonce1:
            self.crowd.resumed += 1
        elif self.extranonce1:
            self.owed.clear()  # they are of no use with another extranonce
        self.extranonce1 = value

    def _take_job(self, job: list[Any]) -> None:
        first, self.job = not self.job, job
        if first and self.lost_at is not None:
            self.crowd.unserved.append(self.crowd.loop.time() - self.lost_at)
            self.lost_at = None
            for request, (_, fields) in tuple(self.owed.items()):
                self.crowd.sent_again += 1
                self._send(request, "mining.submit", fields)
        elif first:
            self.crowd.first_jobs += 1

    def submit(self) -> bool:
        """Send a share; False where it is not served."""
        if self._transport is None or not self.job:
            return False
        self._asked += 1
        extranonce2 = self._asked.to_bytes(8, "big")
        share = int(self.job[0], 16), self.extranonce1, extranonce2
        fields = [self.login.user, self.job[0], extranonce2.hex(), self.job[7], "00000001"]
        self.owed[self._asked] = share, fields
        self._send(self._asked, "mining.submit", fields)
        return True

    def _send(self, request: int, method: str, params: list[str]) -> None:
        if self._transport is not None:
            message = {"id": request, "method": method, "params": params}
            self._transport.write(json.dumps(message).encode() + b"\n")

    def leave(self) -> None:
        """Go for good."""
        if self._transport is not None:
            self._transport.close()


class Crowd:
    """All miners, and what they see."""

    def __init__(self, port: int, login: Login, count: int, rate: float) -> None:
        self.loop = asyncio.get_running_loop()
        self.port = port
        self.login = login
        self.rate = rate
        self.miners = [self.miner(number) for number in range(count)]
        self.first_jobs = self.lost = self.resumed = self.sent_again = 0
        self.unserved: list[float] = []
        self.accepted: set[Share] = set()
        self.accepted_at: Counter[int] = Counter()  # by the second
        self.refused: Counter[str] = Counter()
        self.is_over = False
        self._tasks: set[asyncio.Task[None]] = set()
        self._next = 0

    def miner(self, number: int) -> Miner:
        """Return one of its miners."""
        return Miner(self, number)

    def login_of(self, number: int) -> Login:  # noqa: ARG002 - here all have one
        """Return what a miner logs in with."""
        return self.login

    def keep(self, work: Any) -> None:
        """Run a coroutine beside."""
        task = self.loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def accept(self, share: Share) -> None:
        """Note an acknowledged share."""
        self.accepted.add(share)
        self.accepted_at[int(self.loop.time())] += 1

    async def arrive(self) -> None:
        """Have everybody connected and mining."""
        for start in range(0, len(self.miners), LOGINS_AT_ONCE):
            some = self.miners[start : start + LOGINS_AT_ONCE]
            await asyncio.gather(*(one.connect() for one in some))
        while self.first_jobs < len(self.miners):  # noqa: ASYNC110 - one number for thousands
            await asyncio.sleep(STEP_S)
        self.keep(self._submit())

    async def _submit(self) -> None:
        due, last = 0.0, self.loop.time()
        while not self.is_over:
            now = self.loop.time()
            due, last = due + (now - last) * self.rate, now
            while due >= 1:
                due -= 1
                self._next = (self._next + 1) % len(self.miners)
                self.miners[self._next].submit()
            await asyncio.sleep(STEP_S)

    def rate_between(self, start: float, end: float) -> float:
        """Return accepted shares a second over whole seconds."""
        seconds = range(int(start) + 1, int(end))
        return sum(self.accepted_at[one] for one in seconds) / max(1, len(seconds))

    async def leave(self) -> None:
        """End when everything that was sent is answered, or a while has passed."""
        self.is_over = True
        for _ in range(100):
            if not any(one.owed for one in self.miners):
                break
            await asyncio.sleep(STEP_S)
        for one in self.miners:
            one.leave()
        await asyncio.sleep(STEP_S)


@dataclass(frozen=True, slots=True)
class Event:
    """What miners saw of one event."""

    name: str
    seconds: float
    """From the command to its end; for a kill, till the last miner was back."""
    lost: int
    resumed: int
    sent_again: int
    unserved_p50_s: float
    unserved_p99_s: float
    unserved_max_s: float
    rate_before: float
    rate_during: float
    rate_after: float


async def measure(
    crowd: Crowd, name: str, event: Callable[[], Awaitable[None]], settle_s: float
) -> Event:
    """Have something happen to a crowd at work."""
    began = crowd.loop.time()
    await asyncio.sleep(STEADY_S)
    happens = crowd.loop.time()
    crowd.unserved, crowd.lost, crowd.resumed, crowd.sent_again = [], 0, 0, 0
    await event()
    while any(one.lost_at is not None for one in crowd.miners):  # noqa: ASYNC110 - as above
        await asyncio.sleep(STEP_S)
    over = crowd.loop.time()
    await asyncio.sleep(settle_s)
    waits = np.array(crowd.unserved or [0.0])
    return Event(
        name,
        over - happens,
        crowd.lost,
        crowd.resumed,
        crowd.sent_again,
        float(np.percentile(waits, 50)),
        float(np.percentile(waits, 99)),
        float(waits.max()),
        crowd.rate_between(began, happens),
        crowd.rate_between(happens, over),
        crowd.rate_between(over, over + settle_s),
    )


async def _reload(folder: Path) -> None:
    words = ["-m", "kench", "reload", "--data", str(folder)]
    process = await asyncio.create_subprocess_exec(sys.executable, *words)
    if await process.wait():
        raise LoadError("kench reload failed")


async def _kill(pids: list[int]) -> None:
    os.kill(pids[0], signal.SIGKILL)
    await asyncio.sleep(1.0)


def _status(metrics_port: int) -> dict[str, Any]:
    with urllib.request.urlopen(f"http://{LOOPBACK}:{metrics_port}/status", timeout=10) as answer:
        state: dict[str, Any] = json.load(answer)
    return state


async def _serving(pool: Pool) -> list[int]:
    """Return the processes that serve, once two do."""
    while True:
        state = await asyncio.to_thread(_status, pool.metrics_port)
        fronts = state["fronts"].values()
        if len(fronts) == len(pool.fronts) and all(one["serving"] for one in fronts):
            return [int(one["pid"]) for one in fronts]
        await asyncio.sleep(0.2)


async def run(pool: Pool, folder: Path, given: argparse.Namespace) -> tuple[list[Event], Crowd]:
    """Do it all."""
    crowd = Crowd(pool.port, pool.login, given.connections, given.rate)
    await crowd.arrive()
    settle_s = given.settle
    events = [await measure(crowd, "reload", partial(_reload, folder), settle_s)]
    pids = await _serving(pool)
    events.append(await measure(crowd, "kill -9 of a front", partial(_kill, pids), settle_s))
    await crowd.leave()
    return events, crowd


def books(journals: Path) -> tuple[int, set[Share]]:
    """Return how many records all journals have, and the shares in them."""
    count, shares = 0, set()
    for folder in journals.iterdir():
        reader = JournalReader(folder)
        at, end = 0, reader.durable()
        while at < end:
            records = reader.read(at, 65_536)
            at += len(records)
            count += len(records)
            shares |= {
                (int(key), one.tobytes(), two.tobytes())
                for key, one, two in zip(
                    records["job_key"],
                    records["extranonce1"],
                    records["extranonce2"],
                    strict=True,
                )
            }
    return count, shares


def faults(
    events: list[Event], crowd: Crowd, kept: tuple[int, set[Share]], given: argparse.Namespace
) -> list[str]:
    """Say what must not be."""
    found = []
    for event, most in zip(events, (given.unserved, given.back), strict=True):
        if event.unserved_max_s > most:
            found.append(f"{event.name}: unserved for {event.unserved_max_s:.2f} s")
        if event.rate_after < given.rate_held * event.rate_before:
            found.append(f"{event.name}: {event.rate_after:.0f} shares/s after it")
    count, shares = kept
    if count != len(shares):
        found.append(f"{count - len(shares)} shares are in the journals twice")
    if missing := len(crowd.accepted - shares):
        found.append(f"{missing} acknowledged shares are in no journal")
    return found


def main(words: list[str] | None = None) -> int:
    """Run it; return 1 where something was not held."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.reload",
        description=(__doc__ or "").splitlines()[0],
        epilog="example: python -m benchmarks.reload --connections 1000 --drain 10",
    )
    parser.add_argument("--connections", type=int, default=CONNECTIONS)
    parser.add_argument("--rate", type=float, default=RATE, help="shares a second of all together")
    parser.add_argument("--drain", type=float, default=DRAIN_S, help="drain_s")
    parser.add_argument("--unserved", type=float, default=UNSERVED_S)
    parser.add_argument("--back", type=float, default=BACK_S)
    parser.add_argument("--settle", type=float, default=RATE_BACK_S)
    parser.add_argument("--rate-held", type=float, default=RATE_HELD, help="part of the rate")
    parser.add_argument("--folder", type=Path, help="where the pool keeps its data")
    parser.add_argument("--json", type=Path)
    given = parser.parse_args(words)
    allow_files(given.connections)
    if given.folder is not None:
        given.folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=given.folder) as made:
        folder = Path(made)
        (folder / "kench.toml").write_text(f"drain_s = {given.drain}\n")
        with running_pool(folder, 2) as pool:
            events, crowd = uvloop.run(run(pool, folder, given))
        found = faults(events, crowd, books(pool.journal.parent), given)
    console = Console(width=WIDTH)
    _show(console, events, crowd)
    figures = {"events": [asdict(event) for event in events], "faults": found}
    return end(console, found, figures | {"refused": dict(crowd.refused)}, given.json)


def _show(console: Console, events: list[Event], crowd: Crowd) -> None:
    table = Table("", *(event.name for event in events))
    for name in (*Event.__dataclass_fields__,)[1:]:
        figures = [getattr(event, name) for event in events]
        shown = [f"{one:.3f}" if name.endswith("_s") else f"{one:.0f}" for one in figures]
        table.add_row(name, *shown)
    console.print(table)
    console.print(f"{len(crowd.accepted)} shares acknowledged; refused: {dict(crowd.refused)}")


if __name__ == "__main__":
    sys.exit(main())
