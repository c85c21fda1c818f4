"""The development authority in its folder: root, certificates that it issued, those it revoked.

    root.pem root.key    the authority; the key signs certificates, lists and OCSP answers
    crl.pem              the list of revoked certificates; it is written last when a folder is made
    issued.json          whom it certified
    STEM.pem .key .p12   each of them

All is for the folder's owner alone, and worth nothing: a pool on another network never trusts it.
"""

import contextlib
import fcntl
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path
from typing import Any, NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import pkcs12
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from kench.pki.people import PASSWORD, Duty, Holder, Key, Kind, new_key
from kench.pool.clock import Clock
from kench.pool.errors import KenchError
from kench.pool.signature.pin import check_pin

ROOT_FILE, ROOT_KEY_FILE, CRL_FILE, ISSUED_FILE = "root.pem", "root.key", "crl.pem", "issued.json"
NAME = "Kench demo authority"
# Whoever has a demo of this age makes it anew.
VALID = timedelta(days=3650)
# A certificate made now is in force now, also by a clock that is set back a little.
EARLIER = timedelta(days=1)
DOOR_STEM = "officers-door"
HERE = (
    x509.DNSName("localhost"),
    x509.IPAddress(IPv4Address("127.0.0.1")),
    x509.IPAddress(IPv6Address("::1")),
)
NAME_MAX = 64
STEM_MAX = 40


class AuthorityError(KenchError):
    """The development authority cannot do what it was asked."""


class Issued(NamedTuple):
    """One certificate."""

    serial: int
    stem: str
    name: str
    pin: str
    kind: Kind
    duty: Duty
    revoked_at: datetime | None


@dataclass(frozen=True, slots=True)
class Authority:
    """A folder with an authority in it."""

    folder: Path
    clock: Clock

    def issue(
        self, name: str, pin: str, *, kind: Kind, duty: Duty, stem: str | None = None
    ) -> Holder:
        """Make a key and a certificate with that personal number, and their files.

        Raises AuthorityError, InvalidPinError.
        """
        check_pin(pin)
        if not name.isprintable() or not 1 <= len(name.strip()) <= NAME_MAX:
            raise AuthorityError(f"a name has 1 to {NAME_MAX} visible characters")
        holder = Holder(self.folder, stem or pin, name, pin)
        with self._changing() as issued:
            if any(one.stem == holder.stem for one in issued):
                raise AuthorityError(
                    f"{holder.p12_path} is there: revoke it first (`kench pki revoke`)"
                )
            key, serial = new_key(kind), x509.random_serial_number()
            certificate = self._certify(holder, key, serial)
            keep(holder.certificate_path, certificate.public_bytes(serialization.Encoding.PEM))
            keep(holder.key_path, _pem(key))
            keep(
                holder.p12_path,
                pkcs12.serialize_key_and_certificates(
                    name.encode(),
                    key,
                    certificate,
                    [self.certificate],
                    serialization.BestAvailableEncryption(PASSWORD.encode()),
                ),
            )
            issued.append(Issued(serial, holder.stem, name, pin, kind, duty, None))
        return holder

    def certify_door(self) -> tuple[Path, Path]:
        """Return certificate and key of a server on this machine, made where they are missing."""
        certificate, key = self.folder / f"{DOOR_STEM}.pem", self.folder / f"{DOOR_STEM}.key"
        if not certificate.exists():
            made = new_key(Kind.EC)
            keep(key, _pem(made))
            name = x509.Name(
                [x509.NameAttribute(NameOID.COMMON_NAME, "Kench demo: officers' door")]
            )
            serial = x509.random_serial_number()
            signed = (
                _certificate(name, self.certificate.subject, made, self._now(), serial)
                .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
                .add_extension(_usage(digital_signature=True), critical=True)
                .add_extension(
                    x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False
                )
                .add_extension(x509.SubjectAlternativeName(HERE), critical=False)
                .sign(self.key, hashes.SHA256())
            )
            keep(certificate, signed.public_bytes(serialization.Encoding.PEM))
        return certificate, key

    def revoke(self, stem: str) -> Issued:
        """Revoke what was issued by that name or personal number, and write a list."""
        with self._changing() as issued:
            for at, one in enumerate(issued):
                if stem in {one.stem, one.pin} and one.revoked_at is None:
                    # Its files may be made anew under the same name.
                    issued[at] = one._replace(
                        revoked_at=self._now(), stem=f"{one.stem}-{one.serial:x}"
                    )
                    self._write_list(issued)
                    return one
        raise AuthorityError(f"no certificate {stem} is in force here: `kench pki list` shows all")

    def write_list(self) -> None:
        """Write the list of revoked certificates anew, as of now."""
        with self._changing() as issued:
            self._write_list(issued)

    def issued(self) -> list[Issued]:
        """Return all certificates ever issued."""
        path = self.folder / ISSUED_FILE
        if not path.exists():
            return []
        return [
            Issued(
                int(one["serial"], 16),
                one["stem"],
                one["name"],
                one["pin"],
                Kind(one["kind"]),
                Duty(one["duty"]),
                one["revoked_at"] and datetime.fromisoformat(one["revoked_at"]),
            )
            for one in json.loads(path.read_text())
        ]

    def holders(self, duty: Duty) -> list[Holder]:
        """Return who has a certificate in force."""
        return [
            Holder(self.folder, one.stem, one.name, one.pin)
            for one in self.issued()
            if one.duty is duty and one.revoked_at is None
        ]

    @property
    def certificate(self) -> x509.Certificate:
        """The root's."""
        return x509.load_pem_x509_certificate((self.folder / ROOT_FILE).read_bytes())

    @property
    def key(self) -> ec.EllipticCurvePrivateKey:
        """The root's; raises AuthorityError where it is not there."""
        path = self.folder / ROOT_KEY_FILE
        if not path.exists():
            raise AuthorityError(f"{path} is not there: make an authority with `kench pki init`")
        key = serialization.load_pem_private_key(path.read_bytes(), None)
        if not isinstance(key, ec.EllipticCurvePrivateKey):
            raise AuthorityError(f"{path} is no key of the development authority")
        return key

    def _now(self) -> datetime:
        return datetime.fromtimestamp(self.clock.now_us() // 1_000_000, UTC)

    def _certify(self, holder: Holder, key: Key, serial: int) -> x509.Certificate:
        subject = x509.Name(
            [
                x509.NameAttribute(NameOID.COUNTRY_NAME, "KG"),
                x509.NameAttribute(NameOID.COMMON_NAME, holder.name),
                x509.NameAttribute(NameOID.SERIAL_NUMBER, f"PNOKG-{holder.pin}"),
            ]
        )
        return (
            _certificate(subject, self.certificate.subject, key, self._now(), serial)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_usage(digital_signature=True, content_commitment=True), critical=True)
            .add_extension(
                # For a browser that enters by its certificate.
                x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]),
                critical=False,
            )
            .sign(self.key, hashes.SHA256())
        )

    def _write_list(self, issued: list[Issued]) -> None:
        now = self._now()
        builder = (
            x509.CertificateRevocationListBuilder()
            .issuer_name(self.certificate.subject)
            .last_update(now - EARLIER)
            .next_update(now + VALID)
            .add_extension(x509.CRLNumber(1 + self._list_number()), critical=False)
        )
        for one in issued:
            if one.revoked_at is not None:
                builder = builder.add_revoked_certificate(
                    x509.RevokedCertificateBuilder()
                    .serial_number(one.serial)
                    .revocation_date(one.revoked_at)
                    .build()
                )
        made = builder.sign(self.key, hashes.SHA256())
        keep(self.folder / CRL_FILE, made.public_bytes(serialization.Encoding.PEM))

    def _list_number(self) -> int:
        path = self.folder / CRL_FILE
        if not path.exists():
            return 0
        before = x509.load_pem_x509_crl(path.read_bytes())
        number = before.extensions.get_extension_for_class(x509.CRLNumber)
        return number.value.crl_number

    @contextlib.contextmanager
    def _changing(self) -> Iterator[list[Issued]]:
        """What was issued, to be changed in turn with other processes; kept without an error."""
        with (self.folder / ROOT_KEY_FILE).open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            issued = self.issued()
            yield issued
            rows: list[dict[str, Any]] = [
                one._asdict()
                | {
                    "serial": f"{one.serial:x}",
                    "revoked_at": one.revoked_at and one.revoked_at.isoformat(),
                }
                for one in issued
            ]
            keep(self.folder / ISSUED_FILE, json.dumps(rows, ensure_ascii=False).encode())


