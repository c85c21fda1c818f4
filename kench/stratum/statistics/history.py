"""The history in PostgreSQL: workers and participants by ten minutes, hours, days.

Each share is counted once.
Accepted shares are added together with the journal positions that they were read up to, so that a
restart doubles and loses nothing. Hours are the sums of their ten minutes, days of their hours,
computed anew whenever something was added to what they cover. A participant's are those of all its
workers; `up` counts their ten minutes with an accepted share.
"""

from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from typing import Any, NamedTuple

import sqlalchemy as sa

from kench.pool.errors import KenchError
from kench.stratum.statistics.gathering import BUCKET_S, HOUR_S, Credited
from kench.stratum.statistics.outcomes import Outcome, outcome_of
from kench.stratum.user_agents import Tally

# Rows added by one statement.
ROWS_EACH = 10_000
DAY_S = 86_400
# A level is summed this long after its span ended: refusals of its last seconds have come then.
SETTLED_S = 60
# Spans summed in one go.
SPANS_EACH = 50

COLUMNS = "accepted, stale, low_difficulty, duplicate, other, work_hashes"
_SUMS = ", ".join(f"sum({name})" for name in COLUMNS.split(", "))
_ADDED = ", ".join(f"{n} = kept.{n} + excluded.{n}" for n in COLUMNS.split(", "))
_REPLACED = ", ".join(f"{name} = excluded.{name}" for name in COLUMNS.split(", "))

_ADD_CREDITED = sa.text(
    f"""
    INSERT INTO worker_ten_minutes AS kept
        (participant_id, worker_id, bucket_at, accepted, work_hashes)
    SELECT participant_id, worker_id, to_timestamp(bucket_s), accepted, work_hashes
    FROM unnest(CAST(:participants AS integer[]), CAST(:workers AS integer[]),
                CAST(:buckets AS bigint[]), CAST(:accepted AS bigint[]), CAST(:works AS numeric[]))
        AS added (participant_id, worker_id, bucket_s, accepted, work_hashes)
    ON CONFLICT (participant_id, worker_id, bucket_at) DO UPDATE SET {_ADDED}
    """  # noqa: S608 - names of columns, from above
)
_ADD_REFUSED = sa.text(
    f"""
    INSERT INTO worker_ten_minutes AS kept (participant_id, worker_id, bucket_at,
        stale, low_difficulty, duplicate, other)
    SELECT participant_id, worker_id,
        to_timestamp(floor(extract(epoch FROM now()) / :bucket_s) * :bucket_s),
        stale, low_difficulty, duplicate, other
    FROM unnest(CAST(:participants AS integer[]), CAST(:workers AS integer[]),
                CAST(:stale AS bigint[]), CAST(:low_difficulty AS bigint[]),
                CAST(:duplicate AS bigint[]), CAST(:other AS bigint[]))
        AS added (participant_id, worker_id, stale, low_difficulty, duplicate, other)
    ORDER BY participant_id, worker_id
    ON CONFLICT (participant_id, worker_id, bucket_at) DO UPDATE SET {_ADDED}
    """  # noqa: S608 - names of columns, from above
)
_MOVE = sa.text(
    """
    INSERT INTO statistics_positions AS kept VALUES (:instance, :next_sequence)
    ON CONFLICT (instance) DO UPDATE SET next_sequence = excluded.next_sequence
        WHERE kept.next_sequence = :before
    """
)
_POSITIONS = sa.text("SELECT instance, next_sequence FROM statistics_positions")
_LOCK_ROLLUPS = sa.text(
    "SELECT level, extract(epoch FROM done_before)::bigint FROM statistics_rollups FOR UPDATE"
)
_SET_ROLLUP = sa.text(
    "UPDATE statistics_rollups SET done_before = to_timestamp(:done_s) WHERE level = :level"
)
# In the order of its key, so that the workers of a participant lie side by side on the disk: a list
# of fifty reads a month of theirs from a twentieth of the pages that it would otherwise.
_ROLL_UP = f"""
    INSERT INTO {{level}} ({{key}}, bucket_at, {COLUMNS}, up)
    SELECT {{key}}, to_timestamp(:start_s), {_SUMS}, {{up}}
    FROM {{finer}}
    WHERE bucket_at >= to_timestamp(:start_s) AND bucket_at < to_timestamp(:end_s)
    GROUP BY {{key}} ORDER BY {{key}}
    ON CONFLICT ({{key}}, bucket_at) DO UPDATE SET {_REPLACED}, up = excluded.up
"""  # noqa: S608 - names of columns, from above


class PositionMovedError(KenchError):
    """Somebody else counted the same shares meanwhile: begin again from the stored positions."""


