"""What settlement waits for, in the one row that status reads."""

import sqlalchemy as sa

from kench.payouts import tables


def write_waits_for(connection: sa.Connection, waits_for: str | None) -> None:
    """Keep the words, and since when; NULL where settlement waits for nothing."""
    connection.execute(
        sa.update(tables.settlement).values(
            waits_for=waits_for,
            since=None if waits_for is None else sa.func.now(),
        )
    )
