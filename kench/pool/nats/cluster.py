"""One connection to the NATS cluster, kept by a thread of its own and used from any other.

The library speaks asyncio; it has a loop of its own here, so that neither a front's loop nor a
thread that waits for a disk ever waits for it unless it asks to.
"""

import asyncio
import ssl
import threading
from collections.abc import Awaitable, Callable, Coroutine
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self, TypeVar

import nats
import nats.errors
import nats.js.errors
import structlog
from cryptography import x509
from nats.aio.client import Client
from nats.js import JetStreamContext

from kench.pool.errors import KenchError
from kench.pool.line_tls import TlsFiles, TlsFilesError
from kench.pool.settings import Settings

CONNECT_S = 2.0
RECONNECT_S = 0.2
# A link that was cut says nothing: after so many pings without an answer another server is taken.
PING_S, PINGS_UNANSWERED_MAX = 1.0, 2
# What may wait for a server that is away; past it a publish is refused at once.
PENDING_BYTES_MAX = 8 * 1024 * 1024
CLOSE_S = 2.0
ANSWERS = "_INBOX"

T = TypeVar("T")

log = structlog.get_logger("nats")


class ClusterAwayError(KenchError):
    """The cluster did not answer, or cannot keep what it was given; what was said may be kept."""


class ClusterRefusedError(KenchError):
    """The cluster answers that it will not; asking again will not help."""


@dataclass(frozen=True, slots=True)
class ClusterPlan:
    """Where the servers are, and by what we show ourselves."""

    urls: tuple[str, ...]
    name: str
    replicas: int = 1
    certificate: Path | None = None
    key: Path | None = None
    authority: Path | None = None

    @classmethod
    def of(cls, settings: Settings, name: str) -> Self | None:
        """Return the plan that the settings have, None where there is no cluster."""
        if not settings.nats_urls:
            return None
        return cls(
            settings.nats_urls,
            name,
            settings.nats_replicas,
            settings.nats_certificate,
            settings.nats_key,
            settings.nats_authority,
        )

    def tls(self) -> ssl.SSLContext | None:
        """Return what connections are made with, None without files; raises TlsFilesError."""
        if self.certificate is None or self.key is None or self.authority is None:
            return None
        return TlsFiles(self.certificate, self.key, self.authority, "nats").context()

    def inbox(self) -> str:
        """Return where answers to us come: below a word that the servers let our user alone hear.

        They know us by the first DNS name of the certificate; its dots are `-` in that word.
        """
        if self.certificate is None:
            return ANSWERS
        try:
            found = x509.load_pem_x509_certificate(self.certificate.read_bytes())
            names = found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
            name = next(iter(names.get_values_for_type(x509.DNSName)), "")
        except x509.ExtensionNotFound:
            name = ""
        except (OSError, ValueError) as error:
            raise TlsFilesError(
                f"{self.certificate} cannot be read ({error}): look at KENCH_NATS_CERTIFICATE"
            ) from error
        word = "".join(sign if sign.isalnum() and sign.isascii() else "-" for sign in name)
        return f"{ANSWERS}.{word}" if word else ANSWERS


def _pass_by(_is_connected: bool) -> None:
    """Tell nobody."""


