"""Keys, certificates, lists and signatures by GOST R 34.10, made by the openssl command's engine.

Certificates and lists are those of tests.support.pki with another key and signed anew, so that
each can be as wrong as a test asks.
"""

import os
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest
from asn1crypto import core, pem
from asn1crypto import crl as asn1_crl
from asn1crypto import x509 as asn1_x509
from asn1crypto.algos import SignedDigestAlgorithm
from asn1crypto.keys import PublicKeyInfo
from cryptography import x509

from kench.pool.signature.cms import CmsVerifier
from kench.pool.signature.gost import OpensslGost
from kench.pool.signature.pin import read_patterns
from kench.pool.signature.suite import SuiteFailedError
from kench.pool.signature.trust import Trust
from tests.support.pki import DAY, NOW, PATTERNS, PIN, Authority, der, subject_of, usage

OPENSSL = Path("/usr/bin/openssl")
SIGNATURES = {"gost2012_256": "1.2.643.7.1.1.3.2", "gost2012_512": "1.2.643.7.1.1.3.3",
              "gost2001": "1.2.643.2.2.3"}  # fmt: skip
DIGESTS = {"gost2012_256": "md_gost12_256", "gost2012_512": "md_gost12_512",
           "gost2001": "md_gost94"}  # fmt: skip


@cache
def engine() -> OpensslGost:
    """The suite, or the test is skipped."""
    suite = OpensslGost(OPENSSL)
    try:
        suite.check()
    except SuiteFailedError as error:
        pytest.skip(f"no GOST here, see deploy/test-tools: {error}")
    return suite


def openssl(folder: Path, *arguments: str) -> bytes:
    """What the command answers, without the machine's own configuration."""
    return subprocess.run(
        [OPENSSL, *arguments], cwd=folder, check=True, capture_output=True, timeout=30,
        env={"OPENSSL_CONF": os.devnull},
    ).stdout  # fmt: skip


@dataclass(frozen=True)
class GostKey:
    """A key of the tests, PEM, that never leaves a temporary folder."""

    text: bytes
    kind: str
    public: bytes

    def sign(self, content: bytes) -> bytes:
        """The raw signature."""
        with tempfile.TemporaryDirectory() as name:
            (Path(name) / "key").write_bytes(self.text)
            (Path(name) / "content").write_bytes(content)
            return openssl(Path(name), "dgst", "-engine", "gost", f"-{DIGESTS[self.kind]}",
                           "-sign", "key", "content")  # fmt: skip


@cache
def gost_key(name: str, kind: str = "gost2012_256", parameters: str = "A") -> GostKey:
    """The key of that name, the same throughout the run."""
    del name
    with tempfile.TemporaryDirectory() as folder:
        made = openssl(Path(folder), "genpkey", "-engine", "gost", "-algorithm", kind,
                       "-pkeyopt", f"paramset:{parameters}")  # fmt: skip
        (Path(folder) / "key").write_bytes(made)
        public = openssl(Path(folder), "pkey", "-engine", "gost", "-in", "key", "-pubout",
                         "-outform", "DER")  # fmt: skip
    return GostKey(made, kind, public)


def _algorithm(kind: str) -> SignedDigestAlgorithm:
    return SignedDigestAlgorithm({"algorithm": SIGNATURES[kind]})


def certified(made: x509.Certificate, key: GostKey, signer: GostKey) -> bytes:
    """The certificate with this key in it, signed by that one."""
    certificate = asn1_x509.Certificate.load(der(made))
    inner = certificate["tbs_certificate"]
    inner["subject_public_key_info"] = PublicKeyInfo.load(key.public)
    inner["signature"] = _algorithm(signer.kind)
    certificate["signature_algorithm"] = _algorithm(signer.kind)
    certificate["signature_value"] = core.OctetBitString(signer.sign(inner.dump(force=True)))
    forced: bytes = certificate.dump(force=True)
    return forced


