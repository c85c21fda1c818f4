"""Calls of a Bitcoin Core node over JSON-RPC, from threads, with every way they end named."""

import http.client
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from bitcoinrpc.authproxy import JSONRPCException

from kench.pool.clock import Clock, SystemClock
from kench.pool.errors import KenchError
from kench.pool.rpc_connection import (
    GarbledAnswerError,
    HttpStatusError,
    NodeConnection,
    NodeProxy,
    basic_credentials,
)
from kench.pool.rpc_json import decode_json

DEFAULT_TIMEOUT_S = 10.0
# Core closes a connection that was idle for 30 s (rpcservertimeout); we never meet that moment.
IDLE_LIMIT_S = 15.0

RPC_INVALID_ADDRESS_OR_KEY = -5
RPC_CLIENT_IN_INITIAL_DOWNLOAD = -10
RPC_DESERIALIZATION_ERROR = -22
RPC_VERIFY_ERROR = -25
RPC_IN_WARMUP = -28

_CLOSED_BY_NODE = (http.client.RemoteDisconnected, BrokenPipeError, ConnectionResetError)
_CALL_FAULTS = (
    HttpStatusError,
    OSError,
    http.client.HTTPException,
    GarbledAnswerError,
    ValueError,
    RecursionError,
)
_WARMING_UP = frozenset({RPC_IN_WARMUP, RPC_CLIENT_IN_INITIAL_DOWNLOAD})


class NodeAddressError(KenchError):
    """A node's URL cannot be used."""


class NodeFaultError(KenchError):
    """A call of a node did not give a result; each subclass names one way."""


class NodeUnreachableError(NodeFaultError):
    """No connection, or it broke: the call may or may not have been carried out."""


class NodeTimeoutError(NodeUnreachableError):
    """No whole answer in time: the node hangs or is very busy."""


class NodeBusyError(NodeUnreachableError):
    """The node has no room for another call now."""


class NodeRefusedPasswordError(NodeFaultError):
    """The node does not accept our credentials or our machine."""


class NodeGarbledError(NodeFaultError):
    """What answers is not a Bitcoin node's JSON-RPC."""


class NodeWarmingUpError(NodeFaultError):
    """The node is starting (-28) or in initial block download (-10)."""


class NodeError(NodeFaultError):
    """The node answered with an RPC error: `code` and its own `message`."""

    def __init__(self, name: str, method: str, code: int, message: str) -> None:
        super().__init__(f"node {name} answered {method} with error {code}: {message}")
        self.code = code
        self.message = message


class _Login:
    """The credentials of one node; a cookie is read again when the node refuses it (B19)."""

    def __init__(self, name: str, fixed: str, cookie: Path | None) -> None:
        self._name = name
        self._cookie = cookie
        self._known = fixed

    def credentials(self) -> str:
        if not self._known and self._cookie is not None:
            self._known = self._read_cookie(self._cookie)
        return self._known

    def renew(self, refused: str) -> bool:
        """Read the cookie again; return whether there is something other than `refused` to try."""
        if self._cookie is None:
            return False
        self._known = self._read_cookie(self._cookie)
        return self._known != refused

    def _read_cookie(self, cookie: Path) -> str:
        try:
            user, separator, password = cookie.read_text().strip().partition(":")
        except OSError as error:
            raise NodeUnreachableError(
                f"node {self._name}: cookie file {cookie} cannot be read ({error.strerror}):"
                " start the node or correct KENCH_NODE_URLS"
            ) from error
        if not separator:
            raise NodeRefusedPasswordError(
                f"node {self._name}: {cookie} is no cookie file: correct KENCH_NODE_URLS"
            )
        return basic_credentials(user, password)


class Node:
    """One node: where it is, how to log in, and a connection for each thread that calls.

    `url` is `http://user:password@host:port` (percent-encoded where needed) or
    `http://host:port?cookie=/path/.cookie`. Neither repr, errors nor logs hold the password.
    Raises NodeAddressError.
    """

    def __init__(self, url: str, name: str | None = None, clock: Clock | None = None) -> None:
        self._clock = clock or SystemClock()
        self.host, self.port, fixed, cookie = _read_url(url)
        self.name = name or f"{self.host}:{self.port}"
        self._login = _Login(self.name, fixed, cookie)
        self._per_thread = threading.local()

    def __repr__(self) -> str:
        return f"<Node {self.name} at {self.host}:{self.port}>"

    def line(self) -> "NodeLine":
        """Return a connection of its own, for a thread that another must be able to cut off."""
        return NodeLine(self.name, self.host, self.port, self._login, self._clock)

    def call(self, method: str, *params: Any, timeout_s: float = DEFAULT_TIMEOUT_S) -> Any:
        """Call `method` over the calling thread's own connection; see NodeLine.call."""
        line: NodeLine | None = getattr(self._per_thread, "line", None)
        if line is None:
            line = self._per_thread.line = self.line()
        return line.call(method, *params, timeout_s=timeout_s)


