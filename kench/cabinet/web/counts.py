"""Counts of entries and signatures, for Prometheus."""

from fastapi import Request
from prometheus_client import CollectorRegistry, Counter, Histogram

SECONDS = (0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
TAKEN = "taken"


class SigningCounts:
    """What came of requests for a signature; made once for an application."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._outcomes = Counter(
            "kench_cabinet_signatures", "Signatures handed in, by what came of them",
            ("purpose", "outcome"), registry=registry,
        )  # fmt: skip
        self._entries = Counter(
            "kench_cabinet_entry_requests", "Requests to enter, by whether they were let through",
            ("outcome",), registry=registry,
        )  # fmt: skip
        self._sign_ons = Counter(
            "kench_cabinet_sign_ons", "Entries by the state's sign-on, by what came of them",
            ("outcome",), registry=registry,
        )  # fmt: skip
        self._door = Counter(
            "kench_cabinet_officers_entries", "Entries at the officers' door, by what came of them",
            ("outcome",), registry=registry,
        )  # fmt: skip
        self.seconds = Histogram(
            "kench_cabinet_signature_check_seconds", "Time of the check of a signature",
            buckets=SECONDS, registry=registry,
        )  # fmt: skip

    def count(self, purpose: str, outcome: str) -> None:
        """Count a signature."""
        self._outcomes.labels(purpose, outcome).inc()

    def count_entry(self, outcome: str) -> None:
        """Count a request to enter."""
        self._entries.labels(outcome).inc()

    def count_sign_on(self, outcome: str) -> None:
        """Count a way to the sign-on (`let`), or what came back from it."""
        self._sign_ons.labels(outcome).inc()

    def count_door(self, outcome: str) -> None:
        """Count an entry at the officers' door."""
        self._door.labels(outcome).inc()


def counts_of(request: Request) -> SigningCounts:
    """Return the application's."""
    counts: SigningCounts = request.app.state.signing_counts
    return counts
