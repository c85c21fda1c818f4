"""Settlement of all journals: records become totals, open work and pended blocks, exactly once.

Each chunk is one transaction together with the journal positions it was read up to. A settlement
that is killed at any point leaves either all of a chunk or nothing of it, and the next one carries
on at the positions in the database. They are locked first and moved last by compare-and-set, so
that of two settlements that read the same chunk one commits.

A chunk with blocks by `pplns` is folded twice: the first time tells which windows they pay, which
are then read outside of any transaction (`kench.payouts.windows`); the second time books it.
"""

import enum
from collections.abc import Callable, Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

import numpy as np
import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from kench.payouts import tables
from kench.payouts.booking import book_block, is_booked, worker_names, write_totals
from kench.payouts.day import awaited_day, pay_day
from kench.payouts.journals import CHUNK_RECORDS, Journals
from kench.payouts.kept_work import read_open_work, write_open_work
from kench.payouts.merge import Merged
from kench.payouts.methods.period import end_us
from kench.payouts.open_work import OpenWork, by_day
from kench.payouts.positions import lock_positions, move_position
from kench.payouts.progress import Stand
from kench.payouts.resumed import WATCHED_MAX, Repeats, sequences_at, uncredit
from kench.payouts.rounds import FoundBlock, Sources, fold
from kench.payouts.totals import work_by_participant
from kench.payouts.windows import Windows
from kench.pool.clock import Clock
from kench.pool.orders.book import OrderBook


class Step(enum.Enum):
    """Points of a chunk or a day, in order; tests stop settlement at each of them."""

    BEGUN = enum.auto()
    READ = enum.auto()
    LOOKED_BACK = enum.auto()
    TOTALS = enum.auto()
    BLOCKS = enum.auto()
    OPEN_WORK = enum.auto()
    DAY = enum.auto()
    POSITION = enum.auto()
    COMMITTED = enum.auto()


@dataclass(frozen=True, slots=True)
class Settled:
    """What was done: a chunk of records, or blocks `paid` whose day is over, or `windows` read.

    `repeats` are shares that another journal had before.
    """

    records: int = 0
    repeats: int = 0
    blocks: list[FoundBlock] = field(default_factory=list)
    paid: int = 0
    windows: int = 0

    @property
    def is_nothing(self) -> bool:
        """Whether nothing was due."""
        return not (self.records or self.paid or self.windows)


NOTHING = Settled()


def _pass_by(_step: Step) -> None:
    """Stop at no step."""


OrdersOn = Callable[[sa.Connection], OrderBook]
"""The order book as a transaction sees it."""


def no_orders(_connection: sa.Connection) -> OrderBook:
    """Return the book of before there were orders."""
    return OrderBook()


