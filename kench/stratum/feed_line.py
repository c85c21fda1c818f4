"""A front's end of the feed: connected to the job maker for as long as that lives."""

import asyncio
import os
from pathlib import Path
from typing import Any, Protocol, cast

import structlog

from kench.pool.job import Job
from kench.stratum.feed import (
    FEED_VERSION,
    FEED_WAITING_BYTES_MAX,
    VALUES_FROM_MAKER,
    FeedBrokenError,
    Frames,
    Kind,
    content_of,
    frame,
    frame_of,
    job_of,
    short_path,
)

# A line that broke is made again after this long; a maker that died is surely gone by then.
RECONNECT_S = 0.1

log = structlog.get_logger("stratum")


class Listener(Protocol):
    """What the front does with what the job maker says; called on the loop."""

    def take_job(self, job: Job, *, for_all: bool) -> None:
        """Take a job: for all miners, or for those whose difficulty changed."""
        ...

    def take_no_job(self, why: str) -> None:
        """Hear why no job can be made."""
        ...

    def take_proposal(self, reason: str | None) -> None:
        """Hear whether a node would take our blocks, None if so."""
        ...

    def take_values(self, kind: int, body: bytes) -> None:
        """Hear about extranonces."""
        ...

    def take_costs(self, content: dict[str, Any]) -> None:
        """Hear what addresses cost at other fronts, and be asked what they cost here."""
        ...

    def take_bans(self, content: dict[str, Any]) -> None:
        """Hear which addresses are banned."""
        ...

    def connected(self) -> None:
        """Hear that the maker listens: what it should know can be said now."""
        ...

    def orphaned(self) -> None:
        """Hear that the job maker is gone for good."""
        ...


class FeedLine(asyncio.Protocol):
    """Keeps the line to the job maker; everything runs on the loop."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        path: Path,
        maker_pid: int,
        number: int,
        listener: Listener,
    ) -> None:
        self._loop = loop
        self._path = path
        self._maker_pid = maker_pid
        self._number = number
        self._listener = listener
        self._transport: asyncio.Transport | None = None
        self._frames = Frames()
        self._ended = False

    @property
    def is_connected(self) -> bool:
        """Whether what is sent now reaches the maker's socket."""
        return self._transport is not None and not self._transport.is_closing()

    def start(self) -> None:
        """Connect, and again whenever the line breaks."""
        if self._ended:
            return
        if os.getppid() != self._maker_pid:
            self._ended = True
            self._listener.orphaned()
        else:
            self._loop.create_task(self._connect())

    def close(self) -> None:
        """Close the line once everything said is sent."""
        self._ended = True
        if self._transport is not None:
            self._transport.close()

    def send(self, kind: Kind, content: object = None) -> bool:
        """Say something; False where the maker does not hear now."""
        return self._send(frame(kind) if content is None else frame_of(kind, content))

    def send_bytes(self, kind: Kind, body: bytes) -> bool:
        """Say something that is packed already; False where the maker does not hear now."""
        return self._send(frame(kind, body))

    def _send(self, message: bytes) -> bool:
        transport = self._transport
        if transport is None or transport.is_closing():
            return False
        if transport.get_write_buffer_size() > FEED_WAITING_BYTES_MAX:
            transport.abort()
            return False
        transport.write(message)
        return True

    async def _connect(self) -> None:
        try:
            with short_path(self._path) as path:
                await self._loop.create_unix_connection(lambda: self, path)
        except OSError:
            self._loop.call_later(RECONNECT_S, self.start)

    # -- asyncio.Protocol -------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Introduce this front."""
        self._transport = cast("asyncio.Transport", transport)
        self._frames = Frames()
        hello = {"version": FEED_VERSION, "number": self._number, "pid": os.getpid()}
        self.send(Kind.HELLO, hello)
        self._listener.connected()

    def data_received(self, data: bytes) -> None:
        """Take what the maker says."""
        try:
            for kind, body in self._frames.take(data):
                self._take(kind, body)
        except FeedBrokenError as broken:
            log.error("feed broken", why=str(broken))
            if self._transport is not None:
                self._transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        """See whether the maker is gone, or connect again."""
        self._transport = None
        self._loop.call_later(RECONNECT_S, self.start)

    def _take(self, kind: int, body: bytes) -> None:
        if kind == Kind.JOB:
            job, for_all = job_of(body)
            self._listener.take_job(job, for_all=for_all)
        elif kind == Kind.NO_JOB:
            self._listener.take_no_job(str(content_of(body).get("why")))
        elif kind == Kind.PROPOSAL:
            reason = content_of(body).get("reason")
            self._listener.take_proposal(None if reason is None else str(reason))
        elif kind in VALUES_FROM_MAKER:
            self._listener.take_values(kind, body)
        elif kind == Kind.COSTS_ELSEWHERE:
            self._listener.take_costs(content_of(body))
        elif kind == Kind.BANS:
            self._listener.take_bans(content_of(body))
