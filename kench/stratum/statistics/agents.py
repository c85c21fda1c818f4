"""Refusals by user agent for metrics, whose labels must stay few however many agents come."""

from collections import Counter

from kench.stratum.user_agents import OTHER_TEXT, Tally

# User agents that get a label of their own, each when it had so many refusals; once it has one it
# keeps it, so that no counter ever falls.
LABELS_MAX = 32
LABEL_REFUSALS = 100
# User agents that are watched for one.
WATCHED_MAX = 1024


class AgentRefusals:
    """Counts since the start by (reason, user agent or other)."""

    def __init__(self) -> None:
        self.counts: Counter[tuple[str, str]] = Counter()
        self._labels: set[str] = set()
        self._watched: Counter[str] = Counter()

    def add(self, tally: Tally) -> None:
        """Count refusals."""
        for (_participant, _worker, verdict, agent), count in tally.items():
            label = agent if agent in self._labels or self._deserves(agent, count) else OTHER_TEXT
            self.counts[verdict.reason, label] += count

    def entries(self) -> list[tuple[str, str, int]]:
        """Return reason, user agent and count of each."""
        return [(reason, agent, count) for (reason, agent), count in self.counts.items()]

    def _deserves(self, agent: str, count: int) -> bool:
        """Say whether an agent gets a label from now on."""
        if len(self._labels) >= LABELS_MAX or not agent:
            return False
        if len(self._watched) >= WATCHED_MAX and agent not in self._watched:
            self._watched.clear()
        self._watched[agent] += count
        if self._watched[agent] < LABEL_REFUSALS:
            return False
        self._labels.add(agent)
        del self._watched[agent]
        return True
