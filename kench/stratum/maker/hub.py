"""The job maker's end of the feed: a line from each front, none of which can hold it up."""

import asyncio
import os
import socket
from pathlib import Path
from typing import Any, Protocol, cast

import structlog

from kench.pool.job import Job
from kench.stratum.feed import (
    FEED_VERSION,
    FEED_WAITING_BYTES_MAX,
    VALUES_FROM_FRONT,
    FeedBrokenError,
    Frames,
    Kind,
    content_of,
    frame,
    frame_of,
    job_frame,
    short_path,
)

BACKLOG = 256
SOCKET_MODE = 0o600

log = structlog.get_logger("stratum")


class Listener(Protocol):
    """What the job maker does with what fronts say; called on the loop."""

    def front_state(self, number: int, state: dict[str, Any]) -> None:
        """Take the newest state of a front."""
        ...

    def front_sessions(self, number: int, facts: bytes) -> bool:
        """Take facts of a front's sessions; False if it must tell them all anew."""
        ...

    def front_origins(self, origins: bytes) -> bool:
        """Take addresses that participants mine from; False if it must tell them all anew."""
        ...

    def front_came(self, number: int, pid: int) -> None:
        """Hear that a front has a line; it is given its first job after this."""
        ...

    def front_values(self, number: int, kind: int, body: bytes) -> None:
        """Take what a front says of extranonces."""
        ...

    def front_costs(self, number: int, content: dict[str, Any]) -> None:
        """Take what addresses cost at a front, and whom it banned."""
        ...

    def front_gone(self, number: int) -> None:
        """Hear that a front's line is lost."""
        ...

    def successor_came(self) -> None:
        """Hear that a front was started again and needs a job that its predecessor never had."""
        ...

    def retarget_wanted(self) -> None:
        """Hear that another job of the same template is wanted."""
        ...

    def block_accepted(self) -> None:
        """Hear that a node took a block of ours."""
        ...

    def block_found(self, message: bytes) -> None:
        """Hear that a front left word of a found block, or take it where the disk did not."""
        ...


class Hub:
    """The socket and the lines; keeps what a front that comes now must be told. Loop only."""

    def __init__(self, loop: asyncio.AbstractEventLoop, listener: Listener, *paths: Path) -> None:
        """Listen at the path of each generation of fronts that is alive."""
        self._loop = loop
        self._paths = paths
        self.listener = listener
        self._lines: dict[int, FrontLine] = {}
        self._pids: dict[int, int] = {}
        self._servers: list[asyncio.Server] = []
        self._job: Job | None = None
        self._why_no_job: str | None = None
        self._proposal: bytes | None = None
        self._version_away: object = None

    @property
    def job(self) -> Job | None:
        """The newest job."""
        return self._job

    async def listen(self) -> None:
        """Open the sockets, for the account of this process alone."""
        for path in self._paths:
            server = await self._loop.create_unix_server(
                lambda: FrontLine(self), sock=_bound_at(path), backlog=BACKLOG
            )
            self._servers.append(server)

    def close(self) -> None:
        """Close the socket and every line."""
        for server in self._servers:
            server.close()
        for line in tuple(self._lines.values()):
            line.abort()
        for path in self._paths:
            path.unlink(missing_ok=True)

    # -- maker to fronts --------------------------------------------------------------------

    def send_job(self, job: Job, *, for_all: bool) -> None:
        """Give a job to every front."""
        self._job, self._why_no_job = job, None
        self._send(job_frame(job, for_all=for_all))

    def send_no_job(self, why: str) -> None:
        """Tell every front why there is no job."""
        self._why_no_job = why
        self._send(frame_of(Kind.NO_JOB, {"why": why}))

    def send_proposal(self, reason: str | None) -> None:
        """Tell every front whether a node would take our blocks."""
        self._proposal = frame_of(Kind.PROPOSAL, {"reason": reason})
        self._send(self._proposal)

    def say(self, number: int, kind: Kind, body: bytes) -> bool:
        """Tell one front something; False where it has no line."""
        line = self._lines.get(number)
        if line is not None:
            line.send(frame(kind, body))
        return line is not None

    def _send(self, message: bytes) -> None:
        for line in tuple(self._lines.values()):
            line.send(message)

    # -- fronts to maker --------------------------------------------------------------------

    def introduced(self, number: int, pid: int, line: "FrontLine") -> None:
        """Take a front's line, and tell it where things stand."""
        older = self._lines.get(number)
        if older is not None:
            older.abort()
            self.listener.front_gone(number)
        self._lines[number] = line
        fresh = self._pids.get(number, pid) != pid
        self._pids[number] = pid
        self.listener.front_came(number, pid)
        if self._proposal is not None:
            line.send(self._proposal)
        if self._job is not None and fresh:
            # Its predecessor may have given the same extranonces for the jobs until now, and has
            # taken to the grave which shares it saw: the successor begins with a job of its own.
            self.listener.successor_came()
        elif self._job is not None:
            line.send(job_frame(self._job, for_all=True))
        if self._why_no_job is not None:
            line.send(frame_of(Kind.NO_JOB, {"why": self._why_no_job}))

    def turn_away(self, version: object) -> None:
        """Say once that fronts of another version come, as after a reload: they try again."""
        if version != self._version_away:
            self._version_away = version
            log.warning(
                "fronts of another version hear no news: they mine on their last job and drain",
                version=version,
                ours=FEED_VERSION,
            )

    def lost(self, number: int, line: "FrontLine") -> None:
        """Forget a line, unless the front has a newer one."""
        if self._lines.get(number) is line:
            del self._lines[number]
            self.listener.front_gone(number)


