"""Metrics of the hand-over, for Prometheus: `kench_tax_...`."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class Metrics:
    """Counts of one process."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "kench_tax_requests", "Requests by what was asked and status",
            ("endpoint", "status"), registry=self.registry,
        )  # fmt: skip
        self.refused = Counter(
            "kench_tax_refused", "Requests that were refused, by why",
            ("why",), registry=self.registry,
        )  # fmt: skip
        self.seconds = Histogram(
            "kench_tax_request_seconds", "Time to the end of the answer",
            ("endpoint",), buckets=SECONDS, registry=self.registry,
        )  # fmt: skip
        self.records = Counter(
            "kench_tax_records", "Income records handed over, by way",
            ("way",), registry=self.registry,
        )  # fmt: skip
        self.receipts = Counter(
            "kench_tax_receipts", "Receipts of records, by status",
            ("status",), registry=self.registry,
        )  # fmt: skip
        self.pushes_waiting = Gauge(
            "kench_tax_pushes_waiting", "Messages that are still to be sent",
            registry=self.registry,
        )  # fmt: skip
        self.pushes_failed = Gauge(
            "kench_tax_pushes_failed", "Messages that were given up: see the log",
            registry=self.registry,
        )  # fmt: skip
        self.pushes_oldest_s = Gauge(
            "kench_tax_pushes_oldest_seconds", "How long the oldest of them waits",
            registry=self.registry,
        )  # fmt: skip
        self.push_tries = Counter(
            "kench_tax_push_tries", "Tries to send a message, by outcome",
            ("outcome",), registry=self.registry,
        )  # fmt: skip
        self.ready = Gauge("kench_tax_ready", "1 while PostgreSQL answers", registry=self.registry)

    def text(self) -> bytes:
        """Return what Prometheus reads."""
        return generate_latest(self.registry)
