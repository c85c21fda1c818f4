"""How much a request may send: little, until somebody who has entered sends files."""

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

BODY_BYTES_MAX = 1_048_576
LIMIT = "kench.body_limit"


class BodyTooLargeError(HTTPException):
    """More was sent than is taken."""

    def __init__(self) -> None:
        super().__init__(413)


class BoundBodies:
    """Counts what a request sends, and ends it where it is too much."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        scope[LIMIT] = BODY_BYTES_MAX
        read = 0

        async def counted() -> Message:
            nonlocal read
            message = await receive()
            if message["type"] == "http.request":
                read += len(message.get("body", b""))
                if max(read, _announced(scope)) > scope[LIMIT]:
                    raise BodyTooLargeError
            return message

        await self._app(scope, counted, send)


def allow_body(request: Request, limit: int) -> None:
    """Take up to `limit` bytes in this request."""
    request.scope[LIMIT] = limit


def _announced(scope: Scope) -> int:
    for name, value in scope["headers"]:
        if name == b"content-length":
            # The server has refused what is no number.
            return int(value)
    return 0
