"""Labels of metrics stay few, and no counter falls."""

import pytest

from kench.native import Verdict
from kench.stratum.statistics import agents
from kench.stratum.statistics.agents import LABEL_REFUSALS, AgentRefusals


def refused(agent: str, count: int) -> dict[tuple[int, int, Verdict, str], int]:
    return {(1, 2, Verdict.STALE, agent): count}


def test_an_agent_has_its_own_label_once_it_has_many_refusals() -> None:
    counts = AgentRefusals()
    counts.add(refused("rare", 1))
    counts.add(refused("often", LABEL_REFUSALS))
    counts.add(refused("often", 1))
    assert sorted(counts.entries()) == [("stale", "often", 101), ("stale", "other", 1)]


def test_labels_and_what_is_watched_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(agents, "LABELS_MAX", 2)
    monkeypatch.setattr(agents, "WATCHED_MAX", 4)
    counts = AgentRefusals()
    for number in range(50):
        counts.add(refused(f"passing/{number}", 1))
        counts.add(refused(f"loud/{number}", LABEL_REFUSALS))
    assert len(counts.entries()) == 3
    assert len(counts._watched) <= 4
    assert sum(count for _, _, count in counts.entries()) == 50 * (LABEL_REFUSALS + 1)
