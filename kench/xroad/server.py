"""The twin's HTTP: messages in, to the provider that has the service, its answer back; and faults.

GET, POST … /r1/INSTANCE/CLASS/MEMBER/SUBSYSTEM/SERVICE/path     GET /healthz
"""

import random
import ssl
from collections.abc import Callable, Mapping

import httpx
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from kench.pool.xroad import VERSION, Header
from kench.xroad.messages import Fault, Message, headers_back, read_message

REQUEST_BYTES_MAX = 16 * 1024 * 1024
ANSWER_BYTES_MAX = 64 * 1024 * 1024
TIMEOUT_S = 60.0
FAULTS = {
    "away": Fault(500, "Server.ServerProxy.NetworkError", "the provider was not reached"),
    "lost-answer": Fault(500, "Server.ClientProxy.IOError", "the answer was lost on its way"),
}
"""What it does wrong on demand: not pass a message on, or not bring the answer back."""
METHODS = ["GET", "POST", "PUT", "DELETE", "PATCH"]


class SecurityServer:
    """One twin; `app` is what a server runs."""

    def __init__(
        self,
        providers: Mapping[str, str],
        random_bytes: Callable[[int], bytes],
        *,
        context: ssl.SSLContext | None = None,
        faults: Mapping[str, float] | None = None,
        draw: str = "kench",
    ) -> None:
        self._providers = providers
        self._random_bytes = random_bytes
        self._faults = faults or {}
        self._draw = random.Random(draw)  # noqa: S311 - which messages are lost, for trials
        self._http = httpx.Client(
            verify=context or False, timeout=TIMEOUT_S, follow_redirects=False, trust_env=False,
            # An answer is passed on as it comes, to who may have asked for no other form.
            headers={"Accept-Encoding": "identity"},
        )  # fmt: skip
        self.passed: list[tuple[str, str]] = []
        """The last ids and targets that reached a provider, for trials."""
        routes = [
            Route("/healthz", self._healthz),
            Route(f"/{VERSION}/{{rest:path}}", self._pass, methods=METHODS),
        ]
        self.app = Starlette(routes=routes)

    def close(self) -> None:
        """Let go of its connections to providers."""
        self._http.close()

    async def _healthz(self, _request: Request) -> Response:
        return JSONResponse({"serves": True})

    async def _pass(self, request: Request) -> Response:
        query: bytes = request.scope["query_string"]
        target = request.scope["raw_path"] + (b"?" + query if query else b"")
        try:
            body = await _body(request)
            headers = [(name, value) for name, value in request.headers.items()]
            message = read_message(
                request.method, target.decode("latin-1"), headers, body, self._random_bytes
            )
            url = self._providers.get(message.service)
            if url is None:
                raise Fault(500, "Server.ServerProxy.UnknownService", "there is no such service")
            fault = self._next_fault()
            if fault == "away":
                raise FAULTS[fault]
            answer = await run_in_threadpool(self._ask, request.method, url, message, body)
            if fault is not None:
                raise FAULTS[fault]
        except Fault as refusal:
            detail = self._random_bytes(16).hex()
            said = {Header.ERROR.value: refusal.kind}
            return Response(refusal.body(detail), refusal.status, said, "application/json")
        return answer

    def _ask(self, method: str, url: str, message: Message, body: bytes) -> Response:
        self.passed = [*self.passed[-999:], (message.headers[Header.ID], message.target)]
        headers = [
            (name.encode("latin-1"), value.encode("latin-1"))
            for name, value in message.headers.items()
        ]
        try:
            with self._http.stream(
                method, url + message.target, headers=headers, content=body
            ) as answer:
                # Bytes of anybody's pass as they are, whatever they spell.
                answer.headers.encoding = "latin-1"
                said = bytearray()
                for piece in answer.iter_raw():
                    said += piece
                    if len(said) > ANSWER_BYTES_MAX:
                        raise Fault(500, "Server.ServerProxy.ServiceFailed", "too long an answer")
                back = headers_back(answer.headers, message)
                return Response(bytes(said), answer.status_code, back)
        except (httpx.HTTPError, httpx.InvalidURL):
            raise FAULTS["away"] from None

    def _next_fault(self) -> str | None:
        drawn = self._draw.random()
        for name, share in self._faults.items():
            if drawn < share:
                return name
            drawn -= share
        return None


async def _body(request: Request) -> bytes:
    body = bytearray()
    async for piece in request.stream():
        body += piece
        if len(body) > REQUEST_BYTES_MAX:
            raise Fault(400, "Client.BadRequest", "the message is too long")
    return bytes(body)