def _bound_at(path: Path) -> socket.socket:
    """Return a Unix socket of that name, for the account of this process alone."""
    path.unlink(missing_ok=True)
    opened = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    # The name gets the mode of the socket: there is no moment in which others could connect.
    os.fchmod(opened.fileno(), SOCKET_MODE)
    with short_path(path) as name:
        opened.bind(name)
    return opened


class FrontLine(asyncio.Protocol):
    """One front's connection."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._frames = Frames()
        self._number: int | None = None
        self._transport: asyncio.Transport

    def send(self, message: bytes) -> None:
        """Send, or drop a front that does not read: it will connect again and get what is new."""
        if self._transport.is_closing():
            return
        if self._transport.get_write_buffer_size() > FEED_WAITING_BYTES_MAX:
            log.error("front does not read its feed", process=self._number)
            self._transport.abort()
        else:
            self._transport.write(message)

    def abort(self) -> None:
        """Close at once."""
        self._transport.abort()

    # -- asyncio.Protocol -------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Wait for the front to introduce itself."""
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Take what the front says."""
        try:
            for kind, body in self._frames.take(data):
                if not self._transport.is_closing():
                    self._take(kind, body)
        except FeedBrokenError as broken:
            log.error("feed broken", why=str(broken), process=self._number)
            self._transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        """Tell that the front is gone."""
        if self._number is not None:
            self._hub.lost(self._number, self)

    def _take(self, kind: int, body: bytes) -> None:
        if self._number is None:
            self._introduce(kind, body)
        elif kind == Kind.STATE:
            self._hub.listener.front_state(self._number, content_of(body))
        elif kind in {Kind.SESSIONS, Kind.ORIGINS}:
            self._take_statistics(self._number, kind, body)
        elif kind in VALUES_FROM_FRONT:
            self._hub.listener.front_values(self._number, kind, body)
        elif kind == Kind.COSTS:
            self._hub.listener.front_costs(self._number, content_of(body))
        elif kind == Kind.RETARGET:
            self._hub.listener.retarget_wanted()
        elif kind == Kind.BLOCK_ACCEPTED:
            self._hub.listener.block_accepted()
        elif kind == Kind.FOUND:
            self._hub.listener.block_found(body)

    def _take_statistics(self, number: int, kind: int, body: bytes) -> None:
        listener = self._hub.listener
        heard = (
            listener.front_origins(body)
            if kind == Kind.ORIGINS
            else listener.front_sessions(number, body)
        )
        if not heard:
            self._transport.abort()

    def _introduce(self, kind: int, body: bytes) -> None:
        if kind != Kind.HELLO:
            raise FeedBrokenError("a front speaks before it said who it is")
        hello = content_of(body)
        if hello.get("version") != FEED_VERSION:
            self._hub.turn_away(hello.get("version"))
            self._transport.abort()
            return
        number, pid = hello.get("number"), hello.get("pid")
        if not (isinstance(number, int) and isinstance(pid, int)):
            raise FeedBrokenError(f"a front does not say who it is: {hello!r}")
        self._number = number
        self._hub.introduced(number, pid, self)
