"""Rounds: how a stretch of the pool's shares becomes totals and blocks with what each pays.

Pure, so that settlement and its audit walk the same road from the same records.

A block belongs to the first record that shows its hash. A repeat of it (a miner may send the same
solution twice, and a refused repeat is kept too) is no second block and closes no round.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from kench.payouts.merge import Merged
from kench.payouts.split import split
from kench.payouts.totals import (
    Totals,
    add_totals,
    totals_of,
    work_by_participant,
    work_of_share,
)
from kench.payouts.window import Window
from kench.pool.journal.archive import ArchivedJob
from kench.pool.journal.format import Flag

NOBODY = 0
"""The participant id of a record whose name nobody was logged in under."""


@dataclass(frozen=True, slots=True)
class FoundBlock:
    """A block as the journal tells of it, with the work it pays and the satoshi for each."""

    hash: str
    height: int
    instance: int
    sequence: int
    job_key: int
    time_us: int
    participant: int
    worker: int
    credited: bool
    reward_sat: int
    work_hashes: dict[int, int] = field(repr=False)
    amounts_sat: dict[int, int] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Stretch:
    """What a run of records amounts to."""

    totals: Totals
    blocks: list[FoundBlock]


def fold(
    merged: Merged,
    window: Window,
    job_of: Callable[[int, int], ArchivedJob],
    is_known: Callable[[str], bool],
) -> Stretch:
    """Fold records, which follow all that `window` has seen, into totals and found blocks.

    `window` is moved on. `job_of` is given a journal's number and a job key. `is_known` tells if
    a block hash was found by an earlier record than these. Raises JobNotArchivedError where a
    candidate's job is missing, JournalCorruptError where a difficulty is none.
    """
    parts: list[Totals] = []
    blocks: list[FoundBlock] = []
    found: set[str] = set()
    records, start = merged.records, 0
    for position in np.flatnonzero(records["flags"] & Flag.BLOCK).tolist():
        parts.append(totals_of(records[start : position + 1]))
        window.add(work_by_participant(parts[-1]))
        start = position + 1
        record = records[position]
        instance = int(merged.numbers[position])
        job = job_of(instance, int(record["job_key"]))
        block_hash = job.block_hash(record)
        if block_hash in found or is_known(block_hash):
            continue
        found.add(block_hash)
        blocks.append(_found_block(block_hash, instance, job, record, window.credits()))
        if blocks[-1].credited:
            window.close()
    parts.append(totals_of(records[start:]))
    window.add(work_by_participant(parts[-1]))
    return Stretch(add_totals(parts), blocks)


def _found_block(
    block_hash: str,
    instance: int,
    job: ArchivedJob,
    record: np.void,
    work_hashes: dict[int, int],
) -> FoundBlock:
    participant = int(record["participant"])
    if not work_hashes:
        # Only a refused candidate can come where its round holds no work yet. If its block stands
        # all the same, the one hash that is known to have been made for it is its finder's.
        work_hashes = {participant: work_of_share(float(record["difficulty"]))}
    return FoundBlock(
        hash=block_hash,
        height=job.height,
        instance=instance,
        sequence=int(record["sequence"]),
        job_key=int(record["job_key"]),
        time_us=int(record["time_us"]),
        participant=participant,
        worker=int(record["worker"]),
        credited=not int(record["flags"]) & Flag.UNCREDITED,
        reward_sat=job.reward_sat,
        work_hashes=work_hashes,
        amounts_sat=split(job.reward_sat, work_hashes),
    )
