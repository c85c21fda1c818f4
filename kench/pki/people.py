"""Persons of the development authority: key, certificate with a personal number, .p12 file."""

import asyncio
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec, rsa

PASSWORD = "kench-demo"  # noqa: S105 - known to all: it guards keys of nobody's
"""Of each .p12 file."""
RSA_BITS = 2048

Key = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey


class Kind(StrEnum):
    """Of a key."""

    RSA = "rsa"
    EC = "ec"


class Duty(StrEnum):
    """What somebody is in the demo; certificates do not tell."""

    PARTICIPANT = "participant"
    OFFICER = "officer"


@dataclass(frozen=True, slots=True)
class Holder:
    """Who holds a certificate of the authority, by its files."""

    folder: Path
    stem: str
    name: str
    pin: str

    @property
    def certificate_path(self) -> Path:
        """PEM."""
        return self.folder / f"{self.stem}.pem"

    @property
    def key_path(self) -> Path:
        """PEM, without a password."""
        return self.folder / f"{self.stem}.key"

    @property
    def p12_path(self) -> Path:
        """Key and certificate as browsers and other programs take them, under PASSWORD."""
        return self.folder / f"{self.stem}.p12"

    def sign(self, content: bytes) -> bytes:
        """Return a detached CAdES signature of exactly these bytes, in DER."""
        # Needed once in the life of a folder, and slow to load.
        from pyhanko.sign.signers import SimpleSigner  # noqa: PLC0415 - as above

        signer: Any = SimpleSigner.load(  # type: ignore[no-untyped-call]  # theirs
            str(self.key_path), str(self.certificate_path)
        )
        if signer is None:
            raise AssertionError(f"{self.key_path} cannot be read")
        signed = asyncio.run(
            signer.async_sign_general_data(content, "sha256", detached=True, use_cades=True)
        )
        return bytes(signed.dump())


def new_key(kind: Kind) -> Key:
    """Make a key."""
    if kind is Kind.RSA:
        return rsa.generate_private_key(public_exponent=65_537, key_size=RSA_BITS)
    return ec.generate_private_key(ec.SECP256R1())
