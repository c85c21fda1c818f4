"""The open round and the open day in the books: read whole, written where they changed."""

from collections.abc import Iterable, Mapping
from decimal import Decimal

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY, insert

from kench.payouts import tables
from kench.payouts.methods.round import Round
from kench.payouts.open_work import Gathered, OpenWork


def read_open_work(connection: sa.Connection) -> OpenWork:
    """Return what is gathered so far."""
    columns = tables.journal_positions.c
    positions = connection.execute(
        sa.select(columns.instance, columns.round_from, columns.day_from)
    ).all()
    return OpenWork(
        Gathered(
            Round(_read(connection, tables.open_round).items()),
            {row.instance: row.round_from for row in positions},
        ),
        Gathered(
            Round(_read(connection, tables.open_day).items()),
            {row.instance: row.day_from for row in positions},
        ),
        connection.execute(sa.select(tables.settlement.c.day)).scalar_one(),
    )


def write_open_work(
    connection: sa.Connection,
    before: OpenWork,
    after: OpenWork,
    changed: Iterable[int],
) -> None:
    """Write what was gathered; `changed` are the participants whose work grew."""
    who = set(changed)
    is_new = after.round.starts != before.round.starts
    _write(connection, tables.open_round, after.round.work.work_hashes(), None if is_new else who)
    if is_new:
        _write_starts(connection, "round_from", after.round.starts)
    is_new = after.day != before.day
    _write(connection, tables.open_day, after.today.work.work_hashes(), None if is_new else who)
    if is_new:
        _write_starts(connection, "day_from", after.today.starts)
        connection.execute(sa.update(tables.settlement).values(day=after.day))


def _read(connection: sa.Connection, table: sa.Table) -> dict[int, int]:
    rows = connection.execute(sa.select(table.c.participant_id, table.c.work_hashes))
    return {row.participant_id: row.work_hashes for row in rows}


def _write(
    connection: sa.Connection, table: sa.Table, state: Mapping[int, int], only: set[int] | None
) -> None:
    """Write the work of `only` these, or of all afresh."""
    if only is None:
        connection.execute(sa.delete(table))
    rows = sorted((who, work) for who, work in state.items() if only is None or who in only)
    if not rows:
        return
    # All rows in one statement: row by row they take longer than the rest of a chunk together.
    given = (
        sa.func.unnest(
            sa.cast([who for who, _ in rows], ARRAY(sa.BigInteger)),
            sa.cast([Decimal(work) for _, work in rows], ARRAY(sa.Numeric(78, 0))),
        )
        .table_valued("participant_id", "work_hashes")
        .render_derived()
    )
    statement = insert(table).from_select(["participant_id", "work_hashes"], sa.select(given))
    connection.execute(
        statement.on_conflict_do_update(
            index_elements=["participant_id"],
            set_={"work_hashes": statement.excluded.work_hashes},
        )
    )


def _write_starts(connection: sa.Connection, column: str, starts: Mapping[int, int | None]) -> None:
    positions = tables.journal_positions
    for number, start in sorted(starts.items()):
        connection.execute(
            sa.update(positions).where(positions.c.instance == number).values({column: start})
        )
