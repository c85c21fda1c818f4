"""Journals that nobody writes any more are published to their end: of fronts that died, or were.

Until the stream has heard of the end of a journal, settlement elsewhere waits for it. What the
stream lost of one after that is published again.
"""

from pathlib import Path

import structlog

from kench.native import RECORD_SIZE
from kench.pool.clock import Clock
from kench.pool.journal.completion import complete_if_free
from kench.pool.journal.format import HEADER_SIZE, JournalError, first_sequence_of, jobs_path
from kench.pool.journal.mark import DurableMark, Mark
from kench.pool.journal.remote import is_remote
from kench.pool.journal.replica import Reached
from kench.pool.journal.segment import last_segment
from kench.pool.looking import Tending
from kench.pool.nats.cluster import Cluster
from kench.pool.settings import Settings
from kench.pool.stream.lacks import Lacks
from kench.pool.stream.layout import read_last
from kench.pool.stream.message import Word
from kench.pool.stream.opening import publisher_of
from kench.pool.stream.told import Told, read_told

LOOK_S = 5.0
CHECK_S = 60.0
"""So often the stream is asked whether it still knows that a journal ended."""
ASK_S = 5.0

log = structlog.get_logger("stream")


class LeftBehind(Tending):
    """A thread of the job maker's that looks for such journals."""

    def __init__(self, settings: Settings, cluster: Cluster, clock: Clock) -> None:
        super().__init__("left behind", LOOK_S, _tell)
        self._settings, self._cluster, self._clock = settings, cluster, clock
        self._lacks = Lacks(cluster, clock)
        self._checked_s = clock.monotonic()

    def stop(self) -> None:
        """End, when the journal under way is published or fails; then the line is closed."""
        super().stop()
        self._cluster.close()

    def look(self) -> None:
        """Publish the rest of each, and that it ended. Raises what a publisher does."""
        root = self._settings.data_dir / "journal"
        own = [one for one in sorted(root.glob("[0-9]*")) if not is_remote(one)]
        is_there = self._cluster.why_away is None
        if is_there:
            self._lacks.listen(*(int(one.name) for one in own))
        is_check = is_there and self._clock.monotonic() - self._checked_s >= CHECK_S
        if is_check:
            self._checked_s = self._clock.monotonic()
        for folder in own:
            if self._stop.is_set():
                return
            is_lacking = self._lacks.of(int(folder.name)) is not None
            is_over = read_told(folder) is Told.NOTHING
            if not is_over or is_lacking or (is_check and self._is_unheard(int(folder.name))):
                self._end(folder)

    def _is_unheard(self, number: int) -> bool:
        """Whether the stream does not know any more that a journal ended, though it was told."""
        last = self._cluster.ask(read_last(self._cluster, number), ASK_S)
        return last is not None and last.stand.word in {Word.GOES_ON, Word.BEGAN}

    def _end(self, folder: Path) -> None:
        mark = complete_if_free(folder, self._clock)
        if mark is None:
            return
        try:
            lock = DurableMark(folder, tries=1)
        except JournalError:
            return
        try:
            # Nobody began meanwhile, or its writer would have told a later time.
            if lock.found != mark or (reached := _reached(folder, mark)) is None:
                return
            publisher = publisher_of(self._settings, self._cluster, folder, self._clock, log_taken)
            publisher.end_once(reached, self._lacks.take(int(folder.name)))
        finally:
            lock.close()
        log.info("a journal that was left behind is ended", number=int(folder.name))


def _tell(fault: str) -> None:
    log.warning("a journal that was left behind is not published", why=fault)


def log_taken(fault: Exception) -> None:
    """Say that somebody else writes it; the one who publishes raises it too."""
    log.warning("a journal is another's", why=str(fault))


def _reached(folder: Path, mark: Mark) -> Reached | None:
    """Return how far a journal is that nobody writes; None where it was never begun."""
    path = last_segment(folder)
    if path is None:
        return None
    first = first_sequence_of(path)
    shares = HEADER_SIZE + (mark.records - first) * RECORD_SIZE
    return Reached(first, jobs_path(path).stat().st_size, shares, mark.records, mark.watermark_us)
