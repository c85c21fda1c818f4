"""The embedded PostgreSQL's way to its standby: its stream, carried by TLS from socket to socket.

The embedded server is built without TLS and listens on a Unix socket alone, and so it stays. On the
main machine a relay takes connections with a certificate of the line's authority, reads what they
begin with, and passes on those alone that come as the role that may copy and nothing else. On the
standby a relay has a Unix socket for its own server and passes on what comes there.
"""

import asyncio
import contextlib
import os
import socket
import struct
import threading
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING

import structlog

from kench.pool.postgres_account import Account
from kench.pool.shipping.frames import ShippingError

if TYPE_CHECKING:
    import ssl

REPLICA_ROLE = "kench_replica"
SOCKET_NAME = ".s.PGSQL.5432"
CONNECTIONS_MAX = 16
PIECE_BYTES = 64 * 1024
BEGIN_S = 10.0
STARTUP_BYTES_MAX = 10_000
_PROTOCOL_3 = 3
_LENGTH, _STARTUP = struct.Struct("!I"), struct.Struct("!II")

Ends = tuple[asyncio.StreamReader, asyncio.StreamWriter]

log = structlog.get_logger("relay")


class Relay:
    """Accepts at `listener` and carries each connection to where `reach` connects.

    It has a thread and a loop of its own, so that two ends of one TLS never meet in two threads.
    """

    def __init__(
        self,
        listener: socket.socket,
        reach: Callable[[], Awaitable[Ends]],
        tls: "ssl.SSLContext | None" = None,
    ) -> None:
        """With `tls` its connections must show a certificate and come as REPLICA_ROLE."""
        self._listener, self._reach, self._tls = listener, reach, tls
        self._open: set[asyncio.StreamWriter] = set()
        self._loop = asyncio.new_event_loop()
        self._stop = asyncio.Event()
        self._thread = threading.Thread(target=self._run, name="relay", daemon=True)

    def start(self) -> None:
        """Begin to accept."""
        self._thread.start()

    def stop(self) -> None:
        """Close every connection."""
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(BEGIN_S)

    def _run(self) -> None:
        with contextlib.closing(self._loop):
            self._loop.run_until_complete(self._accept())

    async def _accept(self) -> None:
        server = await asyncio.start_server(
            self._carry,
            sock=self._listener,
            ssl=self._tls,
            ssl_handshake_timeout=BEGIN_S if self._tls else None,
        )
        await self._stop.wait()
        server.close()
        for writer in tuple(self._open):
            writer.close()
        left = asyncio.all_tasks() - {asyncio.current_task()}
        if left:
            await asyncio.wait(left, timeout=BEGIN_S / 2)

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if len(self._open) >= 2 * CONNECTIONS_MAX:
            writer.close()
            return
        self._open.add(writer)
        far: asyncio.StreamWriter | None = None
        try:
            async with asyncio.timeout(BEGIN_S):
                begun = await read_startup(reader) if self._tls is not None else b""
                far_reader, far = await self._reach()
            self._open.add(far)
            far.write(begun)
            await asyncio.wait(
                {
                    asyncio.ensure_future(_pump(reader, far)),
                    asyncio.ensure_future(_pump(far_reader, writer)),
                },
                return_when=asyncio.FIRST_COMPLETED,
            )
        except (OSError, EOFError, ShippingError) as error:
            log.warning("a connection of the database's line ended", why=str(error))
        finally:
            for one in (writer, far):
                if one is not None:
                    one.close()
                    self._open.discard(one)


async def read_startup(reader: asyncio.StreamReader) -> bytes:
    """Return what a connection begins with; raises ShippingError unless it comes to copy."""
    head = await reader.readexactly(_LENGTH.size)
    (size,) = _LENGTH.unpack(head)
    if not _STARTUP.size < size <= STARTUP_BYTES_MAX:
        raise ShippingError("a connection of the database's line begins with no startup packet")
    body = await reader.readexactly(size - _LENGTH.size)
    (protocol,) = _LENGTH.unpack_from(body)
    words = body[_LENGTH.size :].split(b"\0")
    told = dict(zip(words[::2], words[1::2], strict=False))
    # Each name once: what the server reads last must be what was looked at.
    unique = len(set(words[:-2:2])) == len(words[:-2:2])
    if protocol >> 16 != _PROTOCOL_3 or told.get(b"user") != REPLICA_ROLE.encode() or not unique:
        raise ShippingError(f"the database's line is for {REPLICA_ROLE} alone")
    return head + body


def listen_privately(folder: Path, account: Account | None) -> socket.socket:
    """Listen on a Unix socket that only the server's own account reaches. Raises OSError."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = folder / SOCKET_NAME
    path.unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(path))
    listener.listen(CONNECTIONS_MAX)
    if account is not None:
        for one in (folder, path):
            os.chown(one, account.uid, account.gid)
    return listener


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Carry bytes until either end closes; what one end does not take, the other does not read."""
    with contextlib.suppress(OSError):
        while piece := await reader.read(PIECE_BYTES):
            writer.write(piece)
            await writer.drain()
