"""Addresses in one spelling, and the sockets of a door."""

import errno
import socket
from ipaddress import ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kench.stratum.addresses import is_within, open_sockets, plain_address


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("::FFFF:C000:201", "192.0.2.1"),
        ("2001:DB8:0:0::1", "2001:db8::1"),
        ("fe80::1%eth0", "fe80::1"),
    ],
)
def test_an_address_has_one_spelling(text: str, plain: str) -> None:
    assert plain_address(text) == plain


@given(st.one_of(st.ip_addresses(v=4), st.ip_addresses(v=6)))
def test_a_plain_address_stays_as_it_is(address: object) -> None:
    plain = plain_address(str(address))
    assert plain_address(plain) == plain


@pytest.mark.parametrize("text", ["", "pool.example", "1.2.3", "1.2.3.4.5", "::g", "1.2.3.4/8"])
def test_what_is_no_address_is_no_address(text: str) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        plain_address(text)


def test_an_address_is_within_the_networks_of_its_own_kind_alone() -> None:
    networks = (ip_network("10.0.0.0/8"), ip_network("2001:db8::/32"))
    assert is_within("10.9.9.9", networks)
    assert is_within("2001:db8::9", networks)
    assert not is_within("11.0.0.1", networks)
    assert not is_within("::a00:1", networks)
    assert not is_within("10.0.0.1", ())


@pytest.mark.parametrize(
    ("hosts", "reached"),
    [
        (["127.0.0.1"], ["127.0.0.1"]),
        (["::1"], ["::1"]),
        (["::"], ["::1", "127.0.0.1"]),
        (["::", "127.0.0.1"], ["::1", "127.0.0.1"]),
        (["127.0.0.1", "127.0.0.2", "::1"], ["127.0.0.1", "127.0.0.2", "::1"]),
        (["0.0.0.0"], ["127.0.0.1"]),
    ],
)
def test_a_door_is_reached_at_each_of_its_addresses_by_one_port(
    hosts: list[str], reached: list[str]
) -> None:
    sockets = open_sockets(hosts, 0, 60.0)
    try:
        assert len(sockets) == len(hosts)
        (port,) = {one.getsockname()[1] for one in sockets}
        for one in sockets:
            one.listen()
        for host in reached:
            socket.create_connection((host, port), timeout=5).close()
    finally:
        for one in sockets:
            one.close()


def test_two_fronts_bind_the_same_port_and_a_stranger_s_is_taken() -> None:
    with socket.socket() as stranger:
        stranger.bind(("127.0.0.1", 0))
        port = stranger.getsockname()[1]
        with pytest.raises(OSError, match=r"\w") as caught:
            open_sockets(["127.0.0.2", "127.0.0.1"], port, 60.0)
        assert caught.value.errno == errno.EADDRINUSE
    first = open_sockets(["127.0.0.1", "::1"], port, 60.0)
    second = open_sockets(["127.0.0.1", "::1"], port, 60.0)
    for one in [*first, *second]:
        one.listen()
        one.close()
