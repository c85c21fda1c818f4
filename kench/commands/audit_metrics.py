"""What an audit found, as a file that Prometheus' node exporter takes up."""

from pathlib import Path

from prometheus_client import CollectorRegistry, Gauge, write_to_textfile

from kench.pool.errors import KenchError


class MetricsFileError(KenchError):
    """The file cannot be written."""


def audit_registry(
    differences: int, rules: int, ended_s: float, took_s: float
) -> CollectorRegistry:
    """Return the metrics of an audit that ended at a Unix time."""
    registry = CollectorRegistry()
    for name, text, value in (
        ("differences", "what did not agree in the last audit; 200 stands for more", differences),
        ("rules", "rules that it checked", rules),
        ("ended_timestamp_seconds", "Unix time at which it ended", ended_s),
        ("seconds", "how long it took", took_s),
    ):
        Gauge(f"kench_audit_{name}", text, registry=registry).set(value)
    return registry


def write_metrics(path: Path, registry: CollectorRegistry) -> None:
    """Put the file in its place, whole; raises MetricsFileError."""
    try:
        write_to_textfile(str(path), registry)
    except OSError as error:
        raise MetricsFileError(
            f"{path} cannot be written ({error.strerror}): --metrics needs a folder where "
            f"this account may make files, {path.parent} or another"
        ) from error
