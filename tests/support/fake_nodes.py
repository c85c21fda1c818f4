"""Nodes with one fault each: real HTTP servers that speak JSON-RPC, named after what is wrong.

with NodeThatHangs(tip_hash="11" * 32) as node:
    Node(node.url).call("getbestblockhash")
"""

import base64
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from collections.abc import Callable

VECTORS = Path(__file__).parents[1] / "vectors"
PASSWORD = "the-password"
LIMIT_S = 30.0


class HealthyNode:
    """A node on regtest at one tip, which answers what the pool asks. Others spoil one thing."""

    chain = "regtest"
    initial_download = False
    connections = 1
    headers_ahead = 0

    def __init__(self, tip_hash: str = "11" * 32, height: int = 100, chainwork: int = 1000) -> None:
        self.tip_hash = tip_hash
        self.height = height
        self.chainwork = chainwork
        self.credentials = f"kench:{PASSWORD}"
        self.calls: list[str] = []
        self.released = threading.Event()
        self.server = _Server(("127.0.0.1", 0), _handler(self))
        self.port: int = self.server.server_address[1]
        self.url = f"http://{self.credentials}@127.0.0.1:{self.port}"
        self._thread = threading.Thread(target=self.server.serve_forever, args=(0.02,))

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.released.set()
        self.server.shutdown()
        self.server.server_close()
        self._thread.join(LIMIT_S)

    def respond(self, http: BaseHTTPRequestHandler, body: bytes) -> None:
        """Answer one POST."""
        expected = "Basic " + base64.b64encode(self.credentials.encode()).decode()
        if http.headers["Authorization"] != expected:
            self.send(http, b"", 401, "text/html")
            return
        request = json.loads(body)
        self.calls.append(request["method"])
        self.answer(http, request)

    def answer(self, http: BaseHTTPRequestHandler, request: dict[str, Any]) -> None:
        """Answer one authorised call."""
        method: Callable[..., Any] | None = getattr(self, request["method"], None)
        error = None if method else {"code": -32601, "message": "Method not found"}
        result = method(*request["params"]) if method else None
        content = {"result": result, "error": error, "id": request["id"]}
        self.send(http, json.dumps(content).encode(), 200 if method else 500)

    def send(
        self,
        http: BaseHTTPRequestHandler,
        content: bytes,
        status: int = 200,
        kind: str = "application/json",
    ) -> None:
        """Send a whole HTTP answer."""
        http.send_response(status)
        http.send_header("Content-Type", kind)
        http.send_header("Content-Length", str(len(content)))
        http.end_headers()
        http.wfile.write(content)

    def getbestblockhash(self) -> str:
        return self.tip_hash

    def getblockchaininfo(self) -> dict[str, Any]:
        return {
            "chain": self.chain,
            "blocks": self.height,
            "headers": self.height + self.headers_ahead,
            "bestblockhash": self.tip_hash,
            "chainwork": f"{self.chainwork:064x}",
            "initialblockdownload": self.initial_download,
        }

    def getnetworkinfo(self) -> dict[str, Any]:
        return {"connections": self.connections}

    def getblockheader(self, block_hash: str) -> dict[str, Any]:
        return {
            "hash": block_hash,
            "height": self.height,
            "chainwork": f"{self.chainwork:064x}",
            "confirmations": 1,
        }

    def getblocktemplate(self, request: dict[str, Any]) -> dict[str, Any]:
        if "longpollid" in request:
            self.released.wait(LIMIT_S)
        return self.template()

    def template(self) -> dict[str, Any]:
        recorded = json.loads((VECTORS / "getblocktemplate-testnet4-empty.json").read_text())
        answer: dict[str, Any] = recorded.get("result", recorded)
        return {
            **answer,
            "previousblockhash": self.tip_hash,
            "height": self.height + 1,
            "longpollid": f"{self.tip_hash}7",
        }


