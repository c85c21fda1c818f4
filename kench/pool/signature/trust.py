"""Whom the pool trusts: root certificates and revocation lists, read from files.

Nothing is ever fetched from an address that a certificate names: that would let whoever sends a
signature choose whom this machine talks to.
"""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from asn1crypto import crl, pem, x509

from kench.pool.errors import KenchError

FILE_BYTES_MAX = 64 * 1024 * 1024
FILES_MAX = 1000


class TrustError(KenchError):
    """Roots or revocation lists that cannot be used."""


@dataclass(frozen=True, slots=True)
class Trust:
    """Certificates that are trusted by themselves, and the lists of revoked ones."""

    roots: tuple[x509.Certificate, ...]
    crls: tuple[crl.CertificateList, ...] = ()


def read_trust(roots: Iterable[Path], crls: Iterable[Path]) -> Trust:
    """Read files, or all in folders, PEM or DER; raises TrustError."""
    read_roots = tuple(_read(roots, "KENCH_SIGNATURE_ROOTS", x509.Certificate, "CERTIFICATE"))
    if not read_roots:
        raise TrustError(
            "no authority is trusted, so no signature can be checked: set KENCH_SIGNATURE_ROOTS "
            "to the root certificates"
        )
    for root in read_roots:
        if not root.ca:
            raise TrustError(
                f"{root.subject.human_friendly} in KENCH_SIGNATURE_ROOTS is no authority"
            )
    return Trust(read_roots, tuple(read_lists(crls)))


def read_lists(paths: Iterable[Path]) -> list[crl.CertificateList]:
    """Read revocation lists, files or all in folders, PEM or DER; raises TrustError."""
    return _read(paths, "KENCH_SIGNATURE_CRLS", crl.CertificateList, "X509 CRL")


def read_crl(der: bytes) -> crl.CertificateList:
    """Read a list that was kept; raises TrustError."""
    read: crl.CertificateList = _parse(der, crl.CertificateList, "a kept revocation list")
    return read


def digest_of(der: bytes) -> bytes:
    """What a kept certificate or list is known by."""
    return hashlib.sha256(der).digest()


def _read(paths: Iterable[Path], setting: str, kind: Any, label: str) -> list[Any]:
    read = []
    for path in _files(paths, setting):
        try:
            content = path.read_bytes()
        except OSError as error:
            raise TrustError(f"{setting}: {path} cannot be read: {error.strerror}") from error
        if len(content) > FILE_BYTES_MAX:
            raise TrustError(f"{setting}: {path} has more than {FILE_BYTES_MAX} bytes")
        where = f"{setting}: {path}"
        read += [_parse(der, kind, where) for der in _ders(content, label, where)]
    return read


def _files(paths: Iterable[Path], setting: str) -> list[Path]:
    files: list[Path] = []
    for path in paths:
        try:
            if path.is_dir():
                files += sorted(file for file in path.iterdir() if file.is_file())
            else:
                files.append(path)
        except OSError as error:
            raise TrustError(f"{setting}: {path} cannot be read: {error.strerror}") from error
    if len(files) > FILES_MAX:
        raise TrustError(f"{setting} names more than {FILES_MAX} files")
    return files


def _ders(content: bytes, label: str, where: str) -> list[bytes]:
    if not pem.detect(content):
        return [content]
    try:
        found = list(pem.unarmor(content, multiple=True))
    except ValueError as error:
        raise TrustError(f"{where}: not PEM: {error}") from error
    ders = [der for kind, _headers, der in found if kind == label]
    if not ders:
        raise TrustError(f"{where}: there is no {label} in it")
    return ders


def _parse(der: bytes, kind: Any, where: str) -> Any:
    try:
        parsed = kind.load(der, strict=True)
        # asn1crypto reads only what is looked at; what is something else shows now.
        _ = parsed[0]["issuer"].native, parsed["signature_algorithm"]["algorithm"].native
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise TrustError(f"{where}: {kind.__name__} cannot be read: {error}") from error
    return parsed
