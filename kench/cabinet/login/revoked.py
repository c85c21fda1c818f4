"""A thread that ends logins whose person's certificate is revoked, or whose officer left.

What the lists name is found by number, which costs next to nothing; what is found is then checked
whole, so that only a list that an authority signed ends anything. Where responders are asked, the
certificates of logins are asked about in turn, some in each look.
"""

from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import Any, NamedTuple

import sqlalchemy as sa
import structlog
from asn1crypto import x509
from cryptography.x509 import load_der_x509_crl
from sqlalchemy.exc import SQLAlchemyError

from kench.cabinet.login.logins import EndedWhy, Way, end_for
from kench.cabinet.login.tables import logins, persons
from kench.cabinet.login.trail import DONE, TrailEntry, keep_trail
from kench.cabinet.signing.evidence import read_contents
from kench.pool.clock import Clock
from kench.pool.looking import Looking
from kench.pool.moments import moment_of
from kench.pool.orders.tables import officers
from kench.pool.signature.certificates import CertificateChecker
from kench.pool.signature.verifier import RevokedSignatureError, SignatureRefusedError

PERIOD_S = 30.0
THREADS = 1
"""Connections to PostgreSQL that it takes."""
PAGE = 1000
LOGINS_MAX = 100_000
"""Logins that one look goes through; the newest come first."""
CERTIFICATES_KEPT = 50_000
"""Numbers of certificates that are held read; a person's five logins share one."""
ASKED_AT_ONCE = 20
"""Certificates that responders are asked about in one look."""
ASK_AGAIN_S = 600.0

log = structlog.get_logger("cabinet")

Number = tuple[Any, int]
"""Issuer and serial number: what a list names a certificate by."""


class OpenLogin(NamedTuple):
    """A login that is good now, and what it rests on."""

    id: int
    person_id: int
    way: Way
    certificates: tuple[bytes, ...]


