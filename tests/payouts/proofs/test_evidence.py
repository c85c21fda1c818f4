"""The evidence key: its owner's alone, Ed25519; only what is unchanged carries its signature."""

from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from kench.payouts.proofs.errors import ProofRefusedError
from kench.payouts.proofs.evidence import (
    EvidenceKey,
    EvidenceKeyError,
    check_signature,
    read_public_key,
)


def test_a_key_is_made_once_for_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "run" / "evidence.pem"
    made = EvidenceKey.make(path)
    assert path.stat().st_mode & 0o777 == 0o600
    assert EvidenceKey.make(path).public == made.public == EvidenceKey.read(path).public


def test_a_signature_is_of_these_bytes_by_this_key(tmp_path: Path) -> None:
    key, other = EvidenceKey.make(tmp_path / "a"), EvidenceKey.make(tmp_path / "b")
    signature = key.sign(b"content")
    check_signature(key.public, signature, b"content")
    for public, signed, content in (
        (other.public, signature, b"content"),
        (key.public, signature, b"contenu"),
        (key.public, bytes(64), b"content"),
        (bytes(31), signature, b"content"),
    ):
        with pytest.raises(ProofRefusedError, match="signature"):
            check_signature(public, signed, content)


def test_a_key_that_cannot_be_used_is_refused_with_what_to_do(tmp_path: Path) -> None:
    path = tmp_path / "key"
    with pytest.raises(EvidenceKeyError, match="openssl genpkey"):
        EvidenceKey.read(path)
    path.write_text("no key")
    path.chmod(0o600)
    with pytest.raises(EvidenceKeyError, match="no key in PEM"):
        EvidenceKey.read(path)
    curve = ec.generate_private_key(ec.SECP256R1())
    path.write_bytes(curve.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    with pytest.raises(EvidenceKeyError, match="no Ed25519 key"):
        EvidenceKey.read(path)
    path.chmod(0o640)
    with pytest.raises(EvidenceKeyError, match="chmod 600"):
        EvidenceKey.read(path)


def test_a_public_key_is_given_in_hex_or_as_a_file(tmp_path: Path) -> None:
    public = Ed25519PrivateKey.generate().public_key()
    path = tmp_path / "public.pem"
    path.write_bytes(public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    raw = public.public_bytes_raw()
    assert read_public_key(str(path)) == read_public_key(raw.hex()) == raw
    with pytest.raises(EvidenceKeyError, match="neither"):
        read_public_key(str(tmp_path / "nowhere"))
    path.write_text("no key")
    with pytest.raises(EvidenceKeyError, match="no public key"):
        read_public_key(str(path))
