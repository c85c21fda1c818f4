"""Journals of made-up shares for what only counts them: many at once, at chosen times."""

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from kench.pool.journal import SHARE, Flag
from kench.pool.journal.mark import DurableMark, Mark
from kench.pool.journal.segment import OpenSegment, digest_before


class ShareJournal:
    """A journal whose records have no hashes or checksums worth looking at."""

    def __init__(self, folder: Path, instance: int = 0) -> None:
        self.directory = folder / str(instance)
        self.directory.mkdir(parents=True)
        self._instance = instance
        self._segment = OpenSegment.create(self.directory, instance, 0, 0)
        self._mark = DurableMark(self.directory)
        self._mark.set(Mark(0, 0))

    def add(
        self,
        times_s: Any,
        workers: Any,
        difficulty: Any = 1.0,
        *,
        participant: Any = 1,
        uncredited: bool = False,
    ) -> npt.NDArray[np.void]:
        """Append records and make them durable; each argument is one value or one a record."""
        times = np.atleast_1d(np.asarray(times_s, np.float64))
        records = np.zeros(len(times), SHARE)
        first = self._segment.next_sequence
        records["sequence"] = np.arange(first, first + len(times))
        records["time_us"] = np.round(times * 1e6).astype(np.uint64)
        records["worker"] = workers
        records["participant"] = participant
        records["difficulty"] = difficulty
        records["flags"] = Flag.UNCREDITED if uncredited else 0
        self._segment.append(b"", records.tobytes())
        self._mark.set(Mark(self._segment.next_sequence, int(records["time_us"][-1])))
        return records

    def rotate(self) -> None:
        """Begin another segment."""
        self._segment.seal(digest_before(self._segment.path))
        self._segment.close()
        self._segment = OpenSegment.create(
            self.directory, self._instance, self._segment.next_sequence, 0
        )

    def close(self) -> None:
        """Let go of the files."""
        self._segment.close()
        self._mark.close()
