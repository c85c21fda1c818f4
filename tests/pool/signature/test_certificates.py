"""Whose certificate comes by a connection: the rules for signers hold, and those of TLS."""

from collections.abc import Sequence

import pytest
from asn1crypto import crl as asn1_crl
from asn1crypto import x509 as asn1_x509
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import ExtendedKeyUsageOID
from hypothesis import given
from hypothesis import strategies as st

from kench.pool.signature.certificates import CHAIN_MAX, CertificateVerifier
from kench.pool.signature.pin import read_patterns
from kench.pool.signature.responders import Responders
from kench.pool.signature.trust import Trust, digest_of
from kench.pool.signature.verifier import RevokedSignatureError, SignatureRefusedError
from tests.support.pki import (
    NOW_US,
    PATTERNS,
    PIN,
    Authority,
    Extensions,
    der,
    key_of,
    subject_of,
    usage,
)
from tests.support.revocation import RealMonotonic, Responder, place

ROOT = Authority()
PERSON = (x509.BasicConstraints(ca=False, path_length=None), True)
SIGNING = (usage("digital_signature", "content_commitment"), True)
DAY_US = 86_400_000_000


def purposes(*oids: x509.ObjectIdentifier) -> tuple[x509.ExtensionType, bool]:
    return x509.ExtendedKeyUsage(oids), False


def verifier(
    *crls: x509.CertificateRevocationList, responders: Responders | None = None
) -> CertificateVerifier:
    """One that trusts ROOT alone, with these lists (none: its own, empty)."""
    trust = Trust(
        (asn1_x509.Certificate.load(der(ROOT.certificate)),),
        tuple(asn1_crl.CertificateList.load(der(one)) for one in crls or (ROOT.crl(),)),
    )
    return CertificateVerifier(trust, read_patterns(PATTERNS), responders=responders)


def shown(*certificates: x509.Certificate) -> Sequence[bytes]:
    return [der(one) for one in certificates]


@pytest.mark.parametrize(
    "extensions",
    [
        (PERSON, SIGNING),
        (PERSON, SIGNING, purposes(ExtendedKeyUsageOID.CLIENT_AUTH)),
        (PERSON, SIGNING, purposes(ExtendedKeyUsageOID.EMAIL_PROTECTION,
                                   ExtendedKeyUsageOID.CLIENT_AUTH)),
    ],
)  # fmt: skip
def test_a_persons_certificate_says_who_it_is(extensions: Extensions) -> None:
    certificate = ROOT.person(extensions=extensions).certificate
    found = verifier().verify(shown(certificate), NOW_US)
    assert (found.pin, found.name) == (PIN, "Асан Усенов")
    assert found.certificate_sha256 == digest_of(der(certificate))
    assert found.evidence.certificates == (der(certificate), der(ROOT.certificate))
    assert len(found.evidence.crls) == 1


def test_authorities_between_come_with_the_connection() -> None:
    between = Authority("Between", ROOT, key_of("between"))
    certificate = between.person().certificate
    lists = (ROOT.crl(), between.crl())
    chain = shown(certificate, between.certificate)
    assert verifier(*lists).verify(chain, NOW_US).pin == PIN
    with pytest.raises(SignatureRefusedError, match="does not lead"):
        verifier(*lists).verify(chain[:1], NOW_US)
    with pytest.raises(SignatureRefusedError, match="revocation is not known"):
        verifier(ROOT.crl()).verify(chain, NOW_US)
    with pytest.raises(RevokedSignatureError):
        verifier(ROOT.crl(between.certificate), between.crl()).verify(chain, NOW_US)


def test_a_revoked_one_is_told_apart() -> None:
    certificate = ROOT.person().certificate
    with pytest.raises(RevokedSignatureError, match="revoked"):
        verifier(ROOT.crl(certificate)).verify(shown(certificate), NOW_US)


@pytest.mark.parametrize(
    ("extensions", "why"),
    [
        ((PERSON,), "does not say that it is for signing"),
        ((PERSON, (usage("content_commitment"), True)), "must have digitalSignature"),
        ((PERSON, (usage("key_agreement"), True)), "must have digitalSignature"),
        ((PERSON, SIGNING, purposes(ExtendedKeyUsageOID.SERVER_AUTH)), "clientAuth"),
        ((PERSON, SIGNING, purposes(ExtendedKeyUsageOID.OCSP_SIGNING)), "clientAuth"),
        (((x509.BasicConstraints(ca=True, path_length=None), True), SIGNING), "authority's"),
    ],
)
def test_a_certificate_for_something_else_is_refused(extensions: Extensions, why: str) -> None:
    certificate = ROOT.person(extensions=extensions).certificate
    with pytest.raises(SignatureRefusedError, match=why):
        verifier().verify(shown(certificate), NOW_US)


def test_what_else_is_wrong_with_a_certificate_is_refused() -> None:
    person = ROOT.person()
    weak = rsa.generate_private_key(public_exponent=65_537, key_size=1024)
    cases = [
        (shown(Authority("Root", key=key_of("other root")).person().certificate), "does not lead"),
        (shown(ROOT.person(days=(-30, -1)).certificate), "not valid at this time"),
        (shown(ROOT.person(days=(1, 30)).certificate), "not valid at this time"),
        (shown(ROOT.person(key=weak).certificate), "too weak"),
        (shown(ROOT.person(subject=subject_of("123")).certificate), "personal number"),
        ([], "one to"),
        (shown(*[person.certificate] * (CHAIN_MAX + 1)), "one to"),
        ([b"x"], "cannot be read"),
        ([b"x" * 70_000], "bytes at most"),
        ([der(person.certificate)[:-1]], "cannot be read"),
        ([der(person.certificate), b"\x30\x80"], "cannot be read"),
    ]
    for chain, why in cases:
        with pytest.raises(SignatureRefusedError, match=why):
            verifier().verify(chain, NOW_US)


def test_without_a_fresh_list_nobody_is_known() -> None:
    chain = shown(ROOT.person().certificate)
    for stale in (ROOT.crl(days=(-30, -1)), Authority("Other").crl()):
        with pytest.raises(SignatureRefusedError, match="revocation is not known"):
            verifier(stale).verify(chain, NOW_US)


def test_a_responder_is_asked_too() -> None:
    chain = shown(ROOT.person().certificate)
    with place() as there:
        responders = Responders(
            [there.url], clock=RealMonotonic(), random_bytes=lambda size: b"n" * size
        )
        there.answer = Responder(ROOT)
        found = verifier(ROOT.crl(days=(-30, -1)), responders=responders).verify(chain, NOW_US)
        assert len(found.evidence.ocsps) == 1
        there.answer = Responder(ROOT, status=x509.ocsp.OCSPCertStatus.REVOKED)
        with pytest.raises(RevokedSignatureError):
            verifier(responders=responders).verify(chain, NOW_US)


@given(st.lists(st.binary(max_size=60), min_size=1, max_size=3))
def test_whatever_bytes_come_the_answer_is_a_refusal(chain: list[bytes]) -> None:
    with pytest.raises(SignatureRefusedError):
        verifier().verify(chain, NOW_US)
