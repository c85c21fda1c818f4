"""Hostile clients of every kind at once, each as fast as one process of them can.

    python -m benchmarks.load.hostile PORT CLIENTS own|same [USER]

`own` gives each an address of its own (127.1.0.1, 127.1.0.2, ...), `same` has all come from
127.0.0.1. With USER the password is taken from KENCH_LOAD_PASSWORD. Works until stdin ends; then
prints one JSON object: by kind, connections begun and how many of them the server refused or ended.
"""

import asyncio
import json
import os
import random
import socket
import struct
import sys
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

HELD_EACH = 20
"""Connections that one client of `silent` holds open at once."""
HELD_S = 5.0
"""It lets go of them after this long, unless the server was quicker."""
PAUSE_S = 0.002
"""Between two connections of one client."""
CHUNK_BYTES = 65_536
NOTIFY = b'"method":"mining.notify"'
_RESET = struct.pack("ii", 1, 0)


@dataclass
class Crew:
    """What hostile clients know, and what became of them."""

    port: int
    user: str
    password: str
    chance: random.Random = field(default_factory=lambda: random.Random(1))
    begun: Counter[str] = field(default_factory=Counter)
    ended: Counter[str] = field(default_factory=Counter)

    async def connect(self, source: str) -> socket.socket:
        """Return a connected socket of a source address."""
        one = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        try:
            one.setblocking(False)
            # The port is chosen at connect, so that one address has all of them for each server.
            one.setsockopt(socket.IPPROTO_IP, getattr(socket, "IP_BIND_ADDRESS_NO_PORT", 24), 1)
            one.bind((source, 0))
            await asyncio.get_running_loop().sock_connect(one, ("127.0.0.1", self.port))
        except OSError:
            one.close()
            raise
        return one

    def hello(self) -> bytes:
        """Return the lines of a lawful login."""
        lines = [
            {"id": 1, "method": "mining.subscribe", "params": ["hostile/1"]},
            {"id": 2, "method": "mining.authorize", "params": [self.user, self.password]},
        ]
        return b"".join(json.dumps(line).encode() + b"\n" for line in lines)


async def _flood(one: socket.socket, data: bytes) -> None:
    """Send the same again and again, reading nothing."""
    while True:
        await asyncio.get_running_loop().sock_sendall(one, data)


async def _flood_and_read(one: socket.socket, data: bytes) -> None:
    loop = asyncio.get_running_loop()
    reading = asyncio.create_task(_flood(one, data))
    try:
        while await loop.sock_recv(one, CHUNK_BYTES):
            pass
    finally:
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)


async def garbage(crew: Crew, one: socket.socket) -> None:
    """Send bytes that are no protocol."""
    await _flood_and_read(one, crew.chance.randbytes(4096))


async def broken_lines(_crew: Crew, one: socket.socket) -> None:
    """Send lines that are nearly JSON."""
    await _flood_and_read(one, b'{"id": 1, "method": "mining.subscribe", "params": [}\n' * 64)


async def unknown_methods(_crew: Crew, one: socket.socket) -> None:
    """Ask for what nobody knows."""
    await _flood_and_read(one, b'{"id":1,"method":"eth_getWork","params":[]}\n' * 1024)


async def oversized_line(_crew: Crew, one: socket.socket) -> None:
    """Send a line without an end."""
    await _flood_and_read(one, b'{"id":1,"params":["' + b"x" * CHUNK_BYTES)


async def dripping(_crew: Crew, one: socket.socket) -> None:
    """Send a line byte by byte."""
    one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    while True:
        await asyncio.get_running_loop().sock_sendall(one, b"x")
        await asyncio.sleep(0.005)


async def wrong_passwords(crew: Crew, one: socket.socket) -> None:
    """Try passwords."""
    guess = f"{crew.chance.getrandbits(128):032x}"
    line = {"id": 1, "method": "mining.authorize", "params": [crew.user, guess]}
    await _flood_and_read(one, (json.dumps(line).encode() + b"\n") * 64)


