"""Whose address a request comes from, with web servers of ours in front."""

from collections.abc import Sequence
from ipaddress import IPv4Address, IPv6Address, ip_address

from starlette.requests import HTTPConnection

from kench.pool.door_settings import Network

UNKNOWN = "unknown"
HOPS_MAX = 16


def address_of(request: HTTPConnection, trusted: Sequence[Network]) -> str:
    """Return the address of whoever asks.

    `X-Forwarded-For` counts as far as servers of `trusted` networks wrote it, from its end.
    """
    peer = request.client.host if request.client else ""
    if not _within(peer, trusted):
        return peer or UNKNOWN
    hops = ",".join(request.headers.getlist("x-forwarded-for")).split(",")
    for hop in reversed(hops[-HOPS_MAX:]):
        name = hop.strip()
        if _parsed(name) is None:
            break
        peer = name
        if not _within(name, trusted):
            break
    return peer


def _within(name: str, networks: Sequence[Network]) -> bool:
    address = _parsed(name)
    return address is not None and any(address in network for network in networks)


def _parsed(name: str) -> IPv4Address | IPv6Address | None:
    try:
        return ip_address(name)
    except ValueError:
        return None
