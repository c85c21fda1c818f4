"""Where messages may go: what a person writes is checked, and no webhook reaches inside.

A webhook's name is resolved once, every address it has must be public, and the connection goes to
the address that was checked: a name that changes its mind in between changes nothing.
"""

import ipaddress
import re
import socket
from typing import NamedTuple
from urllib.parse import urlsplit

from kench.pool.errors import KenchError

TARGET_MAX = 500
_EMAIL = re.compile(
    r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@(?:[A-Za-z0-9-]{1,63}\.)+[A-Za-z]{2,63}"
)
_CHAT = re.compile(r"-?[0-9]{1,20}|@[A-Za-z][A-Za-z0-9_]{4,31}")
_VISIBLE = re.compile(r"[\x21-\x7e]+")
_HERE = frozenset({"localhost", "127.0.0.1", "::1"})
_WITHIN_OTHERS = tuple(
    ipaddress.ip_network(one)
    for one in (
        "::/96",
        "64:ff9b::/96",
        "64:ff9b:1::/48",
        "2002::/16",
        "2001::/32",
        "fec0::/10",
    )
)
"""IPv6 addresses that stand for IPv4 ones, public or not, and those that sites gave themselves."""


class TargetError(KenchError):
    """Nothing may be sent there; the message is for the trail and for whoever made the rule."""


class Place(NamedTuple):
    """Where a webhook is called."""

    tls: bool
    host: str
    port: int
    path: str


def is_email(text: str) -> bool:
    """Whether it is one plain address."""
    return len(text) <= 254 and _EMAIL.fullmatch(text) is not None


def is_chat(text: str) -> bool:
    """Whether a bot can write there: the number of a chat or the name of a channel."""
    return _CHAT.fullmatch(text) is not None


def place_of(url: str, *, here: bool) -> Place:
    """Read a webhook's address; `here` lets it be on this machine. Raises TargetError."""
    if len(url) > TARGET_MAX or not _VISIBLE.fullmatch(url):
        raise TargetError("a webhook's address has up to 500 plain characters")
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError as error:
        raise TargetError("this is no address of a webhook") from error
    plain = parts.scheme == "http" and here and host in _HERE
    if not host or (parts.scheme != "https" and not plain):
        raise TargetError("a webhook's address begins with https://")
    if "@" in parts.netloc or parts.fragment:
        raise TargetError("a webhook's address has no name, password or fragment in it")
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return Place(not plain, host, port or (80 if plain else 443), path)


def resolve(place: Place, *, here: bool) -> str:
    """Return the address to connect to; raises TargetError where any that it has is not public."""
    try:
        found = socket.getaddrinfo(place.host, place.port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise TargetError("the webhook's name cannot be resolved") from error
    addresses = [str(one[4][0]).partition("%")[0] for one in found]
    if not addresses or not all(is_public(one) or (here and is_here(one)) for one in addresses):
        raise TargetError("the webhook's address is not a public one")
    return addresses[0]


def is_public(text: str) -> bool:
    """Whether an address is one of the internet's, by itself and not by what it stands for."""
    address = ipaddress.ip_address(text)
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is not None:
            return is_public(str(address.ipv4_mapped))
        if any(address in network for network in _WITHIN_OTHERS):
            return False
    return address.is_global and not address.is_multicast


def is_here(text: str) -> bool:
    """Whether an address is this machine's own."""
    return ipaddress.ip_address(text).is_loopback
