"""Metrics of the sale, for Prometheus: `kench_sell_...`, of what its threads know anyway."""

from collections.abc import Iterable, Iterator, Mapping, Sequence

from prometheus_client import Metric
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from kench.pool.clock import Clock
from kench.pool.moments import us_of
from kench.sale.desk import SECOND_US
from kench.sale.lots import Unfinished
from kench.sale.machine import FINAL, STUCK, LotState
from kench.sale.service import SaleService
from kench.sale.venues.counted import CountedVenue
from kench.sale.waits import Why


class SellMetrics(Collector):
    """Collects at scrape time; who stands by tells of no lots."""

    def __init__(
        self, service: SaleService, venues: Mapping[str, CountedVenue], clock: Clock
    ) -> None:
        self._service = service
        self._venues = venues
        self._clock = clock

    def collect(self) -> Iterator[Metric]:
        """Yield every metric."""
        at_work = self._service.is_at_work
        yield GaugeMetricFamily("kench_sell_lease_held", "1 at the process that sells", at_work)
        age = GaugeMetricFamily("kench_sell_turn_age_seconds", "since a turn over all lots ended")
        if at_work:
            age.add_metric([], self._service.turn_age_s)
        yield age
        yield from self._lots(self._service.unfinished if at_work else None)
        yield from self._of_venues()

    def _lots(self, found: Sequence[Unfinished] | None) -> Iterator[Metric]:
        """Yield lots that are not at an end; no sample before they were read."""
        lots = GaugeMetricFamily(
            "kench_sell_lots", "lots that are not at an end, by state", labels=["state"]
        )
        oldest = GaugeMetricFamily(
            "kench_sell_lot_oldest_seconds", "for how long the first of them is in its state",
            labels=["state"],
        )  # fmt: skip
        waiting = GaugeMetricFamily(
            "kench_sell_lots_waiting", "lots that stand still, by why", labels=["why"]
        )
        stuck = GaugeMetricFamily("kench_sell_lots_stuck", "lots that people must look at")
        unsold = GaugeMetricFamily(
            "kench_sell_unsold_oldest_seconds",
            "since the oldest lot that is not at an end was made",
        )
        if found is not None:
            now_us = self._clock.now_us()
            for state in LotState:
                if state not in FINAL:
                    since = [one.lot.changed_at for one in found if one.lot.state is state]
                    lots.add_metric([state], len(since))
                    oldest.add_metric([state], _age_s(map(us_of, since), now_us))
            for why in Why:
                waiting.add_metric([why], sum(one.why == why for one in found))
            stuck.add_metric([], sum(one.lot.state in STUCK for one in found))
            unsold.add_metric([], _age_s((us_of(one.lot.made_at) for one in found), now_us))
        yield from (lots, oldest, waiting, stuck, unsold)

    def _of_venues(self) -> Iterator[Metric]:
        asked = CounterMetricFamily(
            "kench_sell_venue_questions", "questions to a venue, by how they ended",
            labels=["venue", "outcome"],
        )  # fmt: skip
        failing = GaugeMetricFamily(
            "kench_sell_venue_failing_seconds", "for how long a venue has taken no question",
            labels=["venue"],
        )  # fmt: skip
        for name, venue in self._venues.items():
            failing.add_metric([name], venue.failing_s)
            for outcome, count in venue.outcomes.items():
                asked.add_metric([name, outcome], count)
        differences = GaugeMetricFamily(
            "kench_sell_differences", "differences of a venue's last reconciliation",
            labels=["venue"],
        )  # fmt: skip
        for name, count in self._service.differences.items():
            differences.add_metric([name], count)
        yield from (asked, failing, differences)


def _age_s(since_us: Iterable[int], now_us: int) -> float:
    """Return the age of the oldest of these moments, 0 where there is none."""
    return max(0.0, (now_us - min(since_us, default=now_us)) / SECOND_US)
