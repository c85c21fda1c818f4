"""What shares amount to, by the plain rule: each record in its turn, all of them in memory."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np

from kench.payouts.merge import Merged
from kench.payouts.methods.pplns import Pplns
from kench.payouts.open_work import OpenWork, Span, by_day
from kench.payouts.rounds import FoundBlock, Sources, fold, pay_day
from kench.payouts.totals import Totals, add_totals, work_of_share
from kench.pool.journal.archive import ArchivedJob
from kench.pool.journal.format import Flag
from kench.pool.orders.rules import InForce, Reward

BY_ROUND = InForce(0, Reward("round"))


def by_round(_height: int) -> InForce[Reward]:
    """The order in force where there is none."""
    return BY_ROUND


@dataclass
class Folding:
    """Folds what it is given, as settlement does without a database."""

    job_of: Callable[[int, int], ArchivedJob]
    reward_at: Callable[[int], InForce[Reward]] = by_round
    open_work: OpenWork = field(default_factory=OpenWork)
    totals: Totals = field(default_factory=dict)
    found: dict[str, FoundBlock] = field(default_factory=dict)
    ends: dict[int, int] = field(default_factory=dict)
    seen: list[tuple[int, np.void]] = field(default_factory=list)

    def take(self, merged: Merged) -> "Folding":
        """Fold records that follow all taken before."""
        self.seen += zip(merged.numbers.tolist(), merged.records, strict=True)
        for number in merged.counts:
            self.ends.setdefault(number, 0)
        sources = Sources(self.job_of, self.found.__contains__, self.reward_at, self.window)
        for day, piece in by_day(merged, self.open_work.day):
            if day != self.open_work.day:
                self.end_day()
            stretch = fold(piece, day, self.ends, self.open_work, sources)
            self.totals = add_totals((self.totals, stretch.totals))
            self.found |= {block.hash: block for block in stretch.blocks}
            for number, count in piece.counts.items():
                self.ends[number] += count
        return self

    def end_day(self) -> None:
        """Pay the blocks of a day that is over."""
        for block in self.blocks:
            if block.paid is None:
                self.found[block.hash] = pay_day(block, self.open_work.today, self.ends)

    @property
    def blocks(self) -> list[FoundBlock]:
        """The blocks found so far, in their order."""
        return list(self.found.values())

    @property
    def round(self) -> dict[int, int]:
        """The open round."""
        return self.open_work.round.work.work_hashes()

    @property
    def today(self) -> dict[int, int]:
        """The open day."""
        return self.open_work.today.work.work_hashes()

    def window(
        self, ends: Mapping[int, int], window_hashes: int
    ) -> tuple[dict[int, int], dict[int, Span]]:
        """Fill a window record by record, from the newest before `ends` on."""
        window, starts, cut = Pplns(window_hashes), dict(ends), {}
        for number, record in reversed(self.seen):
            if int(record["sequence"]) >= ends[number] or record["flags"] & Flag.UNCREDITED:
                continue
            room, work = window.room_hashes, work_of_share(float(record["difficulty"]))
            if window.take([(int(record["participant"]), work)]):
                starts[number] = int(record["sequence"])
                cut = {number: room} if room < work else {}
        return window.work_hashes(), {
            number: Span(starts[number], end, cut.get(number))
            for number, end in sorted(ends.items())
            if starts[number] != end
        }
