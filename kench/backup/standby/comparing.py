"""Two data folders side by side: up to where their journals agree, and what only one of them has.

After a switch the old machine may hold shares that were acknowledged and never shipped, above all
where it led on behind a cut line. Both count on from the same share, so the same number stands for
two shares from there on: nothing can be copied over, and people decide what is owed for it.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from kench.backup.errors import RestoreError
from kench.backup.journals import journal_folders
from kench.native import RECORD_SIZE
from kench.pool.journal import SHARE, Flag, JournalReader
from kench.pool.journal.format import (
    HEADER_SIZE,
    JobNotArchivedError,
    digest_path,
    first_sequence_of,
    segment_paths,
)
from kench.pool.journal.mark import read_mark
from kench.pool.journal.reader import ShareArray, count_whole_records
from kench.pool.work import work_of

CHUNK_RECORDS = 65_536
BLOCK_WAITED_US = 2_000_000
"""A block is written down as it is found; this is room for clocks and disks that hang."""
BLOCK_HEAD_BYTES = 4096
_FOUND_US = re.compile(rb'"found_us": (\d+)')
UNKNOWN_BLOCK = "its job is not archived"


class Beyond(NamedTuple):
    """What a folder has behind the last share that both have."""

    shares: int
    answered: int
    """Those of them that miners were told of, at least: what tells of it is not synced."""
    first: int
    last: int
    first_us: int
    last_us: int
    by_participant: dict[int, tuple[int, int]]
    """Shares and work of each, refused candidates left away."""
    blocks: list[str]


class Compared(NamedTuple):
    """One journal here and there."""

    instance: int
    same: int
    """So many shares are the same, from the first on."""
    here: Beyond | None
    there: Beyond | None
    missing: list[tuple[int, int]]
    """First and last of what is not here though what follows is: the books have it."""


class Comparison(NamedTuple):
    """All journals, and files of blocks that the other machine found since they agreed."""

    journals: list[Compared]
    blocks: list[str]

    @property
    def differs(self) -> bool:
        """Whether the other folder has what is not here."""
        return bool(self.blocks) or any(one.there or one.missing for one in self.journals)


def compare(data: Path, other: Path) -> Comparison:
    """Compare two folders whose machines may run; raises RestoreError, and JournalError."""
    if not journal_folders(other / "journal"):
        raise RestoreError(f"{other} has no journals: name the other machine's data folder")
    numbers = {int(folder.name) for root in (data, other) for folder in journal_folders(
        root / "journal")}  # fmt: skip
    journals = [
        compare_journals(data / "journal" / str(one), other / "journal" / str(one))
        for one in sorted(numbers)
    ]
    names = [name for one in journals for name in _blocks_since(other, data, one)]
    return Comparison(journals, sorted(names))


def compare_journals(here: Path, there: Path) -> Compared:
    """Compare two folders of one front's journal."""
    same = _agreed(here, there)
    return Compared(
        int(here.name), same, _beyond(here, same), _beyond(there, same), list(_gaps(here))
    )


def _agreed(here: Path, there: Path) -> int:
    """Return the first sequence at which they differ, or one ends."""
    at = _sealed_alike(here, there)
    while True:
        ours, theirs = (_records_at(folder, at) for folder in (here, there))
        count = min(len(ours), len(theirs))
        if not count:
            return at
        sides = [one[:count].view(np.uint8).reshape(count, RECORD_SIZE) for one in (ours, theirs)]
        unlike = np.flatnonzero((sides[0] != sides[1]).any(axis=1))
        if len(unlike):
            return at + int(unlike[0])
        at += count


def _sealed_alike(here: Path, there: Path) -> int:
    """Return where the closed segments end whose digests, a chain, are the same."""
    at = 0
    for path in segment_paths(here):
        ours, theirs = digest_path(path), digest_path(there / path.name)
        if first_sequence_of(path) != at or not (ours.exists() and theirs.exists()):
            break
        if ours.read_bytes() != theirs.read_bytes():
            break
        at += _written(path)
    return at


def _written(path: Path) -> int:
    return max(0, path.stat().st_size - HEADER_SIZE) // RECORD_SIZE