class Cluster:
    """The connection; made again for as long as this lives, whatever becomes of the servers.

    `on_change(is_connected)` is called in the thread of this class.
    """

    def __init__(self, plan: ClusterPlan, on_change: Callable[[bool], None] = _pass_by) -> None:
        self.plan = plan
        self._tls = plan.tls()
        self._inbox = plan.inbox()
        self._on_change = on_change
        self._client = Client()
        self._context = self._client.jetstream()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="nats", daemon=True)
        self._why: str | None = "not connected yet"
        self._connected = asyncio.Event()
        self._closing = False
        self._connecting: asyncio.Task[None] | None = None

    def start(self) -> Self:
        """Begin to connect; returns at once."""
        self._thread.start()
        return self

    def close(self) -> None:
        """Close the connection and end the thread; what waits raises ClusterAwayError."""
        if self._thread.ident is None or self._closing:
            return
        self._closing = True
        asyncio.run_coroutine_threadsafe(self._end(), self._loop)
        self._thread.join(CLOSE_S * 2)

    @property
    def why_away(self) -> str | None:
        """Why there is no connection, None where there is one."""
        return "the line is closed" if self._closing else self._why

    @property
    def client(self) -> Client:
        """The library's client; to be used on this class's loop alone."""
        return self._client

    @property
    def jetstream(self) -> JetStreamContext:
        """The library's JetStream; to be used on this class's loop alone."""
        return self._context

    def submit(self, asked: Coroutine[Any, Any, T], wait_s: float) -> "Future[T]":
        """Begin what talks with the cluster; it has `wait_s`. For any thread, loops too.

        The future raises ClusterAwayError or ClusterRefusedError.
        """
        if self._closing:
            asked.close()
            refused: Future[T] = Future()
            refused.set_exception(ClusterAwayError("the line to NATS is closed"))
            return refused
        return asyncio.run_coroutine_threadsafe(_bounded(asked, wait_s), self._loop)

    def ask(self, asked: Coroutine[Any, Any, T], wait_s: float) -> T:
        """Do it and wait, in a thread that may.

        Raises ClusterAwayError where it is not known to be done, ClusterRefusedError.
        """
        try:
            return self.submit(asked, wait_s).result(wait_s + CLOSE_S)
        except TimeoutError as late:
            raise ClusterAwayError(f"NATS did not answer in {wait_s} s") from late

    def await_connected(self, wait_s: float) -> None:
        """Wait for the first connection; raises ClusterAwayError."""
        self.ask(self._connected.wait(), wait_s)

    # -- on the loop of this class ----------------------------------------------------------

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._connecting = self._loop.create_task(self._connect())
        self._loop.run_forever()
        self._loop.close()

    async def _connect(self) -> None:
        """Connect for the first time, however long it takes; the library does all further ones."""
        while True:
            try:
                await self._client.connect(
                    list(self.plan.urls),
                    name=self.plan.name,
                    tls=self._tls,
                    inbox_prefix=self._inbox,
                    connect_timeout=CONNECT_S,  # type: ignore[arg-type] # takes parts of a second
                    reconnect_time_wait=RECONNECT_S,  # type: ignore[arg-type] # as above
                    max_reconnect_attempts=-1,
                    ping_interval=PING_S,  # type: ignore[arg-type] # as above
                    max_outstanding_pings=PINGS_UNANSWERED_MAX,
                    pending_size=PENDING_BYTES_MAX,
                    error_cb=self._errs,
                    disconnected_cb=self._lost,
                    reconnected_cb=self._found,
                )
            except (TimeoutError, OSError, nats.errors.Error) as error:
                self._note(str(error) or type(error).__name__)
                await asyncio.sleep(RECONNECT_S)
            else:
                await self._found()
                return

    async def _end(self) -> None:
        if self._connecting is not None:
            self._connecting.cancel()
        try:
            await asyncio.wait_for(self._client.close(), CLOSE_S)
        except (TimeoutError, nats.errors.Error, OSError) as error:
            log.warning("the line to NATS did not close well", why=repr(error))
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)
        self._loop.stop()

    async def _errs(self, error: Exception) -> None:
        self._note(str(error) or type(error).__name__)

    async def _lost(self) -> None:
        if not self._closing:
            self._note("the connection was lost")

    async def _found(self) -> None:
        self._why = None
        self._connected.set()
        url = self._client.connected_url
        log.info("connected to NATS", server=url.netloc if url else None)
        self._on_change(True)

    def _note(self, why: str) -> None:
        """Say why there is none: once for a row of failures."""
        if self._client.is_connected:
            log.warning("NATS says", why=why)
            return
        was_there, self._why = self._why is None, why
        self._connected.clear()
        if was_there:
            log.error("NATS is away", why=why)
            self._on_change(False)


async def _bounded(asked: Awaitable[T], wait_s: float) -> T:
    """Have it done in time, and every error of the library be one of ours."""
    try:
        return await asyncio.wait_for(asked, wait_s)
    except (TimeoutError, asyncio.CancelledError) as late:
        raise ClusterAwayError(f"NATS did not answer in {wait_s} s") from late
    except (nats.js.errors.ServiceUnavailableError, nats.js.errors.ServerError) as away:
        raise ClusterAwayError(f"NATS cannot keep it now: {away.description}") from away
    except (nats.js.errors.BadRequestError, nats.js.errors.NotFoundError) as refused:
        raise ClusterRefusedError(f"NATS refuses: {refused.description}") from refused
    except (nats.errors.Error, OSError) as away:
        raise ClusterAwayError(f"NATS is away: {away!r}") from away
