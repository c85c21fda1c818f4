"""Time passes for journals that nobody writes any more, by whoever may write them.

Settlement of several journals waits for the time of each. It may be an account of its own that
reads journals and writes none, so the job maker, whose fronts wrote them, says it for those that
ended: of a reload, of fewer processes, of a front that died.
"""

from pathlib import Path

import structlog

from kench.pool.clock import Clock
from kench.pool.journal.completion import complete_if_free
from kench.pool.journal.format import DURABLE_NAME
from kench.pool.journal.remote import is_remote
from kench.pool.looking import Tending

LOOK_S = 1.0

log = structlog.get_logger("journal")


class Passing(Tending):
    """A thread of the job maker's that marks such journals complete up to now."""

    def __init__(self, root: Path, clock: Clock) -> None:
        super().__init__("time passes", LOOK_S, _tell)
        self._root, self._clock = root, clock

    def look(self) -> None:
        """Mark each that is written here and has no writer; raises JournalError and OSError."""
        for mark in sorted(self._root.glob(f"*/{DURABLE_NAME}")):
            if mark.parent.name.isdecimal() and not is_remote(mark.parent):
                complete_if_free(mark.parent, self._clock)


def _tell(fault: str) -> None:
    log.error("a journal that ended is not marked complete", why=fault)
