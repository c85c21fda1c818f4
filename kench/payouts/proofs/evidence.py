"""The pool's evidence key: Ed25519, signs manifests and files of shares; no coin depends on it."""

import hashlib
import os
import re
from pathlib import Path

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
    load_pem_public_key,
)

from kench.payouts.proofs.errors import ProofRefusedError
from kench.pool.errors import KenchError
from kench.pool.secret_files import SecretFileError, read_private

_SALTS = b"kench salts 1\0"
_PEM_BYTES_MAX = 16_384


class EvidenceKeyError(KenchError):
    """The evidence key cannot be used; the message says what to do."""


class EvidenceKey:
    """Signs manifests."""

    def __init__(self, secret: Ed25519PrivateKey) -> None:
        self._secret = secret
        self.public = secret.public_key().public_bytes_raw()
        """The 32 bytes by which anybody checks what was signed."""

    def sign(self, content: bytes) -> bytes:
        """Return the 64-byte signature of these bytes."""
        return self._secret.sign(content)

    def salt_source(self, block_hash: str) -> bytes:
        """Return what the salts of a block's tree are made from: 32 bytes that the key alone gives.

        The same each time, so that a manifest made again from the journal alone is the same one.
        """
        return hashlib.sha256(self.sign(_SALTS + bytes.fromhex(block_hash))).digest()

    @classmethod
    def read(cls, path: Path) -> "EvidenceKey":
        """Read a key from a PEM file that its owner alone may read. Raises EvidenceKeyError."""
        make = f"make one with `openssl genpkey -algorithm ed25519 -out {path}` and mode 600"
        try:
            raw = read_private(path)
        except SecretFileError as error:
            raise EvidenceKeyError(f"the evidence key: {error}; or {make}") from error
        try:
            secret = load_pem_private_key(raw, password=None)
        except (ValueError, TypeError, UnsupportedAlgorithm) as broken:
            raise EvidenceKeyError(f"{path} is no key in PEM without password: {make}") from broken
        if not isinstance(secret, Ed25519PrivateKey):
            raise EvidenceKeyError(f"{path} is no Ed25519 key: {make}")
        return cls(secret)

    @classmethod
    def make(cls, path: Path) -> "EvidenceKey":
        """Make a key for development, unless there is one; mode 600."""
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            pem = Ed25519PrivateKey.generate().private_bytes(
                Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
            )
            partial = path.with_name(path.name + ".partial")
            with os.fdopen(
                os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb"
            ) as file:
                file.write(pem)
            partial.replace(path)
        return cls.read(path)


def check_signature(public: bytes, signature: bytes, content: bytes) -> None:
    """Raise ProofRefusedError unless the signature is this key's over these bytes."""
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, content)
    except (InvalidSignature, ValueError):
        raise ProofRefusedError(
            "the manifest's signature is not of its key: manifest, key or signature was changed"
        ) from None


def read_public_key(words: str) -> bytes:
    """Return the public key that is given as 64 hex digits or as a PEM file."""
    if re.fullmatch(r"[0-9a-fA-F]{64}", words):
        return bytes.fromhex(words)
    try:
        with Path(words).open("rb") as file:
            loaded = load_pem_public_key(file.read(_PEM_BYTES_MAX))
    except OSError as error:
        raise EvidenceKeyError(
            f"{words} is neither 64 hex digits nor a file that can be read ({error.strerror})"
        ) from error
    except (ValueError, UnsupportedAlgorithm) as broken:
        raise EvidenceKeyError(f"{words} is no public key in PEM") from broken
    if not isinstance(loaded, Ed25519PublicKey):
        raise EvidenceKeyError(f"{words} is no Ed25519 key")
    return loaded.public_bytes_raw()
