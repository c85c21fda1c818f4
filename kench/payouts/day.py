"""A day that is over: blocks by method `period` that were found on it get what they pay."""

from collections.abc import Callable, Mapping
from datetime import date

import numpy as np
import sqlalchemy as sa

from kench.payouts import ledger, tables
from kench.payouts.booking import write_credits
from kench.payouts.follow import awaits_day
from kench.payouts.open_work import Gathered
from kench.payouts.rounds import paid_by
from kench.payouts.totals import work_of_share
from kench.payouts.transfers import BlockState

DAY_BLOCKS = 64
"""Blocks that are paid in one transaction at most."""

RecordAt = Callable[[int, int], np.void]
"""(journal number, sequence): the record that shows a block."""


def awaited_day(connection: sa.Connection) -> date | None:
    """Return the day that blocks wait for to be over; None where none does."""
    question = sa.select(sa.func.min(tables.blocks.c.day)).where(awaits_day())
    day: date | None = connection.execute(question).scalar_one()
    return day


def pay_day(
    connection: sa.Connection, today: Gathered, ends: Mapping[int, int], record_at: RecordAt
) -> int:
    """Write what blocks pay whose day ended at `ends`, and pend it; returns how many there were.

    Some at a time, the lowest first: call it until it returns 0. A block that is off the best chain
    pends nothing; it does when it comes back.
    """
    columns = tables.blocks.c
    rows = connection.execute(
        sa.select(
            columns.hash,
            columns.instance,
            columns.sequence,
            columns.reward_sat,
            columns.credited,
            columns.state,
        )
        .where(awaits_day())
        .order_by(columns.height, columns.hash)
        .limit(DAY_BLOCKS)
    ).all()
    work_hashes, spans = today.work.work_hashes(), today.spans(ends)
    for row in rows:
        record = record_at(row.instance, row.sequence)
        finder = int(record["participant"]), work_of_share(float(record["difficulty"]))
        write_credits(connection, row.hash, paid_by(row.reward_sat, work_hashes, spans, finder))
        if row.credited and row.state == BlockState.PENDING:
            ledger.pend(connection, row.hash, 1)
    return len(rows)
