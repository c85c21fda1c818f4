"""What a signature must have, and every way known to us in which one that has not is refused."""

import random
import socket
from collections.abc import Callable
from dataclasses import replace

import pytest
from asn1crypto import core, parser
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import AuthorityInformationAccessOID, NameOID
from hypothesis import given, settings
from hypothesis import strategies as st

from kench.pool.signature.cms import KEPT_CRLS_MAX, SIGNATURE_BYTES_MAX, CmsVerifier
from kench.pool.signature.der import elements
from kench.pool.signature.verifier import SignatureRefusedError, Signer
from tests.support.pki import (
    NOW_US,
    PIN,
    SECOND_PIN,
    Authority,
    Key,
    Person,
    der,
    key_of,
    subject_of,
    usage,
    verifier_of,
)

CONTENT = b'{"kench_order": 1}\n'
DAY_US = 86_400_000_000


@pytest.fixture(scope="module")
def root() -> Authority:
    return Authority()


@pytest.fixture(scope="module")
def person(root: Authority) -> Person:
    return root.person()


@pytest.fixture(scope="module")
def verifier(root: Authority) -> CmsVerifier:
    return root.verifier()


@pytest.fixture(scope="module")
def good(person: Person) -> bytes:
    return person.sign(CONTENT)


def refused(
    verifier: CmsVerifier,
    signature: bytes,
    said: str,
    moment_us: int = NOW_US,
    content: bytes = CONTENT,
) -> None:
    with pytest.raises(SignatureRefusedError, match=said):
        verifier.verify(content, signature, moment_us)


def test_a_good_signature_names_its_signer_and_keeps_its_evidence(
    verifier: CmsVerifier, root: Authority, person: Person, good: bytes
) -> None:
    signer = verifier.verify(CONTENT, good, NOW_US)
    assert (signer.pin, signer.name) == (PIN, "Асан Усенов")
    assert signer.evidence.certificates == (der(person.certificate), der(root.certificate))
    assert len(signer.evidence.crls) == 1


@pytest.mark.parametrize("keyopt", [None, "rsa_padding_mode:pss"])
@pytest.mark.parametrize("digest", ["sha256", "sha384", "sha512"])
def test_rsa_by_either_padding_and_longer_digests_are_taken(
    digest: str, keyopt: str | None, root: Authority, verifier: CmsVerifier
) -> None:
    signer = root.person(key=key_of("rsa", "rsa"))
    signature = signer.sign(CONTENT, "-cades", "-md", digest, keyopt=keyopt)
    assert verifier.verify(CONTENT, signature, NOW_US).pin == PIN


def test_the_check_is_done_again_years_later_with_what_was_kept(
    verifier: CmsVerifier, root: Authority, person: Person, good: bytes
) -> None:
    kept = verifier.verify(CONTENT, good, NOW_US).evidence
    today = root.verifier(root.crl(person.certificate, days=(700, 730)))
    refused(today, good, "revocation|revoked")
    again = today.verify(CONTENT, good, NOW_US, kept)
    assert again == Signer(PIN, "Асан Усенов", again.certificate_sha256, kept)
    with pytest.raises(SignatureRefusedError, match="revocation"):
        today.verify(CONTENT, good, NOW_US, replace(kept, crls=()))
    with pytest.raises(SignatureRefusedError):
        today.verify(CONTENT, good, NOW_US, replace(kept, crls=(b"x",)))


def test_of_all_lists_ever_kept_a_few_are_held_read(root: Authority, good: bytes) -> None:
    verifier = root.verifier()
    for day in range(KEPT_CRLS_MAX + 2):
        kept = root.verifier(root.crl(days=(-1 - day, 30))).verify(CONTENT, good, NOW_US).evidence
        assert verifier.verify(CONTENT, good, NOW_US, kept).pin == PIN
    assert len(verifier._kept_crls) == KEPT_CRLS_MAX


def test_an_intermediate_authority_is_followed_and_needs_its_own_list(root: Authority) -> None:
    middle = Authority("Middle", root, key_of("middle"))
    signature = middle.person().sign(CONTENT)
    both = verifier_of([root], [root.crl(), middle.crl()])
    signer = both.verify(CONTENT, signature, NOW_US)
    assert len(signer.evidence.certificates) == 3
    assert len(signer.evidence.crls) == 2
    refused(verifier_of([root], [root.crl()]), signature, "revocation")
    refused(verifier_of([root], [middle.crl()]), signature, "revocation")
    revoked = verifier_of([root], [root.crl(middle.certificate), middle.crl()])
    refused(revoked, signature, "revoked")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("-noattr", "-md", "sha256"), "no signed attributes"),
        (("-md", "sha256"), "signing_certificate_v2"),
        (("-cades", "-md", "sha1"), "sha1 is too weak"),
        (("-cades", "-md", "sha224"), "sha224 is too weak"),
        (("-cades", "-md", "sha256", "-nodetach"), "make it detached"),
        (("-cades", "-md", "sha256", "-nocerts"), "."),
        (("-cades", "-md", "sha256", "-econtent_type", "1.2.3.4"), "plain data"),
    ],
)
def test_a_signature_that_lacks_something_is_refused(
    options: tuple[str, ...], said: str, verifier: CmsVerifier, person: Person
) -> None:
    refused(verifier, person.sign(CONTENT, *options), said)


