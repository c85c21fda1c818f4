"""How long a connection may keep the cabinet waiting: for a head, and for reading its answer.

uvicorn waits for both for ever, so whoever opens connections and says nothing, or asks and does not
read, would hold them all. How long a body may take: `kench.pool.web.bodies`.
"""

import asyncio
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol

from kench.pool.web.bodies import EndUnclear

HEAD_S = 20.0
"""From the first moment, or the answer before, to the last byte of a request's head."""
READ_S = 60.0
"""That a browser takes nothing of what it asked for; pages that stay open are pinged."""


class PatientProtocol(H11Protocol):
    """A connection that is cut off when it takes too long, or is one too many."""

    _head: asyncio.TimerHandle | None = None
    _reading: asyncio.TimerHandle | None = None

    def __init__(self, *arguments: Any, **options: Any) -> None:
        """Create it, as uvicorn does."""
        super().__init__(*arguments, **options)
        self.app = EndUnclear(self.app)

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin; where there are too many already, end at once."""
        super().connection_made(transport)
        most = self.limit_concurrency
        if most is not None and len(self.connections) > most:
            transport.abort()
            return
        self._watch()

    def data_received(self, data: bytes) -> None:
        """Take what came."""
        super().data_received(data)
        self._watch()

    def on_response_complete(self) -> None:
        """Wait for the next request."""
        super().on_response_complete()
        self._watch()

    def pause_writing(self) -> None:
        """Wait for the other side to read."""
        super().pause_writing()
        if self._reading is None:
            self._reading = self.loop.call_later(READ_S, self._cut)

    def resume_writing(self) -> None:
        """Go on."""
        super().resume_writing()
        _stop(self._reading)
        self._reading = None

    def connection_lost(self, exc: Exception | None) -> None:
        """End."""
        _stop(self._head)
        _stop(self._reading)
        super().connection_lost(exc)

    def _watch(self) -> None:
        """Have the time for a head run while one is waited for."""
        if self.cycle is not None and not self.cycle.response_complete:
            _stop(self._head)
            self._head = None
        elif self._head is None and not self.transport.is_closing():
            self._head = self.loop.call_later(HEAD_S, self._cut)

    def _cut(self) -> None:
        self.transport.abort()


def _stop(timer: asyncio.TimerHandle | None) -> None:
    if timer is not None:
        timer.cancel()
