"""What looks at something again and again in a thread of its own, until it is stopped."""

import threading
from collections.abc import Callable

from kench.pool.errors import KenchError

JOIN_S = 5.0
"""How long `stop` waits for a look that is under way; as a daemon it ends with the process."""


class Looking:
    """Subclasses have `_run`, which works until `_stop` is set."""

    def __init__(self, name: str, join_s: float = JOIN_S) -> None:
        """Name the thread; `start` begins."""
        self._join_s = join_s
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        """Look from now on."""
        self._thread.start()

    def stop(self) -> None:
        """End the thread and wait for it."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(self._join_s)

    def _run(self) -> None:
        raise NotImplementedError


class Tending(Looking):
    """Subclasses have `look`; what stands in its way is told once, until it is something else."""

    def __init__(
        self, name: str, every_s: float, tell: Callable[[str], object], join_s: float = JOIN_S
    ) -> None:
        """Name the thread, and say how often it looks; `start` begins."""
        super().__init__(name, join_s)
        self._every_s = every_s
        self._tell = tell

    def look(self) -> None:
        """Look once."""
        raise NotImplementedError

    def _run(self) -> None:
        told: str | None = None
        while not self._stop.wait(self._every_s):
            fault = None
            try:
                self.look()
            except (KenchError, OSError, ValueError) as error:
                fault = str(error)
            if fault is not None and fault != told:
                self._tell(fault)
            told = fault
