"""HTTP without sockets: the adapters' own clients, and at the other end the servers' own desks.

Below the adapters are httpcore and httpx as ever; only what carries bytes is the story's. The venue
answers through its doorkeeper and its desk, the provider through its checks. Nodes answer calls.
"""

import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any
from urllib.parse import parse_qs

import httpcore
import httpx

from kench.pool.deadline import DeadlineBackend
from kench.pool.rpc import (
    RPC_INVALID_ADDRESS_OR_KEY,
    NodeError,
    NodeGarbledError,
    NodeTimeoutError,
    NodeUnreachableError,
)
from kench.screening.provider import LocalProvider
from kench.venue.desk import Answer, BadRequestError, Desk
from kench.venue.exchange import Whim
from kench.venue.signing import Denial, Doorkeeper
from tests.payouts.chains import ScriptedChain
from tests.simulation.fates import OF_HTTP, OF_NODE, Fault, digest
from tests.simulation.processes import Scheduler

HTTP_WEIGHT, ORDER_WEIGHT = 4, 16
"""What goes wrong with an order is the most telling."""
HTTP_TIMEOUT_S = 4.0
LATE_S_MAX = 14.0
"""A request that is late may arrive while the venue still takes it, and when it does no more."""
Asked = tuple[str, str, Mapping[str, str], bytes]
"""Method, target, headers in small letters, body."""
Serve = Callable[[str, str, Mapping[str, str], bytes], Answer]
_REASONS = {200: b"OK", 400: b"Bad Request", 401: b"Unauthorized", 404: b"Not Found",
            409: b"Conflict", 429: b"Too Many Requests", 503: b"Service Unavailable"}  # fmt: skip


class Line:
    """What lies between a client and one server."""

    def __init__(self, scheduler: Scheduler, name: str, serve: Serve) -> None:
        self._scheduler = scheduler
        self._name = name
        self._serve = serve

    def ask(self, asked: Asked) -> bytes:
        """Return a whole answer, as the story lets it come; raises httpcore's errors."""
        scheduler = self._scheduler
        scheduler.before_call()
        weight = ORDER_WEIGHT if asked[:2] == ("POST", "/v1/orders") else HTTP_WEIGHT
        fault = scheduler.fault(OF_HTTP, weight, called=f"{self._name} {asked[1]}")
        scheduler.fates.say(self._name, asked[0], asked[1])
        match fault:
            case Fault.REFUSED:
                raise httpcore.ConnectError("connection refused")
            case Fault.LOST_BEFORE:
                raise httpcore.ReadError("connection reset")
            case Fault.TIMEOUT:
                self._time_out()
            case Fault.LATE:
                after_s = scheduler.fates.draw.uniform(HTTP_TIMEOUT_S, LATE_S_MAX)
                scheduler.later(after_s, lambda: self._answer(asked))
                self._time_out()
            case Fault.UNAVAILABLE:
                return _rendered(Answer(503, {"error": "unavailable"}))
            case Fault.BUSY:
                return _rendered(Answer(429, {"error": "busy", "message": "too many"}))
        raw = _rendered(self._answer(asked))
        return self._spoilt(fault, raw, asked)

    def _spoilt(self, fault: Fault | None, raw: bytes, asked: Asked) -> bytes:
        scheduler = self._scheduler
        match fault:
            case Fault.TWICE:
                again = _rendered(self._answer(asked))
                return scheduler.fates.draw.choice((raw, again))
            case Fault.LOST_AFTER:
                self._time_out()
            case Fault.DIES_AFTER:
                scheduler.die()
            case Fault.CUT:
                return raw[: len(raw) - 9]
            case Fault.GARBLED:
                return raw[:-9] + b"<!html!!>"
        return raw

    def _answer(self, asked: Asked) -> Answer:
        answer = self._serve(*asked)
        self._scheduler.fates.say(answer.status, digest(json.dumps(answer.body)))
        return answer

    def _time_out(self) -> None:
        self._scheduler.advance(HTTP_TIMEOUT_S)
        raise httpcore.ReadTimeout("timed out")


def _rendered(answer: Answer) -> bytes:
    body = json.dumps(answer.body).encode()
    head = b"HTTP/1.1 %d %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % (
        answer.status, _REASONS[answer.status], len(body),
    )  # fmt: skip
    return head + body


class Wire(DeadlineBackend):
    """Connections of httpcore that lead to one line."""

    def __init__(self, scheduler: Scheduler, line: Line) -> None:
        super().__init__(scheduler.clock)
        self._line = line

    def connect_tcp(self, *_: Any, **__: Any) -> httpcore.NetworkStream:
        return _Stream(self._line)


class _Stream(httpcore.NetworkStream):
    def __init__(self, line: Line) -> None:
        self._line = line
        self._sent = bytearray()
        self._answer: bytes | None = None

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._sent += buffer

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        if self._answer is None:
            self._answer = self._line.ask(_parsed(bytes(self._sent)))
        piece, self._answer = self._answer[:max_bytes], self._answer[max_bytes:]
        return piece

    def close(self) -> None:
        self._answer = b""

    def get_extra_info(self, info: str) -> None:
        return None


def _parsed(raw: bytes) -> Asked:
    head, _, body = raw.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    method, target, _ = first.split(" ")
    headers = dict(line.split(": ", 1) for line in lines)
    return method, target, {name.lower(): value for name, value in headers.items()}, body


