"""Monthly partitions of the history: made ahead and dropped by functions of the tables' owner."""

from dataclasses import dataclass

import sqlalchemy as sa

_MAKE = sa.text("SELECT make_statistics_partitions()")
_DROP = sa.text("SELECT drop_statistics_partitions(:ten_minutes_d, :hours_d, :days_d)")


@dataclass(frozen=True, slots=True)
class Retention:
    """How many days each level is kept; whole months go when their last day is older.

    Addresses go by the day.
    """

    ten_minutes_d: int
    hours_d: int
    days_d: int
    addresses_d: int = 90


def keep_partitions(connection: sa.Connection, retention: Retention) -> list[str]:
    """Make what the next two months need and drop what is older than is kept; return the latter."""
    connection.execute(_MAKE)
    keep = {
        "ten_minutes_d": retention.ten_minutes_d,
        "hours_d": retention.hours_d,
        "days_d": retention.days_d,
    }
    return list(connection.execute(_DROP, keep).scalars())
