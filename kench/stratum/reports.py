"""What a front end tells the others through PostgreSQL: its state each second, its refusals."""

import json
from collections import Counter
from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa

from kench.native import Verdict

# Refusal counts that wait for PostgreSQL; past it those of unknown workers are merged.
TALLY_MAX = 100_000

# Refusals by (participant, worker, verdict); 0 where unknown.
Tally = Mapping[tuple[int, int, Verdict], int]

_ADD_REFUSALS = sa.text(
    """
    INSERT INTO refusals (participant_id, worker_id, reason, count)
    VALUES (:participant, :worker, :reason, :count)
    ON CONFLICT (participant_id, worker_id, reason)
    DO UPDATE SET count = refusals.count + excluded.count
    """
)
_SET_STATE = sa.text(
    """
    INSERT INTO front_ends (instance, updated_at, state)
    VALUES (:instance, now(), CAST(:state AS jsonb))
    ON CONFLICT (instance) DO UPDATE SET updated_at = now(), state = excluded.state
    """
)


class Reports:
    """Writes reports in a worker thread, one at a time; what fails is kept and added next time."""

    def __init__(self, engine: sa.Engine, instance: int) -> None:
        self._engine = engine
        self._instance = instance
        self._waiting: Counter[tuple[int, int, Verdict]] = Counter()

    def write(self, tally: Tally, state: Mapping[str, Any]) -> None:
        """Add refusals and replace the state, in one transaction.

        Raises sqlalchemy's DBAPIError while PostgreSQL is away; nothing is lost then.
        """
        self._waiting.update(tally)
        if len(self._waiting) > TALLY_MAX:
            self._merge()
        with self._engine.begin() as connection:
            if self._waiting:
                connection.execute(_ADD_REFUSALS, [_row(*entry) for entry in self._sorted()])
            connection.execute(_SET_STATE, {"instance": self._instance, "state": json.dumps(state)})
        self._waiting.clear()

    def _sorted(self) -> list[tuple[tuple[int, int, Verdict], int]]:
        """Return the counts in key order, so that two fronts never lock rows crosswise."""
        return sorted(self._waiting.items())

    def _merge(self) -> None:
        """Give up whose refusals these were, not how many."""
        merged: Counter[tuple[int, int, Verdict]] = Counter()
        for (_participant, _worker, verdict), count in self._waiting.items():
            merged[0, 0, verdict] += count
        self._waiting = merged


def _row(key: tuple[int, int, Verdict], count: int) -> dict[str, Any]:
    participant, worker, verdict = key
    return {
        "participant": participant,
        "worker": worker,
        "reason": verdict.reason,
        "count": count,
    }
