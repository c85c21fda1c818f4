"""What came of each turn of forming, kept in one row: for `kench status` and metrics."""

from datetime import date, datetime
from typing import NamedTuple

import sqlalchemy as sa

FAULT_MAX = 500

_KEEP = sa.text("""
    UPDATE income_forming SET records = records + :records, took_s = :took_s,
        formed_until = coalesce(:until, formed_until),
        formed_at = CASE WHEN CAST(:fault AS text) IS NULL THEN :now ELSE formed_at END,
        failures = failures + CASE WHEN CAST(:fault AS text) IS NULL THEN 0 ELSE 1 END,
        failing_since = CASE WHEN CAST(:fault AS text) IS NULL THEN NULL
            ELSE coalesce(failing_since, :now) END,
        fault = :fault
""")


class Turn(NamedTuple):
    """A turn of forming: up to which day all is there, or why not."""

    records: int
    took_s: float
    until: date | None = None
    fault: str | None = None


def keep_turn(db: sa.Connection, turn: Turn, now: datetime) -> None:
    """Write down what came of a turn."""
    fault = None if turn.fault is None else turn.fault[:FAULT_MAX]
    db.execute(_KEEP, {**turn._asdict(), "fault": fault, "now": now})
