"""Found blocks: how a stretch of the pool's shares becomes totals and blocks with what each pays.

Pure, so that settlement and its audit walk the same road from the same records. Which work a block
pays is said by the reward method in force at its height (`kench.payouts.methods`).

A block belongs to the first record that shows its hash. A repeat of it (a miner may send the same
solution twice, and a refused repeat is kept too) is no second block and closes no round.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date

import numpy as np

from kench.payouts.look_back import Window
from kench.payouts.merge import Merged
from kench.payouts.methods.pplns import window_hashes
from kench.payouts.open_work import Gathered, OpenWork, Span
from kench.payouts.outputs import coinbase_txid_of, outputs_of
from kench.payouts.split import split
from kench.payouts.totals import (
    Totals,
    add_totals,
    totals_of,
    work_by_participant,
    work_of_share,
)
from kench.pool.bitcoin import target_from_bits
from kench.pool.coinbase import Output
from kench.pool.journal.archive import ArchivedJob
from kench.pool.journal.format import Flag, JournalCorruptError
from kench.pool.orders.rules import InForce, Reward, RewardMethod
from kench.pool.work import work_of_target

NOBODY = 0
"""The participant id of a record whose name nobody was logged in under."""

WindowOf = Callable[[Mapping[int, int], int], Window | None]
"""(end in each journal, work in hashes): the newest work of the pool before that, and its spans;
None where that is not known yet."""


@dataclass(frozen=True, slots=True)
class Sources:
    """What a fold asks for as it goes on.

    `job_of` is given a journal's number and a job key, `is_known` tells if a block hash was found
    by an earlier record, `reward_at` is the order book's, `window` looks back over the journals. A
    block whose window is not known pays nothing yet: such a fold is to be done again.
    """

    job_of: Callable[[int, int], ArchivedJob]
    is_known: Callable[[str], bool]
    reward_at: Callable[[int], InForce[Reward]]
    window: WindowOf


@dataclass(frozen=True, slots=True)
class Paid:
    """What a block pays: to whom, by which work, and which shares of each journal that work is."""

    work_hashes: dict[int, int]
    amounts_sat: dict[int, int]
    spans: dict[int, Span]


@dataclass(frozen=True, slots=True)
class FoundBlock:
    """A block as the journal tells of it, and what it pays.

    Where it pays a `day`, that is not known before the day is over (`pay_day`).
    """

    hash: str
    height: int
    instance: int
    sequence: int
    job_key: int
    time_us: int
    participant: int
    worker: int
    credited: bool
    share_work_hashes: int
    reward_sat: int
    order: int
    method: RewardMethod
    coinbase_txid: str
    outputs: list[Output] = field(repr=False)
    day: date | None = None
    paid: Paid | None = field(default=None, repr=False)

    @property
    def work_hashes(self) -> dict[int, int]:
        """The work that it pays, by participant; empty before that is known."""
        return self.paid.work_hashes if self.paid else {}

    @property
    def amounts_sat(self) -> dict[int, int]:
        """What each participant gets; empty before that is known."""
        return self.paid.amounts_sat if self.paid else {}


def paid_by(
    reward_sat: int, work_hashes: dict[int, int], spans: dict[int, Span], finder: tuple[int, int]
) -> Paid:
    """Return how a reward is paid by work; `finder` is who found it, and the work of that share."""
    # Only a refused candidate can come where there is no work yet. If its block stands all the
    # same, the one hash that is known to have been made for it is its finder's.
    work_hashes = work_hashes or dict([finder])
    return Paid(work_hashes, split(reward_sat, work_hashes), spans)


@dataclass(frozen=True, slots=True)
class Stretch:
    """What a run of records amounts to."""

    totals: Totals
    blocks: list[FoundBlock]


def fold(
    merged: Merged, day: date, starts: Mapping[int, int], open_work: OpenWork, sources: Sources
) -> Stretch:
    """Fold records of one day, which follow all before, into totals and found blocks.

    `open_work` is moved on. `starts` has the sequence at which the records begin in each journal.
    Raises JobNotArchivedError where a candidate's job is missing, JournalCorruptError where a
    record or job has numbers that are none.
    """
    open_work.turn(day, starts)
    parts: list[Totals] = []
    blocks: list[FoundBlock] = []
    found: set[str] = set()
    start, ends = 0, dict(starts)
    for position in np.flatnonzero(merged.records["flags"] & Flag.BLOCK).tolist():
        parts.append(_take(merged.piece(start, position + 1), open_work, ends))
        start = position + 1
        block = _found_block(merged, position, sources)
        if block.hash in found or sources.is_known(block.hash):
            continue
        found.add(block.hash)
        blocks.append(_pay(block, day, open_work, ends, sources))
        if block.credited:
            open_work.close_round(ends)
    parts.append(_take(merged.piece(start, len(merged.records)), open_work, ends))
    return Stretch(add_totals(parts), blocks)


def pay_day(block: FoundBlock, today: Gathered, ends: Mapping[int, int]) -> FoundBlock:
    """Return a block with what it pays now that its day is over, which ended at `ends`."""
    return _paying(block, today.work.work_hashes(), today.spans(ends))


def _paying(block: FoundBlock, work_hashes: dict[int, int], spans: dict[int, Span]) -> FoundBlock:
    finder = block.participant, block.share_work_hashes
    return replace(block, paid=paid_by(block.reward_sat, work_hashes, spans, finder))


def _take(merged: Merged, open_work: OpenWork, ends: dict[int, int]) -> Totals:
    totals = totals_of(merged.records)
    open_work.add(work_by_participant(totals))
    for number, count in merged.counts.items():
        ends[number] = ends.get(number, 0) + count
    return totals


def _found_block(merged: Merged, position: int, sources: Sources) -> FoundBlock:
    """Return the block that a record shows, before it is known what it pays."""
    record, instance = merged.records[position], int(merged.numbers[position])
    job = sources.job_of(instance, int(record["job_key"]))
    in_force = sources.reward_at(job.height)
    return FoundBlock(
        hash=job.block_hash(record),
        height=job.height,
        instance=instance,
        sequence=int(record["sequence"]),
        job_key=int(record["job_key"]),
        time_us=int(record["time_us"]),
        participant=int(record["participant"]),
        worker=int(record["worker"]),
        credited=not int(record["flags"]) & Flag.UNCREDITED,
        share_work_hashes=work_of_share(float(record["difficulty"])),
        reward_sat=job.reward_sat,
        order=in_force.order,
        method=in_force.rule.method,
        coinbase_txid=coinbase_txid_of(job, record),
        outputs=outputs_of(job),
    )


def _pay(
    block: FoundBlock,
    day: date,
    open_work: OpenWork,
    ends: Mapping[int, int],
    sources: Sources,
) -> FoundBlock:
    match block.method:
        case "round":
            gathered = open_work.round
            return _paying(block, gathered.work.work_hashes(), gathered.spans(ends))
        case "pplns":
            rule = sources.reward_at(block.height).rule
            job = sources.job_of(block.instance, block.job_key)
            window = sources.window(ends, window_of(rule, job))
            return block if window is None else _paying(block, *window)
        case "period":
            return replace(block, day=day)


def window_of(rule: Reward, job: ArchivedJob) -> int:
    """Return how much work a block of this job pays by a rule `pplns`.

    The network's difficulty is that of the header's own bits, which the block must meet.
    """
    if rule.window_ppm is None:
        raise ValueError("an order for pplns says how long its window is")
    try:
        network_target = target_from_bits(job.nbits)
    except ValueError as none:
        raise JournalCorruptError(f"job {job.job_key:x} is none: {none}") from none
    return window_hashes(rule.window_ppm, work_of_target(network_target))
