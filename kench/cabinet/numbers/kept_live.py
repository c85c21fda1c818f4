"""Live numbers of participants with many workers, summed once for all who look at them.

Summing 20,000 workers takes PostgreSQL longer than all else of a page, and their numbers are
written only every few seconds. So the sums are kept until newer ones are written. Where a
participant has few workers nothing is kept: they are summed as quickly as asked for.
"""

import threading
from collections import OrderedDict
from dataclasses import dataclass, field
from datetime import datetime

import sqlalchemy as sa

from kench.cabinet.numbers.live import LiveNumbers, read_live, read_written

MANY_WORKERS = 500
KEPT_MAX = 512
"""Participants whose numbers are kept; beyond, those that were not asked for longest go."""
AGAIN_US = 60 * 1_000_000
"""Summed again after so long even if nobody has written: workers fall silent with time."""


@dataclass(slots=True)
class _Entry:
    """A participant's sums; who sums them holds the lock, so that others wait and do not."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    written: datetime | None = None
    at_us: int = 0
    numbers: LiveNumbers | None = None


class KeptLive:
    """Used by many threads at once."""

    def __init__(self) -> None:
        self._entries: OrderedDict[int, _Entry] = OrderedDict()
        self._lock = threading.Lock()

    def numbers(self, db: sa.Connection, participant_id: int, now_us: int) -> LiveNumbers:
        """Return a participant's numbers, as read_live does."""
        entry = self._entry(participant_id)
        if entry is None:
            numbers = read_live(db, [participant_id], now_us)[participant_id]
            if numbers.workers >= MANY_WORKERS:
                self._add(participant_id)
            return numbers
        written = read_written(db)
        with entry.lock:
            kept = entry.numbers
            if kept is None or entry.written != written or now_us - entry.at_us >= AGAIN_US:
                kept = read_live(db, [participant_id], now_us)[participant_id]
                entry.numbers, entry.written, entry.at_us = kept, written, now_us
        return kept

    def _entry(self, participant_id: int) -> _Entry | None:
        with self._lock:
            entry = self._entries.get(participant_id)
            if entry is not None:
                self._entries.move_to_end(participant_id)
            return entry

    def _add(self, participant_id: int) -> None:
        with self._lock:
            self._entries.setdefault(participant_id, _Entry())
            while len(self._entries) > KEPT_MAX:
                self._entries.popitem(last=False)