@pytest.mark.parametrize(
    "key",
    [
        lambda: rsa.generate_private_key(65_537, 1024),
        lambda: ec.generate_private_key(ec.SECP192R1()),
        lambda: ec.generate_private_key(ec.SECP224R1()),
    ],
)
def test_a_key_that_is_too_weak_is_refused(
    key: Callable[[], Key], root: Authority, verifier: CmsVerifier
) -> None:
    refused(verifier, root.person(key=key()).sign(CONTENT), "too weak")


def test_two_signers_in_one_signature_are_refused(
    verifier: CmsVerifier, root: Authority, person: Person
) -> None:
    refused(verifier, person.sign(CONTENT, others=[root.person(SECOND_PIN)]), "exactly one signer")


def test_a_signature_of_other_bytes_is_refused(verifier: CmsVerifier, good: bytes) -> None:
    refused(verifier, good, "other bytes", content=CONTENT + b" ")
    refused(verifier, good, "other bytes", content=b"")


def test_who_is_revoked_is_refused(root: Authority, person: Person, good: bytes) -> None:
    refused(root.verifier(root.crl(person.certificate)), good, "revoked")


@pytest.mark.parametrize("days", [(-60, -30), (1, 30)])
def test_a_list_that_is_stale_or_from_tomorrow_is_refused(
    days: tuple[int, int], root: Authority, good: bytes
) -> None:
    refused(root.verifier(root.crl(days=days)), good, "revocation")


def test_without_any_list_nobody_is_trusted(root: Authority, good: bytes) -> None:
    """Nor with a certificate that names no place of a list, which hard-fail would take."""
    refused(verifier_of([root], []), good, "revocation")


def test_a_list_that_another_signed_does_not_count(root: Authority, good: bytes) -> None:
    refused(root.verifier(root.crl(key=key_of("forger"))), good, "revocation")


def test_a_certificate_out_of_its_time_is_refused(
    root: Authority, verifier: CmsVerifier, good: bytes
) -> None:
    for days in ((-30, -1), (1, 30)):
        refused(verifier, root.person(days=days).sign(CONTENT), "not valid at this time")
    refused(verifier, good, ".", NOW_US + 730 * DAY_US)
    refused(verifier, good, ".", NOW_US - 730 * DAY_US)


def test_an_authority_that_only_has_the_name_of_ours_is_refused(
    root: Authority, verifier: CmsVerifier
) -> None:
    forger = Authority(root.name, key=key_of("forger"))
    refused(verifier, forger.person().sign(CONTENT), ".")
    refused(verifier_of([root], [forger.crl()]), forger.person().sign(CONTENT), ".")


def test_a_person_is_no_authority(root: Authority, verifier: CmsVerifier, person: Person) -> None:
    """A certificate issued with a person's key leads to the root, but not by an authority."""
    fake = Authority("fake", key=person.key)
    fake.subject, fake.certificate = person.certificate.subject, person.certificate
    victim = fake.person(SECOND_PIN)
    refused(verifier_of([root], [root.crl(), fake.crl()]),
            replace(victim, chain=(person.certificate,)).sign(CONTENT), ".")  # fmt: skip


CRITICAL = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4.5"), b"\x05\x00")


@pytest.mark.parametrize(
    "extensions",
    [
        [(usage("key_encipherment"), True)],
        [(usage("key_cert_sign", "crl_sign"), True)],
        [],
        [(usage("digital_signature", "key_cert_sign"), True),
         (x509.BasicConstraints(ca=True, path_length=None), True)],
        [(usage("digital_signature"), True), (CRITICAL, True)],
    ],
)  # fmt: skip
def test_a_certificate_for_something_else_is_refused(
    extensions: list[tuple[x509.ExtensionType, bool]], root: Authority, verifier: CmsVerifier
) -> None:
    refused(verifier, root.person(extensions=extensions).sign(CONTENT), ".")


@pytest.mark.parametrize(
    ("subject", "said"),
    [
        (subject_of("99999999999999"), "no personal number"),
        (subject_of("21507198500123", prefix="IDCKG-"), "names no personal number"),
        (x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, PIN)]), "names no personal number"),
        (x509.Name([x509.NameAttribute(NameOID.SERIAL_NUMBER, f"PNOKG-{one}")
                    for one in (PIN, SECOND_PIN)]), "two persons"),
    ],
)  # fmt: skip
def test_a_certificate_without_exactly_one_person_is_refused(
    subject: x509.Name, said: str, root: Authority, verifier: CmsVerifier
) -> None:
    refused(verifier, root.person(subject=subject).sign(CONTENT), said)


