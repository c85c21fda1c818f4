"""Refusals of a front on their way to the job maker and to PostgreSQL: counted, bounded, once."""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from kench.native import Verdict
from kench.stratum.user_agents import Refused, Tally

# Refusal counts that wait; past it those of all workers are merged.
TALLY_MAX = 100_000
# Entries told in one message, so that none is long in the making.
TOLD_MAX = 4096


def merged(tally: Mapping[Refused, int]) -> Counter[Refused]:
    """Give up whose refusals these were, not how many."""
    by_reason: Counter[Refused] = Counter()
    for (_participant, _worker, verdict, _agent), count in tally.items():
        by_reason[0, 0, verdict, ""] += count
    return by_reason


class Tallies:
    """What waits to be told, and the sum by reason since the start."""

    def __init__(self) -> None:
        self._waiting: Counter[Refused] = Counter()
        self._refused: Counter[Verdict] = Counter()

    def add(self, tally: Tally) -> None:
        """Count refusals."""
        self._waiting.update(tally)
        for (_participant, _worker, verdict, _agent), count in tally.items():
            self._refused[verdict] += count
        if len(self._waiting) > TALLY_MAX:
            self._waiting = merged(self._waiting)

    def take(self) -> list[tuple[int, int, int, str, int]]:
        """Return (participant, worker, verdict, user agent, count) of some, and forget them."""
        some = list(self._waiting.items())[:TOLD_MAX]
        for key, _ in some:
            del self._waiting[key]
        return [(one, worker, int(verdict), agent, n) for (one, worker, verdict, agent), n in some]

    def refused(self) -> dict[str, int]:
        """Return shares refused since the start, by reason."""
        return {
            verdict.reason: self._refused[verdict]
            for verdict in Verdict
            if verdict is not Verdict.ACCEPTED
        }


def told(entries: Iterable[Any]) -> Counter[Refused]:
    """Read what `Tallies.take` gave, after its way through the feed."""
    return Counter(
        {
            (participant, worker, Verdict(verdict), agent): count
            for participant, worker, verdict, agent, count in entries
        }
    )
