"""The development authority certifies persons of either kind of key, and revokes them."""

from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import pkcs12

from kench.pki.authority import (
    CRL_FILE,
    ROOT_FILE,
    Authority,
    AuthorityError,
    make_authority,
    open_authority,
)
from kench.pki.people import PASSWORD, Duty, Kind
from kench.pool.clock import ManualClock
from kench.pool.signature.cms import CmsVerifier
from kench.pool.signature.pin import InvalidPinError, read_patterns
from kench.pool.signature.trust import read_trust
from kench.pool.signature.verifier import SignatureRefusedError
from tests.support.pki import NOW_US, PATTERNS, PIN, SECOND_PIN

CONTENT = b"I enter\n"


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return make_authority(tmp_path / "pki", ManualClock(NOW_US))


def verifier(authority: Authority) -> CmsVerifier:
    trust = read_trust([authority.folder / ROOT_FILE], [authority.folder / CRL_FILE])
    return CmsVerifier(trust, read_patterns(PATTERNS))


@pytest.mark.parametrize("kind", Kind)
def test_a_person_signs_with_what_the_p12_holds(authority: Authority, kind: Kind) -> None:
    holder = authority.issue("Асан Усенов", PIN, kind=kind, duty=Duty.PARTICIPANT)
    signer = verifier(authority).verify(CONTENT, holder.sign(CONTENT), NOW_US)
    assert (signer.pin, signer.name) == (PIN, "Асан Усенов")
    content = holder.p12_path.read_bytes()
    kept = pkcs12.load_pkcs12(content, PASSWORD.encode())
    assert kept.cert is not None
    assert kept.cert.certificate.fingerprint(  # the same as beside it
        kept.cert.certificate.signature_hash_algorithm  # type: ignore[arg-type]
    ) == x509.load_pem_x509_certificate(holder.certificate_path.read_bytes()).fingerprint(
        kept.cert.certificate.signature_hash_algorithm  # type: ignore[arg-type]
    )
    with pytest.raises(ValueError, match="password"):
        pkcs12.load_pkcs12(content, b"another")
    assert {path.stat().st_mode & 0o777 for path in authority.folder.iterdir()} == {0o600}


def test_who_is_revoked_signs_no_more_and_gets_a_new_certificate(authority: Authority) -> None:
    first = authority.issue("Асан Усенов", PIN, kind=Kind.EC, duty=Duty.PARTICIPANT)
    other = authority.issue("Гүлнара Эсенова", SECOND_PIN, kind=Kind.EC, duty=Duty.OFFICER)
    signature = first.sign(CONTENT)
    with pytest.raises(AuthorityError, match="revoke it first"):
        authority.issue("Асан Усенов", PIN, kind=Kind.EC, duty=Duty.PARTICIPANT)
    assert authority.revoke(PIN).pin == PIN
    with pytest.raises(SignatureRefusedError, match="revoked"):
        verifier(authority).verify(CONTENT, signature, NOW_US + 1)
    assert verifier(authority).verify(CONTENT, other.sign(CONTENT), NOW_US).pin == SECOND_PIN
    again = authority.issue("Асан Усенов", PIN, kind=Kind.EC, duty=Duty.PARTICIPANT)
    assert verifier(authority).verify(CONTENT, again.sign(CONTENT), NOW_US).pin == PIN
    assert [one.revoked_at is None for one in authority.issued()] == [False, True, True]
    assert [one.pin for one in authority.holders(Duty.PARTICIPANT)] == [PIN]
    with pytest.raises(AuthorityError, match="no certificate"):
        authority.revoke("nobody")


def test_only_real_numbers_and_visible_names_are_certified(authority: Authority) -> None:
    with pytest.raises(InvalidPinError):
        authority.issue("Асан", "99999999999999", kind=Kind.EC, duty=Duty.PARTICIPANT)
    for name in ("", " ", "x" * 65, "a\nb"):
        with pytest.raises(AuthorityError):
            authority.issue(name, PIN, kind=Kind.EC, duty=Duty.PARTICIPANT)
    assert authority.issued() == []


def test_an_authority_is_made_once_and_opened_only_where_it_is(
    authority: Authority, tmp_path: Path
) -> None:
    before = (authority.folder / ROOT_FILE).read_bytes()
    make_authority(authority.folder, authority.clock)
    assert (authority.folder / ROOT_FILE).read_bytes() == before
    with pytest.raises(AuthorityError, match="pki init"):
        open_authority(tmp_path / "elsewhere", authority.clock)
