"""The yardstick: a uvloop server that answers every line `true` without looking at it.

    python -m benchmarks.load.bare_server       prints its port, serves until SIGTERM

What it reaches is what the kernel, the loop and one callback for each read cost; the stratum
server is measured against it in the same run, by the same client.
"""

import asyncio
import signal
import sys
from typing import cast

import uvloop

HOST = "127.0.0.1"
BACKLOG = 4096
REPLY = b'{"id":1,"result":true,"error":null}\n'


class BareConnection(asyncio.Protocol):
    """Counts line feeds, and answers as often."""

    __slots__ = ("transport",)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        self.transport.write(REPLY * data.count(b"\n"))


async def serve() -> None:
    """Serve on a free port until SIGTERM or SIGINT."""
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    server = await loop.create_server(BareConnection, HOST, 0, backlog=BACKLOG)
    sys.stdout.write(f"{server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    await stop.wait()
    server.close()


if __name__ == "__main__":
    uvloop.run(serve())