def test_no_address_in_a_certificate_is_called(root: Authority, verifier: CmsVerifier) -> None:
    """Whoever sends a signature must not choose whom this machine talks to."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.01)
        url = x509.UniformResourceIdentifier(f"http://127.0.0.1:{server.getsockname()[1]}/x")
        extensions: list[tuple[x509.ExtensionType, bool]] = [
            (usage("digital_signature"), True),
            (x509.CRLDistributionPoints([x509.DistributionPoint([url], None, None, None)]), False),
            (x509.AuthorityInformationAccess([
                x509.AccessDescription(method, url)
                for method in (AuthorityInformationAccessOID.OCSP,
                               AuthorityInformationAccessOID.CA_ISSUERS)
            ]), False),
        ]  # fmt: skip
        for authority in (root, Authority("unknown", key=key_of("forger"))):
            signature = authority.person(extensions=extensions).sign(CONTENT)
            for one in (verifier, verifier_of([root], [])):
                if (authority, one) != (root, verifier):
                    refused(one, signature, ".")
        with pytest.raises(TimeoutError):
            server.accept()


def test_unsigned_attributes_count_for_nothing(verifier: CmsVerifier, good: bytes) -> None:
    """Time stamps are signatures too, which may be stamped in turn."""
    stamped = good
    for _ in range(6):
        stamped = with_unsigned(good, stamped)
        assert verifier.verify(CONTENT, stamped, NOW_US).pin == PIN


def with_unsigned(signature: bytes, value: bytes) -> bytes:
    """The signature with one unsigned attribute of its signer, a time stamp of that value.

    By bytes: asn1crypto may take minutes to write what is nested so.
    """

    def put(data: bytes, way: list[int]) -> bytes:
        parts = [one[3] + one[4] for one in elements(data)]
        if not way:
            kind = core.ObjectIdentifier("1.2.840.113549.1.9.16.2.14").dump()
            attribute = parser.emit(0, 1, 16, kind + parser.emit(0, 1, 17, value))
            return b"".join(parts) + bytes(parser.emit(2, 1, 1, attribute))
        at, *rest = way
        class_, method, tag, _, contents, _ = elements(data)[at]
        parts[at] = bytes(parser.emit(class_, method, tag, put(contents, rest)))
        return b"".join(parts)

    # ContentInfo, its content, SignedData, the signers behind all else there, the only signer.
    return put(signature, [0, 1, 0, -1, 0])


def test_deep_nesting_and_indefinite_lengths_are_refused_at_once(
    verifier: CmsVerifier, good: bytes
) -> None:
    deep = b""
    for _ in range(200):
        deep = parser.emit(0, 1, 16, deep)
    refused(verifier, deep, "ValueError")
    refused(verifier, b"\x30\x80" * 10_000, "ValueError")
    refused(verifier, b"\x30\x80" + good + b"\0\0", "ValueError")
    refused(verifier, parser.emit(0, 1, 16, b"\x05\x00" * 30_000), "ValueError")


@pytest.mark.parametrize("signature", [b"", b"\x30", b"\x30\x80", b"x" * 100, bytes(1000),
                                       b"0" * (SIGNATURE_BYTES_MAX + 1)])  # fmt: skip
def test_what_is_no_signature_is_refused(signature: bytes, verifier: CmsVerifier) -> None:
    refused(verifier, signature, ".")


def test_what_stands_behind_the_signature_is_refused(verifier: CmsVerifier, good: bytes) -> None:
    refused(verifier, good + b"\0", ".")
    refused(verifier, good[:-1], ".")
    refused(verifier, good + good, ".")


@given(st.binary(max_size=400))
@settings(max_examples=200)
def test_no_bytes_pass_or_raise_anything_else(verifier: CmsVerifier, data: bytes) -> None:
    refused(verifier, data, ".")


@given(st.integers(0, 2**32))
@settings(max_examples=150)
def test_a_signature_with_any_signed_byte_changed_never_names_another(
    verifier: CmsVerifier, good: bytes, seed: int
) -> None:
    """It is refused, or what was changed is nothing that anybody signed and the signer stays."""
    rng = random.Random(seed)
    changed = bytearray(good)
    for _ in range(rng.randint(1, 3)):
        at = rng.randrange(len(changed))
        match rng.randrange(3):
            case 0:
                changed[at] ^= 1 << rng.randrange(8)
            case 1:
                del changed[at]
            case _:
                changed.insert(at, rng.randrange(256))
    if bytes(changed) == good:
        return
    try:
        signer = verifier.verify(CONTENT, bytes(changed), NOW_US)
    except SignatureRefusedError:
        return
    assert signer == verifier.verify(CONTENT, good, NOW_US)
