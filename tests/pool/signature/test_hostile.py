"""Signatures built by hand to be nearly right: each is refused, and for its own reason.

`test_cms.py` has what programs make wrong; here is what somebody makes wrong on purpose.
"""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
from asn1crypto import algos, cms, core, tsp
from asn1crypto import x509 as asn1_x509
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.x509.oid import NameOID

from kench.pool.signature.cms import CERTIFICATES_MAX, CmsVerifier
from kench.pool.signature.verifier import SignatureRefusedError
from tests.support.pki import (
    DAY,
    NOW,
    NOW_US,
    PIN,
    SECOND_PIN,
    Authority,
    Person,
    der,
    key_of,
    usage,
    verifier_of,
)

CONTENT = b"I enter\n"
ROOT = Authority("Hostile Root")
HASHES = {"sha1": hashes.SHA1, "sha256": hashes.SHA256, "sha384": hashes.SHA384,
          "sha512": hashes.SHA512, "md5": hashes.MD5}  # fmt: skip


@dataclass
class Forge:
    """A detached CMS signature as CAdES asks, but for what a case changes."""

    person: Person = field(default_factory=ROOT.person)
    content: bytes = CONTENT
    digest: str = "sha256"
    content_type: str = "data"
    bound: x509.Certificate | None = None
    bound_digest: str = "sha256"
    without: Sequence[str] = ()
    more: Sequence[cms.CMSAttribute] = ()
    values: int = 1
    key: Any = None
    algorithm: dict[str, Any] | None = None
    signature: bytes | None = None
    certificate: x509.Certificate | None = None
    certificates: Sequence[x509.Certificate] | None = None
    signers: int = 1
    outer: str = "signed_data"
    signs_with: str | None = None
    """Another digest than the named one; with `mask` by RSA-PSS, as `algorithm` may say."""
    mask: str | None = None

    def attributes(self) -> cms.CMSAttributes:
        bound = der(self.bound or self.person.certificate)
        hashed = hashlib.new(self.bound_digest, bound).digest()
        digest = hashlib.new(self.digest, self.content).digest()
        ess = tsp.ESSCertIDv2(
            {"hash_algorithm": {"algorithm": self.bound_digest}, "cert_hash": hashed}
        )
        found = {
            "content_type": [cms.ContentType(self.content_type)],
            "message_digest": [core.OctetString(digest)] * self.values,
            "signing_certificate_v2": [tsp.SigningCertificateV2({"certs": [ess]})],
        }
        made = [cms.CMSAttribute({"type": name, "values": values})
                for name, values in found.items() if name not in self.without]  # fmt: skip
        return cms.CMSAttributes([*made, *self.more])

    def signed(self, data: bytes) -> tuple[dict[str, Any], bytes]:
        """Algorithm and signature."""
        digest = self.signs_with or self.digest
        key, made = self.key or self.person.key, HASHES[digest]()
        if self.mask is not None:
            way = padding.PSS(padding.MGF1(HASHES[self.mask]()), made.digest_size)
            return pss(made.digest_size, digest, self.mask), key.sign(data, way, made)
        if isinstance(key, ed25519.Ed25519PrivateKey):
            return {"algorithm": "ed25519"}, key.sign(data)
        if isinstance(key, rsa.RSAPrivateKey):
            return {"algorithm": f"{digest}_rsa"}, key.sign(data, padding.PKCS1v15(), made)
        return {"algorithm": f"{digest}_ecdsa"}, key.sign(data, ec.ECDSA(made))

    def build(self) -> bytes:
        attributes = self.attributes()
        algorithm, signature = self.signed(attributes.dump())
        mine = asn1_x509.Certificate.load(der(self.certificate or self.person.certificate))
        shown = self.certificates or [self.certificate or self.person.certificate]
        signer = cms.SignerInfo({
            "version": "v1",
            "sid": {"issuer_and_serial_number": {
                "issuer": mine.issuer, "serial_number": mine.serial_number}},
            "digest_algorithm": {"algorithm": self.digest},
            "signed_attrs": attributes,
            "signature_algorithm": self.algorithm or algorithm,
            "signature": signature if self.signature is None else self.signature,
        })  # fmt: skip
        signed = cms.SignedData({
            "version": "v1",
            "digest_algorithms": [{"algorithm": self.digest}],
            "encap_content_info": {"content_type": "data"},
            "certificates": [asn1_x509.Certificate.load(der(one)) for one in shown],
            "signer_infos": [signer] * self.signers,
        })  # fmt: skip
        if self.outer == "data":
            return bytes(cms.ContentInfo({"content_type": "data", "content": signed.dump()}).dump())
        return bytes(cms.ContentInfo({"content_type": "signed_data", "content": signed}).dump())


