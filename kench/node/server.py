"""HTTP/1.1 in front of the node's JSON-RPC: keep-alive, Basic authorisation, every size bounded."""

import base64
import hmac
import json
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from kench.node.rpc import Dispatcher
from kench.pool.errors import KenchError

CONNECTIONS_MAX = 128
"""Connections served at once; the next are closed at accept."""
BODY_BYTES_MAX = 0x0200_0000
LENGTH_DIGITS = 12
"""Longest request, as Core has it: a full block in hex is eight million bytes."""
IDLE_TIMEOUT_S = 30.0
"""A connection that says nothing for so long is closed, as Core closes it."""
WRONG_PASSWORD_DELAY_S = 0.25
"""A wrong password is answered late, so that guessing takes long."""


class PortTakenError(KenchError):
    """The RPC or ZMQ port cannot be listened on."""


class RpcServer(ThreadingHTTPServer):
    """Serves JSON-RPC, one thread to a connection."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = CONNECTIONS_MAX

    def __init__(self, host: str, port: int) -> None:
        """Listen; connections wait until `serve` is called. Raises PortTakenError."""
        self.expected = b""
        self.dispatcher = Dispatcher({})
        self._serving = False
        self._places = threading.BoundedSemaphore(CONNECTIONS_MAX)
        try:
            super().__init__((host, port), _Handler)
        except OSError as error:
            raise PortTakenError(
                f"cannot listen on {host}:{port} ({error.strerror}): choose another --rpc-port"
            ) from error

    @property
    def port(self) -> int:
        """Port that is listened on."""
        return int(self.server_address[1])

    def serve(self, dispatcher: Dispatcher, credentials: str) -> None:
        """Answer those who know `credentials` (`user:password`) from threads, until `stop`."""
        self.dispatcher = dispatcher
        self.expected = b"Basic " + base64.b64encode(credentials.encode())
        self._serving = True
        threading.Thread(
            target=self.serve_forever, args=(0.1,), name="rpc-accept", daemon=True
        ).start()

    def stop(self) -> None:
        """Take no more connections."""
        if self._serving:
            self.shutdown()
        self.server_close()

    def process_request(self, request: Any, client_address: Any) -> None:
        """Serve a new connection, if there is a place for it."""
        if not self._places.acquire(blocking=False):
            self.shutdown_request(request)
            return
        super().process_request(request, client_address)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Serve one connection to its end."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._places.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing where the peer went away; a fault of ours is printed."""
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    server: RpcServer
    protocol_version = "HTTP/1.1"
    timeout = IDLE_TIMEOUT_S
    disable_nagle_algorithm = True
    # Head and body of an answer leave in one piece.
    wbufsize = 65_536

    def do_POST(self) -> None:
        body = self._read_body()
        if body is None:
            return
        if self.path != "/":
            self._answer(404, b"")
        elif self._is_authorised():
            reply = self.server.dispatcher.reply(body)
            content = b"" if reply.body is None else json.dumps(reply.body).encode() + b"\n"
            self._answer(reply.status, content, {"Content-Type": "application/json"})

    def do_GET(self) -> None:
        self.close_connection = True
        self._answer(405, b"JSONRPC server handles only POST requests")

    def _read_body(self) -> bytes | None:
        length = self.headers.get("Content-Length", "0")
        is_number = length.isascii() and length.isdigit()
        if not is_number or len(length) > LENGTH_DIGITS or int(length) > BODY_BYTES_MAX:
            self.close_connection = True
            self._answer(413 if is_number else 400, b"")
            return None
        body = self.rfile.read(int(length))
        if len(body) != int(length):
            self.close_connection = True
            return None
        return body

    def _is_authorised(self) -> bool:
        given = self.headers.get("Authorization")
        if given is not None:
            if hmac.compare_digest(given.strip().encode("latin-1"), self.server.expected):
                return True
            time.sleep(WRONG_PASSWORD_DELAY_S)
        self._answer(401, b"", {"WWW-Authenticate": 'Basic realm="jsonrpc"'})
        return False

    def _answer(self, status: int, content: bytes, headers: dict[str, str] | None = None) -> None:
        self.send_response_only(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        if status != 204:
            self.send_header("Content-Length", str(len(content)))
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(content)
        self.wfile.flush()

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's name
        """Keep no log of requests: they hold nothing to mend."""
