"""All journals of this machine read side by side, a bucket of ten minutes at a time."""

from pathlib import Path

import numpy as np

from kench.pool.journal import ShareArray
from kench.pool.journal.search import sequence_at
from kench.stratum.statistics.gathering import BUCKET_S, Gathering
from kench.stratum.statistics.tail import JournalTail

# Records taken at once: what numpy does with them holds other threads up for a millisecond at most.
CHUNK = 16_384
# A journal without newer records is not waited for longer than this past the end of a bucket.
PATIENCE_S = 5.0
# A journal that was never counted before is counted from so long ago on.
FIRST_S = 24 * 3600
# Records older than this are left out: their month may have no partition any more.
OLDEST_S = 28 * 24 * 3600


class Journals:
    """Reads up to the end of the open bucket, no further until that is in the history."""

    def __init__(self, folder: Path, positions: dict[int, int], now_s: float) -> None:
        self._folder = folder
        self._tails: dict[int, JournalTail] = {}
        self._stored = dict(positions)
        self._ended: set[int] = set()  # journals whose next record lies past the bucket
        self.left_out = 0
        self.bucket_end_s = _bucket_end(now_s)
        self.look(now_s)
        heads = [_time_of(tail.peek()) for tail in self._tails.values()]
        known = [head for head in heads if head is not None]
        if known:
            self.bucket_end_s = _bucket_end(min(now_s, max(min(known), now_s - OLDEST_S)))

    def look(self, now_s: float) -> None:
        """See whether there are journals that are not followed yet."""
        for directory in self._folder.glob("[0-9]*"):
            if directory.name.isdigit() and int(directory.name) not in self._tails:
                instance = int(directory.name)
                start = self._stored.get(instance)
                if start is None:
                    start = sequence_at(directory, int((now_s - FIRST_S) * 1_000_000))
                    self._stored[instance] = start
                self._tails[instance] = JournalTail(directory, start)

    def replay(self, gathering: Gathering, window_s: int, now_s: float) -> None:
        """Fill the short windows with records that the history has already."""
        for instance, tail in self._tails.items():
            directory = self._folder / str(instance)
            start = sequence_at(directory, int((now_s - window_s) * 1_000_000))
            replayed = JournalTail(directory, start)
            while replayed.next_sequence < tail.next_sequence:
                records = replayed.read(min(CHUNK, tail.next_sequence - replayed.next_sequence))
                gathering.fold(records, counted=False)
            replayed.close()

    def read(self, gathering: Gathering, now_s: float) -> bool:
        """Take what is new into the gathering, at most a chunk a journal; False if nothing was."""
        read = False
        for instance, tail in self._tails.items():
            if instance not in self._ended:
                records = tail.read(CHUNK)
                read |= len(records) > 0
                self._take(instance, tail, records, gathering, now_s)
        return read

    def _take(
        self,
        instance: int,
        tail: JournalTail,
        records: ShareArray,
        gathering: Gathering,
        now_s: float,
    ) -> None:
        end_us = self.bucket_end_s * 1_000_000
        # A record from the future (the clock was set back) counts as one of now.
        late = np.minimum(records["time_us"], np.uint64(max(now_s, 0) * 1_000_000)) >= end_us
        if late.any():
            first = int(np.argmax(late))
            tail.next_sequence -= len(records) - first
            self._ended.add(instance)
            records = records[:first]
        old = records["time_us"] < np.uint64(max(now_s - OLDEST_S, 0) * 1_000_000)
        if old.any():
            self.left_out += int(old.sum())
            records = records[~old]
        gathering.fold(records, now_s=now_s)

    def bucket_is_over(self, now_s: float) -> bool:
        """Say whether all that belongs into the open bucket was read, as far as is known."""
        if now_s < self.bucket_end_s:
            return False
        return now_s > self.bucket_end_s + PATIENCE_S or len(self._ended) == len(self._tails)

    def positions(self) -> tuple[dict[int, int], dict[int, int]]:
        """Return journal positions as the history has them, and as they are now, where moved."""
        now = {
            instance: tail.next_sequence
            for instance, tail in self._tails.items()
            if tail.next_sequence != self._stored[instance]
        }
        return {instance: self._stored[instance] for instance in now}, now

    def stored(self, positions: dict[int, int]) -> None:
        """Hear that the history has everything up to these positions."""
        self._stored.update(positions)

    def next_bucket(self, now_s: float) -> None:
        """Go on to the next bucket that has records, or to that of now."""
        self._ended.clear()
        heads = [_time_of(tail.peek()) for tail in self._tails.values()]
        waiting = min([now_s, *(head for head in heads if head is not None)])
        self.bucket_end_s = max(self.bucket_end_s + BUCKET_S, _bucket_end(waiting))

    def close(self) -> None:
        """Let go of the files."""
        for tail in self._tails.values():
            tail.close()


def _bucket_end(at_s: float) -> int:
    return (int(at_s) // BUCKET_S + 1) * BUCKET_S


def _time_of(records: ShareArray) -> float | None:
    return float(records[0]["time_us"]) / 1e6 if len(records) else None
