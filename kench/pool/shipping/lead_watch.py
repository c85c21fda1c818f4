"""Whether this machine still leads, looked at for as long as a process serves, settles or sells."""

import os
import signal
import threading
from collections.abc import Callable

import structlog

from kench.pool.clock import Clock
from kench.pool.settings import Settings
from kench.pool.shipping.generation import GenerationError, ReplacedError
from kench.pool.shipping.leading import refuse_if_another_leads

LOOK_S = 1.0
ASK_EACH_S = 5.0
"""The folder is looked at each second, which costs nothing; the standby is asked less often."""
LEAVE_S = 30.0
EXIT_FAULT = 1

log = structlog.get_logger("lead")


def _end_process() -> None:
    os.kill(os.getpid(), signal.SIGTERM)


class LeadWatch:
    """A thread that ends its process, as SIGTERM does, once another machine leads.

    A line to the standby that was cut comes back at some time: whoever served on meanwhile hears of
    it then, whether it ships journals itself or not. One that does not end within LEAVE_S is ended
    by force: two that lead cost more than what a clean end would have saved.
    """

    def __init__(
        self, settings: Settings, clock: Clock, on_replaced: Callable[[], None] = _end_process
    ) -> None:
        self._settings, self._clock, self._on_replaced = settings, clock, on_replaced
        self._fault: ReplacedError | None = None
        self._trouble: str | None = None
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="lead", daemon=True)

    def start(self) -> "LeadWatch":
        """Begin to look."""
        self._thread.start()
        return self

    def end(self) -> None:
        """End, with the process's work done; raises ReplacedError where that was the reason."""
        self._stopping.set()
        if self._fault is not None:
            raise self._fault

    def _run(self) -> None:
        asked_s = self._clock.monotonic()
        while not self._stopping.wait(LOOK_S):
            now_s = self._clock.monotonic()
            asks = now_s - asked_s >= ASK_EACH_S
            if asks:
                asked_s = now_s
            try:
                refuse_if_another_leads(self._settings, asks=asks)
                self._trouble = None
            except ReplacedError as fault:
                self._leave(fault)
                return
            except GenerationError as error:
                if self._trouble is None:
                    log.error("nobody can tell whether this machine leads", why=str(error))
                self._trouble = str(error)

    def _leave(self, fault: ReplacedError) -> None:
        self._fault = fault
        log.critical("this machine was replaced: it ends", why=str(fault))
        self._on_replaced()
        if not self._stopping.wait(LEAVE_S):
            log.critical("it does not end and is ended by force")
            os._exit(EXIT_FAULT)
