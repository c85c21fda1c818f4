"""The journals of the pool as settlement reads them: met, refreshed, taken from in one order."""

from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np

from kench.payouts.merge import Lane, Merged, merge
from kench.payouts.positions import Position
from kench.payouts.progress import Stand
from kench.pool.clock import Clock
from kench.pool.errors import KenchError
from kench.pool.journal.archive import ArchivedJob
from kench.pool.journal.completion import NotOursError, complete_if_free
from kench.pool.journal.format import Flag
from kench.pool.journal.mark import Mark
from kench.pool.journal.reader import JournalReader, ShareArray
from kench.pool.journal.remote import is_remote

CHUNK_RECORDS = 65_536
"""Records read into one transaction at most: 4.5 MiB; as many of each journal wait in memory."""
CHUNK_BLOCKS = 64
"""Blocks booked in one transaction at most; a chunk is cut after the last of them."""
SILENT_US = 5_000_000
"""A running front says twice a second that its time passes; past this it is named."""


class JournalSwappedError(KenchError):
    """The journal on disk is not the one that the books were made from."""


class Journals:
    """Lanes of all journals under a folder; each is placed where the books say before it is read.

    What raises JournalError or JournalSwappedError holds all journals up: a block pays the work of
    all of them, so none can be passed over.
    """

    def __init__(self, folder: Path, clock: Clock, chunk_records: int = CHUNK_RECORDS) -> None:
        self._folder = folder
        self._clock = clock
        self._chunk_records = chunk_records
        self._readers: dict[int, JournalReader] = {}
        self._marks: dict[int, Mark] = {}
        self._lanes: dict[int, Lane] = {}
        self.waits_for: str | None = None
        """What keeps records from being settled, in words that name the journal."""

    @property
    def numbers(self) -> set[int]:
        """The journals that were met."""
        return set(self._readers)

    @property
    def all_placed(self) -> bool:
        """Whether the position of every journal is known."""
        return self._lanes.keys() == self._readers.keys()

    def forget(self) -> None:
        """Let go of positions and of what was read: the books must be asked again."""
        self._lanes.clear()

    def refresh(self) -> None:
        """Look how far each journal is, then for new ones.

        In that order: a journal that is made after this look has no record before the watermarks
        that were read before it.
        """
        self._marks = {number: reader.mark() for number, reader in self._readers.items()}
        directories = {
            int(path.name): path
            for path in (self._folder.iterdir() if self._folder.is_dir() else ())
            if path.name.isdecimal() and path.is_dir()
        }
        for gone in self._readers.keys() - directories.keys():
            del self._readers[gone], self._marks[gone]
            self._lanes.pop(gone, None)
        for number in directories.keys() - self._readers.keys():
            self._readers[number] = JournalReader(directories[number])
            self._marks[number] = self._readers[number].mark()

    def place(self, positions: Mapping[int, Position]) -> bool:
        """Put each lane where the books are; True where one was elsewhere. Raises as the class."""
        moved = False
        for number, position in positions.items():
            lane = self._lanes.get(number)
            if lane is None or lane.next_sequence != position.next_sequence:
                self._check(number, position)
                self._lanes[number] = Lane(number, *position)
                moved = True
        return moved

    def position_after(self, number: int, count: int) -> tuple[int, Position]:
        """Return where a lane stands, and where it will when `count` of its records are booked."""
        lane = self._lanes[number]
        end = Position(
            lane.next_sequence + count,
            int(lane.records["crc32"][count - 1]),
            int(lane.times[count - 1]),
        )
        return lane.next_sequence, end

    def starts(self) -> dict[int, int]:
        """Return the sequence of each journal's first record that is not booked."""
        return {number: lane.next_sequence for number, lane in self._lanes.items()}

    def behind(self) -> dict[int, Stand]:
        """Return how far each journal that is placed is ahead of the books."""
        return {
            number: Stand(
                max(0, self._marks[number].records - lane.next_sequence),
                int(lane.times[0]) if len(lane.times) else None,
            )
            for number, lane in self._lanes.items()
        }

    def drop(self, counts: Mapping[int, int]) -> None:
        """Let go of records that were booked."""
        for number, count in counts.items():
            self._lanes[number].drop(count)

    def job(self, number: int, job_key: int) -> ArchivedJob:
        """Return a job as a journal keeps it. Raises JobNotArchivedError."""
        return self._readers[number].job(job_key)

    def read_back(self, number: int, job_key: int, end: int) -> Iterator[ShareArray]:
        """Yield booked records of a journal among which those of a job are."""
        return self._readers[number].chunks_since(job_key, end, self._chunk_records)

    def read(self, number: int, start: int, end: int) -> ShareArray:
        """Return booked records of a journal, from one sequence up to before another."""
        return self._readers[number].read_span(start, end)

    def are_past(self, time_us: int) -> bool:
        """Whether every record before a time was taken, and none can come any more."""
        if self._clock.now_us() < time_us:
            return False
        self._complete(time_us - 1)
        if all(
            lane.is_drained and not len(lane.records) and lane.watermark_us >= time_us
            for lane in self._lanes.values()
        ):
            return True
        self.waits_for = self._who_is_waited_for(time_us - 1)
        return False

    def take(self) -> Merged | None:
        """Return the next records of all journals, in order; None where none is due."""
        self._fill()
        newest_us = max((int(lane.times[-1]) for lane in self._lanes.values() if len(lane.times)),
                        default=-1)  # fmt: skip
        if newest_us >= 0:
            self._complete(newest_us)
        merged = merge(list(self._lanes.values()))
        self.waits_for = self._who_is_waited_for(newest_us)
        if merged is None:
            return None
        candidates = np.flatnonzero(merged.records["flags"] & Flag.BLOCK)
        length = min(len(merged.records), self._chunk_records)
        if len(candidates) >= CHUNK_BLOCKS:
            length = min(length, int(candidates[CHUNK_BLOCKS - 1]) + 1)
        return merged.cut(length)

    def _fill(self) -> None:
        """Read what is durable, up to a fair share of a chunk for each journal that has more."""
        behind = [
            number
            for number, lane in self._lanes.items()
            if lane.read_up_to < self._marks[number].records
        ]
        share = max(1, self._chunk_records // max(1, len(behind)))
        for number, lane in self._lanes.items():
            self._fill_lane(lane, self._marks[number], share)

    def _fill_lane(self, lane: Lane, mark: Mark, share: int) -> None:
        while (wanted := min(share - len(lane.records), mark.records - lane.read_up_to)) > 0:
            lane.extend(
                self._readers[lane.number].read_within(lane.read_up_to, wanted, mark.records)
            )
        lane.is_drained = lane.read_up_to >= mark.records
        lane.watermark_us = mark.watermark_us

    def _complete(self, newest_us: int) -> None:
        """Move on the journals that hold others up and have no writer to do so."""
        for number, lane in self._lanes.items():
            if lane.is_drained and lane.watermark_us <= newest_us:
                mark = self._completed(number)
                if mark is not None:
                    self._marks[number] = mark
                    self._fill_lane(lane, mark, self._chunk_records)

    def _completed(self, number: int) -> Mark | None:
        """Mark a journal complete up to now; None where it has a writer, or only another may."""
        try:
            return complete_if_free(self._folder / str(number), self._clock)
        except NotOursError:
            # The job maker of its fronts says it each second; until then it is waited for.
            return None

    def _who_is_waited_for(self, newest_us: int) -> str | None:
        """Name what holds others up for longer than a front that works can."""
        now_us = self._clock.now_us()
        for number, lane in sorted(self._lanes.items()):
            is_late = lane.watermark_us < now_us - SILENT_US
            if lane.is_drained and lane.watermark_us <= newest_us and is_late:
                return _silent_words(number, self._folder / str(number))
            if len(lane.times) and int(lane.times[0]) > now_us + SILENT_US:
                return (
                    f"journal {number} (its shares are ahead of the clock: was the clock wrong? "
                    "they are settled when it gets there)"
                )
        return None

    def _check(self, number: int, position: Position) -> None:
        """Check that the record before a position is the one that was booked."""
        if not position.next_sequence:
            return
        if self._marks[number].records < position.next_sequence:
            # A mark can be lost with the machine; the records cannot.
            self._marks[number] = self._completed(number) or self._marks[number]
        last = position.next_sequence - 1
        records = min(self._marks[number].records, position.next_sequence)
        before = self._readers[number].read_within(last, 1, records)
        if not len(before) or int(before["crc32"][0]) != position.last_crc32:
            raise JournalSwappedError(
                f"journal {number} does not hold share {last} as it was settled: "
                "restore the journal that the database was made from"
            )


def _silent_words(number: int, directory: Path) -> str:
    """Name a journal whose time does not pass, and what to look at."""
    if is_remote(directory):
        return (
            f"journal {number} (written on another machine, and nothing of it comes: look at "
            "`kench gather`, at that machine and its way to NATS; if it is lost for good, "
            f"`kench gather lost {number}`)"
        )
    return (
        f"journal {number} (its stratum process says nothing, or is stopped and settlement may not "
        "write there: start `kench stratum`, or look at its log and restart it)"
    )
