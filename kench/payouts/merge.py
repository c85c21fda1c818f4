"""Journals merged into the one order of the pool: by time, then journal number, then sequence.

A lane is what was read of one journal and not merged yet. Of all lanes that much is taken as no
record to come can fall between: what is taken, chunk after chunk, is the same sequence of records
whatever was read when.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from kench.payouts.totals import Records
from kench.pool.journal.format import SHARE

Times = npt.NDArray[np.uint64]
Numbers = npt.NDArray[np.uint32]


class Merged(NamedTuple):
    """Records in the order of the pool, the journal of each, and how many are of which."""

    records: Records
    numbers: Numbers
    counts: dict[int, int]

    def cut(self, length: int) -> "Merged":
        """Return the first `length` of them."""
        return self.piece(0, length)

    def piece(self, start: int, end: int) -> "Merged":
        """Return those from one position up to before another."""
        numbers = self.numbers[start:end]
        counts = np.bincount(numbers, minlength=max(self.counts) + 1)
        return Merged(
            self.records[start:end],
            numbers,
            {number: int(counts[number]) for number in self.counts},
        )


@dataclass
class Lane:
    """One journal's records from `next_sequence` on, and what is known of those behind them.

    Where `is_drained`, no more is durable, and what comes will be at `watermark_us` or later;
    elsewhere more can be read. A time that descends (as times could before they were held) counts
    as that of the record before it, `last_us` for the first.
    """

    number: int
    next_sequence: int = 0
    last_crc32: int = 0
    last_us: int = 0
    watermark_us: int = 0
    is_drained: bool = False
    records: Records = field(default_factory=lambda: np.empty(0, SHARE))
    times: Times = field(default_factory=lambda: np.empty(0, np.uint64))

    @property
    def read_up_to(self) -> int:
        """The sequence of the first record that was not read yet."""
        return self.next_sequence + len(self.records)

    def extend(self, records: Records) -> None:
        """Take records that follow those already here."""
        floor_us = int(self.times[-1]) if len(self.times) else self.last_us
        times = np.maximum.accumulate(np.maximum(records["time_us"], np.uint64(floor_us)))
        if len(self.records):
            records = np.concatenate((self.records, records))
            times = np.concatenate((self.times, times))
        self.records, self.times = records, times

    def drop(self, count: int) -> None:
        """Let go of the first records: they were settled."""
        if count:
            self.next_sequence += count
            self.last_crc32 = int(self.records["crc32"][count - 1])
            self.last_us = int(self.times[count - 1])
            self.records, self.times = self.records[count:], self.times[count:]

    def bound(self) -> tuple[int, int]:
        """Return the last place in the order, as (time, number), that nothing unread is before."""
        if self.is_drained:
            return self.watermark_us, -1
        return (int(self.times[-1]), self.number) if len(self.times) else (0, -1)


def merge(lanes: Sequence[Lane]) -> Merged | None:
    """Return what can be taken of all lanes together, None where that is nothing.

    Nothing is taken out: that is `Lane.drop`, once the records are booked.
    """
    lanes = sorted(lanes, key=lambda lane: lane.number)
    if not lanes:
        return None
    bound_us, bound_number = min(lane.bound() for lane in lanes)
    counts = {
        lane.number: int(
            np.searchsorted(
                lane.times,
                np.uint64(bound_us),
                side="right" if lane.number <= bound_number else "left",
            )
        )
        for lane in lanes
    }
    parts = [(lane, counts[lane.number]) for lane in lanes if counts[lane.number]]
    if not parts:
        return None
    records = np.concatenate([lane.records[:count] for lane, count in parts])
    numbers = np.repeat(
        np.array([lane.number for lane, _ in parts], np.uint32), [count for _, count in parts]
    )
    if len(parts) > 1:
        # Stable: records of one time stay in the order of their journals, and of their sequences.
        order = np.argsort(
            np.concatenate([lane.times[:count] for lane, count in parts]), kind="stable"
        )
        records, numbers = records[order], numbers[order]
    return Merged(records, numbers, counts)
