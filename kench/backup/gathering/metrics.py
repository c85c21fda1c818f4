"""Metrics of gathering, for Prometheus: `kench_gather_...`, of what its thread knows anyway."""

from collections.abc import Iterator

from prometheus_client import Metric
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from kench.backup.gathering.progress import Progress, Reason


class GatherMetrics(Collector):
    """Collects at scrape time."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress

    def collect(self) -> Iterator[Metric]:
        """Yield every metric."""
        progress = self._progress
        yield GaugeMetricFamily(
            "kench_gather_turn_age_seconds", "since a turn ended well", progress.turn_age_s
        )
        stands = GaugeMetricFamily(
            "kench_gather_stands", "1 for what is in the way now", labels=["reason"]
        )
        now = progress.reason
        for reason in Reason:
            stands.add_metric([reason], reason is now)
        yield stands
        records = GaugeMetricFamily(
            "kench_gather_records", "records of a journal that are here", labels=["journal"]
        )
        yield GaugeMetricFamily(
            "kench_gather_lacking",
            "journals whose fronts are asked again for what the stream lost",
            len(progress.lacking),
        )
        still = GaugeMetricFamily(
            "kench_gather_still_seconds", "for how long a journal's time stands still",
            labels=["journal", "state"],
        )  # fmt: skip
        for one in progress.journals:
            records.add_metric([str(one.number)], one.records)
            still.add_metric([str(one.number), one.state.name.lower()], progress.still_s(one))
        yield from (records, still)
        yield CounterMetricFamily(
            "kench_gather_messages", "messages taken since the start", progress.messages
        )
        yield CounterMetricFamily(
            "kench_gather_set_aside", "messages of journals that were declared lost",
            progress.set_aside,
        )  # fmt: skip
        troubles = CounterMetricFamily(
            "kench_gather_troubles", "turns that did not end, by what was in the way",
            labels=["reason"],
        )  # fmt: skip
        for reason, count in dict(progress.troubles).items():
            troubles.add_metric([reason], count)
        yield troubles