def _records_at(folder: Path, sequence: int) -> ShareArray:
    """Return records from a sequence on, at most to the end of its segment; none where none is."""
    paths = [path for path in segment_paths(folder) if first_sequence_of(path) <= sequence]
    if not paths:
        return np.empty(0, SHARE)
    with paths[-1].open("rb") as file:
        file.seek(HEADER_SIZE + (sequence - first_sequence_of(paths[-1])) * RECORD_SIZE)
        raw = file.read(CHUNK_RECORDS * RECORD_SIZE)
    good = count_whole_records(raw, sequence)
    return np.frombuffer(raw[: good * RECORD_SIZE], SHARE)


def _chunks(folder: Path, start: int) -> Iterator[ShareArray]:
    """Yield all whole records from a sequence on, over gaps."""
    for path in segment_paths(folder):
        at = max(start, first_sequence_of(path))
        while at < first_sequence_of(path) + _written(path):
            records = _records_at(folder, at)
            if not len(records):
                break
            yield records
            at += len(records)


def _beyond(folder: Path, start: int) -> Beyond | None:
    durable, reader = read_mark(folder).records, JournalReader(folder)
    found: list[tuple[int, int, int, int]] = []
    answered, earned, blocks = 0, dict[int, list[int]](), list[str]()
    for records in _chunks(folder, start):
        ends = records[[0, -1]]
        first_us, last_us = (int(one) for one in ends["time_us"])
        found.append((len(records), int(ends["sequence"][0]), first_us, last_us))
        answered += int((records["sequence"] < durable).sum())
        _add_earned(earned, records[(records["flags"] & Flag.UNCREDITED) == 0])
        blocks += [_block_of(reader, one) for one in records[(records["flags"] & Flag.BLOCK) != 0]]
    if not found:
        return None
    (last_count, last_first, _, last_us), (_, first, first_us, _) = found[-1], found[0]
    return Beyond(
        sum(one[0] for one in found), answered, first, last_first + last_count - 1, first_us,
        last_us, {who: (shares, work) for who, (shares, work) in sorted(earned.items())}, blocks,
    )  # fmt: skip


def _add_earned(earned: dict[int, list[int]], records: ShareArray) -> None:
    pairs, counts = np.unique(records[["participant", "difficulty"]], return_counts=True)
    for (participant, difficulty), count in zip(pairs.tolist(), counts.tolist(), strict=True):
        sums = earned.setdefault(participant, [0, 0])
        sums[0] += count
        sums[1] += count * work_of(difficulty)


def _block_of(reader: JournalReader, record: np.void) -> str:
    try:
        return reader.job(int(record["job_key"])).block_hash(record)
    except JobNotArchivedError:
        return UNKNOWN_BLOCK


def _gaps(folder: Path) -> Iterator[tuple[int, int]]:
    end = 0
    for path in segment_paths(folder):
        if first_sequence_of(path) > end:
            yield end, first_sequence_of(path) - 1
        end = first_sequence_of(path) + _written(path)


def _blocks_since(other: Path, data: Path, compared: Compared) -> Iterator[str]:
    """Yield height and hash of blocks that a front of the other machine found since they agreed.

    Files of blocks are never shipped: those before are there alone too, and known by their shares.
    """
    name, since_us = str(compared.instance), 0
    if compared.same:
        (last,) = _records_at(other / "journal" / name, compared.same - 1)[:1]
        since_us = int(last["time_us"]) - BLOCK_WAITED_US
    known = {path.name for path in (data / "blocks").glob("*/*-*.json")}
    for path in (other / "blocks" / name).glob("*-*.json"):
        with path.open("rb") as file:
            found = _FOUND_US.search(file.read(BLOCK_HEAD_BYTES))
        if path.name not in known and (found is None or int(found[1]) >= since_us):
            yield path.stem


def as_json(comparison: Comparison) -> dict[str, Any]:
    """Return it as one object."""
    return {
        "journals": [
            one._asdict() | {side: found and found._asdict() for side, found in
                             (("here", one.here), ("there", one.there))}
            for one in comparison.journals
        ],
        "blocks": comparison.blocks,
        "differs": comparison.differs,
    }  # fmt: skip
