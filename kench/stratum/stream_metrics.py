"""How journals fare in the stream of the cluster, as metrics."""

from collections.abc import Iterator, Mapping
from typing import Any

from prometheus_client import Metric
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

_GAUGES = (
    ("together", "1 while a share waits for the stream's acknowledgement", "together"),
    ("away", "1 while the cluster cannot acknowledge", "away"),
    ("behind_records", "shares that the stream has not acknowledged", "behind"),
    ("behind_seconds", "how much of the journal's time the stream lacks", "behind_s"),
    ("silent_seconds", "since the stream acknowledged last", "silent_s"),
)


def stream_metrics(fronts: Mapping[str, Mapping[str, Any]]) -> Iterator[Metric]:
    """Yield how the journals fare in the stream; nothing where there is none."""
    published = {number: one for number, front in fronts.items() if (one := front.get("stream"))}
    if not published:
        return
    for name, text, key in _GAUGES:
        gauge = GaugeMetricFamily(f"kench_stream_{name}", text, labels=["process"])
        for number, one in published.items():
            if one.get(key) is not None:
                gauge.add_metric([number], float(one[key]))
        yield gauge
    alone = CounterMetricFamily(
        "kench_shares_without_stream",
        "shares acknowledged while the cluster could not acknowledge them",
        labels=["process"],
    )
    for number, one in published.items():
        alone.add_metric([number], one["acknowledged_without"])
    yield alone
