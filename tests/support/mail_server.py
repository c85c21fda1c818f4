"""A mail server and a web server on this machine that keep what they are sent, for alerts."""

import contextlib
import socketserver
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class _Smtp(socketserver.StreamRequestHandler):
    timeout = 10

    def handle(self) -> None:
        self._say(b"220 mail.example")
        letters: list[str] = self.server.letters  # type: ignore[attr-defined]
        while line := self.rfile.readline(1000):
            word = line.split()[0].upper() if line.split() else b""
            if word == b"DATA":
                self._say(b"354 go on")
                lines = []
                while (text := self.rfile.readline(10_000)) not in {b".\r\n", b""}:
                    lines.append(text)
                letters.append(b"".join(lines).decode())
                self._say(b"250 taken")
            elif word == b"QUIT":
                self._say(b"221 bye")
                return
            elif word == b"RCPT" and b"nobody@" in line:
                self._say(b"550 no such mailbox")
            else:
                self._say(b"250 well")

    def _say(self, line: bytes) -> None:
        self.wfile.write(line + b"\r\n")


@contextlib.contextmanager
def mail_server() -> Iterator[tuple[int, list[str]]]:
    """Its port, and the letters that it took."""
    server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), _Smtp)
    server.letters = []  # type: ignore[attr-defined]
    with _running(server):
        yield server.server_address[1], server.letters  # type: ignore[attr-defined]


@contextlib.contextmanager
def post_server(status: int = 200) -> Iterator[tuple[int, list[tuple[str, dict[str, str], bytes]]]]:
    """Its port, and what was posted: path, headers, body."""
    posted: list[tuple[str, dict[str, str], bytes]] = []

    class Handler(BaseHTTPRequestHandler):
        timeout = 10

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            posted.append((self.path, dict(self.headers), body))
            self.send_response(status)
            self.send_header("Location", "/elsewhere")
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    with _running(server):
        yield server.server_address[1], posted


@contextlib.contextmanager
def _running(server: socketserver.BaseServer) -> Iterator[None]:
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        thread.join(10)
        server.server_close()
