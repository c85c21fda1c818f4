"""A load of miners for tests: many connections, many submits in flight, each answer kept.

Shares are not mined: the pool must be told to take every hash (`EASY_SHARES`).
"""

import asyncio
import itertools
import json
import threading
from dataclasses import dataclass, field

CONNECT_LIMIT_S = 10.0
RECONNECT_S = 0.05
# A share as both the miner and the journal know it.
ShareKey = tuple[int, bytes, bytes, int, int]


@dataclass
class Load:
    """Runs in a thread of its own until stopped or until every connection is lost."""

    port: int
    user: str
    password: str
    connections: int = 8
    in_flight: int = 32
    reconnects: bool = False
    """Come back, as miners do, when the pool closes a connection."""
    accepted: set[ShareKey] = field(default_factory=set)
    refused: list[str] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    extranonces: list[bytes] = field(default_factory=list)
    """The extranonce1 of every session there was."""
    live: set[bytes] = field(default_factory=set)
    """The extranonce1 of each session that has had a share accepted and still stands."""

    def __post_init__(self) -> None:
        self._enough = threading.Event()
        self._wanted = 1
        self._stop: asyncio.Event | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()), daemon=True)

    def start(self, wanted: int = 1) -> None:
        """Begin; `wait` returns after `wanted` accepted shares."""
        self._wanted = wanted
        self._thread.start()

    def wait(self, limit_s: float = 30.0) -> None:
        """Wait for the accepted shares that were wanted."""
        assert self._enough.wait(limit_s), (len(self.accepted), self.refused[:3], self.faults[:3])

    def end(self, limit_s: float = 30.0) -> None:
        """Stop sending and close every connection."""
        assert self._loop is not None
        assert self._stop is not None
        self._loop.call_soon_threadsafe(self._stop.set)
        self.wait_until_cut_off(limit_s)

    def wait_until_cut_off(self, limit_s: float = 30.0) -> None:
        """Wait until the server has closed every connection."""
        self._thread.join(limit_s)
        assert not self._thread.is_alive()

    async def _run(self) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        miners = asyncio.gather(*(self._mine() for _ in range(self.connections)))
        stopped = asyncio.create_task(self._stop.wait())
        await asyncio.wait({miners, stopped}, return_when="FIRST_COMPLETED")
        miners.cancel()
        stopped.cancel()
        await asyncio.gather(miners, stopped, return_exceptions=True)

    async def _mine(self) -> None:
        await self._mine_once()
        while self.reconnects:
            await asyncio.sleep(RECONNECT_S)
            await self._mine_once()

    async def _mine_once(self) -> None:
        try:
            async with asyncio.timeout(CONNECT_LIMIT_S):
                reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        except OSError as refused:
            self.faults.append(str(refused))
            return
        try:
            await self._converse(reader, writer)
        except (OSError, asyncio.IncompleteReadError) as lost:
            self.faults.append(repr(lost))
        finally:
            writer.close()

    def more(self, wanted: int) -> None:
        """Have `wait` wait for so many further shares."""
        self._enough.clear()
        self._wanted = len(self.accepted) + wanted

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        own: list[bytes] = []
        try:
            await self._speak(reader, writer, own)
        finally:
            self.live.difference_update(own)

    async def _speak(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, own: list[bytes]
    ) -> None:
        _send(writer, 1, "mining.subscribe", ["load/1"])
        _send(writer, 2, "mining.authorize", [self.user, self.password])
        ids = itertools.count(10)
        asked: dict[int, ShareKey] = {}
        extranonce1, job = b"", None
        while line := await reader.readline():
            message = json.loads(line)
            if message.get("method") == "mining.notify":
                job = message["params"]
            elif message["id"] == 1:
                extranonce1 = bytes.fromhex(message["result"][1])
                self.extranonces.append(extranonce1)
                own.append(extranonce1)
            elif message["id"] == 2 and message["error"]:
                self.faults.append(str(message["error"]))
                return
            elif message["id"] in asked:
                self._answered(asked.pop(message["id"]), message["error"])
            if job is None:
                continue
            while len(asked) < self.in_flight:
                share_id = next(ids)
                ntime = int(job[7], 16)
                asked[share_id] = (
                    int(job[0], 16),
                    extranonce1,
                    share_id.to_bytes(8, "big"),
                    ntime,
                    share_id,
                )
                fields = [self.user, job[0], f"{share_id:016x}", job[7], f"{share_id:08x}"]
                _send(writer, share_id, "mining.submit", fields)
            await writer.drain()

    def _answered(self, share: ShareKey, error: list[object] | None) -> None:
        if error is None:
            self.accepted.add(share)
            self.live.add(share[1])
            if len(self.accepted) >= self._wanted:
                self._enough.set()
        else:
            self.refused.append(str(error[1]))


def _send(writer: asyncio.StreamWriter, request_id: int, method: str, params: list[str]) -> None:
    message = {"id": request_id, "method": method, "params": params}
    writer.write(json.dumps(message).encode() + b"\n")
