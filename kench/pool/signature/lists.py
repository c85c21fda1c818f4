"""Revocation lists that stay fresh: from files, read again when they change, and from addresses.

A list that was fetched takes the place of the one before only if it is sound: readable, of an
authority by that authority's own key where that is a root, not older than the one before, and good
now. The last sound one stays until it says itself that it is stale; then nobody can sign by it.
"""

import hashlib
import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import structlog
from asn1crypto import pem
from asn1crypto import x509 as asn1_x509
from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm

from kench.pool.clock import Clock
from kench.pool.durable import write_durably
from kench.pool.looking import Looking
from kench.pool.moments import moment_of
from kench.pool.signature.fetching import FetchError, fetch
from kench.pool.signature.suite import Suite, SuiteFailedError, suite_of
from kench.pool.signature.trust import TrustError, read_crl, read_lists

LIST_BYTES_MAX = 16 * 1024 * 1024
TIMEOUT_S = 20.0
FILES_EVERY_S = 5.0
AGAIN_S = 30.0
"""After a fetch that failed."""
TICK_S = 2.0
FIRST_S = 5.0
EARLY = timedelta(minutes=5)
"""By so much an authority's clock may be ahead of ours."""
UNKNOWN_KEPT = 2
"""Lists kept of an address whose authority is no root: which of them holds, a check says."""

log = structlog.get_logger("signature")


class ListUnsoundError(FetchError):
    """A list was fetched that cannot take the place of the one before."""


@dataclass(slots=True)
class _Source:
    """An address, and what came from it."""

    url: str
    due_s: float = 0.0
    lists: tuple[Any, ...] = ()
    fault: str | None = None


@dataclass(slots=True)
class _Files:
    """Files, as they were when they were read."""

    paths: tuple[Path, ...]
    seen: object = None
    lists: tuple[Any, ...] = ()
    due_s: float = field(default=0.0)


