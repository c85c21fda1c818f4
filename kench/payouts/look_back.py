"""Looking back over the journals: the newest work of the pool before a place in its order.

The journals are read from that place towards their beginnings and merged as `kench.payouts.merge`
does it forwards; of all that was read so much is taken as nothing unread can be newer than.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from kench.payouts.merge import Times
from kench.payouts.methods.pplns import Pplns
from kench.payouts.open_work import Span
from kench.payouts.totals import (
    Records,
    totals_of_all,
    work_by_participant,
    work_in,
    work_of_share,
)
from kench.pool.journal.format import SHARE, Flag

READ_MIN = 1024
"""Records of each journal that are read first; twice as many each time after."""
READ_MAX = 65_536
"""Records of all journals together that are read at once."""

Read = Callable[[int, int, int], Records]
"""(journal number, from sequence, to sequence): all these records."""
Window = tuple[dict[int, int], dict[int, Span]]
"""The work of each participant in a window, and its spans."""
RepeatsIn = Callable[[int, int, int], Iterable[int]]
"""(journal number, from sequence, to sequence): which of these sequences are repeats."""


@dataclass
class _Lane:
    """What was read of one journal and not taken yet; nothing from `low` down was read."""

    number: int
    low: int
    span_from: int
    records: Records = field(default_factory=lambda: np.empty(0, SHARE))
    times: Times = field(default_factory=lambda: np.empty(0, np.uint64))

    def bound(self) -> tuple[int, int]:
        """Return the place in the order that nothing unread is behind, as (time, number)."""
        return int(self.times[0]), self.number

    def split_at(self, bound: tuple[int, int]) -> int:
        """Return how many records are before a place in the order."""
        side: Literal["left", "right"] = "left" if self.number >= bound[1] else "right"
        return int(np.searchsorted(self.times, np.uint64(bound[0]), side=side))


class LookBack:
    """Fills windows of the newest work, chunk by chunk; keeps nothing between two of them."""

    def __init__(self, read: Read, repeats_in: RepeatsIn) -> None:
        self._read = read
        self._repeats_in = repeats_in

    def window(self, ends: Mapping[int, int], window_hashes: int) -> Window:
        """Return the work of each in the window that ends before these sequences, and its spans.

        Where the journals hold less, it is all they hold.
        """
        window = Pplns(window_hashes)
        lanes = [_Lane(number, end, end) for number, end in sorted(ends.items())]
        cut = None

        def fitting() -> Iterator[Records]:
            """Yield what fits whole, newest first; what does not is taken singly."""
            nonlocal cut
            size = READ_MIN
            while window.room_hashes:
                for lane in lanes:
                    if not len(lane.records) and lane.low:
                        self._fill(lane, size)
                size = max(READ_MIN, min(size * 2, READ_MAX // max(1, len(lanes))))
                bound = max((lane.bound() for lane in lanes if lane.low), default=(0, -1))
                if not any(len(lane.records) for lane in lanes):
                    return
                parts = _cut_off(lanes, bound)
                records = np.concatenate([part[1] for part in parts])
                if window.hold(work_in(records)):
                    for lane, newest, _ in parts:
                        _reach(lane, newest)
                    yield records
                else:
                    cut = _take_singly(window, parts)

        # Whose work it is, is counted over all pieces, and told once.
        window.fill(work_by_participant(totals_of_all(fitting())))
        spans = {
            lane.number: Span(
                lane.span_from,
                ends[lane.number],
                cut[1] if cut is not None and cut[0] == lane.number else None,
            )
            for lane in lanes
            if lane.span_from != ends[lane.number]
        }
        return window.work_hashes(), spans

    def _fill(self, lane: _Lane, size: int) -> None:
        low = max(0, lane.low - size)
        records = self._read(lane.number, low, lane.low)
        repeats = [sequence - low for sequence in self._repeats_in(lane.number, low, lane.low)]
        if repeats:
            records = records.copy()
            records["flags"][repeats] |= np.uint16(Flag.UNCREDITED)
        lane.low, lane.records = low, records
        lane.times = np.maximum.accumulate(records["time_us"])


def _cut_off(lanes: list[_Lane], bound: tuple[int, int]) -> list[tuple[_Lane, Records, Times]]:
    """Take from each lane what is not before `bound`."""
    parts = []
    for lane in lanes:
        at = lane.split_at(bound)
        parts.append((lane, lane.records[at:], lane.times[at:]))
        lane.records, lane.times = lane.records[:at], lane.times[:at]
    return parts


def _take_singly(
    window: Pplns, parts: list[tuple[_Lane, Records, Times]]
) -> tuple[int, int] | None:
    """Take the newest records that still fit, and of one more what fits of it."""
    records = np.concatenate([part[1] for part in parts])
    owners = np.repeat(np.arange(len(parts)), [len(part[1]) for part in parts])
    # Stable as in the merge forwards: journals in their order, sequences in theirs.
    order = np.argsort(np.concatenate([part[2] for part in parts]), kind="stable")[::-1]
    order = order[(records["flags"][order] & Flag.UNCREDITED) == 0]
    whole = [work_of_share(one) for one in records["difficulty"][order].tolist()]
    room = window.room_hashes
    taken = window.take(zip(records["participant"][order].tolist(), whole, strict=True))
    for index, (lane, _, _) in enumerate(parts):
        mine = order[:taken][owners[order[:taken]] == index]
        _reach(lane, records[np.sort(mine)])
    oldest = taken - 1
    fits = room - sum(whole[:oldest])
    if fits == whole[oldest]:
        return None
    return parts[int(owners[order[oldest]])][0].number, fits


def _reach(lane: _Lane, records: Records) -> None:
    """Take note of how far back credited records of a journal were taken."""
    credited = records["sequence"][(records["flags"] & Flag.UNCREDITED) == 0]
    if len(credited):
        lane.span_from = int(credited[0])
