"""An authority of the tests' own: certificates of persons as we ask, revocation lists, signatures.

Keys are made once for a run. Signatures are made by the openssl command, which shares no code with
what checks them.
"""

import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path

from asn1crypto import crl as asn1_crl
from asn1crypto import x509 as asn1_x509
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID

from kench.pool.signature.cms import CmsVerifier
from kench.pool.signature.pin import read_patterns
from kench.pool.signature.trust import Trust

PIN = "21507198500123"
SECOND_PIN = "10103199000456"
PATTERNS = (r"2.5.4.5=PNOKG-(\d{14})", r"2.5.4.5=(\d{14})")
NOW = datetime(2026, 1, 1, tzinfo=UTC)
NOW_US = 1_767_225_600_000_000
DAY = timedelta(days=1)
SIGN = ("-cades", "-md", "sha256")

Key = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey
Extensions = Sequence[tuple[x509.ExtensionType, bool]]


@cache
def key_of(name: str, kind: str = "ec") -> Key:
    """The key of that name, the same throughout the run."""
    del name
    if kind == "rsa":
        return rsa.generate_private_key(public_exponent=65_537, key_size=2048)
    return ec.generate_private_key(ec.SECP256R1())


def usage(*names: str) -> x509.KeyUsage:
    """Key usage with exactly these bits."""
    known = (
        "digital_signature", "content_commitment", "key_encipherment", "data_encipherment",
        "key_agreement", "key_cert_sign", "crl_sign", "encipher_only", "decipher_only",
    )  # fmt: skip
    return x509.KeyUsage(**{name: name in names for name in known})


def subject_of(pin: str, name: str = "Асан Усенов", prefix: str = "PNOKG-") -> x509.Name:
    """Subject of a person."""
    return x509.Name(
        [
            x509.NameAttribute(NameOID.COUNTRY_NAME, "KG"),
            x509.NameAttribute(NameOID.COMMON_NAME, name),
            x509.NameAttribute(NameOID.SERIAL_NUMBER, prefix + pin),
        ]
    )


@dataclass(frozen=True)
class Person:
    """A certificate and its key."""

    certificate: x509.Certificate
    key: Key
    chain: tuple[x509.Certificate, ...] = ()

    def sign(
        self,
        content: bytes,
        *options: str,
        keyopt: str | None = None,
        others: Sequence["Person"] = (),
    ) -> bytes:
        """Signature by `openssl cms -sign`, with `options` instead of SIGN."""
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            (folder / "content").write_bytes(content)
            arguments = ["openssl", "cms", "-sign", "-binary", "-in", "content", "-outform", "DER"]
            arguments += options or SIGN
            for number, person in enumerate((self, *others)):
                (folder / f"{number}.pem").write_bytes(pem(person.certificate))
                (folder / f"{number}.key").write_bytes(key_pem(person.key))
                arguments += ["-signer", f"{number}.pem", "-inkey", f"{number}.key"]
                arguments += ["-keyopt", keyopt] if keyopt else []
            if self.chain:
                (folder / "chain.pem").write_bytes(b"".join(map(pem, self.chain)))
                arguments += ["-certfile", "chain.pem"]
            done = subprocess.run(
                arguments, cwd=folder, check=True, capture_output=True, timeout=30
            )
        return done.stdout


@dataclass
class Authority:
    """A certificate authority; `issuer` is the one above it, None a root."""

    name: str = "Root"
    issuer: "Authority | None" = None
    key: Key = field(default_factory=lambda: key_of("root"))
    serial: int = 1000

    def __post_init__(self) -> None:
        above = self.issuer or self
        self.subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, self.name)])
        self.certificate = self.build(
            self.subject,
            self.key.public_key(),
            [
                (x509.BasicConstraints(ca=True, path_length=None), True),
                (usage("key_cert_sign", "crl_sign"), True),
            ],
            signer=above,
            days=(-3650, 3650),
        )

    def build(
        self,
        subject: x509.Name,
        public: rsa.RSAPublicKey | ec.EllipticCurvePublicKey,
        extensions: Extensions,
        *,
        signer: "Authority | None" = None,
        days: tuple[int, int] = (-365, 365),
    ) -> x509.Certificate:
        """A certificate signed by `signer` (None: by this authority)."""
        above = signer or self
        above.serial += 1
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(above.subject)
            .public_key(public)
            .serial_number(above.serial)
            .not_valid_before(NOW + days[0] * DAY)
            .not_valid_after(NOW + days[1] * DAY)
        )
        for extension, critical in extensions:
            builder = builder.add_extension(extension, critical=critical)
        return builder.sign(above.key, hashes.SHA256())

    def person(
        self,
        pin: str = PIN,
        *,
        key: Key | None = None,
        subject: x509.Name | None = None,
        extensions: Extensions | None = None,
        days: tuple[int, int] = (-365, 365),
    ) -> Person:
        """A person's certificate, for signing unless `extensions` say otherwise."""
        key = key or key_of(pin)
        given = [
            (x509.BasicConstraints(ca=False, path_length=None), True),
            (usage("digital_signature", "content_commitment"), True),
        ]
        certificate = self.build(
            subject or subject_of(pin),
            key.public_key(),
            given if extensions is None else extensions,
            days=days,
        )
        chain = (self.certificate,) if self.issuer else ()
        return Person(certificate, key, chain)

    def crl(
        self,
        *revoked: x509.Certificate,
        days: tuple[int, int] = (-1, 30),
        key: Key | None = None,
    ) -> x509.CertificateRevocationList:
        """A list of the revoked ones."""
        builder = (
            x509.CertificateRevocationListBuilder()
            .issuer_name(self.subject)
            .last_update(NOW + days[0] * DAY)
            .next_update(NOW + days[1] * DAY)
            .add_extension(x509.CRLNumber(1), critical=False)
        )
        for certificate in revoked:
            builder = builder.add_revoked_certificate(
                x509.RevokedCertificateBuilder()
                .serial_number(certificate.serial_number)
                .revocation_date(NOW - 10 * DAY)
                .build()
            )
        return builder.sign(key or self.key, hashes.SHA256())

    def verifier(self, *crls: x509.CertificateRevocationList) -> CmsVerifier:
        """A verifier that trusts this authority alone, with these lists (none: its own, empty)."""
        return verifier_of([self], crls or (self.crl(),))


def verifier_of(
    roots: Sequence[Authority], crls: Sequence[x509.CertificateRevocationList]
) -> CmsVerifier:
    """A verifier that trusts these roots, with these lists."""
    return CmsVerifier(
        Trust(
            tuple(asn1_x509.Certificate.load(der(root.certificate)) for root in roots),
            tuple(asn1_crl.CertificateList.load(der(one)) for one in crls),
        ),
        read_patterns(PATTERNS),
    )


def der(one: x509.Certificate | x509.CertificateRevocationList) -> bytes:
    """Its bytes."""
    return one.public_bytes(serialization.Encoding.DER)


def pem(one: x509.Certificate | x509.CertificateRevocationList) -> bytes:
    """Its text."""
    return one.public_bytes(serialization.Encoding.PEM)


def key_pem(key: Key) -> bytes:
    """A key's text; it never leaves a temporary folder."""
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
