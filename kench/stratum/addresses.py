"""Addresses of peers: one spelling for each, and the listening sockets of a door."""

import socket
from collections.abc import Iterable, Sequence
from ipaddress import IPv4Address, IPv6Address, ip_address

from kench.pool.door_settings import Network

# Connections that one queue of the kernel holds for us, if net.core.somaxconn lets it. Who finds it
# full comes again a second later, and two after that; a door has several, so that a storm fits.
BACKLOG, QUEUES = 4096, 4
# A peer that is gone is noticed after this long without a word, or when it takes nothing for the
# send time-out: a new job every half minute keeps data under way, which keep-alive does not probe.
KEEPALIVE_IDLE_S, KEEPALIVE_EACH_S, KEEPALIVE_PROBES = 60, 10, 6
_ANY_IPV6 = "::"


def plain_address(text: str) -> str:
    """Return an address as it is compared and shown: IPv4 as IPv4, no zone, shortest spelling.

    Raises ValueError for what is no address.
    """
    if ":" not in text:
        return str(IPv4Address(text))
    address = IPv6Address(text.partition("%")[0])
    return str(address.ipv4_mapped or address)


def is_within(address: str, networks: Iterable[Network]) -> bool:
    """Say whether a plain address is in one of the networks."""
    if not networks:
        return False
    parsed = ip_address(address)
    return any(parsed in network for network in networks)


def open_sockets(hosts: Sequence[str], port: int, send_timeout_s: float) -> list[socket.socket]:
    """Bind a socket to each host, not listening yet; several processes may bind the same.

    With port 0 the first takes a free one and the others the same. What is set on them holds for
    the connections they accept. Raises OSError where one cannot be bound; then none stays open.
    """
    sockets: list[socket.socket] = []
    both = all(":" in host for host in hosts)
    try:
        for host in hosts:
            bound = _open_socket(host, port, takes_ipv4=both)
            sockets.append(bound)
            port = bound.getsockname()[1]
            _notice_death(bound, send_timeout_s)
    except OSError:
        for one in sockets:
            one.close()
        raise
    return sockets


def _open_socket(host: str, port: int, *, takes_ipv4: bool) -> socket.socket:
    family, kind, protocol, _, address = socket.getaddrinfo(
        host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )[0]
    bound = socket.socket(family, kind, protocol)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        if family == socket.AF_INET6:
            alone = not (takes_ipv4 and host == _ANY_IPV6)
            bound.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, alone)
        bound.setblocking(False)
        bound.bind(address)
    except OSError:
        bound.close()
        raise
    return bound


def _notice_death(listening: socket.socket, send_timeout_s: float) -> None:
    """Have the kernel end connections whose peer is gone (A1.17, A9.9)."""
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, KEEPALIVE_IDLE_S)
    listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, KEEPALIVE_EACH_S)
    listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, KEEPALIVE_PROBES)
    timeout_ms = round(send_timeout_s * 1000)
    listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, timeout_ms)
