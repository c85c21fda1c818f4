"""What Prometheus reads of the guard: names that stay, one series for each kind."""

from typing import Any

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import Metric
from prometheus_client.registry import Collector

from kench.stratum.faults import Fault
from kench.stratum.guard import Guard
from kench.stratum.metrics import _guard
from tests.support.stratum_client import COSTS


class Told(Collector):
    def __init__(self, state: dict[str, Any]) -> None:
        self._state = state

    def collect(self) -> list[Metric]:
        return list(_guard(self._state))


def test_faults_measures_bans_and_waiting_logins_are_told() -> None:
    guard = Guard(COSTS)
    address = guard.arrive("192.0.2.1", 0.0)
    assert address is not None
    for _ in range(20):
        guard.charge_ended(address, Fault.OVERSIZED_LINE, 0.0)
    registry = CollectorRegistry()
    registry.register(Told({"guard": guard.state(0.0), "turns_waiting": 3}))
    lines = generate_latest(registry).decode().splitlines()
    assert 'kench_faults_total{kind="oversized_line"} 20.0' in lines
    assert 'kench_faults_total{kind="bad_json"} 0.0' in lines
    assert 'kench_measures_total{kind="banned"} 1.0' in lines
    assert "kench_addresses_banned 1.0" in lines
    assert "kench_turns_waiting 3.0" in lines