async def slow_reader(crew: Crew, one: socket.socket) -> None:
    """Log in, ask much, and read nothing."""
    one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    await asyncio.get_running_loop().sock_sendall(one, crew.hello())
    ping = b'{"id":"%b","method":"mining.ping","params":[]}\n' % (b"x" * 900)
    await _flood(one, ping * 64)


async def wrong_shares(crew: Crew, one: socket.socket) -> None:
    """Log in, and submit what is hashed and then refused: plain submits with an absurd ntime."""
    loop = asyncio.get_running_loop()
    await loop.sock_sendall(one, crew.hello())
    heard = b""
    while NOTIFY not in heard or not heard.endswith(b"\n"):
        piece = await loop.sock_recv(one, CHUNK_BYTES)
        if not piece:
            return
        heard += piece
    notify = next(line for line in heard.splitlines() if NOTIFY in line)
    job = json.loads(notify)["params"][0]
    lines = [
        {"id": at, "method": "mining.submit",
         "params": [crew.user, job, f"{at:016x}", "ffffffff", f"{at:08x}"]}
        for at in range(256)
    ]  # fmt: skip
    await _flood_and_read(one, b"".join(json.dumps(line).encode() + b"\n" for line in lines))


async def reset(_crew: Crew, one: socket.socket) -> None:
    """Connect and reset the connection."""
    one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)


async def silent(crew: Crew, one: socket.socket) -> None:
    """Hold connections open and say nothing."""
    loop, source = asyncio.get_running_loop(), one.getsockname()[0]
    held = [one]
    ends: set[asyncio.Task[bytes]] = set()
    try:
        while len(held) < HELD_EACH:
            held.append(await crew.connect(source))
            crew.begun["silent"] += 1
        ends = {loop.create_task(loop.sock_recv(each, 1)) for each in held}
        await asyncio.wait(ends, timeout=HELD_S)
    finally:
        for end in ends:
            end.cancel()
        await asyncio.gather(*ends, return_exceptions=True)
        for each in held:
            each.close()


Kind = Callable[[Crew, socket.socket], Awaitable[None]]
KINDS: tuple[Kind, ...] = (
    garbage,
    broken_lines,
    unknown_methods,
    oversized_line,
    dripping,
    wrong_passwords,
    slow_reader,
    wrong_shares,
    reset,
    silent,
)


async def misbehave(crew: Crew, kind: Kind, source: str) -> None:
    """Be one hostile client until cancelled: connect, do wrong, be thrown out, come again."""
    name = kind.__name__
    while True:
        crew.begun[name] += 1
        try:
            one = await crew.connect(source)
        except OSError:
            crew.ended[name] += 1
        else:
            try:
                await kind(crew, one)
            except OSError:
                crew.ended[name] += 1
            finally:
                one.close()
        await asyncio.sleep(PAUSE_S)


async def attack(crew: Crew, clients: int, *, own_addresses: bool) -> None:
    """Have so many clients misbehave until stdin ends."""
    sources = [f"127.1.{at >> 8}.{1 + (at & 255)}" for at in range(clients)]
    tasks = [
        asyncio.create_task(
            misbehave(crew, KINDS[at % len(KINDS)], source if own_addresses else "127.0.0.1")
        )
        for at, source in enumerate(sources)
    ]
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), sys.stdin
    )
    await reader.read()
    for task in tasks:
        task.cancel()
    for outcome in await asyncio.gather(*tasks, return_exceptions=True):
        if not isinstance(outcome, asyncio.CancelledError):
            raise AssertionError("a hostile client gave up") from outcome


def main(words: list[str]) -> None:
    """Attack, then say what became of it."""
    port, clients, addresses, *user = words
    password = os.environ.get("KENCH_LOAD_PASSWORD", "x")
    crew = Crew(int(port), user[0] if user else "1.hostile", password)
    asyncio.run(attack(crew, int(clients), own_addresses=addresses == "own"))
    figures = {
        kind.__name__: {"begun": crew.begun[kind.__name__], "ended": crew.ended[kind.__name__]}
        for kind in KINDS
    }
    sys.stdout.write(json.dumps(figures) + "\n")


if __name__ == "__main__":
    main(sys.argv[1:])
