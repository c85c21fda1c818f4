"""Settings of whose signatures count, and how it is known that a certificate was not revoked."""

import re
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, field_validator
from pydantic_settings import NoDecode

from kench.pool.door_settings import words_of

SIGNATURE_PIN_PATTERNS = (r"2.5.4.5=PNOKG-(\d{14})", r"2.5.4.5=(\d{14})")
"""In serialNumber, with the prefix of ETSI EN 319 412-1 or plain."""
URLS_MAX = 32
_FINGERPRINT = re.compile(r"[0-9a-f]{64}", re.IGNORECASE)


class SignatureSettings(BaseModel):
    """Those of `Settings` that say whom the pool trusts to name persons."""

    model_config = ConfigDict(frozen=True, defer_build=True)

    signature_roots: Annotated[tuple[Path, ...], NoDecode] = ()
    """Certificates of the authorities whose signatures count, files or folders, PEM or DER. Unset:
    none, but for the demo's own on regtest."""
    signature_crls: Annotated[tuple[Path, ...], NoDecode] = ()
    """Their revocation lists, files or folders, PEM or DER: a list of every authority between a
    signer and its root, fresh when somebody signs. Read again when they change."""
    signature_crl_urls: Annotated[tuple[str, ...], NoDecode, Field(max_length=URLS_MAX)] = ()
    """Where such lists are fetched too, `http://` or `https://`; never from addresses that a
    certificate names. One that was fetched is good until it says that it is not."""
    signature_crl_fetch_s: Annotated[int, Field(ge=10, le=86_400)] = 600
    """Lists are fetched anew after so many seconds."""
    signature_ocsp_urls: Annotated[tuple[str, ...], NoDecode, Field(max_length=URLS_MAX)] = ()
    """OCSP responders that are asked about who signs: `URL`, or `SHA256=URL` with the digest of
    the authority's certificate whose persons it knows."""
    signature_ocsp_timeout_s: Annotated[float, Field(gt=0, le=30)] = 5.0
    """A question to one is given up after so many seconds; a fresh list will do then."""
    signature_pin_patterns: Annotated[tuple[str, ...], NoDecode] = SIGNATURE_PIN_PATTERNS
    """Where a certificate's subject has its owner's personal number: `OID=expression` with one
    group around it; the first that fits decides."""
    signature_gost: Literal["off", "openssl"] = "off"
    """`openssl`: signatures by GOST R 34.10-2012 count too, of authorities in `signature_roots`;
    the openssl command's gost engine checks them (Debian: libengine-gost-openssl)."""
    signature_gost_openssl: Path = Path("/usr/bin/openssl")
    """That command."""

    @field_validator(
        "signature_roots",
        "signature_crls",
        "signature_crl_urls",
        "signature_ocsp_urls",
        "signature_pin_patterns",
        mode="before",
    )
    @classmethod
    def _split_signature_words(cls, value: object) -> object:
        return words_of(value)

    @field_validator("signature_roots", "signature_crls")
    @classmethod
    def _resolve_signature_paths(cls, value: tuple[Path, ...]) -> tuple[Path, ...]:
        return tuple(path.expanduser().resolve() for path in value)

    @field_validator("signature_crl_urls")
    @classmethod
    def _check_list_urls(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for url in value:
            _check_url(url)
        return value

    @field_validator("signature_ocsp_urls")
    @classmethod
    def _check_responders(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for entry in value:
            issuer, url = responder_of(entry)
            if issuer is not None and not _FINGERPRINT.fullmatch(issuer):
                raise ValueError("must look like URL, or like SHA256=URL with 64 hex digits")
            _check_url(url)
        return value


def responder_of(entry: str) -> tuple[str | None, str]:
    """Return whose persons a responder knows (None: everybody's), and its address."""
    issuer, separator, url = entry.partition("=")
    # An address may have = in it, a digest has no colon.
    if not separator or ":" in issuer:
        return None, entry
    return issuer, url


def _check_url(url: str) -> None:
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        raise ValueError("must look like http://host/path") from None
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.username is not None:
        raise ValueError("must look like http://host/path, without a user")
