"""An authority and two officers of no state's: what signs the demo's orders on regtest.

They live in DATA/run/pki, for the owner of the folder alone, and exist so that the embedded node's
worthless coins follow orders by the very way that real ones do: bytes signed by two officers, and
checked. A pool on other people's nodes never makes or trusts them.
"""

import asyncio
import os
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from kench.pool.clock import Clock

ROOT_FILE, CRL_FILE = "root.pem", "crl.pem"
# Whoever has a demo of this age makes it anew.
VALID = timedelta(days=3650)
# A certificate made now is in force now, also by a clock that is set back a little.
EARLIER = timedelta(days=1)
_PEOPLE = (("Demo Officer One", "10101190000001"), ("Demo Officer Two", "20101190000002"))


@dataclass(frozen=True, slots=True)
class DemoOfficer:
    """An officer whose key lies in a file of the demo's."""

    name: str
    pin: str
    certificate_path: Path
    key_path: Path

    def sign(self, content: bytes) -> bytes:
        """Return a detached CAdES signature of exactly these bytes, in DER."""
        # Needed once in the life of a folder, and slow to load.
        from pyhanko.sign.signers import SimpleSigner  # noqa: PLC0415

        signer: Any = SimpleSigner.load(  # type: ignore[no-untyped-call]  # theirs
            str(self.key_path), str(self.certificate_path)
        )
        if signer is None:
            raise AssertionError(f"{self.key_path} cannot be read")
        signed = asyncio.run(
            signer.async_sign_general_data(content, "sha256", detached=True, use_cades=True)
        )
        return bytes(signed.dump())


@dataclass(frozen=True, slots=True)
class DemoPki:
    """The demo's authority, by its files."""

    folder: Path

    @property
    def officers(self) -> tuple[DemoOfficer, DemoOfficer]:
        """The two who sign."""
        one, two = (
            DemoOfficer(name, pin, self.folder / f"{pin}.pem", self.folder / f"{pin}.key")
            for name, pin in _PEOPLE
        )
        return one, two


def demo_pki(folder: Path, clock: Clock) -> DemoPki:
    """Return the demo's authority in a folder of its own, made if there is none."""
    pki = DemoPki(folder)
    if not (folder / CRL_FILE).exists():
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        now = datetime.fromtimestamp(clock.now_us() / 1e6, UTC).replace(microsecond=0)
        _make(pki, now)
    return pki


def _make(pki: DemoPki, now: datetime) -> None:
    """Make keys, certificates and an empty revocation list; the list comes last."""
    root_key = ec.generate_private_key(ec.SECP256R1())
    root_name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Kench demo authority")])
    root = (
        _certificate(root_name, root_name, root_key, now)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(crl_sign=True, key_cert_sign=True), critical=True)
        .sign(root_key, hashes.SHA256())
    )
    for officer in pki.officers:
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name(
            [
                x509.NameAttribute(NameOID.COMMON_NAME, officer.name),
                x509.NameAttribute(NameOID.SERIAL_NUMBER, f"PNOKG-{officer.pin}"),
            ]
        )
        certificate = (
            _certificate(subject, root_name, key, now)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_usage(digital_signature=True, content_commitment=True), critical=True)
            .sign(root_key, hashes.SHA256())
        )
        _keep(officer.certificate_path, certificate.public_bytes(serialization.Encoding.PEM))
        _keep(officer.key_path, _pem(key))
    revoked = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(root_name)
        .last_update(now - EARLIER)
        .next_update(now + VALID)
        .add_extension(x509.CRLNumber(1), critical=False)
        .sign(root_key, hashes.SHA256())
    )
    _keep(pki.folder / ROOT_FILE, root.public_bytes(serialization.Encoding.PEM))
    _keep(pki.folder / CRL_FILE, revoked.public_bytes(serialization.Encoding.PEM))
    # The authority's own key is kept nowhere: nobody else becomes an officer of the demo.


def _certificate(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey, now: datetime
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - EARLIER)
        .not_valid_after(now + VALID)
    )


def _usage(**used: bool) -> x509.KeyUsage:
    names = (
        "digital_signature", "content_commitment", "key_encipherment", "data_encipherment",
        "key_agreement", "key_cert_sign", "crl_sign", "encipher_only", "decipher_only",
    )  # fmt: skip
    return x509.KeyUsage(**{name: used.get(name, False) for name in names})


def _pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


def _keep(path: Path, content: bytes) -> None:
    """Write a file for the owner alone; a half written one never has its name."""
    fresh = path.with_suffix(path.suffix + ".new")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
    fresh.replace(path)
