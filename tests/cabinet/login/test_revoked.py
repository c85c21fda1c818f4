"""Logins end when the certificate is revoked or the officer leaves, and for no other reason."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
import sqlalchemy as sa
from asn1crypto import crl as asn1_crl
from asn1crypto import x509 as asn1_x509
from cryptography import x509

from kench.cabinet.login import revoked as module
from kench.cabinet.login.logins import Entry, Way
from kench.cabinet.login.revoked import ASK_AGAIN_S, RevokedLogins
from kench.cabinet.signing.evidence import keep_evidence
from kench.pool.database import open_engine
from kench.pool.orders.officers import add_officer, end_officer
from kench.pool.signature.certificates import CertificateVerifier
from kench.pool.signature.pin import read_patterns
from kench.pool.signature.responders import Responders
from kench.pool.signature.trust import Trust
from kench.pool.signature.verifier import Evidence
from tests.support.gost import GostAuthority, engine, gost_key
from tests.support.pki import NOW_US, PATTERNS, PIN, SECOND_PIN, Authority, der, key_of
from tests.support.revocation import RealMonotonic, Responder, place
from tests.support.signing import LIMITS, SECOND_US, Draw, cabinet_engine, enter

ROOT = Authority()
BETWEEN = Authority("Between", ROOT, key_of("between"))


@dataclass
class World:
    """Logins in a database, and lists that a test changes."""

    engine: sa.Engine
    clock: RealMonotonic = field(default_factory=RealMonotonic)
    lists: list[Any] = field(default_factory=list)
    draw: Draw = field(default_factory=Draw)

    def listed(self, *crls: x509.CertificateRevocationList) -> None:
        self.lists[:] = [asn1_crl.CertificateList.load(der(one)) for one in crls]

    def enter(self, way: Way, *chain: x509.Certificate, pin: str = PIN) -> int:
        with self.engine.begin() as db:
            kept = keep_evidence(db, Evidence(tuple(map(der, chain))))
            login, _ = enter(db, pin, draw=self.draw, entry=Entry(way, kept.certificates))
        return login.id

    def watch(self, responders: Responders | None = None) -> RevokedLogins:
        trust = Trust((asn1_x509.Certificate.load(der(ROOT.certificate)),))
        checker = CertificateVerifier(
            trust, read_patterns(PATTERNS), lists=lambda: self.lists, responders=responders
        )
        return RevokedLogins(
            self.engine, self.clock, lists=lambda: tuple(self.lists), checker=checker,
            asks=responders is not None, idle_us=LIMITS.idle_us,
        )  # fmt: skip

    @property
    def ended(self) -> dict[int, str]:
        with self.engine.connect() as db:
            rows = db.exec_driver_sql("SELECT id, ended_why FROM logins WHERE ended_why <> ''")
            return {row.id: row.ended_why for row in rows}

    @property
    def trail(self) -> list[tuple[str, str]]:
        with self.engine.connect() as db:
            return [tuple(row) for row in db.exec_driver_sql("SELECT act, subject FROM acts")]


@pytest.fixture
def world(database: str) -> Iterator[World]:
    engine = cabinet_engine(database)
    made = World(engine)
    made.listed(ROOT.crl(), BETWEEN.crl())
    yield made
    engine.dispose()


def test_a_login_ends_when_a_list_names_its_certificate(world: World) -> None:
    person, other = ROOT.person(), ROOT.person(SECOND_PIN)
    mine = world.enter(Way.SIGNATURE, person.certificate, ROOT.certificate)
    world.enter(Way.SIGNATURE, other.certificate, ROOT.certificate, pin=SECOND_PIN)
    watch = world.watch()
    assert watch.look() == 0
    world.listed(ROOT.crl(person.certificate))
    assert watch.look() == 1
    assert world.ended == {mine: "revoked"}
    assert world.trail == [("revoked", str(mine))]
    assert watch.look() == 0


def test_it_ends_too_when_the_authority_between_is_revoked(world: World) -> None:
    person = BETWEEN.person()
    chain = (person.certificate, BETWEEN.certificate, ROOT.certificate)
    mine = world.enter(Way.SIGNATURE, *chain)
    world.listed(ROOT.crl(BETWEEN.certificate), BETWEEN.crl())
    assert world.watch().look() == 1
    assert world.ended == {mine: "revoked"}


def test_a_list_that_its_authority_did_not_sign_ends_nothing(world: World) -> None:
    person = ROOT.person()
    world.enter(Way.SIGNATURE, person.certificate, ROOT.certificate)
    forged = ROOT.crl(person.certificate, key=key_of("forger"))
    stale = ROOT.crl(person.certificate, days=(-30, -1))
    for lists in ((forged,), (forged, ROOT.crl()), (stale,), ()):
        world.listed(*lists)
        assert world.watch().look() == 0
    assert world.ended == {}


def test_a_list_of_an_authority_with_gost_keys_ends_logins_too(world: World) -> None:
    suite, root = engine(), GostAuthority()
    person = root.person()
    with world.engine.begin() as db:
        kept = keep_evidence(db, Evidence((person.certificate, root.certificate)))
        login, _ = enter(db, entry=Entry(Way.SIGNATURE, kept.certificates))
    trust = Trust((asn1_x509.Certificate.load(root.certificate),))
    checker = CertificateVerifier(
        trust, read_patterns(PATTERNS), lists=lambda: world.lists, suites=[suite]
    )
    watch = RevokedLogins(
        world.engine, world.clock, lists=lambda: tuple(world.lists), checker=checker, asks=False,
        idle_us=LIMITS.idle_us,
    )  # fmt: skip
    forged = root.crl(person.certificate, signer=gost_key("forger"))
    for crl, ended in ((root.crl(), 0), (forged, 0), (root.crl(person.certificate), 1)):
        world.lists[:] = [asn1_crl.CertificateList.load(crl)]
        assert watch.look() == ended
    assert world.ended == {login.id: "revoked"}


def test_what_has_no_certificate_or_is_over_already_is_left_alone(world: World) -> None:
    person = ROOT.person()
    world.enter(Way.SIGN_ON)
    world.enter(Way.SIGNATURE, person.certificate, ROOT.certificate)
    world.listed(ROOT.crl(person.certificate))
    world.clock.advance(LIMITS.idle_us / SECOND_US + 1)
    assert world.watch().look() == 0
    assert world.ended == {}


def test_an_officers_login_by_certificate_ends_with_the_service(
    world: World, database: str
) -> None:
    person = ROOT.person()
    owner = open_engine(database, application_name="test owner")
    with owner.begin() as db:
        add_officer(db, PIN, "Officer", "duty", NOW_US)
    mine = world.enter(Way.CERTIFICATE, person.certificate, ROOT.certificate)
    signed = world.enter(Way.SIGNATURE, person.certificate, ROOT.certificate)
    watch = world.watch()
    assert watch.look() == 0
    with owner.begin() as db:
        end_officer(db, PIN, NOW_US + 1)
    owner.dispose()
    assert watch.look() == 1
    assert world.ended == {mine: "unserved"}
    assert signed not in world.ended


def test_a_responder_is_asked_now_and_then_and_its_word_ends_a_login(world: World) -> None:
    person = ROOT.person()
    mine = world.enter(Way.SIGNATURE, person.certificate, ROOT.certificate)
    with place() as there:
        watch = world.watch(
            Responders([there.url], clock=RealMonotonic(), random_bytes=lambda size: b"n" * size)
        )
        there.answer = Responder(ROOT)
        assert watch.look() == 0
        assert len(there.asked) == 0
        due = 0.0
        watch._clock = type("Later", (RealMonotonic,), {"monotonic": lambda _: due})()
        watch._asked_s.clear()
        watch.look()
        due = ASK_AGAIN_S + 1
        assert watch.look() == 0
        assert len(there.asked) == 1
        assert watch.look() == 0
        assert len(there.asked) == 1
        there.answer = Responder(ROOT, status=x509.ocsp.OCSPCertStatus.REVOKED)
        due = 3 * ASK_AGAIN_S
        assert watch.look() == 1
    assert world.ended == {mine: "revoked"}


def test_many_logins_are_gone_through_a_page_at_a_time(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "PAGE", 2)
    person = ROOT.person()
    mine = [world.enter(Way.SIGNATURE, person.certificate, ROOT.certificate) for _ in range(5)]
    world.listed(ROOT.crl(person.certificate))
    assert world.watch().look() == 5
    assert set(world.ended) == set(mine)


def test_a_database_that_is_away_is_waited_for() -> None:
    away = open_engine("postgresql://nobody@127.0.0.1:1/none", application_name="test")
    watch = World(away).watch()
    assert watch.look() == 0
    watch.start()
    watch.stop()