class Level(NamedTuple):
    """A coarser level, the one it is summed from, and its span."""

    name: str
    finer: str
    span_s: int
    key: str

    @property
    def statement(self) -> str:
        """Return what sums one span of it."""
        # Whether a worker ran is told by the finest level: for ten minutes, by an accepted share.
        finest = self.finer == FINEST
        up = "count(*) FILTER (WHERE accepted > 0)" if finest else "sum(up)"
        return _ROLL_UP.format(level=self.name, finer=self.finer, key=self.key, up=up)


FINEST = "worker_ten_minutes"
_WORKER, _PARTICIPANT = "participant_id, worker_id", "participant_id"
LEVELS = (
    Level("worker_hours", FINEST, HOUR_S, _WORKER),
    Level("worker_days", "worker_hours", DAY_S, _WORKER),
    Level("participant_ten_minutes", FINEST, BUCKET_S, _PARTICIPANT),
    Level("participant_hours", "participant_ten_minutes", HOUR_S, _PARTICIPANT),
    Level("participant_days", "participant_hours", DAY_S, _PARTICIPANT),
)
"""Each after the one it is summed from."""


def read_positions(connection: sa.Connection) -> dict[int, int]:
    """Return up to where each journal is in the history."""
    return {row[0]: row[1] for row in connection.execute(_POSITIONS)}


def add_credited(
    connection: sa.Connection,
    credited: Iterable[Credited],
    before: Mapping[int, int],
    after: Mapping[int, int],
) -> None:
    """Add accepted shares and move the positions that they stand for.

    `before` and `after` are journal positions by instance; one that was not stored yet is 0 or
    where reading began. Raises PositionMovedError, and nothing may be committed then.
    """
    # From the first statement on, so that no level is summed while rows are on their way into it.
    done = _done(connection)
    for instance, next_sequence in sorted(after.items()):
        moved = {"instance": instance, "next_sequence": next_sequence, "before": before[instance]}
        if connection.execute(_MOVE, moved).rowcount != 1:
            raise PositionMovedError(f"journal {instance} was counted by somebody else")
    oldest_s: int | None = None
    for rows in _batches(credited):
        oldest_s = min([row.bucket_s for row in rows] + ([] if oldest_s is None else [oldest_s]))
        connection.execute(
            _ADD_CREDITED,
            {
                "participants": [row.participant for row in rows],
                "workers": [row.worker for row in rows],
                "buckets": [row.bucket_s for row in rows],
                "accepted": [row.accepted for row in rows],
                "works": [row.work_hashes for row in rows],
            },
        )
    for level in LEVELS:
        if oldest_s is not None and oldest_s < done[level.name]:
            again_s = oldest_s // level.span_s * level.span_s
            connection.execute(_SET_ROLLUP, {"level": level.name, "done_s": again_s})


def add_refused(connection: sa.Connection, tally: Tally) -> None:
    """Add refusals to the present ten minutes; each is handed over once."""
    counts: dict[tuple[int, int], list[int]] = {}
    for (participant, worker, verdict, _agent), count in tally.items():
        row = counts.setdefault((participant, worker), [0] * len(Outcome))
        row[outcome_of(verdict)] += count
    if not counts:
        return
    columns = {
        outcome.name.lower(): [row[outcome] for row in counts.values()]
        for outcome in Outcome
        if outcome is not Outcome.ACCEPTED
    }
    keys: dict[str, Any] = {
        "participants": [participant for participant, _ in counts],
        "workers": [worker for _, worker in counts],
        "bucket_s": BUCKET_S,
    }
    connection.execute(_ADD_REFUSED, keys | columns)


def roll_up(engine: sa.Engine, now_s: float) -> int:
    """Sum what has ended since, a span a transaction; return how many, at most SPANS_EACH."""
    spans = 0
    while spans < SPANS_EACH:
        with engine.begin() as connection:
            due = next(_due(connection, now_s), None)
            if due is None:
                break
            level, start_s = due
            span = {"start_s": start_s, "end_s": start_s + level.span_s}
            connection.execute(sa.text(level.statement), span)
            done = {"level": level.name, "done_s": start_s + level.span_s}
            connection.execute(_SET_ROLLUP, done)
        spans += 1
    return spans


def _done(connection: sa.Connection) -> dict[str, int]:
    """Return before when each level is summed, and keep others from changing it."""
    return {row[0]: int(row[1]) for row in connection.execute(_LOCK_ROLLUPS)}


def _batches(credited: Iterable[Credited]) -> Iterator[list[Credited]]:
    rest = iter(credited)
    while rows := list(islice(rest, ROWS_EACH)):
        yield rows


def _due(connection: sa.Connection, now_s: float) -> Iterator[tuple[Level, int]]:
    """Yield levels with a span to be summed, the finer first: a day waits for its hours."""
    done = _done(connection)
    for level in LEVELS:
        start_s = done[level.name]
        if start_s + level.span_s <= done.get(level.finer, now_s - SETTLED_S):
            yield level, start_s
