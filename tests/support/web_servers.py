"""HTTP servers for tests, on loopback and any free port, in a thread of their own.

with serving(app) as url: ...          # an ASGI application
with answering(talk) as url: ...       # bytes by hand: `talk(connection)` for each connection
"""

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import uvicorn
from starlette.types import ASGIApp, Receive, Scope, Send

STOP_LIMIT_S = 20.0


@contextlib.contextmanager
def serving(app: ASGIApp) -> Iterator[str]:
    """Serve an application until the block ends."""
    with listening() as listener, serving_at(listener, app, http="h11", lifespan="off"):
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"


@contextlib.contextmanager
def listening() -> Iterator[socket.socket]:
    """A listener on any free port; closed after its server has ended."""
    listener = socket.create_server(("127.0.0.1", 0))
    with listener:
        yield listener


@contextlib.contextmanager
def serving_at(listener: socket.socket, app: ASGIApp, **options: Any) -> Iterator[None]:
    """Serve an application there until the block ends, with `options` of uvicorn's."""
    config = uvicorn.Config(
        app, log_config=None, access_log=False, timeout_graceful_shutdown=1, **options
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.should_exit = True
        thread.join(STOP_LIMIT_S)
        assert not thread.is_alive()


@dataclass
class Switch:
    """A server whose application is put in later, for many tests one after another."""

    url: str = ""
    app: ASGIApp | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        assert self.app is not None
        await self.app(scope, receive, send)


@contextlib.contextmanager
def switching() -> Iterator[Switch]:
    """Serve whatever application is in the switch."""
    switch = Switch()
    with serving(switch) as url:
        switch.url = url
        yield switch


@contextlib.contextmanager
def answering(talk: Callable[[socket.socket], None]) -> Iterator[str]:
    """Hand each connection to `talk`, then close it."""
    listener = socket.create_server(("127.0.0.1", 0))
    threads: list[threading.Thread] = []

    def converse(connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError):
            talk(connection)

    def accept() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            threads.append(threading.Thread(target=converse, args=(connection,), daemon=True))
            threads[-1].start()

    accepting = threading.Thread(target=accept, daemon=True)
    accepting.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        accepting.join(STOP_LIMIT_S)
        for thread in threads:
            thread.join(STOP_LIMIT_S)


def read_request(connection: socket.socket) -> bytes:
    """Read one request, head and body."""
    request = b""
    while b"\r\n\r\n" not in request:
        piece = connection.recv(65_536)
        if not piece:
            return request
        request += piece
    head, _, body = request.partition(b"\r\n\r\n")
    length = 0
    for line in head.lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            length = int(line.partition(b":")[2])
    while len(body) < length:
        body += connection.recv(65_536)
    return head + b"\r\n\r\n" + body


def http_answer(body: bytes, status: str = "200 OK", *headers: str) -> bytes:
    """A whole answer of HTTP."""
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers, "", ""]
    return "\r\n".join(lines).encode() + body
