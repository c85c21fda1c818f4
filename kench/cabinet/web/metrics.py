"""Metrics of the cabinet, for Prometheus: `kench_cabinet_...`."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from starlette.types import Scope

NO_ROUTE = "none"
SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
METHODS = frozenset({"GET", "HEAD", "POST"})


class Metrics:
    """Counts of one process; other parts of the cabinet add theirs to `registry`."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._requests = Counter(
            "kench_cabinet_requests", "Requests by route and status",
            ("method", "route", "status"), registry=self.registry,
        )  # fmt: skip
        self._seconds = Histogram(
            "kench_cabinet_request_seconds", "Time to the end of the answer, by route",
            ("route",), buckets=SECONDS, registry=self.registry,
        )  # fmt: skip
        self.ready = Gauge(
            "kench_cabinet_ready", "1 while PostgreSQL answers", registry=self.registry
        )
        self.live_viewers = Gauge(
            "kench_cabinet_live_viewers", "Open pages that move by themselves",
            registry=self.registry,
        )  # fmt: skip

    def count(self, scope: Scope, status: int, seconds: float) -> None:
        """Count a request that has its answer; by route and not by path, which has no bound."""
        route = getattr(scope.get("route"), "path", NO_ROUTE)
        method = scope["method"] if scope["method"] in METHODS else "other"
        self._requests.labels(method, route, str(status)).inc()
        self._seconds.labels(route).observe(seconds)

    def text(self) -> bytes:
        """Return what Prometheus reads."""
        return generate_latest(self.registry)
