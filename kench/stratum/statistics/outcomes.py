"""What became of shares, as statistics tell it apart: five outcomes for the thirteen verdicts."""

from enum import IntEnum

from kench.native import Verdict


class Outcome(IntEnum):
    """Columns of the counts."""

    ACCEPTED = 0
    STALE = 1
    LOW_DIFFICULTY = 2
    DUPLICATE = 3
    OTHER = 4


_OUTCOMES = {
    Verdict.ACCEPTED: Outcome.ACCEPTED,
    Verdict.STALE: Outcome.STALE,
    # A job that left the table is an older one.
    Verdict.JOB_NOT_FOUND: Outcome.STALE,
    Verdict.LOW_DIFFICULTY: Outcome.LOW_DIFFICULTY,
    Verdict.DUPLICATE: Outcome.DUPLICATE,
}


def outcome_of(verdict: Verdict) -> Outcome:
    """Return the outcome that a verdict is counted as."""
    return _OUTCOMES.get(verdict, Outcome.OTHER)
