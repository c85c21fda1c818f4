"""What is costly to make (statements, proofs): few at once, and not too often for one login."""

import contextlib
import math
import threading
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import AbstractContextManager
from typing import Annotated

from fastapi import Depends, Request
from starlette.exceptions import HTTPException

from kench.cabinet.web.visit import CabinetHere, Entered

AT_ONCE = 2
"""Made at once in this process; each takes a thread of the handlers' and one core."""
WAITING_MAX = 3
"""Threads that wait for their turn; others are sent away at once."""
WAIT_S = 5.0
BURST = 12
EACH_S = 5.0
"""A login may ask for so many at once, and for one more each so many seconds."""
LOGINS_MAX = 4_096
"""Logins whose counts are kept; the one that asked least recently is forgotten."""


class Making:
    """Turns; for any thread."""

    def __init__(self, at_once: int = AT_ONCE, wait_s: float = WAIT_S) -> None:
        self._slots = threading.BoundedSemaphore(at_once)
        self._inside = threading.BoundedSemaphore(at_once + WAITING_MAX)
        self._wait_s = wait_s
        self._lock = threading.Lock()
        self._used: OrderedDict[int, tuple[float, float]] = OrderedDict()

    @contextlib.contextmanager
    def turn(self, login_id: int, now_s: float) -> Iterator[None]:
        """Hold a slot; 429 for a login that asks too often, 503 while too many are being made.

        `now_s` is monotonic.
        """
        late_s = self._count(login_id, now_s)
        if late_s:
            raise HTTPException(429, headers={"Retry-After": str(math.ceil(late_s))})
        busy = HTTPException(503, headers={"Retry-After": str(math.ceil(self._wait_s) or 1)})
        if not self._inside.acquire(blocking=False):
            raise busy
        try:
            if not self._slots.acquire(timeout=self._wait_s):
                raise busy
            try:
                yield
            finally:
                self._slots.release()
        finally:
            self._inside.release()

    def _count(self, login_id: int, now_s: float) -> float:
        """Count one more; returns the seconds to wait where it is too many."""
        with self._lock:
            level, at_s = self._used.get(login_id, (0.0, now_s))
            level = max(0.0, level - (now_s - at_s) / EACH_S)
            if level + 1 > BURST:
                return (level + 1 - BURST) * EACH_S
            self._used[login_id] = (level + 1, now_s)
            self._used.move_to_end(login_id)
            while len(self._used) > LOGINS_MAX:
                self._used.popitem(last=False)
            return 0.0


def turn_of(request: Request, login: Entered, cabinet: CabinetHere) -> AbstractContextManager[None]:
    """Return the turn of this login: what is made within it is bounded."""
    making: Making = request.app.state.making
    return making.turn(login.id, cabinet.clock.monotonic())


Turn = Annotated[AbstractContextManager[None], Depends(turn_of)]
