"""The local provider's HTTP: signed requests in, answers out, and the faults that rules ask for."""

import asyncio
import base64
import hashlib
import hmac
import json
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from kench.pool.clock import Clock
from kench.screening.provider import Behaviour, LocalProvider, Rule

CLOCK_SKEW_MS = 300_000
REQUEST_BYTES_MAX = 65_536
SLOW_S_MAX = 600.0
NO_SUCH_TRANSFER = "0" * 64 + ":0"


class ScreeningServer:
    """The provider's two requests as a Starlette application."""

    def __init__(self, provider: LocalProvider, key_id: str, secret: str, clock: Clock) -> None:
        """Create it; `app` is what a server runs."""
        self._provider = provider
        self._key_id, self._secret = key_id, secret.encode()
        self._clock = clock
        self.app = Starlette(
            routes=[
                Route("/healthz", self._healthz),
                Route("/v1/transfers/register", self._register, methods=["POST"]),
                Route("/v1/transfers/{id}", self._get),
            ]
        )

    async def _healthz(self, _request: Request) -> Response:
        return JSONResponse({"serves": True})

    async def _register(self, request: Request) -> Response:
        body = await _body(request)
        if body is None:
            return _refusal(413, "too long")
        if not self._is_signed(request, body):
            return _refusal(401, "key, time or signature are wrong")
        try:
            transfer = json.loads(body)
            client_id, txid = transfer["client_id"], transfer["tx_hash"]
            address = transfer["output_address"]
        except (ValueError, KeyError, TypeError, RecursionError):
            return _refusal(400, "no transfer")
        words = (client_id, txid, address)
        if not all(isinstance(word, str) and word.isprintable() for word in words):
            return _refusal(400, "no transfer")
        id_, rule = self._provider.register(client_id, txid, address)
        answer = {"id": id_, "client_id": client_id, "check_state": "queued"}
        return await _as_ruled(answer, rule)

    async def _get(self, request: Request) -> Response:
        if not self._is_signed(request, b""):
            return _refusal(401, "key, time or signature are wrong")
        found = self._provider.poll(request.path_params["id"])
        if found is None:
            return _refusal(404, "no such check")
        return await _as_ruled(*found)

    def _is_signed(self, request: Request, body: bytes) -> bool:
        headers = request.headers
        stamp = headers.get("API-TIMESTAMP", "")
        if not (stamp.isascii() and stamp.isdigit() and len(stamp) < 16):
            return False
        if abs(self._clock.now_us() // 1000 - int(stamp)) > CLOCK_SKEW_MS:
            return False
        signed = f"{request.method}\n{request.url.path}\n{stamp}".encode()
        signed += b"\n" + body if body else b""
        wanted = base64.b64encode(hmac.new(self._secret, signed, hashlib.sha256).digest())
        given = headers.get("API-SIGNATURE", "").encode("latin-1")
        key_id = headers.get("API-KEY-ID", "").encode("latin-1")
        # Both are compared always: how long it takes tells nothing.
        right = hmac.compare_digest(wanted, given)
        return hmac.compare_digest(self._key_id.encode(), key_id) and right


async def _body(request: Request) -> bytes | None:
    body = bytearray()
    async for piece in request.stream():
        body += piece
        if len(body) > REQUEST_BYTES_MAX:
            return None
    return bytes(body)


def _refusal(status: int, words: str) -> Response:
    return JSONResponse({"error": words}, status_code=status)


async def _as_ruled(answer: dict[str, Any], rule: Rule) -> Response:
    """Answer, or spoil the answer as the rule asks."""
    if rule.behaviour is Behaviour.SLOW:
        await asyncio.sleep(min(rule.delay_s, SLOW_S_MAX))
    status, headers, cut = 200, {}, None
    match rule.behaviour:
        case Behaviour.SERVER_ERROR:
            status, answer = 503, {"error": "as its rule asks"}
        case Behaviour.BUSY:
            status, answer, headers = 429, {"error": "later"}, {"Retry-After": "7"}
        case Behaviour.TRUNCATED:
            cut = -9
        case Behaviour.NOT_A_NUMBER:
            answer = {**answer, "risk_score": float("nan")}
        case Behaviour.WRONG_TYPES:
            answer = {**answer, "risk_score": ["0.01"], "signals": []}
        case Behaviour.OTHER_TRANSFER:
            answer = {**answer, "client_id": NO_SUCH_TRANSFER}
        case _:
            pass
    # Not JSONResponse, which would refuse what is no JSON.
    text = json.dumps(answer)[:cut]
    return Response(text, status, headers, media_type="application/json")