@dataclass(frozen=True)
class GostPerson:
    """A certificate, DER, and its key."""

    certificate: bytes
    key: GostKey
    chain: tuple[bytes, ...] = ()

    def sign(self, content: bytes, *options: str, others: Sequence["GostPerson"] = ()) -> bytes:
        """Signature by `openssl cms -sign`."""
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            (folder / "content").write_bytes(content)
            arguments = ["cms", "-sign", "-engine", "gost", "-binary", "-in", "content"]
            arguments += ["-outform", "DER", *(options or ("-cades",))]
            if "-md" not in arguments:
                arguments += ["-md", DIGESTS[self.key.kind]]
            for number, person in enumerate((self, *others)):
                (folder / f"{number}.pem").write_bytes(pem.armor("CERTIFICATE", person.certificate))
                (folder / f"{number}.key").write_bytes(person.key.text)
                arguments += ["-signer", f"{number}.pem", "-inkey", f"{number}.key"]
            if self.chain:
                chain = b"".join(pem.armor("CERTIFICATE", one) for one in self.chain)
                (folder / "chain.pem").write_bytes(chain)
                arguments += ["-certfile", "chain.pem"]
            return openssl(folder, *arguments)


class GostAuthority:
    """An authority whose keys are GOST; `issuer` is the one above it, None a root."""

    def __init__(
        self, name: str = "GOST Root", issuer: "GostAuthority | None" = None,
        key: GostKey | None = None,
    ) -> None:  # fmt: skip
        """Make its certificate."""
        self.key = key or gost_key(name)
        self.issuer = issuer
        self.template = Authority(name, issuer.template if issuer else None)
        self.certificate = certified(
            self.template.certificate, self.key, issuer.key if issuer else self.key
        )

    def person(
        self, key: GostKey | None = None, *, signer: GostKey | None = None,
        days: tuple[int, int] = (-365, 365),
        usages: tuple[str, ...] = ("digital_signature", "content_commitment"),
    ) -> GostPerson:  # fmt: skip
        """A person's certificate."""
        key = key or gost_key("person")
        extensions = [(x509.BasicConstraints(ca=False, path_length=None), True),
                      (usage(*usages), True)]  # fmt: skip
        made = self.template.build(
            subject_of(PIN), self.template.key.public_key(), extensions, days=days
        )
        chain = (self.certificate,) if self.issuer else ()
        return GostPerson(certified(made, key, signer or self.key), key, chain)

    def crl(
        self, *revoked: bytes, days: tuple[int, int] = (-1, 30), signer: GostKey | None = None
    ) -> bytes:
        """A list of the revoked ones."""
        builder = (
            x509.CertificateRevocationListBuilder().issuer_name(self.template.subject)
            .last_update(NOW + days[0] * DAY).next_update(NOW + days[1] * DAY)
            .add_extension(x509.CRLNumber(1), critical=False)
        )  # fmt: skip
        for one in revoked:
            serial = asn1_x509.Certificate.load(one).serial_number
            builder = builder.add_revoked_certificate(
                x509.RevokedCertificateBuilder()
                .serial_number(serial)
                .revocation_date(NOW - 10 * DAY)
                .build()
            )
        key = signer or self.key
        return signed_list(builder, self.template, key)

    def verifier(self, *crls: bytes, gost: bool = True) -> CmsVerifier:
        """A verifier that trusts this authority alone, with these lists (none: its own, empty)."""
        return gost_verifier(self.certificate, crls or (self.crl(),), gost=gost)


def signed_list(
    builder: x509.CertificateRevocationListBuilder, template: Authority, key: GostKey
) -> bytes:
    """The list, signed by this key."""
    from cryptography.hazmat.primitives import hashes  # noqa: PLC0415 - one use

    made = asn1_crl.CertificateList.load(der(builder.sign(template.key, hashes.SHA256())))
    made["tbs_cert_list"]["signature"] = _algorithm(key.kind)
    made["signature_algorithm"] = _algorithm(key.kind)
    made["signature"] = core.OctetBitString(key.sign(made["tbs_cert_list"].dump(force=True)))
    forced: bytes = made.dump(force=True)
    return forced


def gost_verifier(root: bytes, crls: Sequence[bytes], *, gost: bool = True) -> CmsVerifier:
    """A verifier that trusts this root."""
    return CmsVerifier(
        Trust((asn1_x509.Certificate.load(root),),
              tuple(asn1_crl.CertificateList.load(one) for one in crls)),
        read_patterns(PATTERNS),
        suites=(engine(),) if gost else (),
    )  # fmt: skip
