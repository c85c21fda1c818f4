"""Journal positions in the books: locked first and moved last in each transaction."""

from collections.abc import Iterable
from typing import NamedTuple

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from kench.payouts import tables
from kench.pool.errors import KenchError


class SettledElsewhereError(KenchError):
    """Another settlement moved the position of a journal meanwhile."""


class Position(NamedTuple):
    """Up to where a journal is settled, and what tells its last settled record."""

    next_sequence: int
    last_crc32: int
    last_us: int


def lock_positions(connection: sa.Connection, instances: Iterable[int]) -> dict[int, Position]:
    """Lock the positions of these journals, one after the other, and return them."""
    wanted = sorted(instances)
    if not wanted:
        return {}
    positions = tables.journal_positions
    connection.execute(
        insert(positions).on_conflict_do_nothing(),
        [{"instance": instance, "next_sequence": 0} for instance in wanted],
    )
    rows = connection.execute(
        sa.select(
            positions.c.instance,
            positions.c.next_sequence,
            positions.c.last_crc32,
            positions.c.last_us,
        )
        .where(positions.c.instance.in_(wanted))
        .order_by(positions.c.instance)
        .with_for_update()
    )
    return {row[0]: Position(*row[1:]) for row in rows}


def move_position(
    connection: sa.Connection, instance: int, start: int, end: Position, repeats: int
) -> None:
    """Move a journal's position from `start` on. Raises SettledElsewhereError."""
    positions = tables.journal_positions
    moved = connection.execute(
        sa.update(positions)
        .where(positions.c.instance == instance, positions.c.next_sequence == start)
        .values(**end._asdict(), repeats=positions.c.repeats + repeats)
    )
    if moved.rowcount != 1:
        raise SettledElsewhereError(
            f"the position of journal {instance} moved while share {start} on was settled:"
            " stop the other `kench settle`"
        )