class FreshLists(Looking):
    """All lists that there are now; renewed by a thread, or where none runs, when asked for."""

    def __init__(  # noqa: PLR0913 - where lists come from, and how often
        self,
        paths: Iterable[Path],
        urls: Iterable[str] = (),
        *,
        roots: Sequence[asn1_x509.Certificate],
        clock: Clock,
        folder: Path | None = None,
        fetch_s: float = 600.0,
        suites: Iterable[Suite] = (),
    ) -> None:
        """Read the files, and what was kept in `folder` before; raises TrustError."""
        self._clock = clock
        self._fetch_s = fetch_s
        self._folder = folder
        self._suites = tuple(suites)
        self._roots = {root.subject.hashable: root for root in roots}
        self._files = _Files(tuple(paths))
        self._sources = [_Source(url) for url in urls]
        self._lock = threading.Lock()
        self._looked = threading.Event()
        super().__init__("lists")
        self._files.lists = tuple(read_lists(self._files.paths))
        self._files.seen = _seen(self._files.paths)
        for source in self._sources:
            self._recall(source)

    def current(self) -> tuple[Any, ...]:
        """Return the lists; fresh ones are sought first where no thread does."""
        if not self._thread.is_alive():
            self.look()
        found = list(self._files.lists)
        for source in self._sources:
            found += source.lists
        return tuple(found)

    @property
    def faults(self) -> tuple[str, ...]:
        """What is wrong with addresses now."""
        return tuple(source.fault for source in self._sources if source.fault)

    def start(self) -> None:
        """Renew them from now on; wait a little for the first fetch, and no longer.

        Places that are away must not keep a process from starting: it has what was kept.
        """
        self._thread.start()
        self._looked.wait(FIRST_S)

    def look(self) -> None:
        """Read files that changed, fetch what is due; never raises for what comes."""
        with self._lock:
            now_s = self._clock.monotonic()
            if now_s >= self._files.due_s:
                self._files.due_s = now_s + FILES_EVERY_S
                self._read_files()
            for source in self._sources:
                if now_s >= source.due_s:
                    self._renew(source)

    def _run(self) -> None:
        self.look()
        self._looked.set()
        while not self._stop.wait(TICK_S):
            self.look()

    def _read_files(self) -> None:
        try:
            seen = _seen(self._files.paths)
            if seen == self._files.seen:
                return
            self._files.lists = tuple(read_lists(self._files.paths))
            self._files.seen = seen
            log.info("revocation lists read again", lists=len(self._files.lists))
        except (TrustError, OSError) as error:
            log.warning("revocation lists cannot be read", why=str(error))

    def _renew(self, source: _Source) -> None:
        wait_s = self._fetch_s
        try:
            came = fetch(source.url, self._clock, timeout_s=TIMEOUT_S, bytes_max=LIST_BYTES_MAX)
            fresh = self._checked(_der(came), source)
        except (FetchError, TrustError) as error:
            wait_s = min(AGAIN_S, self._fetch_s)
            if source.fault != str(error):
                log.warning("no revocation list came", why=str(error))
            source.fault = str(error)
        else:
            source.fault = None
            self._take(source, fresh)
            self._remember(source.url, fresh)
        source.due_s = self._clock.monotonic() + wait_s

    def _take(self, source: _Source, fresh: Any) -> None:
        known = fresh.issuer.hashable in self._roots
        before = [one for one in source.lists if one.dump() != fresh.dump()]
        source.lists = (fresh,) if known else (fresh, *before)[:UNKNOWN_KEPT]

    def _checked(self, der: bytes, source: _Source) -> Any:
        """Return the list, if it can take the place of what the source has; else raise."""
        read = read_crl(der)
        try:
            given = x509.load_der_x509_crl(der)
            this, until = given.last_update_utc, given.next_update_utc
        except ValueError as error:
            raise ListUnsoundError(f"{source.url}: the list cannot be read: {error}") from error
        now = moment_of(self._clock.now_us())
        if until is None or until <= now:
            raise ListUnsoundError(f"{source.url}: the list is stale since {until}")
        if this > now + EARLY:
            raise ListUnsoundError(f"{source.url}: the list is of a time to come, {this}")
        root = self._roots.get(read.issuer.hashable)
        if root is not None and not self._is_signed(read, given, root):
            raise ListUnsoundError(f"{source.url}: the list is not signed by its authority")
        for one in source.lists:
            if one.issuer.hashable != read.issuer.hashable:
                raise ListUnsoundError(
                    f"{source.url}: the list is of another authority than before"
                )
            if one["tbs_cert_list"]["this_update"].native > this:
                raise ListUnsoundError(f"{source.url}: the list is older than the one before")
        return read

    def _is_signed(self, read: Any, given: x509.CertificateRevocationList, root: Any) -> bool:
        algorithm = read["signature_algorithm"]["algorithm"].dotted
        suite = suite_of(self._suites, algorithm)
        if suite is None:
            return _signed_by(given, root)
        try:
            return suite.verify(
                root.public_key, algorithm, read["signature"].native, read["tbs_cert_list"].dump()
            )
        except SuiteFailedError as error:
            raise ListUnsoundError(f"a list's signature cannot be checked: {error}") from error

    def _place(self, url: str) -> Path | None:
        name = hashlib.sha256(url.encode()).hexdigest()[:32]
        return self._folder / f"{name}.crl" if self._folder else None

    def _remember(self, url: str, fresh: Any) -> None:
        """Keep it for the next start, when its address may be away."""
        place = self._place(url)
        if place is None:
            return
        try:
            place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            write_durably(place, fresh.dump())
        except OSError as error:
            log.warning("a revocation list cannot be kept", why=str(error))

    def _recall(self, source: _Source) -> None:
        place = self._place(source.url)
        if place is None or not place.exists():
            return
        try:
            source.lists = (self._checked(place.read_bytes(), source),)
        except (FetchError, TrustError, OSError) as error:
            log.info("a kept revocation list is of no use", why=str(error))


def _der(content: bytes) -> bytes:
    if not pem.detect(content):
        return content
    try:
        _, _, der = pem.unarmor(content)
    except ValueError as error:
        raise ListUnsoundError(f"a list is no PEM: {error}") from error
    return bytes(der)


def _signed_by(given: x509.CertificateRevocationList, root: asn1_x509.Certificate) -> bool:
    try:
        key: Any = x509.load_der_x509_certificate(root.dump()).public_key()
        return given.is_signature_valid(key)
    except (InvalidSignature, UnsupportedAlgorithm, TypeError, ValueError):
        return False


def _seen(paths: Iterable[Path]) -> object:
    """What changes when a file does."""
    files = []
    for path in paths:
        folder = sorted(path.iterdir()) if path.is_dir() else [path]
        files += [(one, one.stat().st_mtime_ns, one.stat().st_ino, one.stat().st_size)
                  for one in folder]  # fmt: skip
    return files