def verifier() -> CmsVerifier:
    return ROOT.verifier()


@pytest.mark.parametrize(
    "key",
    [
        lambda: key_of("good", "rsa"),
        lambda: rsa.generate_private_key(65_537, 3072),
        lambda: ec.generate_private_key(ec.SECP256R1()),
        lambda: ec.generate_private_key(ec.SECP384R1()),
        lambda: ec.generate_private_key(ec.SECP521R1()),
    ],
)
@pytest.mark.parametrize("digest", ["sha256", "sha512"])
def test_what_nothing_was_changed_in_is_taken(key: Callable[[], Any], digest: str) -> None:
    """Else the cases below would prove nothing."""
    signature = Forge(ROOT.person(key=key()), digest=digest).build()
    assert verifier().verify(CONTENT, signature, NOW_US).pin == PIN


def pss(salt: int, digest: str, mask: str) -> dict[str, Any]:
    return {"algorithm": "rsassa_pss", "parameters": algos.RSASSAPSSParams({
        "hash_algorithm": {"algorithm": digest},
        "mask_gen_algorithm": {"algorithm": "mgf1", "parameters": {"algorithm": mask}},
        "salt_length": salt,
    })}  # fmt: skip


def test_pss_with_one_digest_throughout_is_taken() -> None:
    signature = Forge(rsa_person(), mask="sha256").build()
    assert verifier().verify(CONTENT, signature, NOW_US).pin == PIN


def attribute(name: str, value: Any) -> cms.CMSAttribute:
    return cms.CMSAttribute({"type": name, "values": [value]})


def rsa_person() -> Person:
    return ROOT.person(key=key_of("good", "rsa"))


def twin() -> x509.Certificate:
    """Another person's certificate over the same key: who certifies somebody's key as his own."""
    return ROOT.person(SECOND_PIN, key=key_of(PIN)).certificate


