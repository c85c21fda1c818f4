"""Metrics of settlement, for Prometheus: `kench_settle_...`, of what its thread knows anyway."""

from collections.abc import Callable, Iterator

from prometheus_client import Metric
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from kench.payouts.progress import Progress


class SettleMetrics(Collector):
    """Collects at scrape time; who stands by tells only that it does."""

    def __init__(self, progress: Progress, is_at_work: Callable[[], bool]) -> None:
        self._progress = progress
        self._is_at_work = is_at_work

    def collect(self) -> Iterator[Metric]:
        """Yield every metric."""
        progress, at_work = self._progress, self._is_at_work()
        yield GaugeMetricFamily(
            "kench_settle_lease_held", "1 at the one process that settles", int(at_work)
        )
        for name, text, value in (
            ("turn_age_seconds", "since a turn over the journals ended well", progress.turn_age_s),
            ("chain_age_seconds", "since a node told of the chain", progress.chain_age_s),
            ("behind_seconds", "age of the oldest record that is not booked", progress.behind_s),
            ("waits_seconds", "for how long something holds settlement up", progress.waits_s),
        ):
            gauge = GaugeMetricFamily(f"kench_settle_{name}", text)
            if at_work:
                gauge.add_metric([], value)
            yield gauge
        behind = GaugeMetricFamily(
            "kench_settle_behind_records", "records durable and not booked", labels=["journal"]
        )
        for number, one in progress.behind.items() if at_work else ():
            behind.add_metric([str(number)], one.records)
        yield behind
        for name, text, count in (
            ("records", "records booked since the start", progress.records),
            ("blocks", "blocks booked since the start", progress.blocks),
            ("repeats", "shares that another journal had before", progress.repeats),
        ):
            yield CounterMetricFamily(f"kench_settle_{name}", text, count)
        troubles = CounterMetricFamily(
            "kench_settle_troubles", "turns that did not end, by what was in the way",
            labels=["trouble"],
        )  # fmt: skip
        for trouble, count in dict(progress.troubles).items():
            troubles.add_metric([trouble], count)
        yield troubles