class NodeLine:
    """One keep-alive connection to a node, used by one thread; any thread may `cut` it."""

    def __init__(self, name: str, host: str, port: int, login: _Login, clock: Clock) -> None:
        self._name = name
        self._login = login
        self._connection = NodeConnection(host, port, login.credentials, clock)

    def __del__(self) -> None:
        # A thread that ends leaves the line that Node.call opened for it.
        self._connection.close()

    def cut(self) -> None:
        """End the call in flight and every later one with NodeUnreachableError."""
        self._connection.cut()

    def close(self) -> None:
        """Close the socket; the next call opens a new one. For the owning thread."""
        self._connection.close()

    def call(
        self,
        method: str,
        *params: Any,
        timeout_s: float = DEFAULT_TIMEOUT_S,
        decode: Callable[[bytes | bytearray], Any] = decode_json,
    ) -> Any:
        """Call `method` and return its result; numbers with a point are Decimal.

        `timeout_s` bounds the whole call, however slowly the answer trickles. A call is sent a
        second time only where the node closed a kept connection before answering, or refused a
        cookie that has changed since: methods must bear being carried out twice. `decode` reads the
        whole answer (decode_json, or another that gives what it gives).
        Raises NodeFaultError's subclasses.
        """
        proxy = NodeProxy(self._connection, method, timeout_s, decode)
        return self._carry_out(method, timeout_s, lambda: proxy(*params))

    def call_with_hex(
        self, method: str, digits: bytes, timeout_s: float = DEFAULT_TIMEOUT_S
    ) -> Any:
        """Call `method` with hex digits as its one parameter; a block is megabytes of them.

        As `call`, but they are sent as they are, neither escaped nor copied.
        """
        proxy = NodeProxy(self._connection, method, timeout_s, decode_json)
        return self._carry_out(method, timeout_s, lambda: proxy.call_with_hex(digits))

    def _carry_out(self, method: str, timeout_s: float, attempt: Callable[[], Any]) -> Any:
        """Make a call, twice where that is due."""
        spent: set[str] = set()
        while True:
            reused = False
            try:
                reused = self._connection.begin(timeout_s, IDLE_LIMIT_S)
                return attempt()
            except JSONRPCException as error:
                raise self._rpc_fault(method, error) from error
            except _CALL_FAULTS as error:
                self._connection.close()
                reason = self._reason_to_resend(error, reused=reused)
                if reason is None or reason in spent:
                    raise self._fault(method, timeout_s, error) from error
                spent.add(reason)

    def _reason_to_resend(self, error: Exception, *, reused: bool) -> str | None:
        if isinstance(error, _CLOSED_BY_NODE) and reused:
            return "kept connection was closed"
        refused = isinstance(error, HttpStatusError) and error.status == 401
        if refused and self._login.renew(self._connection.sent_credentials):
            return "cookie has changed"
        return None

    def _fault(self, method: str, timeout_s: float, error: Exception) -> NodeFaultError:
        if isinstance(error, HttpStatusError):
            return self._status_fault(error)
        if isinstance(error, TimeoutError):
            return NodeTimeoutError(
                f"node {self._name} gave no answer to {method} in {timeout_s:g} s"
            )
        if isinstance(error, (OSError, http.client.HTTPException)):
            reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
            return NodeUnreachableError(f"node {self._name} cannot be reached: {reason}")
        return NodeGarbledError(
            f"what answers as node {self._name} is no Bitcoin node"
            f" ({type(error).__name__}): correct KENCH_NODE_URLS"
        )

    def _status_fault(self, error: HttpStatusError) -> NodeFaultError:
        if error.status == 401:
            return NodeRefusedPasswordError(
                f"node {self._name} refuses the password: correct KENCH_NODE_URLS"
            )
        if error.status == 403:
            return NodeRefusedPasswordError(
                f"node {self._name} lets this machine not in: see rpcallowip in its bitcoin.conf"
            )
        if error.status == 503:
            return NodeBusyError(
                f"node {self._name} has too many calls waiting: raise its rpcworkqueue"
            )
        return NodeGarbledError(
            f"what answers as node {self._name} is no Bitcoin node ({error}):"
            " correct KENCH_NODE_URLS"
        )

    def _rpc_fault(self, method: str, error: JSONRPCException) -> NodeFaultError:
        if error.code in _WARMING_UP:
            return NodeWarmingUpError(f"node {self._name} is not ready: {error.message}")
        return NodeError(self._name, method, error.code, str(error.message))


def _read_url(url: str) -> tuple[str, int, str, Path | None]:
    """Return host, port, Basic credentials (empty with a cookie), cookie path."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        # The error's own text may hold the password.
        raise NodeAddressError("KENCH_NODE_URLS has a URL that cannot be read") from error
    where = f"{parts.hostname}:{port}"
    if parts.scheme != "http" or not parts.hostname or port is None:
        raise NodeAddressError(
            f"KENCH_NODE_URLS: {where} is not of the form http://user:password@host:port"
        )
    cookies = parse_qs(parts.query).get("cookie", [])
    if parts.username is not None and parts.password is not None and not cookies:
        credentials = basic_credentials(unquote(parts.username), unquote(parts.password))
        return parts.hostname, port, credentials, None
    if parts.username is None and len(cookies) == 1:
        return parts.hostname, port, "", Path(cookies[0])
    raise NodeAddressError(
        f"KENCH_NODE_URLS: {where} needs either user:password@ or ?cookie=/path/.cookie"
    )
