"""Settlement of all journals: records become totals, rounds and pended blocks, exactly once.

Each chunk is one transaction together with the journal positions it was read up to. A settlement
that is killed at any point leaves either all of a chunk or nothing of it, and the next one carries
on at the positions in the database. They are locked first and moved last by compare-and-set, so
that of two settlements that read the same chunk one commits.
"""

import enum
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from kench.payouts import tables
from kench.payouts.booking import (
    book_block,
    is_booked,
    read_round,
    worker_names,
    write_round,
    write_totals,
)
from kench.payouts.journals import CHUNK_RECORDS, Journals
from kench.payouts.merge import Merged
from kench.payouts.positions import lock_positions, move_position
from kench.payouts.proofs.ends import write_ends
from kench.payouts.resumed import WATCHED_MAX, Repeats, uncredit
from kench.payouts.rounds import FoundBlock, fold
from kench.payouts.totals import work_by_participant
from kench.payouts.window import RoundWindow
from kench.pool.clock import Clock


class Step(enum.Enum):
    """Points of a chunk, in order; tests stop settlement at each of them."""

    BEGUN = enum.auto()
    READ = enum.auto()
    TOTALS = enum.auto()
    BLOCKS = enum.auto()
    ROUND = enum.auto()
    POSITION = enum.auto()
    COMMITTED = enum.auto()


@dataclass(frozen=True, slots=True)
class Settled:
    """What one chunk brought; `repeats` are shares that another journal had before."""

    records: int
    repeats: int
    blocks: list[FoundBlock]


NOTHING = Settled(0, 0, [])


def _pass_by(_step: Step) -> None:
    """Stop at no step."""


class Settlement:
    """Settles the journals under a folder, chunk by chunk, on connections that it is lent."""

    def __init__(
        self,
        journal_root: Path,
        clock: Clock,
        *,
        chunk_records: int = CHUNK_RECORDS,
        on_step: Callable[[Step], None] = _pass_by,
    ) -> None:
        self._journals = Journals(journal_root, clock, chunk_records)
        self._on_step = on_step
        self._repeats: Repeats | None = None
        self._is_certain = False

    @property
    def waits_for(self) -> str | None:
        """What keeps records from being settled, in words that name the journal."""
        return self._journals.waits_for

    def settle_chunk(self, connection: sa.Connection) -> Settled:
        """Book the next chunk in a transaction of its own; `records` is 0 where none is due.

        Raises JournalError where a journal cannot be read, JournalSwappedError,
        SettledElsewhereError, and SQLAlchemy's DBAPIError.
        """
        if not self._is_certain:
            self._journals.forget()
        # Whatever goes wrong from here on, the database is asked how far the books are.
        self._is_certain = False
        self._journals.refresh()
        merged = None
        if self._journals.all_placed:
            merged = self._journals.take()
            if merged is None:
                self._is_certain = True
                return NOTHING
        settled = NOTHING
        with connection.begin():
            self._on_step(Step.BEGUN)
            positions = lock_positions(connection, self._journals.numbers)
            if self._journals.place(positions):
                self._repeats = None
                merged = self._journals.take()
            self._on_step(Step.READ)
            if merged is not None:
                settled = self._book(connection, merged)
                self._on_step(Step.POSITION)
        if merged is not None:
            self._on_step(Step.COMMITTED)
            self._journals.drop(merged.counts)
        self._is_certain = True
        return settled

    def _book(self, connection: sa.Connection, merged: Merged) -> Settled:
        merged, repeats = self._without_repeats(connection, merged)
        window = RoundWindow(read_round(connection))
        stretch = fold(merged, window, self._journals.job, lambda one: is_booked(connection, one))
        write_totals(connection, stretch.totals)
        self._on_step(Step.TOTALS)
        names = worker_names(connection, stretch.blocks)
        for block in stretch.blocks:
            book_block(connection, block, names)
        write_ends(connection, merged, self._journals.starts(), stretch.blocks)
        self._on_step(Step.BLOCKS)
        closed = any(block.credited for block in stretch.blocks)
        state = window.state()
        if not closed:
            state = {who: state[who] for who in work_by_participant(stretch.totals)}
        write_round(connection, state, afresh=closed)
        self._on_step(Step.ROUND)
        for number, count in merged.counts.items():
            if count:
                start, end = self._journals.position_after(number, count)
                move_position(connection, number, start, end, repeats.get(number, 0))
        return Settled(len(merged.records), sum(repeats.values()), stretch.blocks)

    def _without_repeats(
        self, connection: sa.Connection, merged: Merged
    ) -> tuple[Merged, dict[int, int]]:
        """Take the credit from repeats; returns how many there are in each journal."""
        repeats = self._repeats
        if repeats is None:
            rows = connection.execute(sa.select(tables.resumed_jobs.c.job_key))
            repeats = self._repeats = Repeats(self._journals.read_back, rows.scalars())
        before = set(repeats.watched)
        found = repeats.find(merged, self._journals.starts())
        _keep_watched(connection, before, repeats.watched)
        numbers, counts = np.unique(merged.numbers[found], return_counts=True)
        return uncredit(merged, found), dict(zip(numbers.tolist(), counts.tolist(), strict=True))


def _keep_watched(connection: sa.Connection, before: set[int], watched: set[int]) -> None:
    """Keep the jobs that have foreign shares, for a settlement that carries on here."""
    table = tables.resumed_jobs
    fresh = watched - before
    if fresh:
        connection.execute(
            insert(table).on_conflict_do_nothing(), [{"job_key": key} for key in sorted(fresh)]
        )
        if len(watched) >= WATCHED_MAX:
            connection.execute(sa.delete(table).where(table.c.job_key < min(watched)))
