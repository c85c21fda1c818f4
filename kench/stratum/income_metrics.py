"""Metrics of income: how forming and handing over fare, by the database."""

from collections.abc import Iterator, Mapping
from datetime import date
from typing import Any

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from kench.pool.moments import midnight_us


def income_metrics(income: Mapping[str, Any] | None) -> Iterator[Metric]:
    """Yield them; nothing while the database is away."""
    if income is None:
        return
    for name, text, value in (
        ("formed_until_timestamp_seconds", "begin of the last day with all its records",
         _begin_s(income["formed_until"])),
        ("missing_day_timestamp_seconds", "begin of the oldest day that is over and not formed",
         _begin_s(income["missing_day"])),
        ("late_days", "days that are over for an hour and not formed", income["late_days"]),
        ("forming_seconds", "how long the last forming took", income["took_s"]),
        ("forming_fails", "1 while the last turn failed", int(income["fault"] is not None)),
        ("pushes_waiting", "messages to the tax service not sent yet", income["pushes_waiting"]),
        ("pushes_waiting_seconds", "how long the oldest of them waits",
         income["pushes_waiting_s"]),
        ("pushes_failed", "messages that were given up", income["pushes_failed"]),
        ("rejected", "records rejected, of which no officer has said what was done",
         income["rejected"]),
    ):  # fmt: skip
        yield GaugeMetricFamily(f"kench_income_{name}", text, value)
    for name, text, count in (
        ("records_formed", "records formed by settlement", income["records"]),
        ("forming_failures", "turns of forming that failed", income["failures"]),
    ):
        yield CounterMetricFamily(f"kench_income_{name}", text, count)


def _begin_s(day: str | None) -> float:
    """Return a day's begin in Bishkek; 0 for none."""
    return midnight_us(date.fromisoformat(day)) / 1e6 if day else 0.0
