"""One HTTP connection to a node: whole-call deadlines, our own credentials, cut from any thread.

python-bitcoinrpc is given this connection in place of its own, for four reasons seen in its source:
it bounds each read but not the whole answer, so a trickling node holds a thread for ever; it leaves
the body of an HTTP error unread, which poisons the next call; it encodes every answer to JSON a
second time for a log line that nobody reads; and it needs the password inside an URL.
"""

import base64
import http.client
import socket
from collections.abc import Callable
from typing import Any

from bitcoinrpc.authproxy import USER_AGENT, AuthServiceProxy, JSONRPCException

from kench.pool.clock import Clock

# A block template of four million weight units is at most some 10 MB of JSON.
ANSWER_BYTES_MAX = 64 * 1024 * 1024
CONNECT_TIMEOUT_S = 2.0
_READ_BYTES = 256 * 1024
_PATH_ONLY_URL = "http://kench:unused@node/"


class HttpStatusError(Exception):
    """Internal: the node answered with an HTTP status that carries no JSON-RPC answer."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(f"HTTP {status} {reason}")
        self.status = status


class GarbledAnswerError(Exception):
    """Internal: what came back is not a JSON-RPC answer."""


class _DeadlineSocket(socket.socket):
    """A TCP socket whose reads and writes all end by one moment."""

    clock: Clock
    deadline: float

    def _bound(self) -> None:
        left = self.deadline - self.clock.monotonic()
        if left <= 0:
            raise TimeoutError("no whole answer in time")
        self.settimeout(left)

    def recv_into(self, *arguments: Any) -> int:
        self._bound()
        return super().recv_into(*arguments)

    def sendall(self, *arguments: Any) -> None:
        self._bound()
        super().sendall(*arguments)


class NodeConnection(http.client.HTTPConnection):
    """A keep-alive HTTP connection to `host`:`port`; used by one thread at a time.

    Only `cut` may be called by another thread. `authorization` is asked for each request.
    """

    sock: _DeadlineSocket | None

    def __init__(
        self, host: str, port: int, authorization: Callable[[], str], clock: Clock
    ) -> None:
        super().__init__(host, port, timeout=CONNECT_TIMEOUT_S)
        self._authorization = authorization
        self._clock = clock
        self._deadline = 0.0
        self._is_cut = False
        self._used_at: float | None = None
        self.sent_credentials = ""

    def connect(self) -> None:
        """Open the TCP connection, without Nagle's delay."""
        left = self._deadline - self._clock.monotonic()
        plain = socket.create_connection(
            (self.host, self.port), timeout=min(CONNECT_TIMEOUT_S, max(left, 0.001))
        )
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock = _DeadlineSocket(fileno=plain.detach())
        sock.clock = self._clock
        sock.deadline = self._deadline
        self.sock = sock
        if self._is_cut:
            raise ConnectionAbortedError("the connection was cut")

    def cut(self) -> None:
        """End a call in flight, and every later one, at once; from any thread."""
        self._is_cut = True
        sock = self.sock
        if sock is not None:
            try:
                sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                # It was closed already, which is what is wanted.
                return

    def begin(self, timeout_s: float, idle_limit_s: float) -> bool:
        """Prepare for one call of at most `timeout_s`; return whether an open socket is reused."""
        if self._is_cut:
            raise ConnectionAbortedError("the connection was cut")
        now = self._clock.monotonic()
        if self._used_at is not None and now - self._used_at > idle_limit_s:
            self.close()
        self._used_at = now
        self._deadline = now + timeout_s
        if self.sock is not None:
            self.sock.deadline = self._deadline
        return self.sock is not None

    def request(
        self, method: str, url: str, body: Any = None, headers: Any = None, **_: Any
    ) -> None:
        """Send a request with our own credentials, which no library object ever holds."""
        merged = dict(headers or {})
        merged["Host"] = f"{self.host}:{self.port}"
        self.sent_credentials = self._authorization()
        merged["Authorization"] = f"Basic {self.sent_credentials}"
        data = body.encode() if isinstance(body, str) else body
        super().request(method, url, data, merged)


class NodeProxy(AuthServiceProxy):  # type: ignore[misc]  # the library publishes no types
    """python-bitcoinrpc's call of one method, with our reading of the answer."""

    def __init__(
        self,
        connection: NodeConnection,
        method: str,
        timeout_s: float,
        decode: Callable[[bytes | bytearray], Any],
    ) -> None:
        super().__init__(_PATH_ONLY_URL, method, timeout_s, connection)
        self._connection = connection
        self._method = method
        self._decode = decode

    def call_with_hex(self, digits: bytes) -> Any:
        """Call the method with hex digits as its one parameter, as `__call__` does in effect."""
        begun = f'{{"version":"1.1","method":"{self._method}","params":["'
        body = begun.encode(), digits, b'"],"id":1}'
        headers = {
            "User-Agent": USER_AGENT,
            "Content-type": "application/json",
            "Content-Length": str(sum(map(len, body))),
        }
        self._connection.request("POST", "/", body, headers)
        answer = self._get_response()
        if answer.get("error") is not None:
            raise JSONRPCException(answer["error"])
        return answer["result"]

    def _get_response(self) -> dict[str, Any]:
        response = self._connection.getresponse()
        body = _read_whole(response)
        if not (response.getheader("Content-Type") or "").startswith("application/json"):
            raise HttpStatusError(response.status, response.reason)
        answer = self._decode(body)
        if not isinstance(answer, dict):
            raise GarbledAnswerError("the answer is not a JSON object")
        error = answer.get("error")
        if error is not None and not (
            isinstance(error, dict) and isinstance(error.get("code"), int)
        ):
            raise GarbledAnswerError("the answer's error has no code")
        if error is None and "result" not in answer:
            raise GarbledAnswerError("the answer has neither result nor error")
        return answer


def _read_whole(response: http.client.HTTPResponse) -> bytes | bytearray:
    """Read the body; too much of it is a fault."""
    length = response.length
    if length is None:
        return _read_to_end(response)
    if length > ANSWER_BYTES_MAX:
        raise GarbledAnswerError(f"the answer is longer than {ANSWER_BYTES_MAX} bytes")
    # Into its place at once: a template is megabytes, and other threads have things to do.
    body = bytearray(length)
    if response.readinto(body) != length:
        raise http.client.IncompleteRead(b"", length)
    return body


def _read_to_end(response: http.client.HTTPResponse) -> bytes:
    """Read a body whose length was not told, in pieces."""
    pieces = []
    size = 0
    while piece := response.read(_READ_BYTES):
        size += len(piece)
        if size > ANSWER_BYTES_MAX:
            raise GarbledAnswerError(f"the answer is longer than {ANSWER_BYTES_MAX} bytes")
        pieces.append(piece)
    return b"".join(pieces)


def basic_credentials(user: str, password: str) -> str:
    """Return what stands after `Basic` in the Authorization header."""
    return base64.b64encode(f"{user}:{password}".encode()).decode()
