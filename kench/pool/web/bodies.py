"""How much a request may send, and how slowly: little, until who has entered sends files."""

import asyncio

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

BODY_BYTES_MAX = 1_048_576
PIECE_S = 20.0
"""Between two pieces of a body."""
BODY_S = 300.0
"""For all of it."""
LIMIT = "kench.body_limit"
TWO_LENGTHS = PlainTextResponse("Two lengths.\n", 400, {"Connection": "close"})


class BodyTooLargeError(HTTPException):
    """More was sent than is taken."""

    def __init__(self) -> None:
        super().__init__(413)


class BodyTooSlowError(HTTPException):
    """It did not come in time."""

    def __init__(self) -> None:
        super().__init__(408)


class EndUnclear:
    """Ends the connection after a request with two lengths, whatever is answered to it.

    What follows may be a part of its body for a server in front; `kench.pool.web.patience` puts
    this around every application, so that it holds where a request is refused unread, too.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http" or not _has_two_lengths(scope):
            await self._app(scope, receive, send)
            return

        async def last(message: Message) -> None:
            if message["type"] == "http.response.start":
                kept = [one for one in message["headers"] if one[0].lower() != b"connection"]
                message = {**message, "headers": [*kept, (b"connection", b"close")]}
            await send(message)

        await self._app(scope, receive, last)


class BoundBodies:
    """Counts what a request sends, and ends it where it is too much."""

    def __init__(self, app: ASGIApp, two_lengths: ASGIApp = TWO_LENGTHS) -> None:
        self._app = app
        self._two_lengths = two_lengths

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        if _has_two_lengths(scope):
            # A server in front may count by the other of both, and take a body for a request.
            await self._two_lengths(scope, receive, send)
            return
        scope[LIMIT] = BODY_BYTES_MAX
        read, whole = 0, False
        end_s = asyncio.get_running_loop().time() + BODY_S

        async def counted() -> Message:
            nonlocal read, whole
            message = await (receive() if whole else _in_time(receive, end_s))
            if message["type"] == "http.request":
                whole = not message.get("more_body", False)
                read += len(message.get("body", b""))
                if max(read, _announced(scope)) > scope[LIMIT]:
                    raise BodyTooLargeError
            return message

        await self._app(scope, counted, send)


def _has_two_lengths(scope: Scope) -> bool:
    names = {name for name, _ in scope["headers"]}
    return {b"transfer-encoding", b"content-length"} <= names


async def _in_time(receive: Receive, end_s: float) -> Message:
    """Return the next piece of a body; raises BodyTooSlowError."""
    now_s = asyncio.get_running_loop().time()
    try:
        async with asyncio.timeout_at(min(end_s, now_s + PIECE_S)):
            return await receive()
    except TimeoutError:
        raise BodyTooSlowError from None


def allow_body(request: Request, limit: int) -> None:
    """Take up to `limit` bytes in this request."""
    request.scope[LIMIT] = limit


def _announced(scope: Scope) -> int:
    for name, value in scope["headers"]:
        if name == b"content-length":
            # The server has refused what is no number.
            return int(value)
    return 0
