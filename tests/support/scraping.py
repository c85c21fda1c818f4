"""What Prometheus would read of a collector."""

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.registry import Collector


def lines_of(collector: Collector) -> set[str]:
    """Return the lines it tells now, those of help and type too."""
    registry = CollectorRegistry()
    registry.register(collector)
    return set(generate_latest(registry).decode().splitlines())
