"""Time passes for journals that nobody writes any more, by whoever may write them.

Settlement of several journals waits for the time of each. It may be an account of its own that
reads journals and writes none, so the job maker, whose fronts wrote them, says it for those that
ended: of a reload, of fewer processes, of a front that died.
"""

import threading
from pathlib import Path

import structlog

from kench.pool.clock import Clock
from kench.pool.journal.completion import complete_if_free
from kench.pool.journal.format import DURABLE_NAME, JournalError
from kench.pool.journal.remote import is_remote

LOOK_S = 1.0

log = structlog.get_logger("journal")


class Passing:
    """A thread of the job maker's that marks such journals complete up to now."""

    def __init__(self, root: Path, clock: Clock) -> None:
        self._root, self._clock = root, clock
        self._fault: str | None = None
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="time passes", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End, after the look that is under way."""
        self._stopping.set()

    def look(self) -> None:
        """Mark each that is written here and has no writer; raises JournalError and OSError."""
        for mark in sorted(self._root.glob(f"*/{DURABLE_NAME}")):
            if mark.parent.name.isdecimal() and not is_remote(mark.parent):
                complete_if_free(mark.parent, self._clock)

    def _run(self) -> None:
        while not self._stopping.wait(LOOK_S):
            fault = None
            try:
                self.look()
            except (JournalError, OSError) as error:
                fault = str(error)
            if fault is not None and fault != self._fault:
                log.error("a journal that ended is not marked complete", why=fault)
            self._fault = fault