class Settlement:
    """Settles the journals under a folder, chunk by chunk, on connections that it is lent.

    `orders_on` gives the order book as a transaction sees it.
    """

    def __init__(
        self,
        journal_root: Path,
        clock: Clock,
        *,
        orders_on: OrdersOn = no_orders,
        chunk_records: int = CHUNK_RECORDS,
        on_step: Callable[[Step], None] = _pass_by,
    ) -> None:
        self._journals = Journals(journal_root, clock, chunk_records)
        self._orders_on = orders_on
        self._on_step = on_step
        self._repeats: Repeats | None = None
        self._windows = Windows(self._journals.read)
        self._is_certain = False
        self._awaited: date | None = None

    @property
    def waits_for(self) -> str | None:
        """What keeps records from being settled, in words that name the journal."""
        return self._journals.waits_for

    @property
    def behind(self) -> dict[int, Stand]:
        """How far each journal is ahead of the books, as the last chunk left them."""
        return self._journals.behind()

    def settle_chunk(self, connection: sa.Connection) -> Settled:
        """Book what is due next in a transaction of its own; nothing where nothing is.

        That is a chunk of records of one day, or, once that day is over, some of the blocks that
        await it. Where a chunk pays windows, each is read by a call of its own before that. Raises
        JournalError where a journal cannot be read, JournalSwappedError, SettledElsewhereError, and
        SQLAlchemy's DBAPIError.
        """
        if not self._is_certain:
            self._journals.forget()
            self._windows.forget()
        # Whatever goes wrong from here on, the database is asked how far the books are.
        self._is_certain = False
        settled = NOTHING if self._windows.are_wanted else self._settle_next(connection)
        if self._windows.are_wanted:
            self._windows.look_back(lambda *span: _repeats_in(connection, *span))
            self._on_step(Step.LOOKED_BACK)
            settled = Settled(windows=1)
        self._is_certain = True
        return settled

    def _settle_next(self, connection: sa.Connection) -> Settled:
        """Book what is due next, unless windows are wanted for that."""
        self._journals.refresh()
        merged = None
        if self._journals.all_placed:
            merged = self._journals.take()
            if merged is None and not self._is_over(self._awaited):
                return NOTHING
        with connection.begin():
            self._on_step(Step.BEGUN)
            positions = lock_positions(connection, self._journals.numbers)
            if self._journals.place(positions):
                self._repeats = None
                merged = self._journals.take()
            self._on_step(Step.READ)
            settled, counts = self._settle(connection, merged)
        if not settled.is_nothing:
            self._on_step(Step.COMMITTED)
            self._journals.drop(counts)
            self._windows.forget()
        return settled

    def _is_over(self, day: date | None) -> bool:
        """Whether no record of a day can come any more, now that all there are were taken."""
        return day is not None and self._journals.are_past(end_us(day))

    def _settle(
        self, connection: sa.Connection, merged: Merged | None
    ) -> tuple[Settled, dict[int, int]]:
        """Pay a day that is over, else book a chunk; returns how many records of each journal."""
        open_work = read_open_work(connection)
        day = None
        if merged is not None:
            day, merged = next(by_day(merged, open_work.day))
        self._awaited = awaited_day(connection)
        if self._awaited is not None and (
            self._is_over(self._awaited) if day is None else day > self._awaited
        ):
            ends = self._journals.starts()
            paid = pay_day(connection, open_work.today, ends, self._record_at)
            self._on_step(Step.DAY)
            return Settled(paid=paid), {}
        if merged is None or day is None:
            return NOTHING, {}
        settled = self._book(connection, merged, day, open_work)
        if settled.is_nothing:
            return settled, {}
        self._on_step(Step.POSITION)
        return settled, merged.counts

    def _book(
        self, connection: sa.Connection, merged: Merged, day: date, before: OpenWork
    ) -> Settled:
        """Book a chunk; nothing of it where it pays windows that have to be read first."""
        if self._repeats is None:
            self._repeats = Repeats(self._journals.read_back, _read_watched(connection))
        watched = set(self._repeats.watched)
        starts = self._journals.starts()
        found = self._repeats.find(merged, starts)
        repeats = sequences_at(merged, found)
        self._windows.begin(repeats)
        open_work = deepcopy(before)
        sources = Sources(
            self._journals.job,
            lambda block_hash: is_booked(connection, block_hash),
            self._orders_on(connection).reward_at,
            self._windows.window,
        )
        stretch = fold(uncredit(merged, found), day, starts, open_work, sources)
        if self._windows.are_wanted:
            # What was found is not booked: it is to be found again.
            self._repeats = None
            return NOTHING
        _keep_watched(connection, watched, self._repeats.watched)
        _write_repeats(connection, repeats)
        write_totals(connection, stretch.totals)
        self._on_step(Step.TOTALS)
        names = worker_names(connection, stretch.blocks)
        for block in stretch.blocks:
            book_block(connection, block, names)
            self._awaited = block.day or self._awaited
        self._on_step(Step.BLOCKS)
        write_open_work(connection, before, open_work, work_by_participant(stretch.totals))
        self._on_step(Step.OPEN_WORK)
        for number, count in merged.counts.items():
            if count:
                start, end = self._journals.position_after(number, count)
                move_position(connection, number, start, end, len(repeats.get(number, ())))
        return Settled(len(merged.records), len(found), stretch.blocks)

    def _record_at(self, number: int, sequence: int) -> np.void:
        record: np.void = self._journals.read(number, sequence, sequence + 1)[0]
        return record


def _write_repeats(connection: sa.Connection, repeats: Mapping[int, list[int]]) -> None:
    """Keep which shares are repeats, for windows that look back over them."""
    if repeats:
        connection.execute(
            sa.insert(tables.repeats),
            [
                {"instance": number, "sequence": sequence}
                for number, sequences in repeats.items()
                for sequence in sequences
            ],
        )


def _repeats_in(connection: sa.Connection, number: int, start: int, end: int) -> list[int]:
    """Return the sequences of a journal's repeats, from one up to before another."""
    columns = tables.repeats.c
    with connection.begin():
        rows = connection.execute(
            sa.select(columns.sequence).where(
                columns.instance == number, columns.sequence >= start, columns.sequence < end
            )
        )
        return list(rows.scalars())


def _read_watched(connection: sa.Connection) -> list[int]:
    return list(connection.execute(sa.select(tables.resumed_jobs.c.job_key)).scalars())


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
