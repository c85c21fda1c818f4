"""Browsers that have entered: they ask for pages at a rate that no answer slows, or stay open.

Requests are due at fixed moments, and each is timed from the moment that it was due: a server that
falls behind is seen in all that wait (open loop). Connections are kept alive and used again.
"""

import asyncio
import contextlib
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from benchmarks.load.ports import LOOPBACK

ANSWER_S = 20.0
OPENED_AT_ONCE = 50


class Ask(NamedTuple):
    """A page that somebody asks for, of a kind."""

    kind: str
    path: str
    cookie: str


@dataclass(slots=True)
class Answers:
    """Of one kind."""

    ms: list[float] = field(default_factory=list)
    size: int = 0
    """Bytes of them all."""
    faults: int = 0
    """Other than 200, cut off, or too late."""

    def percentile(self, part: float) -> float:
        """Return how long the answer took that is slower than this part of all."""
        ordered = sorted(self.ms)
        return ordered[min(len(ordered) - 1, int(len(ordered) * part))] if ordered else 0.0


class Line:
    """A connection that is kept alive."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    @classmethod
    async def open(cls, port: int) -> "Line":
        """Connect."""
        return cls(*await asyncio.open_connection(LOOPBACK, port))

    async def ask(self, ask: Ask, port: int) -> tuple[int, int]:
        """Return status and size of the answer's body."""
        self._writer.write(
            f"GET {ask.path} HTTP/1.1\r\nHost: {LOOPBACK}:{port}\r\nCookie: {ask.cookie}\r\n"
            "Accept-Language: ru\r\nAccept-Encoding: gzip\r\n\r\n".encode()
        )
        head = (await self._reader.readuntil(b"\r\n\r\n")).lower()
        size = int(head.partition(b"content-length:")[2].partition(b"\r\n")[0])
        await self._reader.readexactly(size)
        return int(head.split(b" ", 2)[1]), size

    async def follow(self, ask: Ask, port: int, told: "Told", answered: asyncio.Event) -> None:
        """Read the events of a page until the connection ends, noting when each came."""
        self._writer.write(
            f"GET {ask.path} HTTP/1.1\r\nHost: {LOOPBACK}:{port}\r\nCookie: {ask.cookie}\r\n"
            "Accept: text/event-stream\r\n\r\n".encode()
        )
        head = await self._reader.readuntil(b"\r\n\r\n")
        answered.set()
        if b" 200 " not in head.partition(b"\r\n")[0]:
            return
        told.open += 1
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                line = await self._reader.readuntil(b"\n")
                if line.startswith(b"data:"):
                    told.came_s.append(time.monotonic())

    @property
    def is_over(self) -> bool:
        """Whether the server has closed it, as it does with what rests for some seconds."""
        return self._reader.at_eof()

    def close(self) -> None:
        """Leave."""
        self._writer.close()


@dataclass(slots=True)
class Told:
    """What pages that stay open have heard, all together."""

    open: int = 0
    refused: int = 0
    came_s: list[float] = field(default_factory=list)


class Browsers:
    """Those that ask for pages."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._idle: list[Line] = []
        self.answers: dict[str, Answers] = {}

    async def run(self, asks: Sequence[Ask], rate: float) -> Mapping[str, Answers]:
        """Ask for each in its turn, so many a second; return the answers by kind."""
        began_s = time.monotonic()
        async with asyncio.TaskGroup() as tasks:
            for number, ask in enumerate(asks):
                due_s = began_s + number / rate
                await asyncio.sleep(max(0.0, due_s - time.monotonic()))
                tasks.create_task(self._one(ask, due_s))
        for line in self._idle:
            line.close()
        return self.answers

    async def _one(self, ask: Ask, due_s: float) -> None:
        answers = self.answers.setdefault(ask.kind, Answers())
        line = None
        try:
            async with asyncio.timeout(ANSWER_S):
                line = self._rested() or await Line.open(self._port)
                status, size = await line.ask(ask, self._port)
        except (OSError, ValueError, TimeoutError, asyncio.IncompleteReadError):
            answers.faults += 1
            if line is not None:
                line.close()
            return
        answers.ms.append((time.monotonic() - due_s) * 1e3)
        answers.size += size
        answers.faults += status != 200
        self._idle.append(line)

    def _rested(self) -> Line | None:
        """Return a connection that is open still; forget those that are not."""
        while self._idle:
            line = self._idle.pop()
            if not line.is_over:
                return line
            line.close()
        return None


class Viewers:
    """Pages that stay open and hear of news."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._lines: list[Line] = []
        self._tasks: list[asyncio.Task[None]] = []
        self._answered: list[asyncio.Event] = []
        self.told = Told()

    async def open(self, asks: Sequence[Ask]) -> None:
        """Open them all, some at once."""
        for first in range(0, len(asks), OPENED_AT_ONCE):
            await asyncio.gather(*map(self._open, asks[first : first + OPENED_AT_ONCE]))
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(ANSWER_S):
                for answered in self._answered:
                    await answered.wait()
        self.told.refused = len(asks) - self.told.open

    async def close(self) -> None:
        """Close them all."""
        for line in self._lines:
            line.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _open(self, ask: Ask) -> None:
        line = await Line.open(self._port)
        self._lines.append(line)
        answered = asyncio.Event()
        self._answered.append(answered)
        follow = line.follow(ask, self._port, self.told, answered)
        self._tasks.append(asyncio.get_running_loop().create_task(follow))