def open_authority(folder: Path, clock: Clock) -> Authority:
    """Return the authority of a folder; raises AuthorityError where there is none."""
    authority = Authority(folder, clock)
    if not (folder / CRL_FILE).exists() or not (folder / ROOT_KEY_FILE).exists():
        raise AuthorityError(f"{folder} holds no authority: make one with `kench pki init`")
    return authority


def make_authority(folder: Path, clock: Clock) -> Authority:
    """Return the authority of a folder, made if there is none."""
    authority = Authority(folder, clock)
    if (folder / CRL_FILE).exists():
        return authority
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    # What was not finished is made anew: nothing rests on it yet.
    (folder / ISSUED_FILE).unlink(missing_ok=True)
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, NAME)])
    now = datetime.fromtimestamp(clock.now_us() // 1_000_000, UTC)
    root = (
        _certificate(name, name, key, now, x509.random_serial_number())
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(crl_sign=True, key_cert_sign=True), critical=True)
        .sign(key, hashes.SHA256())
    )
    keep(folder / ROOT_FILE, root.public_bytes(serialization.Encoding.PEM))
    keep(folder / ROOT_KEY_FILE, _pem(key))
    authority.write_list()
    return authority


def keep(path: Path, content: bytes) -> None:
    """Write a file for the owner alone; a half written one never has its name."""
    fresh = path.with_suffix(path.suffix + ".new")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
    fresh.replace(path)


def _certificate(
    subject: x509.Name, issuer: x509.Name, key: Key, now: datetime, serial: int
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(serial)
        .not_valid_before(now - EARLIER)
        .not_valid_after(now + VALID)
    )


def _usage(**used: bool) -> x509.KeyUsage:
    names = (
        "digital_signature", "content_commitment", "key_encipherment", "data_encipherment",
        "key_agreement", "key_cert_sign", "crl_sign", "encipher_only", "decipher_only",
    )  # fmt: skip
    return x509.KeyUsage(**{name: used.get(name, False) for name in names})


def _pem(key: Key) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
