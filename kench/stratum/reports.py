"""What the fronts tell through PostgreSQL: states each second, refusals; and settlement in turn."""

import json
from collections import Counter
from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa

from kench.pool.income_progress import read_income_progress
from kench.pool.shipping.followers import read_followers
from kench.stratum.statistics.history import add_refused
from kench.stratum.tally import TALLY_MAX, merged
from kench.stratum.user_agents import OTHER_TEXT, Refused, Tally

# Rows of one worker in `refusals`; the user agents of further ones are counted as other.
ROWS_PER_WORKER_MAX = 256
# Reports to one look at how settlement fares, which reads all blocks: 50 ms where there are 50,000.
REPORTS_PER_LOOK = 10

_ADD_REFUSALS = sa.text(
    """
    INSERT INTO refusals (participant_id, worker_id, reason, user_agent, count)
    SELECT participant_id, worker_id, reason, CASE
            WHEN EXISTS (SELECT FROM refusals AS known
                         WHERE (known.participant_id, known.worker_id, known.reason,
                                known.user_agent)
                             = (added.participant_id, added.worker_id, added.reason,
                                added.user_agent))
              OR (SELECT count(*) FROM refusals AS known
                  WHERE (known.participant_id, known.worker_id)
                      = (added.participant_id, added.worker_id)) < :rows_max
            THEN user_agent ELSE :other END AS shown_agent, sum(count)
    FROM unnest(CAST(:participants AS integer[]), CAST(:workers AS integer[]),
                CAST(:reasons AS text[]), CAST(:agents AS text[]), CAST(:counts AS bigint[]))
        AS added (participant_id, worker_id, reason, user_agent, count)
    GROUP BY participant_id, worker_id, reason, shown_agent
    ORDER BY participant_id, worker_id, reason, shown_agent
    ON CONFLICT (participant_id, worker_id, reason, user_agent)
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
_PROGRESS = sa.text("""
    SELECT waits_for IS NOT NULL AS waits, manifests_waiting, manifests_waiting_s
    FROM settlement_progress
""")


class Reports:
    """Writes reports in a worker thread, one at a time; what fails is kept and added next time."""

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine
        self._waiting: Counter[Refused] = Counter()
        self._written = 0
        self._progress: dict[str, Any] = {}

    def write(self, tally: Tally, states: Mapping[int, Mapping[str, Any]]) -> dict[str, Any]:
        """Add refusals and replace the fronts' states by number, in one transaction.

        Returns how settlement fared a few reports ago: {waits, manifests_waiting,
        manifests_waiting_s}, in `followers` the standby's copy of the database, in `income` how
        income is formed and handed over.
        Raises sqlalchemy's DBAPIError while PostgreSQL is away; nothing is lost then.
        """
        self._waiting.update(tally)
        if len(self._waiting) > TALLY_MAX:
            self._waiting = merged(self._waiting)
        with self._engine.begin() as connection:
            add_refusals(connection, self._waiting)
            add_refused(connection, self._waiting)
            if states:
                rows = [
                    {"instance": number, "state": json.dumps(state)}
                    for number, state in sorted(states.items())
                ]
                connection.execute(_SET_STATE, rows)
            if self._written % REPORTS_PER_LOOK == 0:
                self._progress = connection.execute(_PROGRESS).one()._asdict()
                self._progress["followers"] = read_followers(connection)
                self._progress["income"] = read_income_progress(connection)
        self._written += 1
        self._waiting.clear()
        return self._progress


def add_refusals(connection: sa.Connection, tally: Tally) -> None:
    """Add refusals to those counted before; rows go in key order, so that no two fronts deadlock.

    A worker has at most about ROWS_PER_WORKER_MAX rows: further user agents count as other.
    """
    if not tally:
        return
    participants, workers, verdicts, agents = zip(*tally, strict=True)
    connection.execute(
        _ADD_REFUSALS,
        {
            "participants": list(participants),
            "workers": list(workers),
            "reasons": [verdict.reason for verdict in verdicts],
            "agents": list(agents),
            "counts": list(tally.values()),
            "rows_max": ROWS_PER_WORKER_MAX,
            "other": OTHER_TEXT,
        },
    )