class NodeThatHangs(HealthyNode):
    """It takes calls and never answers, while `hanging`."""

    hanging = True

    def answer(self, http: BaseHTTPRequestHandler, request: dict[str, Any]) -> None:
        if self.hanging:
            self.released.wait(LIMIT_S)
        else:
            super().answer(http, request)


class NodeInInitialDownload(HealthyNode):
    """It is on the main network and not synced yet."""

    chain = "main"
    initial_download = True


class NodeWithoutPeers(HealthyNode):
    """It is on the main network, and alone."""

    chain = "main"
    connections = 0


class NodeThatWarmsUp(HealthyNode):
    """It has just been started."""

    def answer(self, http: BaseHTTPRequestHandler, request: dict[str, Any]) -> None:
        error = {"code": -28, "message": "Loading block index…"}
        content = {"result": None, "error": error, "id": request["id"]}
        self.send(http, json.dumps(content).encode(), 500)


class NodeTooBusy(HealthyNode):
    """Its work queue is full."""

    def answer(self, http: BaseHTTPRequestHandler, request: dict[str, Any]) -> None:
        self.send(http, b"Work queue depth exceeded", 503, "text/plain")


class NodeOfGarbage(HealthyNode):
    """It answers something else than a node would."""

    garbage = b"<html>"
    kind = "application/json"

    def answer(self, http: BaseHTTPRequestHandler, request: dict[str, Any]) -> None:
        self.send(http, self.garbage, 200, self.kind)


class NodeThatTrickles(HealthyNode):
    """It sends a byte now and then, so that no single read ever times out."""

    def answer(self, http: BaseHTTPRequestHandler, request: dict[str, Any]) -> None:
        http.send_response(200)
        http.send_header("Content-Type", "application/json")
        http.send_header("Content-Length", "10000")
        http.end_headers()
        for _ in range(10_000):
            if self.released.wait(0.02):
                return
            http.wfile.write(b" ")


class NodeThatClosesKeptConnections(HealthyNode):
    """It answers each call and then closes the connection without saying so."""

    def answer(self, http: BaseHTTPRequestHandler, request: dict[str, Any]) -> None:
        super().answer(http, request)
        http.close_connection = True


class NodeThatCountsTemplates(HealthyNode):
    """It takes proposals, and remembers what templates it was asked for."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.asked: list[str] = []

    def getblocktemplate(self, request: dict[str, Any]) -> dict[str, Any] | None:  # type: ignore[override]
        if request.get("mode") == "proposal":
            self.asked.append("proposal")
            return None
        self.asked.append("longpoll" if "longpollid" in request else "template")
        return super().getblocktemplate(request)


class NodeWithUnknownRule(HealthyNode):
    """Its templates need a rule that did not exist when Kench was written."""

    def template(self) -> dict[str, Any]:
        return {**super().template(), "rules": ["csv", "!segwit", "!quantum"]}


class NodeWithManyTransactions(HealthyNode):
    """Its answers are long; `padding` bytes come with each template."""

    padding = 10_000_000

    def template(self) -> dict[str, Any]:
        return {**super().template(), "padding": "0" * self.padding}


class NodeThatSaysOfBlocks(HealthyNode):
    """It answers submitblock with the given results in turn, the last for ever.

    Blocks other than its tip are off its chain.
    """

    results: list[Any]

    def getblockheader(self, block_hash: str) -> dict[str, Any]:
        confirmations = 1 if block_hash == self.tip_hash else -1
        return {**super().getblockheader(block_hash), "confirmations": confirmations}

    def getblockhash(self, height: int) -> str:
        return self.tip_hash

    def submitblock(self, block_hex: str) -> Any:
        return self.results.pop(0) if len(self.results) > 1 else self.results[0]


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is what some tests are about."""


def _handler(node: HealthyNode) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_POST(self) -> None:
            node.respond(self, self.rfile.read(int(self.headers["Content-Length"])))

        def log_message(self, format: str, *arguments: Any) -> None:  # noqa: A002 - as above
            pass

    return Handler
