"""A node that answers with a recorded template, and finds a block whenever it is told to.

The template is Core's, of 3,101 transactions, kept as bytes: serving it costs a copy, so that what
is measured behind it is the pool's own time. Only its tip and its difficulty are not as recorded.
"""

import json
import lzma
import threading
import time
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from types import TracebackType
from typing import Any

from benchmarks.load.ckpool import NodeAddress
from kench.node.publisher import TipPublisher
from tests.support.fake_nodes import LIMIT_S, HealthyNode

RECORDED = Path(__file__).parents[2] / "tests/vectors/getblocktemplate-regtest-3101tx.json.xz"
# No share of a benchmark is ever a block.
BITS, TARGET = "1d00ffff", f"{0xFFFF << 208:064x}"


class RecordedNode(HealthyNode):
    """Its `new_block` tells of a new tip over ZMQ."""

    bits, target = BITS, TARGET

    def __init__(self, folder: Path) -> None:
        super().__init__()
        cookie = folder / "recorded-node.cookie"
        cookie.write_text(self.credentials)
        recorded = json.loads(lzma.decompress(RECORDED.read_bytes()))
        self._recorded: dict[str, Any] = recorded.get("result", recorded)
        self._recorded |= {"bits": self.bits, "target": self.target, "curtime": int(time.time())}
        self._publisher = TipPublisher("127.0.0.1", 0)
        self.address = NodeAddress(f"127.0.0.1:{self.port}", cookie, self._publisher.endpoint)
        self._moved = threading.Event()
        self._body = b""
        self._prepare()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._moved.set()
        super().__exit__(kind, error, trace)
        self._publisher.close()

    def new_block(self) -> int:
        """Move to a new tip; return the time of its notification, in ns of the monotonic clock."""
        self.height += 1
        self.chainwork += 10
        self.tip_hash = f"{self.height:064x}"
        self._prepare()
        moved, self._moved = self._moved, threading.Event()
        told_ns = time.monotonic_ns()
        self._publisher.publish(self.tip_hash)
        moved.set()
        return told_ns

    def answer(self, http: BaseHTTPRequestHandler, request: dict[str, Any]) -> None:
        """Answer one call, the template from memory."""
        if request["method"] != "getblocktemplate":
            super().answer(http, request)
            return
        options = request["params"][0]
        if options.get("mode") == "proposal":
            body = b"null"
        else:
            if "longpollid" in options:
                self._moved.wait(LIMIT_S)
            body = self._body
        number = json.dumps(request["id"]).encode()
        self.send(http, b'{"result":%b,"error":null,"id":%b}' % (body, number))

    def _prepare(self) -> None:
        self._recorded |= {
            "previousblockhash": self.tip_hash,
            "height": self.height + 1,
            "longpollid": f"{self.tip_hash}7",
        }
        self._body = json.dumps(self._recorded, separators=(",", ":")).encode()
