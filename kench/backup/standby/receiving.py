"""The standby's end of journal shipping: a thread for each front that ships."""

import contextlib
import socket
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import structlog

from kench.backup.standby.copying import JournalCopy
from kench.pool.clock import Clock
from kench.pool.journal import JournalError
from kench.pool.line_tls import TlsFiles
from kench.pool.settings import FRONT_NUMBER_MAX
from kench.pool.shipping.frames import (
    SHIPPING_VERSION,
    Kept,
    Kind,
    ShippingError,
    kept_frame,
    number_in,
    read_commit,
    read_place,
    read_words,
    words_frame,
)
from kench.pool.shipping.generation import note_replaced, read_generation, write_generation
from kench.pool.shipping.link import Link, split_address

if TYPE_CHECKING:
    import ssl

CONNECTIONS_MAX = 512
HELLO_S = 10.0
SILENT_S = 60.0
"""A front says something at least twice a second; one that does not for so long is gone."""
POLL_S = 0.2
LEAVE_S = 2.0

log = structlog.get_logger("standby")


class Receiver:
    """Listens for fronts and keeps copies of their journals, until this machine leads itself."""

    def __init__(
        self, data: Path, address: str, tls: TlsFiles | None, clock: Clock, *, leads: bool = False
    ) -> None:
        """Listen at once; a folder that `leads` already follows nobody."""
        self._data, self._clock = data, clock
        self._tls: ssl.SSLContext | None = tls.context(server=True) if tls else None
        family = socket.AF_INET6 if ":" in split_address(address)[0] else socket.AF_INET
        self._listener = socket.create_server(split_address(address), family=family, backlog=64)
        self.address: tuple[str, int] = self._listener.getsockname()[:2]
        self._following: int | None = None if leads else read_generation(data)
        """The generation that is followed; this folder's own is higher once it leads."""
        self._promoted_at: float | None = None
        self._lock = threading.Lock()
        self._links: dict[int, Link] = {}
        self._threads: set[threading.Thread] = set()
        self._stopping = threading.Event()
        self._acceptor = threading.Thread(target=self._accept, name="accept", daemon=True)

    def start(self) -> None:
        """Begin to listen."""
        self._acceptor.start()

    def stop(self) -> None:
        """Leave all fronts; what was answered is on disk."""
        self._stopping.set()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._leave_all()
        for thread in (self._acceptor, *self._threads):
            thread.join(POLL_S * 50)

    def look(self) -> bool:
        """Leave the fronts where this machine was promoted; return whether it was.

        A front is told at its next word; one that says none is left after a while.
        """
        if read_generation(self._data) == self._following:
            return False
        self._promoted_at = self._promoted_at or self._clock.monotonic()
        if self._clock.monotonic() - self._promoted_at > LEAVE_S:
            self._leave_all()
        return True

    @property
    def fronts(self) -> list[int]:
        """Numbers of the fronts that ship now."""
        with self._lock:
            return sorted(self._links)

    def _leave_all(self) -> None:
        with self._lock:
            for link in self._links.values():
                link.close()

    def _accept(self) -> None:
        while not self._stopping.is_set():
            try:
                opened, _ = self._listener.accept()
            except OSError:
                self._stopping.wait(POLL_S)
                continue
            self._threads = {one for one in self._threads if one.is_alive()}
            if len(self._threads) >= CONNECTIONS_MAX:
                opened.close()
                continue
            thread = threading.Thread(target=self._serve, args=(opened,), daemon=True)
            self._threads.add(thread)
            thread.start()

    def _serve(self, opened: socket.socket) -> None:
        opened.settimeout(HELLO_S)
        try:
            opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self._tls is not None:
                opened = self._tls.wrap_socket(opened, server_side=True)
            link = Link(opened)
        except OSError as error:
            log.warning("a connection was refused", why=str(error))
            opened.close()
            return
        try:
            self._converse(link)
        except (ShippingError, JournalError) as error:
            log.error("a front was refused", why=str(error))
            with contextlib.suppress(OSError):
                link.send(words_frame(Kind.REFUSED, {"why": str(error)}))
        except OSError as error:
            log.warning("a front left", why=str(error))
        except (KeyError, ValueError, TypeError) as error:
            log.error("a front said what nobody understands", why=repr(error))
        finally:
            link.close()

    def _converse(self, link: Link) -> None:
        kind, body = link.receive()
        hello = read_words(body)
        if kind is not Kind.HELLO or hello.get("version") != SHIPPING_VERSION:
            raise ShippingError("another version of Kench ships: let both machines have the same")
        own, theirs = read_generation(self._data), number_in(hello, "generation")
        if theirs < own:
            link.send(words_frame(Kind.REPLACED, {"generation": own}))
            return
        if own != self._following:
            if theirs > own:
                # A generation that is only heard of must not become this folder's own.
                raise ShippingError(str(note_replaced(self._data, theirs)))
            raise ShippingError("this machine leads itself: it follows nobody")
        if theirs > own:
            self._following = theirs
            write_generation(self._data, theirs)
        if hello.get("instance") is None:
            link.send(words_frame(Kind.STATE, {"generation": theirs, "segment": None}))
            return
        self._follow(link, hello, theirs)

    def _follow(self, link: Link, hello: dict[str, Any], generation: int) -> None:
        instance = number_in(hello, "instance")
        if instance > FRONT_NUMBER_MAX:
            raise ShippingError(f"{instance} is no front's number")
        with self._lock:
            # The front that comes again is the one that is there; its old line may hang.
            if (before := self._links.get(instance)) is not None:
                before.close()
            self._links[instance] = link
        copy = JournalCopy(self._data, instance, self._clock, is_sync=hello.get("mode") == "sync")
        try:
            link.send(words_frame(Kind.STATE, {"generation": generation, "segment": copy.state()}))
            kind, body = link.receive()
            if kind is not Kind.START:
                raise ShippingError("a front did not say where it begins")
            copy.start(read_words(body))
            link.send(kept_frame(Kept(0, copy.records)))
            log.info("a front ships", instance=instance, records=copy.records)
            link.set_timeout(SILENT_S)
            self._take(link, copy)
        finally:
            copy.close()
            with self._lock:
                if self._links.get(instance) is link:
                    del self._links[instance]

    def _take(self, link: Link, copy: JournalCopy) -> None:
        while not self._stopping.is_set():
            kind, body = link.receive()
            if kind is Kind.COMMIT:
                kept = copy.commit(read_commit(body))
                # What was promoted meanwhile is not told: nobody may count on it any more.
                if (own := read_generation(self._data)) != self._following:
                    link.send(words_frame(Kind.REPLACED, {"generation": own}))
                    return
                link.send(kept_frame(kept))
                continue
            first, offset, content = read_place(body)
            if kind is Kind.SHARES:
                copy.take_shares(first, offset, content)
            elif kind is Kind.JOBS:
                copy.take_jobs(first, offset, content)
            elif kind is Kind.SEAL:
                copy.seal(first, content)
            elif kind is Kind.OPEN:
                copy.open(first, content)
            else:
                raise ShippingError(f"a front said {kind.name}, which is not its to say")
