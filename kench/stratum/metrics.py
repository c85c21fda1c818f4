"""Metrics, health and state over HTTP, for Prometheus and for people: loopback by default."""

import asyncio
import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from typing import Any, cast

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.registry import Collector
from twisted.web.resource import IResource, Resource
from twisted.web.server import Request

from kench.native import Verdict
from kench.stratum.user_agents import Tally

LAG_PROBE_S = 0.1
# Status, content type and body of a page.
Answer = tuple[int, str, bytes]


class Numbers(Collector):
    """Collects at scrape time what the front knows anyway."""

    def __init__(self, state: Callable[[], Mapping[str, Any]]) -> None:
        self._state = state
        self.refused: Counter[int] = Counter()
        self.loop_lag_s = 0.0
        self.loop_lag_max_s = 0.0

    def count_refused(self, tally: Tally) -> None:
        """Add refusals by verdict."""
        for (_participant, _worker, verdict, _agent), count in tally.items():
            self.refused[verdict] += count

    def probe_lag(self, loop: asyncio.AbstractEventLoop) -> None:
        """See, each LAG_PROBE_S from now on, how late the loop runs a timer."""
        due = loop.time() + LAG_PROBE_S

        def probe() -> None:
            self.loop_lag_s = max(0.0, loop.time() - due)
            self.loop_lag_max_s = max(self.loop_lag_max_s, self.loop_lag_s)
            self.probe_lag(loop)

        loop.call_at(due, probe)

    def collect(self) -> Iterator[Metric]:
        """Yield every metric."""
        state = self._state()
        for name, text, value in (
            ("kench_serving", "1 while miners can connect", int(state["serving"])),
            ("kench_connections", "open connections of miners", state["connections"]),
            ("kench_sessions", "sessions that have work", state["sessions"]),
            ("kench_block_height", "height that is being mined", state["height"] or 0),
            ("kench_durable_lag_ms", "longest wait for the disk in the last second, ms",
             state["durable_lag_ms"]),
            ("kench_loop_lag_seconds", "how late the event loop ran last", self.loop_lag_s),
            ("kench_loop_lag_max_seconds", "how late the event loop ran at worst",
             self.loop_lag_max_s),
            ("kench_hashrate", "hashes a second, all participants",
             sum(state["hashrate"].values())),
            ("kench_register_followed", "1 while changes of the register are heard",
             int(state["register_fault"] is None)),
            ("kench_nodes_usable", "nodes that can be used",
             sum(node["usable"] for node in state["nodes"])),
        ):  # fmt: skip
            yield GaugeMetricFamily(name, text, value)
        yield CounterMetricFamily(
            "kench_shares_durable", "shares in the journal", state["journal_records"]
        )
        yield CounterMetricFamily(
            "kench_blocks_found", "block candidates since start", state["found_blocks"]
        )
        yield CounterMetricFamily(
            "kench_logins_refused", "logins refused since start", state["logins_refused"]
        )
        refused = CounterMetricFamily(
            "kench_shares_refused", "shares refused since start", labels=["reason"]
        )
        for verdict in Verdict:
            if verdict is not Verdict.ACCEPTED:
                refused.add_metric([verdict.reason], self.refused[verdict])
        yield refused


def site_root(numbers: Numbers, state: Callable[[], Mapping[str, Any]]) -> Resource:
    """Return the web resource with /metrics, /healthz and /status."""
    registry = CollectorRegistry()
    registry.register(numbers)
    pages: dict[bytes, Callable[[], Answer]] = {
        b"metrics": lambda: (200, CONTENT_TYPE_LATEST, generate_latest(registry)),
        b"healthz": lambda: _health(state()),
        b"status": lambda: (200, "application/json", _json(state())),
    }
    root = Resource()
    for name, answer in pages.items():
        root.putChild(name, cast("IResource", _Page(answer)))
    return root


class _Page(Resource):
    isLeaf = True  # noqa: N815 - Twisted's name

    def __init__(self, answer: Callable[[], Answer]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # Twisted's
        self._answer = answer

    def render_GET(self, request: Request) -> bytes:  # noqa: N802 - Twisted's name
        """Answer GET and HEAD."""
        status, kind, body = self._answer()
        request.setResponseCode(status)
        request.setHeader(b"content-type", kind.encode())
        request.setHeader(b"cache-control", b"no-store")
        return body


def _health(state: Mapping[str, Any]) -> Answer:
    if state["serving"]:
        return 200, "text/plain; charset=utf-8", b"serving\n"
    return 503, "text/plain; charset=utf-8", f"not serving: {state['why']}\n".encode()


def _json(state: Mapping[str, Any]) -> bytes:
    return json.dumps(state).encode() + b"\n"