class RevokedLogins(Looking):
    """Looks each half minute until it is stopped; several processes may, side by side."""

    def __init__(  # noqa: PLR0913 - what it looks at
        self,
        engine: sa.Engine,
        clock: Clock,
        *,
        lists: Callable[[], Iterable[Any]],
        checker: CertificateChecker,
        asks: bool,
        idle_us: int,
    ) -> None:
        """Create it; `asks` says that there are responders to ask."""
        self._engine = engine
        self._clock = clock
        self._lists = lists
        self._checker = checker
        self._asks = asks
        self._idle_us = idle_us
        self._numbers: OrderedDict[bytes, Number] = OrderedDict()
        self._asked_s: dict[bytes, float] = {}
        self._read: tuple[tuple[Any, ...], frozenset[Number]] = ((), frozenset())
        super().__init__("revoked logins")

    def look(self) -> int:
        """End what is to end now; return how many. Never raises for an absent database."""
        try:
            return self._look()
        except SQLAlchemyError as error:
            log.warning("logins cannot be looked at", why=str(error).partition("\n")[0])
            return 0

    def _run(self) -> None:
        while not self._stop.wait(PERIOD_S):
            try:
                self.look()
            except Exception:  # No fault of one certificate may end the looking for all.
                log.exception("the look at logins broke")

    def _look(self) -> int:
        now_us = self._clock.now_us()
        named = self._named()
        open_now = self._open(now_us)
        self._learn({digest for one in open_now for digest in one.certificates})
        found: dict[tuple[bytes, ...], bool] = {}
        ended = 0
        due, serving = self._due(open_now), self._serving(open_now)
        for one in open_now:
            if one.way is Way.CERTIFICATE and one.person_id not in serving:
                ended += self._end(one, EndedWhy.UNSERVED, now_us)
                continue
            listed = any(self._numbers.get(digest) in named for digest in one.certificates)
            if not listed and not due & set(one.certificates[:1]):
                continue
            if one.certificates not in found:
                found[one.certificates] = self._is_revoked(one.certificates, now_us)
            if found[one.certificates]:
                ended += self._end(one, EndedWhy.REVOKED, now_us)
        return ended

    def _named(self) -> frozenset[Number]:
        """What the lists name; read anew when there are others."""
        lists = tuple(self._lists())
        if len(lists) != len(self._read[0]) or any(
            one is not before for one, before in zip(lists, self._read[0], strict=True)
        ):
            self._read = (lists, frozenset(number for one in lists for number in _numbers(one)))
        return self._read[1]

    def _open(self, now_us: int) -> list[OpenLogin]:
        """Logins that are good now; of sign-ons there is nothing to ask here."""
        found: list[OpenLogin] = []
        below: tuple[datetime, int] | None = None
        with self._engine.connect() as db:
            while len(found) < LOGINS_MAX:
                rows = db.execute(_open_query(now_us, self._idle_us, below)).all()
                found += [
                    OpenLogin(
                        row.id, row.person_id, Way(row.way), tuple(map(bytes, row.certificates))
                    )
                    for row in rows
                ]
                if len(rows) < PAGE:
                    break
                below = (rows[-1].expires_at, rows[-1].id)
        return found

    def _serving(self, open_now: Sequence[OpenLogin]) -> set[int]:
        """Persons who came by certificate and are officers in service."""
        came = sorted({one.person_id for one in open_now if one.way is Way.CERTIFICATE})
        if not came:
            return set()
        query = (
            sa.select(persons.c.id)
            .join(officers, (officers.c.pin == persons.c.pin) & officers.c.ended_at.is_(None))
            .where(persons.c.id.in_(came))
        )
        with self._engine.connect() as db:
            return set(db.scalars(query))

    def _learn(self, digests: set[bytes]) -> None:
        """Hold the numbers of certificates that were not seen yet."""
        unknown = sorted(digests - self._numbers.keys())
        for at in range(0, len(unknown), PAGE):
            with self._engine.connect() as db:
                contents = read_contents(db, unknown[at : at + PAGE])
            for digest, der in contents.items():
                certificate = x509.Certificate.load(der)
                self._numbers[digest] = (certificate.issuer.hashable, certificate.serial_number)
        while len(self._numbers) > max(CERTIFICATES_KEPT, len(digests)):
            self._numbers.popitem(last=False)

    def _due(self, open_now: Sequence[OpenLogin]) -> set[bytes]:
        """Certificates that responders are asked about in this look: those not asked longest."""
        if not self._asks:
            return set()
        now_s = self._clock.monotonic()
        own = {one.certificates[0] for one in open_now if one.certificates}
        self._asked_s = {digest: self._asked_s.get(digest, now_s) for digest in own}
        late = sorted(own, key=lambda digest: self._asked_s[digest])[:ASKED_AT_ONCE]
        due = {digest for digest in late if self._asked_s[digest] + ASK_AGAIN_S <= now_s}
        self._asked_s |= dict.fromkeys(due, now_s)
        return due

    def _is_revoked(self, certificates: tuple[bytes, ...], now_us: int) -> bool:
        """Whether an authority says so; where none says anything, who is in stays in."""
        with self._engine.connect() as db:
            contents = read_contents(db, certificates)
        try:
            self._checker.verify([contents[digest] for digest in certificates], now_us)
        except RevokedSignatureError:
            return True
        except SignatureRefusedError as error:
            log.info("a login's certificate cannot be checked now", why=str(error))
        return False

    def _end(self, one: OpenLogin, why: EndedWhy, now_us: int) -> int:
        with self._engine.begin() as db:
            if not end_for(db, one.id, why, now_us):
                return 0
            keep_trail(
                db,
                TrailEntry(
                    now_us, why, DONE, str(one.id), person_id=one.person_id, login_id=one.id
                ),
            )
        log.info("login ended", login=one.id, why=why)
        return 1


def _open_query(now_us: int, idle_us: int, below: tuple[datetime, int] | None) -> "sa.Select[Any]":
    query = (
        sa.select(
            *(logins.c.id, logins.c.person_id, logins.c.way),
            *(logins.c.certificates, logins.c.expires_at),
        )
        .where(
            logins.c.ended_at.is_(None),
            logins.c.expires_at > moment_of(now_us),
            logins.c.seen_at > moment_of(now_us - idle_us),
            logins.c.way != Way.SIGN_ON,
        )
        .order_by(logins.c.expires_at.desc(), logins.c.id.desc())
        .limit(PAGE)
    )
    if below is None:
        return query
    return query.where(sa.tuple_(logins.c.expires_at, logins.c.id) < below)


def _numbers(revoked: Any) -> Iterable[Number]:
    """Return what a list names; read by the library that takes a thirtieth of the time for it."""
    issuer = revoked.issuer.hashable
    try:
        named = [entry.serial_number for entry in load_der_x509_crl(revoked.dump())]
    except ValueError as error:
        log.warning("a revocation list cannot be gone through", why=str(error))
        return
    for number in named:
        yield issuer, number
