"""Whether this front serves: each reason not to is named; the last one gone opens the doors."""

import asyncio
import enum
from collections.abc import Callable, Sequence

import structlog

from kench.stratum.certificate import LOOK_S, Certificate
from kench.stratum.doors import Door
from kench.stratum.front import Front

# A port that could not be opened is tried anew after this long.
REOPEN_S = 1.0

log = structlog.get_logger("stratum")


class Obstacle(enum.Enum):
    """Why miners cannot be served now."""

    NO_JOB = "no job yet"
    NOT_PROPOSED = "no node has taken a proposal of our first block"
    NO_NODE = "no usable node"
    JOURNAL = "the journal cannot be written"


class Doors:
    """All doors together: open while no obstacle stands.

    A front that cannot acknowledge work closes its ports and all connections, so that miners fail
    over to another pool address at once (design: it never says `true` for work that can be lost).
    A door that cannot be opened for a reason of its own is tried again; the others serve.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        front: Front,
        doors: Sequence[Door],
        on_change: Callable[[bool], None],
        certificate: Certificate | None = None,
    ) -> None:
        self._loop = loop
        self._front = front
        self.doors = tuple(doors)
        self.certificate = certificate
        self._on_change = on_change
        self._obstacles: dict[Obstacle, str] = {
            Obstacle.NO_JOB: "waiting for a block template",
            Obstacle.NOT_PROPOSED: "",
        }
        self._opening: asyncio.Task[None] | None = None
        self._was_open = False
        self._closed = False
        self._draining = False

    @property
    def is_open(self) -> bool:
        """Whether miners can connect at any door."""
        return any(door.is_open for door in self.doors)

    @property
    def why(self) -> str | None:
        """Why miners cannot connect, or None."""
        for obstacle, detail in self._obstacles.items():
            return f"{obstacle.value}: {detail}" if detail else obstacle.value
        if self.is_open:
            return None
        if self._draining:
            return "another process of the pool goes on"
        faults = [f"door {door.name}: {door.fault}" for door in self.doors if door.fault]
        return "; ".join(faults) or "the ports are being opened"

    def block(self, obstacle: Obstacle, detail: str) -> None:
        """Stop serving for a reason."""
        if obstacle not in self._obstacles:
            log.error("stopped serving", reason=obstacle.value, detail=detail)
        self._obstacles[obstacle] = detail
        if self.is_open:
            self._shut(obstacle.value)
            self._tell()

    def clear(self, obstacle: Obstacle) -> None:
        """Take a reason away; the last one opens the doors."""
        if self._obstacles.pop(obstacle, None) is not None and not self._obstacles:
            self.open()

    def open(self) -> None:
        """Open what is not open, unless there is a reason not to."""
        if self._may_open() and self._opening is None:
            self._opening = self._loop.create_task(self._open_all())

    def close(self) -> None:
        """Stop for good."""
        self._closed = True
        self._shut("shutting down")

    def drain(self) -> None:
        """Take nobody in any more; who is in stays."""
        self._closed = self._draining = True
        for door in self.doors:
            door.drain(self._loop, self._front)
        self._tell()

    def _may_open(self) -> bool:
        return not self._obstacles and not self._closed

    def _shut(self, why: str) -> None:
        for door in self.doors:
            door.close()
        self._front.close_all(why)

    def _tell(self) -> None:
        if self.is_open != self._was_open:
            self._was_open = self.is_open
            self._on_change(self._was_open)

    async def _open_all(self) -> None:
        try:
            if self.certificate is not None and self.certificate.context is None:
                await asyncio.to_thread(self.certificate.look)
            for door in self.doors:
                if not door.is_open:
                    await door.open(self._loop, self._front)
        finally:
            self._opening = None
        if not self._may_open():
            self._shut("an obstacle came while the doors were opened")
            return
        self._tell()
        if not all(door.is_open for door in self.doors):
            self._loop.call_later(REOPEN_S, self.open)

    # -- the certificate --------------------------------------------------------------------

    def watch_certificate(self) -> None:
        """Look at the certificate's files now and each few seconds from now on, in a thread."""
        if self.certificate is not None and not self._closed:
            self._loop.run_in_executor(None, self.certificate.look)
            self._loop.call_later(LOOK_S, self.watch_certificate)
