"""The yardstick of logins and new jobs: a uvloop server that lets everybody in, knowing nobody.

    python -m benchmarks.load.bare_pool [BYTES]     prints its port, serves until SIGTERM

Each line on its stdin sends a `mining.notify` of about BYTES (1,500) to all connections, in a plain
loop of writes to their descriptors: what the kernel asks for so many sends, and nothing else.
"""

import asyncio
import os
import signal
import sys
from typing import cast

import uvloop

from benchmarks.load.bare_server import BACKLOG, HOST, REPLY

SUBSCRIBED = (
    b'{"id":1,"result":[[["mining.set_difficulty","0"],["mining.notify","0"]],"00000000",8],'
    b'"error":null}\n'
)
AUTHORISED = b'{"id":2,"result":true,"error":null}\n'
DIFFICULTY = b'{"id":null,"method":"mining.set_difficulty","params":[1]}\n'
NOTIFY_BYTES = 1500


def notify(number: int, size: int) -> bytes:
    """Return a notify line of about `size` bytes."""
    params = b'["%x","%b","00","01",[],"20000000","1d00ffff","66aabbcc",true]'
    line = b'{"id":null,"method":"mining.notify","params":' + params + b"}\n"
    return line % (number, b"0" * max(size - len(line), 0))


class BareMiner(asyncio.Protocol):
    """Answers by the method named in what it reads, else as often as there are line feeds."""

    __slots__ = ("pool", "transport")

    def __init__(self, pool: "BarePool") -> None:
        self.pool = pool

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        if b"mining.submit" in data:
            self.transport.write(REPLY * data.count(b"\n"))
            return
        if b"mining.subscribe" in data:
            self.transport.write(SUBSCRIBED)
        if b"mining.authorize" in data:
            self.transport.write(AUTHORISED + DIFFICULTY + self.pool.line)
            self.pool.descriptors.append(self.transport.get_extra_info("socket").fileno())


class BarePool:
    """What all have in common: the job, and the descriptors it goes to."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.number = 1
        self.line = notify(1, size)
        self.descriptors: list[int] = []

    def new_job(self) -> None:
        """Take a line from stdin, and send the next job to all."""
        if not os.read(sys.stdin.fileno(), 1):
            asyncio.get_running_loop().remove_reader(sys.stdin.fileno())
            return
        self.number += 1
        self.line = line = notify(self.number, self.size)
        for descriptor in self.descriptors:
            os.write(descriptor, line)


async def serve() -> None:
    """Serve on a free port until SIGTERM or SIGINT."""
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    pool = BarePool(int(sys.argv[1]) if len(sys.argv) > 1 else NOTIFY_BYTES)
    server = await loop.create_server(lambda: BareMiner(pool), HOST, 0, backlog=BACKLOG)
    loop.add_reader(sys.stdin.fileno(), pool.new_job)
    sys.stdout.write(f"{server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    await stop.wait()
    server.close()


if __name__ == "__main__":
    uvloop.run(serve())
