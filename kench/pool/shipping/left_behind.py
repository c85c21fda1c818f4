"""Journals that nobody writes any more are shipped too: of fronts that there were, or that died.

Fewer processes, other numbers, a reload, a standby that is new: what is in such a folder counts as
much as what a front writes now.
"""

from pathlib import Path

import structlog

from kench.native import RECORD_SIZE
from kench.pool.clock import Clock
from kench.pool.journal.format import (
    HEADER_SIZE,
    JournalError,
    first_sequence_of,
    jobs_path,
    segment_paths,
)
from kench.pool.journal.mark import DurableMark, read_mark
from kench.pool.journal.remote import is_remote
from kench.pool.journal.replica import Reached
from kench.pool.looking import Tending
from kench.pool.shipping.shipper import Policy, Shipper

LOOK_S = 5.0

log = structlog.get_logger("shipping")


class LeftBehind(Tending):
    """A thread of the job maker's that looks for such journals."""

    def __init__(self, data: Path, policy: Policy, generation: int, clock: Clock) -> None:
        # Who stops it need not wait for a journal that is being shipped.
        super().__init__("left behind", LOOK_S, _tell, join_s=0.0)
        self._data, self._policy = data, policy
        self._generation, self._clock = generation, clock
        self._shipped: dict[int, int] = {}

    def look(self) -> None:
        """Ship each that has more than when it was shipped last."""
        for folder in sorted((self._data / "journal").glob("[0-9]*")):
            reached = _reached(folder)
            if reached is None or self._shipped.get(int(folder.name), 0) >= reached.records:
                continue
            if is_remote(folder):
                continue  # its copy elsewhere is gathered from the stream
            if not self._stop.is_set() and _is_free(folder):
                shipper = Shipper(
                    self._data, int(folder.name), self._policy, self._generation, self._clock,
                    lambda _fault: None,
                )  # fmt: skip
                shipper.ship_once(reached)
                self._shipped[int(folder.name)] = reached.records


def _tell(fault: str) -> None:
    log.warning("a journal that was left behind is not shipped", why=fault)


def _is_free(folder: Path) -> bool:
    try:
        DurableMark(folder, tries=1).close()
    except JournalError:
        return False
    return True


def _reached(folder: Path) -> Reached | None:
    """Return how far a journal is that nobody writes, by its mark."""
    mark, paths = read_mark(folder), segment_paths(folder)
    if not mark.records or not paths:
        return None
    # A segment may have been opened and never written.
    path = next((one for one in reversed(paths) if first_sequence_of(one) < mark.records), paths[0])
    first = first_sequence_of(path)
    shares = HEADER_SIZE + (mark.records - first) * RECORD_SIZE
    jobs = jobs_path(path).stat().st_size
    return Reached(first, jobs, shares, mark.records, mark.watermark_us)
