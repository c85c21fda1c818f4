"""X-Road's message protocol for REST, r1: names of clients and services, headers, the request hash.

https://docs.x-road.global/Protocols/pr-rest_x-road_message_protocol_for_rest.html
"""

import base64
import hashlib
import re
from collections.abc import Mapping
from enum import StrEnum
from urllib.parse import quote, unquote

PREFIX = "x-road-"
VERSION = "r1"
CLIENT_PARTS = (3, 4)
"""Instance, member class, member code; and a subsystem, which nearly every client has."""
SERVICE_PARTS = 5
PART_MAX = 255
_PART = re.compile(r"(?:[A-Za-z0-9._~-]|%[0-9A-Fa-f]{2})+")
_ID = re.compile(r"[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}")
_USER = re.compile(r"[A-Za-z]{2}[A-Za-z0-9._-]{1,60}")
_HASH_BYTES = 64


class Header(StrEnum):
    """Headers of a message, as HTTP reads them."""

    CLIENT = "x-road-client"
    ID = "x-road-id"
    USER_ID = "x-road-userid"
    ISSUE = "x-road-issue"
    SERVICE = "x-road-service"
    SECURITY_SERVER = "x-road-security-server"
    REQUEST_HASH = "x-road-request-hash"
    REQUEST_ID = "x-road-request-id"
    ERROR = "x-road-error"


def read_name(text: str, parts: tuple[int, ...]) -> str:
    """Return a name in its one spelling; raises ValueError where it is none of so many parts."""
    found = text.split("/")
    if len(found) not in parts:
        raise ValueError(f"must have {' or '.join(map(str, parts))} parts, apart by slashes")
    return "/".join(_plain(part) for part in found)


def read_client(text: str) -> str:
    """Return the name of a client, `KG/GOV/12345678/taxes`; raises ValueError."""
    return read_name(text, CLIENT_PARTS)


def read_service(text: str) -> str:
    """Return the name of a service, `KG/GOV/12345678/taxes/income`; raises ValueError."""
    return read_name(text, (SERVICE_PARTS,))


def read_id(text: str) -> str:
    """Return a message's id, a UUID in small letters; raises ValueError."""
    if not _ID.fullmatch(text):
        raise ValueError("must be a UUID")
    return text.lower()


def read_user(text: str) -> str:
    """Return a user's id, beginning with the country's two letters; raises ValueError."""
    if not _USER.fullmatch(text):
        raise ValueError("must be a country's two letters and a number")
    return text


def read_hash(text: str) -> bytes:
    """Return the digest of a request, SHA-512; raises ValueError."""
    digest = base64.b64decode(text.encode("ascii", "replace"), validate=True)
    if len(digest) != _HASH_BYTES:
        raise ValueError("must be SHA-512 in base64")
    return digest


def request_hash(method: str, target: str, headers: Mapping[str, str], body: bytes) -> str:
    """Return what a security server says a request was, for its answer to name.

    A real one hashes the message as it signs it; all that counts here is that it is the same for
    the same request.
    """
    digest = hashlib.sha512(f"{method} {target}\n".encode())
    for name in sorted(headers):
        if name.lower().startswith(PREFIX):
            digest.update(f"{name.lower()}:{headers[name]}\n".encode("utf-8", "replace"))
    digest.update(b"\n" + hashlib.sha512(body).digest())
    return base64.b64encode(digest.digest()).decode()


def _plain(part: str) -> str:
    if not _PART.fullmatch(part):
        raise ValueError("has a part with characters that must be percent-encoded")
    try:
        said = unquote(part, errors="strict")
    except UnicodeDecodeError:
        raise ValueError("has a part that is no UTF-8") from None
    if not said.isprintable() or "/" in said or len(said) > PART_MAX or said in {".", ".."}:
        raise ValueError("has a part that no name has")
    return quote(said, safe="")
