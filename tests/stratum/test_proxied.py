"""The PROXY header as bytes: what is read from it, and what is none (A1.13)."""

import struct
from ipaddress import IPv4Address, IPv6Address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kench.stratum.addresses import plain_address
from kench.stratum.proxied import (
    HEADER_BYTES_MAX,
    LINE_BYTES_MAX,
    Announced,
    BadHeaderError,
    crc32c,
    read_header,
)

SIGNATURE = b"\r\n\r\n\x00\r\nQUIT\n"
LINE = b"PROXY TCP4 198.51.100.7 127.0.0.1 40000 3333\r\n"


def addition(kind: int, value: bytes) -> bytes:
    """A type, its length and its value, as version 2 appends them."""
    return struct.pack(">BH", kind, len(value)) + value


def header_v2(
    peer: str = "198.51.100.7", additions: bytes = b"", *, command: int = 0x21, family: int = 0
) -> bytes:
    """A header as HAProxy's `send-proxy-v2` makes it."""
    if ":" in peer:
        addresses = IPv6Address(peer).packed + IPv6Address("::1").packed
    else:
        addresses = IPv4Address(peer).packed + IPv4Address("127.0.0.1").packed
    body = addresses + struct.pack(">HH", 40000, 3333) + additions
    kind = family or (0x21 if ":" in peer else 0x11)
    return SIGNATURE + struct.pack(">BBH", command, kind, len(body)) + body


def with_checksum(header: bytes, behind: bytes = b"") -> bytes:
    """The same with a checksum over all of it, and more additions behind that."""
    length = struct.pack(">H", len(header) - 16 + 7 + len(behind))
    before = header[:14] + length + header[16:] + addition(3, b"1234")[:3]
    checksum = crc32c(before + bytes(4) + behind)
    return before + checksum.to_bytes(4, "big") + behind


addresses = st.one_of(st.ip_addresses(v=4), st.ip_addresses(v=6)).map(str)
additions = st.lists(
    st.tuples(st.sampled_from([1, 2, 4, 5, 0x20, 0xE0]), st.binary(max_size=40)), max_size=5
).map(lambda pairs: b"".join(addition(*pair) for pair in pairs))


@pytest.mark.rule("A1.13")
@given(peer=addresses, more=additions, checked=st.booleans(), rest=st.binary(max_size=30))
def test_version_2_names_the_miner_and_ends_where_it_says(
    peer: str, more: bytes, checked: bool, rest: bytes
) -> None:
    header = header_v2(peer, more)
    header = with_checksum(header) if checked else header
    assert read_header(header + rest) == Announced(plain_address(peer), len(header))
    for cut in range(len(header)):
        assert read_header(header[:cut]) is None


@pytest.mark.rule("A1.13")
@given(peer=addresses, ports=st.tuples(*[st.integers(0, 65_535)] * 2), rest=st.binary(max_size=30))
def test_version_1_names_the_miner_and_ends_with_its_line(
    peer: str, ports: tuple[int, int], rest: bytes
) -> None:
    family, own = ("TCP6", "::1") if ":" in peer else ("TCP4", "127.0.0.1")
    header = f"PROXY {family} {peer} {own} {ports[0]} {ports[1]}\r\n".encode()
    assert read_header(header + rest) == Announced(plain_address(peer), len(header))
    for cut in range(len(header)):
        assert read_header(header[:cut]) is None


@pytest.mark.rule("A1.13")
@pytest.mark.parametrize(
    "header",
    [
        b"PROXY UNKNOWN\r\n",
        b"PROXY UNKNOWN ff::1 ff::2 1 2\r\n",
        SIGNATURE + b"\x20\x00\x00\x00",
        header_v2(command=0x20),
        SIGNATURE + b"\x21\x00\x00\x05abcde",
    ],
)
def test_a_proxy_that_speaks_for_itself_names_nobody(header: bytes) -> None:
    assert read_header(header) == Announced(None, len(header))


@pytest.mark.rule("A1.13")
@pytest.mark.parametrize(
    "opening",
    [
        b'{"id":1,"method":"mining.subscribe","params":[]}\n',
        b"\x16\x03\x01",
        b"PROXY TCP4 1.2.3.4\r\n",
        b"PROXY TCP4 <script> 127.0.0.1 1 2\r\n",
        b"PROXY TCP4 1.2.3.4 127.0.0.1 1 2\n",
        b"PROXY TCP4 1.2.3.400 127.0.0.1 1 2\r\n",
        b"PROXY TCP4 ::1 ::1 1 2\r\n",
        b"PROXY TCP6 1.2.3.4 1.2.3.4 1 2\r\n",
        b"PROXY TCP4 1.2.3.4 127.0.0.1 65536 2\r\n",
        b"PROXY " + b"x" * LINE_BYTES_MAX,
        SIGNATURE + b"\x11\x11\x00\x0c" + bytes(12),  # version 1 in the form of 2
        SIGNATURE + b"\x22\x11\x00\x0c" + bytes(12),  # an unknown command
        SIGNATURE + b"\x21\x11\x00\x0b" + bytes(11),  # addresses cut short
        header_v2(family=0x12),  # UDP
        header_v2(family=0x31),  # a Unix socket
        header_v2(family=0x44),
        SIGNATURE + struct.pack(">BBH", 0x21, 0x11, HEADER_BYTES_MAX),
        header_v2(additions=b"\x01"),
        header_v2(additions=b"\x01\x00\x09abc"),
        header_v2(additions=addition(3, b"\x00\x00\x00\x00")),
        header_v2(additions=addition(3, b"")),
    ],
)
def test_what_is_no_header_is_refused(opening: bytes) -> None:
    with pytest.raises(BadHeaderError):
        read_header(opening)


@given(
    st.one_of(
        st.binary(max_size=300),
        st.binary(max_size=300).map(lambda rest: SIGNATURE + rest),
        st.binary(max_size=300).map(lambda rest: b"PROXY " + rest),
    )
)
def test_whatever_comes_first_is_a_header_or_waited_for_or_refused(data: bytes) -> None:
    try:
        announced = read_header(data)
    except BadHeaderError:
        return
    assert announced is None or 0 < announced.end <= len(data)
    if announced is None:
        assert len(data) < HEADER_BYTES_MAX


def test_a_second_checksum_is_refused_and_not_computed() -> None:
    header = with_checksum(header_v2(), addition(3, bytes(4)) * 100)
    with pytest.raises(BadHeaderError, match="second checksum"):
        read_header(header)
    assert read_header(with_checksum(header_v2(), addition(4, bytes(4)))) is not None


def test_the_checksum_is_crc_32c() -> None:
    assert crc32c(b"123456789") == 0xE3069283


@pytest.mark.parametrize("at", [at for at in range(16, 35) if at != 28])  # 28 names the checksum
def test_a_changed_byte_under_a_checksum_is_noticed(at: int) -> None:
    header = bytearray(with_checksum(header_v2()))
    header[at] ^= 1
    with pytest.raises(BadHeaderError):
        read_header(bytes(header))
