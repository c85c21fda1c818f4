"""Metrics of alerts and letters: `kench_cabinet_alerts_...`, by the process that sends them."""

from collections.abc import Mapping

import sqlalchemy as sa
from prometheus_client import CollectorRegistry, Counter, Gauge

from kench.cabinet.alerts.news import Event
from kench.cabinet.alerts.outbox import TRIES_MAX, Due
from kench.cabinet.alerts.sending import Fault
from kench.cabinet.alerts.tables import alert_messages
from kench.pool.moments import moment_of, us_of

EVENTS = tuple(Event)


class AlertFigures:
    """Counts of one process."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._waiting = Gauge(
            "kench_cabinet_alerts_queued", "Messages that wait to be sent, by what they tell",
            ("event",), registry=registry,
        )  # fmt: skip
        self._oldest = Gauge(
            "kench_cabinet_alerts_oldest_seconds",
            "For how long the message that is due the longest has waited",
            registry=registry,
        )
        self._sent = Counter(
            "kench_cabinet_alerts_sent", "Messages sent, by what they tell and how",
            ("event", "channel"), registry=registry,
        )  # fmt: skip
        self._given_up = Counter(
            "kench_cabinet_alerts_given_up", "Messages given up after their last try",
            ("event", "channel"), registry=registry,
        )  # fmt: skip
        self._errors = Counter(
            "kench_cabinet_alerts_errors", "Tries that failed, by how and why",
            ("channel", "fault"), registry=registry,
        )  # fmt: skip

    def count(self, due: Due, fault: Fault | None) -> None:
        """Count what came of one try."""
        if fault is None:
            self._sent.labels(due.event, due.channel).inc()
            return
        self._errors.labels(due.channel, fault.kind).inc()
        if due.tries >= TRIES_MAX:
            self._given_up.labels(due.event, due.channel).inc()

    def show(self, waiting: Mapping[Event, int], oldest_s: float) -> None:
        """Show what waits now."""
        for event in EVENTS:
            self._waiting.labels(event).set(waiting.get(event, 0))
        self._oldest.set(oldest_s)


def read_waiting(db: sa.Connection, now_us: int) -> tuple[dict[Event, int], float]:
    """How many wait, by what they tell, and for how long the longest has been due."""
    table = alert_messages
    waits = table.c.state == "waiting"
    rows = db.execute(
        sa.select(table.c.event, sa.func.count()).where(waits).group_by(table.c.event)
    )
    counts = {Event(event): count for event, count in rows}
    oldest = db.scalar(
        sa.select(sa.func.min(table.c.queued_at)).where(waits, table.c.due_at <= moment_of(now_us))
    )
    return counts, 0.0 if oldest is None else max(0, now_us - us_of(oldest)) / 1e6