NULLS = b"\x30\x06\x02\x01\x00\x02\x01\x00"
FORGED: dict[str, tuple[str, Callable[[], Forge]]] = {
    "no message digest": ("message_digest", lambda: Forge(without=["message_digest"])),
    "no content type": ("content_type", lambda: Forge(without=["content_type"])),
    "not bound": ("signing_certificate_v2", lambda: Forge(without=["signing_certificate_v2"])),
    "other content's digest": ("other bytes", lambda: Forge(content=CONTENT + b"\n")),
    "another content type": ("CAdES asks", lambda: Forge(content_type="signed_data")),
    "bound to another": ("CAdES asks", lambda: Forge(bound=ROOT.certificate)),
    "bound by SHA-1": ("weak digest", lambda: Forge(bound_digest="sha1")),
    "an attribute twice": (
        "twice", lambda: Forge(more=[attribute("content_type", cms.ContentType("data"))]),
    ),
    "two digests": ("not exactly one value", lambda: Forge(values=2)),
    "digest SHA-1": ("sha1 is too weak", lambda: Forge(digest="sha1", key=key_of("good", "rsa"),
                                                       signature=b"x", algorithm={
                                                           "algorithm": "sha1_rsa"})),
    "signed with a longer digest": (
        "sha512 is signed with", lambda: Forge(rsa_person(), signs_with="sha512"),
    ),
    "signed with SHA-1": ("sha1 is signed with", lambda: Forge(rsa_person(), signs_with="sha1")),
    "signed with MD5": ("md5 is signed with", lambda: Forge(rsa_person(), signs_with="md5")),
    "PSS it is not": (
        "does not fit", lambda: Forge(rsa_person(), algorithm=pss(32, "sha256", "sha256")),
    ),
    "PSS with SHA-1": (
        "sha1 is signed with", lambda: Forge(rsa_person(), signs_with="sha1", mask="sha1"),
    ),
    "PSS with a mask of SHA-1": ("sha1 is signed with", lambda: Forge(rsa_person(), mask="sha1")),
    "DSA": ("algorithm dsa", lambda: Forge(algorithm={"algorithm": "sha256_dsa"})),
    "Ed25519": (
        "algorithm ed25519", lambda: Forge(key=ed25519.Ed25519PrivateKey.generate()),
    ),
    "an algorithm of nobody's": (
        "1.2.3.4 is not known", lambda: Forge(algorithm={"algorithm": "1.2.3.4"}),
    ),
    "no signature": ("does not fit", lambda: Forge(signature=b"")),
    "zeros for numbers": ("does not fit", lambda: Forge(signature=NULLS)),
    "zeros for RSA": ("does not fit", lambda: Forge(rsa_person(), signature=bytes(256))),
    "another key": ("does not fit", lambda: Forge(key=key_of("forger"))),
    "RSA under an EC certificate": ("does not fit", lambda: Forge(key=key_of("good", "rsa"))),
    "another's certificate over the same key": (
        "CAdES asks", lambda: Forge(certificate=twin()),
    ),
    "no certificate of the signer": (
        "CAdES asks", lambda: Forge(certificates=[ROOT.certificate]),
    ),
    "a crowd of certificates": (
        "certificates at most",
        lambda: Forge(certificates=[ROOT.person(key=key_of(str(at))).certificate
                                    for at in range(CERTIFICATES_MAX + 1)]),
    ),
    "no signer": ("exactly one signer", lambda: Forge(signers=0)),
    "the same signer twice": ("exactly one signer", lambda: Forge(signers=2)),
    "wrapped as plain data": ("no CMS signature", lambda: Forge(outer="data")),
}  # fmt: skip


@pytest.mark.parametrize("name", FORGED)
def test_a_signature_that_was_forged_is_refused(name: str) -> None:
    said, forge = FORGED[name]
    with pytest.raises(SignatureRefusedError, match=said):
        verifier().verify(CONTENT, forge().build(), NOW_US)


def middle(*, days: tuple[int, int] = (-365, 365), path_length: int | None = None,
           more: Sequence[tuple[x509.ExtensionType, bool]] = ()) -> Authority:  # fmt: skip
    """An authority under the root, whose certificate differs."""
    made = Authority("Hostile Middle", ROOT, key_of("middle"))
    made.certificate = ROOT.build(
        made.subject, made.key.public_key(),
        [(x509.BasicConstraints(ca=True, path_length=path_length), True),
         (usage("key_cert_sign", "crl_sign"), True), *more],
        signer=ROOT, days=days,
    )  # fmt: skip
    return made


UNKNOWN = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4"), b"\x05\x00")


def others_only() -> x509.NameConstraints:
    name = x509.Name([x509.NameAttribute(NameOID.COUNTRY_NAME, "XX")])
    return x509.NameConstraints([x509.DirectoryName(name)], None)


def under(made: Authority) -> tuple[CmsVerifier, bytes]:
    checks = verifier_of([ROOT], [ROOT.crl(), made.crl()])
    return checks, made.person().sign(CONTENT)


