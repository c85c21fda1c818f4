"""Live numbers of participants with many workers, summed and sorted once for all who look.

Summing or sorting 20,000 workers takes PostgreSQL longer than all else of a page, and their
numbers are written only every few seconds. So sums are kept until newer ones are written, and the
order of a list for a little longer; what it shows of each worker is always of now. Where a
participant has few workers nothing is kept: that is done as quickly as asked for.
"""

from collections.abc import Sequence

import sqlalchemy as sa

from kench.cabinet.numbers.kept import ALWAYS, KeptWhileWritten
from kench.cabinet.numbers.live import LiveNumbers, WorkerState, read_live, read_written
from kench.cabinet.numbers.workers import (
    PAGE_WORKERS,
    Page,
    Sort,
    Wanted,
    first_of,
    read_lines,
    read_order,
    read_workers,
)

MANY_WORKERS = 500
NUMBERS_MAX = 1_024
"""Participants whose numbers are kept."""
ORDER_US = 60 * 1_000_000
"""An order is kept for so long; the workers in it are told as they are."""
ORDERS_MAX = 64
"""Orders that are kept: a participant's by one sort, and in one state or any; 4 bytes a worker."""


class KeptLive:
    """Used by many threads at once."""

    def __init__(self) -> None:
        self._numbers: KeptWhileWritten[int, LiveNumbers] = KeptWhileWritten(NUMBERS_MAX)
        self._orders = KeptWhileWritten[tuple[int, Sort, WorkerState | None], Sequence[int]](
            ORDERS_MAX
        )

    def numbers(self, db: sa.Connection, participant_id: int, now_us: int) -> LiveNumbers:
        """Return a participant's numbers, as read_live does."""

        def read() -> LiveNumbers:
            return read_live(db, [participant_id], now_us)[participant_id]

        if participant_id not in self._numbers:
            numbers = read()
            if numbers.workers < MANY_WORKERS:
                return numbers
            return self._numbers.value(participant_id, ALWAYS, now_us, lambda: numbers)
        return self._numbers.value(participant_id, read_written(db) or ALWAYS, now_us, read)

    def workers(self, db: sa.Connection, participant_id: int, wanted: Wanted, now_us: int) -> Page:
        """Return one page of the workers wanted, as read_workers does."""
        picked = wanted.search or wanted.group_id is not None
        if picked or participant_id not in self._numbers:
            return read_workers(db, participant_id, wanted, now_us)
        ids = self._orders.value(
            (participant_id, wanted.sort, wanted.state),
            ALWAYS,
            now_us,
            lambda: read_order(db, participant_id, wanted, now_us),
            ORDER_US,
        )
        first = first_of(wanted)
        chosen = list(ids[first : first + PAGE_WORKERS])
        return Page(read_lines(db, participant_id, chosen, now_us), len(ids))
