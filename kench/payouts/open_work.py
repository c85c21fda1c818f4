"""Work that is gathered until something closes it: the round until a block, the day until midnight.

Both are gathered whatever method is in force: an order can change the method in the middle of
either, and a block pays by the method of its own height all that this method says.
"""

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import NamedTuple

import numpy as np

from kench.payouts.merge import Merged
from kench.payouts.methods.period import day_of, first_us, turns
from kench.payouts.methods.round import Round


class Span(NamedTuple):
    """A stretch of one journal, from a sequence up to before another, whose shares a block pays.

    Where `cut_hashes` is set, the first share counts with so much of its work only. The beginning
    is None where books do not know it: of rounds that were open before spans were kept.
    """

    from_sequence: int | None
    to_sequence: int
    cut_hashes: int | None = None


@dataclass
class Gathered:
    """Work since it was begun, and at which sequence of each journal that was."""

    work: Round = field(default_factory=Round)
    starts: dict[int, int | None] = field(default_factory=dict)

    def spans(self, ends: Mapping[int, int]) -> dict[int, Span]:
        """Return its stretch of each journal that it has shares of.

        A journal that was met later begins with its first share.
        """
        spans = {number: Span(self.starts.get(number, 0), end) for number, end in ends.items()}
        return {number: span for number, span in sorted(spans.items()) if span[0] != span[1]}


@dataclass
class OpenWork:
    """The open round and the open day; `day` is None before the first record of all."""

    round: Gathered = field(default_factory=Gathered)
    today: Gathered = field(default_factory=Gathered)
    day: date | None = None

    def add(self, work_hashes: Mapping[int, int]) -> None:
        """Take credited work of the open day."""
        self.round.work.add(work_hashes.items())
        self.today.work.add(work_hashes.items())

    def close_round(self, ends: Mapping[int, int]) -> None:
        """Begin a new round where the journals stand."""
        self.round = Gathered(starts=dict(ends))

    def turn(self, day: date, ends: Mapping[int, int]) -> None:
        """Begin a day where the journals stand, unless it is the open one."""
        if day != self.day:
            self.today = Gathered(starts=dict(ends))
            self.day = day


def by_day(merged: Merged, open_day: date | None) -> Iterator[tuple[date, Merged]]:
    """Yield the records of each day apart; who comes after midnight in the pool's order is late."""
    times = np.maximum.accumulate(merged.records["time_us"])
    if open_day is not None:
        times = np.maximum(times, np.uint64(first_us(open_day)))
    bounds = [0, *turns(times), len(times)]
    for start, end in itertools.pairwise(bounds):
        if start < end:
            yield day_of(int(times[start])), merged.piece(start, end)
