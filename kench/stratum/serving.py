"""Whether this front serves: every reason not to is named, and the last one gone opens the door."""

import asyncio
import enum
from collections.abc import Callable

import structlog

from kench.stratum.connection import Connection
from kench.stratum.front import Front

BACKLOG = 4096
# A port that could not be opened again is tried anew after this long.
REOPEN_S = 1.0

log = structlog.get_logger("stratum")


class Obstacle(enum.Enum):
    """Why miners cannot be served now."""

    NO_JOB = "no job yet"
    NOT_PROPOSED = "no node has taken a proposal of our first block"
    NO_NODE = "no usable node"
    JOURNAL = "the journal cannot be written"


class Door:
    """The listening socket: open while no obstacle stands.

    A front that cannot acknowledge work closes its port and all connections, so that miners fail
    over to another pool address at once (design: it never says `true` for work that can be lost).
    """

    def __init__(  # noqa: PLR0913, PLR0917 - each is one collaborator or fact
        self,
        loop: asyncio.AbstractEventLoop,
        front: Front,
        host: str,
        port: int,
        on_change: Callable[[bool], None],
        shell: type[Connection] = Connection,
    ) -> None:
        self._loop = loop
        self._front = front
        self._host = host
        self.port = port
        self._on_change = on_change
        self._shell = shell
        self._obstacles: dict[Obstacle, str] = {
            Obstacle.NO_JOB: "waiting for a block template",
            Obstacle.NOT_PROPOSED: "",
        }
        self._server: asyncio.Server | None = None
        self._opening = False
        self._closed = False

    @property
    def is_open(self) -> bool:
        """Whether miners can connect."""
        return self._server is not None

    @property
    def why(self) -> str | None:
        """Why miners cannot connect, or None."""
        for obstacle, detail in self._obstacles.items():
            return f"{obstacle.value}: {detail}" if detail else obstacle.value
        return None if self.is_open else "the port is being opened"

    def block(self, obstacle: Obstacle, detail: str) -> None:
        """Stop serving for a reason."""
        if obstacle not in self._obstacles:
            log.error("stopped serving", reason=obstacle.value, detail=detail)
        self._obstacles[obstacle] = detail
        if self._server is not None:
            self._server.close()
            self._server = None
            self._front.close_all(obstacle.value)
            self._on_change(False)

    def clear(self, obstacle: Obstacle) -> None:
        """Take a reason away; the last one opens the door."""
        if self._obstacles.pop(obstacle, None) is not None and not self._obstacles:
            self.open()

    def open(self) -> None:
        """Listen, unless there is a reason not to; retried where the port is not free."""
        if self._obstacles or self._server or self._opening or self._closed:
            return
        self._opening = True
        self._loop.create_task(self._listen())

    def close(self) -> None:
        """Stop for good."""
        self._closed = True
        if self._server is not None:
            self._server.close()
            self._server = None
        self._front.close_all("shutting down")

    async def _listen(self) -> None:
        try:
            server = await self._loop.create_server(
                lambda: self._shell(self._front), self._host, self.port, backlog=BACKLOG
            )
        except OSError as error:
            log.error("port not opened", host=self._host, port=self.port, error=str(error))
            self._opening = False
            self._loop.call_later(REOPEN_S, self.open)
            return
        self._opening = False
        if self._obstacles or self._closed:
            server.close()
            return
        self._server = server
        self.port = server.sockets[0].getsockname()[1]
        log.info("serving", host=self._host, port=self.port)
        self._on_change(True)