@pytest.mark.parametrize(
    "make",
    [
        lambda: middle(days=(-30, -1)),
        lambda: middle(days=(1, 30)),
        lambda: middle(more=[(others_only(), True)]),
        lambda: middle(more=[(UNKNOWN, True)]),
    ],
    ids=["expired", "of tomorrow", "for other names", "of an unknown kind"],
)  # fmt: skip
def test_an_authority_between_that_may_not_is_refused(make: Callable[[], Authority]) -> None:
    checks, signature = under(middle())
    assert checks.verify(CONTENT, signature, NOW_US).pin == PIN
    checks, signature = under(make())
    with pytest.raises(SignatureRefusedError):
        checks.verify(CONTENT, signature, NOW_US)


def test_a_way_that_is_longer_than_an_authority_allows_is_refused() -> None:
    first = middle(path_length=0)
    second = Authority("Hostile Second", first, key_of("second"))
    person = second.person()
    chained = Person(person.certificate, person.key, (second.certificate, first.certificate))
    lists = [ROOT.crl(), first.crl(), second.crl()]
    with pytest.raises(SignatureRefusedError):
        verifier_of([ROOT], lists).verify(CONTENT, chained.sign(CONTENT), NOW_US)


def listed(person: Person, *extensions: tuple[x509.ExtensionType, bool],
           reason: x509.ReasonFlags | None = None) -> x509.CertificateRevocationList:  # fmt: skip
    """A list of the root with the person on it if there is a reason."""
    builder = (
        x509.CertificateRevocationListBuilder().issuer_name(ROOT.subject)
        .last_update(NOW - DAY).next_update(NOW + DAY)
    )  # fmt: skip
    for extension, critical in extensions:
        builder = builder.add_extension(extension, critical=critical)
    if reason is not None:
        entry = (
            x509.RevokedCertificateBuilder().serial_number(person.certificate.serial_number)
            .revocation_date(NOW - DAY).add_extension(x509.CRLReason(reason), critical=False)
        )  # fmt: skip
        builder = builder.add_revoked_certificate(entry.build())
    return builder.sign(ROOT.key, hashes.SHA256())


def part_of(**which: bool) -> x509.IssuingDistributionPoint:
    names = ("only_contains_user_certs", "only_contains_ca_certs", "indirect_crl",
             "only_contains_attribute_certs")  # fmt: skip
    return x509.IssuingDistributionPoint(
        [x509.UniformResourceIdentifier("http://127.0.0.1/crl")], None, only_some_reasons=None,
        **{name: which.get(name, False) for name in names},
    )  # fmt: skip


@pytest.mark.parametrize("reason", [
    x509.ReasonFlags.certificate_hold, x509.ReasonFlags.key_compromise,
    x509.ReasonFlags.cessation_of_operation, x509.ReasonFlags.unspecified,
])  # fmt: skip
def test_who_is_on_a_list_is_refused_for_whatever_reason(reason: x509.ReasonFlags) -> None:
    person = ROOT.person()
    checks = verifier_of([ROOT], [listed(person, reason=reason)])
    with pytest.raises(SignatureRefusedError, match="revoked"):
        checks.verify(CONTENT, person.sign(CONTENT), NOW_US)


@pytest.mark.parametrize(
    "extension",
    [
        (part_of(only_contains_ca_certs=True), True),
        (part_of(only_contains_attribute_certs=True), True),
        (x509.DeltaCRLIndicator(1), True),
        (UNKNOWN, True),
    ],
    ids=["authorities", "attributes", "delta", "unknown"],
)
def test_a_list_that_tells_nothing_of_persons_is_no_list(
    extension: tuple[x509.ExtensionType, bool],
) -> None:
    person = ROOT.person()
    checks = verifier_of([ROOT], [listed(person, extension)])
    with pytest.raises(SignatureRefusedError, match="revocation"):
        checks.verify(CONTENT, person.sign(CONTENT), NOW_US)