class Transport(httpx.BaseTransport):
    """The same for httpx."""

    def __init__(self, line: Line) -> None:
        self._line = line

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        headers = {name.lower(): value for name, value in request.headers.items()}
        asked = request.method, request.url.raw_path.decode(), headers, request.read()
        try:
            raw = self._line.ask(asked)
        except httpcore.ConnectError as error:
            raise httpx.ConnectError(str(error)) from error
        except httpcore.ReadTimeout as error:
            raise httpx.ReadTimeout(str(error)) from error
        except httpcore.ReadError as error:
            raise httpx.ReadError(str(error)) from error
        head, _, body = raw.partition(b"\r\n\r\n")
        lines = head.decode().split("\r\n")
        length = int(lines[2].rpartition(" ")[2])
        if len(body) < length:
            raise httpx.RemoteProtocolError("peer closed connection")
        return httpx.Response(int(lines[0].split(" ")[1]), content=body)


def venue_server(desk: Desk, doorkeeper: Doorkeeper, whim: Callable[[], Whim]) -> Serve:
    """Return what answers as `kench.venue.app` does."""

    def serve(method: str, target: str, headers: Mapping[str, str], body: bytes) -> Answer:
        path, _, query = target.partition("?")
        if path == "/v1/market":
            return desk.market()
        if path == "/v1/book":
            return desk.book()
        denial = doorkeeper.judge(method, target, headers, body)
        if denial is not None:
            return Answer(429 if denial is Denial.FULL else 401, {"error": denial})
        asked = {name: values[0] for name, values in parse_qs(query).items()}
        try:
            return _carry_out(desk, whim, (method, path), asked, body)
        except BadRequestError as error:
            return Answer(400, {"error": "bad_request", "message": str(error)})

    return serve


def _carry_out(
    desk: Desk, whim: Callable[[], Whim], named: tuple[str, str], asked: Mapping[str, str],
    body: bytes,
) -> Answer:  # fmt: skip
    since, after = asked.get("since_us", "0"), asked.get("after", "0")
    match named:
        case ("GET", "/v1/balance"):
            return desk.balance()
        case ("GET", "/v1/deposits"):
            return desk.deposits(since, after)
        case ("GET", "/v1/trades"):
            return desk.trades(since, asked.get("client_id"), after)
        case ("POST", "/v1/orders"):
            return desk.place(json.loads(body), whim())
        case ("GET", path):
            return desk.order(path.rpartition("/")[2])
        case (_, path):
            return desk.cancel(path.rpartition("/")[2])


def provider_server(provider: LocalProvider) -> Serve:
    """Return what answers as `kench.screening.server` does."""

    def serve(method: str, target: str, headers: Mapping[str, str], body: bytes) -> Answer:
        if method == "POST":
            said = json.loads(body)
            words = said["client_id"], said["tx_hash"], said["output_address"]
            id_, _ = provider.register(*words)
            return Answer(200, {"id": id_, "client_id": words[0], "check_state": "queued"})
        found = provider.poll(target.rpartition("/")[2])
        return Answer(200, found[0]) if found else Answer(404, {"error": "no such check"})

    return serve


class SteppedNode:
    """A node as `ChainView` calls it: Core's answers about one chain, which it may see late."""

    def __init__(self, name: str, scheduler: Scheduler, chain: ScriptedChain) -> None:
        self.name = name
        self.behind = 0
        """So many blocks of the best chain it has not seen yet."""
        self._scheduler = scheduler
        self._chain = chain

    def call(self, method: str, *params: Any, timeout_s: float = 0.0) -> Any:
        """Answer a call; raises NodeFaultError."""
        scheduler = self._scheduler
        scheduler.before_call()
        fault = scheduler.fault(OF_NODE, called=self.name)
        scheduler.fates.say(self.name, method, *params)
        match fault:
            case Fault.TIMEOUT:
                scheduler.advance(timeout_s)
                raise NodeTimeoutError(f"node {self.name} gave no answer to {method}")
            case Fault.LOST_BEFORE | Fault.REFUSED:
                raise NodeUnreachableError(f"node {self.name} cannot be reached")
            case Fault.GARBLED:
                raise NodeGarbledError(f"what answers as node {self.name} is no Bitcoin node")
        return getattr(self, method)(*params)

    def getblockchaininfo(self) -> dict[str, Any]:
        best = self._best()
        return {"chain": "regtest", "blocks": len(best) - 1, "headers": len(best) - 1,
                "bestblockhash": best[-1], "chainwork": _work(len(best) - 1)}  # fmt: skip

    def getbestblockhash(self) -> str:
        return self._best()[-1]

    def getblockhash(self, height: int) -> str:
        return self._best()[height]

    def getblockheader(self, block_hash: str) -> dict[str, Any]:
        best = self._best()
        height = self._chain.heights.get(block_hash)
        if height is None or height >= len(best):
            raise NodeError(self.name, "getblockheader", RPC_INVALID_ADDRESS_OR_KEY, "not found")
        on_chain = best[height] == block_hash
        return {"hash": block_hash, "height": height, "chainwork": _work(height),
                "confirmations": len(best) - height if on_chain else -1}  # fmt: skip

    def _best(self) -> list[str]:
        return self._chain.best[: max(1, len(self._chain.best) - self.behind)]


def _work(height: int) -> str:
    return f"{2 * (height + 1):064x}"


def signed_by(keys: Iterable[tuple[str, str]], clock: Any, window_s: int) -> Doorkeeper:
    """A doorkeeper who knows these keys."""
    return Doorkeeper(clock, dict(keys), window_s)
