"""An application asked without a server and without a client's manners: bytes go in as they are.

with loop() as portal:
    heard = ask(portal, app, b"/p/%00?x=1", [(b"host", b"x")], method="POST", body=b"...")
"""

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple
from urllib.parse import unquote_to_bytes

import anyio
import anyio.from_thread
import httpx
from anyio.from_thread import BlockingPortal
from starlette.types import ASGIApp, Message

Headers = Sequence[tuple[bytes, bytes]]
HERE = ("127.0.0.1", 1)
NOT_STARTED = 500


class Heard(NamedTuple):
    """An answer, and which of the application's endpoints gave it."""

    status: int
    headers: list[tuple[bytes, bytes]]
    body: bytes
    endpoint: object
    error: Exception | None

    @property
    def head(self) -> bytes:
        """All headers, as lines."""
        return b"\r\n".join(b": ".join(one) for one in self.headers)


@contextlib.contextmanager
def loop() -> Iterator[BlockingPortal]:
    """An event loop in a thread; one for many requests, as one made anew costs as much as they."""
    with anyio.from_thread.start_blocking_portal() as portal:
        yield portal


_loops: dict[int, tuple[contextlib.ExitStack, BlockingPortal]] = {}


@contextlib.contextmanager
def keeping_loop(owner: object) -> Iterator[None]:
    """Until the block ends, whatever asks for this owner's loop has the same one."""
    try:
        yield
    finally:
        kept = _loops.pop(id(owner), None)
        if kept is not None:
            kept[0].close()


def loop_of(owner: object) -> BlockingPortal:
    """The loop of what `keeping_loop` names."""
    if id(owner) not in _loops:
        stack = contextlib.ExitStack()
        _loops[id(owner)] = stack, stack.enter_context(loop())
    return _loops[id(owner)][1]


def ask(
    portal: BlockingPortal,
    app: ASGIApp,
    target: bytes,
    headers: Headers = (),
    *,
    method: str = "GET",
    body: bytes = b"",
    scheme: str = "http",
    state: dict[str, Any] | None = None,
    client: tuple[str, int] = HERE,
) -> Heard:
    """Ask once, as uvicorn would; an answer without an end is left after its first piece."""
    path, _, query = target.partition(b"?")
    scope: dict[str, Any] = {
        "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": method,
        "scheme": scheme, "path": unquote_to_bytes(path).decode("utf-8", "replace"),
        "raw_path": path, "query_string": query, "root_path": "", "client": client,
        "server": HERE, "headers": [(name.lower(), value) for name, value in headers],
        "state": dict(state or {}),
    }  # fmt: skip
    return portal.call(_ask, app, scope, body)


async def _ask(app: ASGIApp, scope: dict[str, Any], body: bytes) -> Heard:
    started: Message = {"status": NOT_STARTED, "headers": []}
    said = bytearray()
    asked = [{"type": "http.request", "body": body, "more_body": False}]
    over = anyio.Event()
    error = None

    async def receive() -> Message:
        if asked:
            return asked.pop()
        await over.wait()
        return {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        if message["type"] == "http.response.start":
            started.update(message)
        elif message["type"] == "http.response.body":
            said.extend(message.get("body", b""))
            endless = b"text/event-stream" in dict(started["headers"]).get(b"content-type", b"")
            if endless or not message.get("more_body", False):
                over.set()

    try:
        await app(scope, receive, send)
    except Exception as fault:  # noqa: BLE001 - the server would log it, and cut the connection
        error = fault
    heard = [(bytes(name), bytes(value)) for name, value in started["headers"]]
    return Heard(started["status"], heard, bytes(said), scope.get("endpoint"), error)


class Direct(httpx.BaseTransport):
    """How a client of a test asks an application: one step into its loop, and one back."""

    def __init__(
        self, app: ASGIApp, portal: BlockingPortal, client: tuple[str, int] = ("testclient", 50000)
    ) -> None:
        self._app = app
        self._portal = portal
        self._client = client

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Ask; what breaks is answered as a server would."""
        headers = [(name.lower(), value) for name, value in request.headers.raw]
        heard = ask(
            self._portal, self._app, request.url.raw_path, headers, method=request.method,
            body=request.read(), scheme=request.url.scheme, client=self._client,
        )  # fmt: skip
        body = b"" if request.method == "HEAD" else heard.body
        return httpx.Response(
            heard.status, headers=heard.headers, stream=httpx.ByteStream(body), request=request
        )
