"""The PROXY header, version 1 and 2: a proxy's word on whom it speaks for (A1.13). No I/O."""

import re
import struct
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address

from kench.stratum.addresses import plain_address

# The longest line of version 1, its end included.
LINE_BYTES_MAX = 107
# The longest header of version 2 taken: addresses, and what proxies add about TLS and themselves.
HEADER_BYTES_MAX = 4096
_SIGNATURE = b"\r\n\r\n\x00\r\nQUIT\n"
_LINE_START = b"PROXY "
_LINE = re.compile(
    rb"PROXY (?:UNKNOWN(?: [^\r\n]*)?"
    rb"|TCP(?P<family>[46]) (?P<peer>[0-9a-fA-F.:]{2,39}) (?P<own>[0-9a-fA-F.:]{2,39})"
    rb" (?P<port>[0-9]{1,5}) (?P<own_port>[0-9]{1,5}))\r\n"
)
_FIXED = struct.Struct(">12sBBH")
_LOCAL, _PROXIED = 0x20, 0x21
# Address family and transport, and how many bytes the two addresses and ports take.
_TCP4, _TCP6 = 0x11, 0x21
_ADDRESS_BYTES = {_TCP4: 12, _TCP6: 36}
_UNSPECIFIED = 0x00
_CHECKSUM = 0x03


class BadHeaderError(ValueError):
    """What came first is no PROXY header, or one that contradicts itself."""


@dataclass(frozen=True, slots=True)
class Announced:
    """A header taken apart: the miner's address, None if the proxy speaks for itself; its end."""

    address: str | None
    end: int


def read_header(data: bytes) -> Announced | None:
    """Read the header at the start of `data`; None while it is not whole.

    Raises BadHeaderError.
    """
    if data.startswith(_LINE_START[: len(data)]):
        return _read_line(data)
    if data.startswith(_SIGNATURE[: len(data)]):
        return _read_binary(data)
    raise BadHeaderError("neither version of the header")


def _read_line(data: bytes) -> Announced | None:
    end = data.find(b"\n", 0, LINE_BYTES_MAX) + 1
    if not end:
        if len(data) >= LINE_BYTES_MAX:
            raise BadHeaderError("the line has no end")
        return None
    line = _LINE.fullmatch(data, 0, end)
    if line is None:
        raise BadHeaderError("the line says no addresses")
    if line["peer"] is None:
        return Announced(None, end)
    addresses = [_address_of(line[one].decode(), line["family"]) for one in ("peer", "own")]
    if max(int(line["port"]), int(line["own_port"])) > 0xFFFF:
        raise BadHeaderError("a port beyond all ports")
    return Announced(plain_address(addresses[0]), end)


def _address_of(text: str, family: bytes) -> str:
    try:
        return str(IPv4Address(text) if family == b"4" else IPv6Address(text))
    except ValueError:
        raise BadHeaderError("an address that is none") from None


def _read_binary(data: bytes) -> Announced | None:
    if len(data) < _FIXED.size:
        return None
    _, command, family, length = _FIXED.unpack_from(data)
    end = _FIXED.size + length
    if command not in {_LOCAL, _PROXIED}:
        raise BadHeaderError("neither LOCAL nor PROXY of version 2")
    if end > HEADER_BYTES_MAX:
        raise BadHeaderError("the header is too long")
    if len(data) < end:
        return None
    if command == _LOCAL or family == _UNSPECIFIED:
        return Announced(None, end)
    address_bytes = _ADDRESS_BYTES.get(family)
    if address_bytes is None:
        raise BadHeaderError("an address that is not of TCP")
    if length < address_bytes:
        raise BadHeaderError("the addresses are cut short")
    at = _FIXED.size
    _check_additions(data[:end], at + address_bytes)
    if family == _TCP4:
        return Announced(str(IPv4Address(data[at : at + 4])), end)
    return Announced(plain_address(str(IPv6Address(data[at : at + 16]))), end)


def _check_additions(header: bytes, at: int) -> None:
    """Skip what the proxy adds (type, length, value); a checksum among it must be right.

    There is one at most: each costs a look at the whole header.
    """
    checked = False
    while at < len(header):
        value_at = at + 3
        if value_at > len(header):
            raise BadHeaderError("an addition is cut short")
        end = value_at + int.from_bytes(header[at + 1 : value_at], "big")
        if end > len(header):
            raise BadHeaderError("an addition is cut short")
        if header[at] == _CHECKSUM:
            if checked:
                raise BadHeaderError("a second checksum")
            checked = True
            blank = header[:value_at] + bytes(end - value_at) + header[end:]
            if header[value_at:end] != crc32c(blank).to_bytes(4, "big"):
                raise BadHeaderError("the checksum is wrong")
        at = end


def _table() -> tuple[int, ...]:
    rows = []
    for byte in range(256):
        for _ in range(8):
            byte = byte >> 1 ^ (0x82F63B78 if byte & 1 else 0)  # noqa: PLW2901 - the usual way to write a CRC
        rows.append(byte)
    return tuple(rows)


_CRC32C = _table()


def crc32c(data: bytes) -> int:
    """Return the CRC-32C of RFC 3720, which version 2 prescribes."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc = crc >> 8 ^ _CRC32C[(crc ^ byte) & 0xFF]
    return crc ^ 0xFFFFFFFF
