"""When jobs are made only because difficulties changed: for all fronts together, spaced."""

import asyncio
from collections.abc import Callable

from kench.stratum.front import RETARGET_S


class Retargets:
    """Calls `make` at once for the first wish of a quiet time, else RETARGET_S after the last."""

    def __init__(self, loop: asyncio.AbstractEventLoop, make: Callable[[], None]) -> None:
        self._loop = loop
        self._make = make
        self._made_at = loop.time() - RETARGET_S
        self._waits = False

    def want(self) -> None:
        """Have a job made, soon; wishes that come before it are fulfilled by it too (A6.4)."""
        if not self._waits:
            self._waits = True
            wait = max(0.0, self._made_at + RETARGET_S - self._loop.time())
            self._loop.call_later(wait, self._now)

    def _now(self) -> None:
        self._waits = False
        self._made_at = self._loop.time()
        self._make()
