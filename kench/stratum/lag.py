"""How late an event loop runs its timers: the wait that everything on it has."""

import asyncio

LAG_PROBE_S = 0.1


class LagProbe:
    """Sees, each LAG_PROBE_S, how late the loop runs a timer."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self.last_s = 0.0
        self.max_s = 0.0

    def start(self) -> None:
        """Look from now on."""
        self._loop.call_at(self._loop.time() + LAG_PROBE_S, self._look, self._loop.time())

    def _look(self, asked_at: float) -> None:
        self.last_s = max(0.0, self._loop.time() - asked_at - LAG_PROBE_S)
        self.max_s = max(self.max_s, self.last_s)
        self.start()
