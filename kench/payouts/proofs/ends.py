"""Up to where each journal was when a block was found: kept at booking, for windows are between.

The first sequence behind a block in a journal is the first whose record comes after the block's own
in the order of the pool.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import sqlalchemy as sa

from kench.payouts import tables as books
from kench.payouts.merge import Merged
from kench.payouts.proofs import tables
from kench.payouts.rounds import FoundBlock
from kench.pool.journal.search import sequence_at

Ends = dict[int, int]
"""The first sequence behind, by journal."""


def ends_of(merged: Merged, starts: Mapping[int, int], block: FoundBlock) -> Ends:
    """Return the ends of a block that is among these records.

    `starts` has the sequence at which they begin in each journal.
    """
    mine = (merged.numbers == block.instance) & (merged.records["sequence"] == block.sequence)
    before = merged.numbers[: int(np.flatnonzero(mine)[0]) + 1]
    counts = np.bincount(before, minlength=max(starts) + 1)
    return {number: start + int(counts[number]) for number, start in sorted(starts.items())}


def write_ends(
    connection: sa.Connection,
    merged: Merged,
    starts: Mapping[int, int],
    blocks: Iterable[FoundBlock],
) -> None:
    """Keep the ends of blocks that are booked with these records."""
    for block in blocks:
        connection.execute(
            sa.insert(tables.block_ends),
            [
                {"block_hash": block.hash, "instance": number, "end_sequence": end}
                for number, end in ends_of(merged, starts, block).items()
            ],
        )


def read_ends(connection: sa.Connection, block_hash: str) -> Ends:
    """Return what was kept of a block; empty where it was booked before ends were kept."""
    columns = tables.block_ends.c
    rows = connection.execute(
        sa.select(columns.instance, columns.end_sequence)
        .where(columns.block_hash == block_hash)
        .order_by(columns.instance)
    )
    return {row.instance: row.end_sequence for row in rows}


def read_ends_before(connection: sa.Connection, block_hash: str) -> Ends:
    """Return the ends of the credited blocks that were booked before this one, of each journal."""
    columns, blocks = tables.block_ends.c, books.blocks.c
    first = sa.select(sa.func.min(columns.number)).where(columns.block_hash == block_hash)
    rows = connection.execute(
        sa.select(columns.instance, sa.func.max(columns.end_sequence).label("end_sequence"))
        .join(books.blocks, blocks.hash == columns.block_hash)
        .where(columns.number < first.scalar_subquery(), blocks.credited)
        .group_by(columns.instance)
    )
    return {row.instance: row.end_sequence for row in rows}


def ends_by_time(journal_root: Path, instances: Iterable[int], block: Any) -> Ends:
    """Return the ends of a row of `blocks` as the journals' times tell them.

    For blocks that were booked before ends were kept. `found_us` is when its record was made.
    """
    ends = {}
    for number in instances:
        if number == block.instance:
            ends[number] = block.sequence + 1
        else:
            # Of two records of one time, that of the journal with the lower number comes first.
            behind_us = block.found_us + (number < block.instance)
            ends[number] = sequence_at(journal_root / str(number), behind_us)
    return ends
