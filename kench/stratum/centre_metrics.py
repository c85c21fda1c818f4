"""How a machine stands with the others of its pool, as metrics; nothing where it has none."""

from collections.abc import Iterator, Mapping
from typing import Any

from prometheus_client import Metric
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily


def centre_metrics(
    feed: Mapping[str, Any] | None, machine: Mapping[str, Any] | None
) -> Iterator[Metric]:
    """Yield who leads, how old what was heard is, what was refused, and the numbers' age."""
    if machine is not None:
        yield GaugeMetricFamily(
            "kench_numbers_renewed_seconds",
            "since the cluster last heard that our front numbers are ours",
            machine["renewed_s"],
        )
    if feed is None:
        return
    role = GaugeMetricFamily("kench_jobs_role", "1 for what this machine does", labels=["role"])
    role.add_metric([feed["role"]], 1)
    yield role
    yield GaugeMetricFamily("kench_jobs_epoch", "epoch of the lease to make jobs", feed["epoch"])
    heard = GaugeMetricFamily("kench_jobs_heard_seconds", "since the last job between machines")
    if feed["heard_s"] is not None:
        heard.add_metric([], feed["heard_s"])
    yield heard
    yield GaugeMetricFamily(
        "kench_jobs_away",
        "1 while no job of another machine can come",
        int(feed["away"] is not None),
    )
    refused = CounterMetricFamily(
        "kench_jobs_not_followed", "messages about jobs that were refused", labels=["reason"]
    )
    for reason, count in feed["refused"].items():
        refused.add_metric([reason], count)
    yield refused
    blocks = feed["blocks"]
    yield GaugeMetricFamily(
        "kench_blocks_to_tell", "found blocks that the centre does not know of", blocks["waiting"]
    )
    for name, text, key in (
        ("told", "found blocks that the centre was told of", "told"),
        ("taken", "blocks of other machines sent to our nodes", "taken"),
        ("messages_refused", "messages about found blocks that are none", "refused"),
    ):
        yield CounterMetricFamily(f"kench_blocks_{name}", text, blocks.get(key, 0))
