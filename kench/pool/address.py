"""Addresses: from their text to the script that pays them, with what is wrong said plainly.

Base58Check (P2PKH, P2SH) and segwit addresses (BIP173 bech32 for version 0, BIP350 bech32m from
version 1 up). The pool pays to addresses; it never derives one from a key, and knows no keys.
"""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

from kench.native import sha256d
from kench.pool.errors import KenchError

_BASE58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
_BECH32 = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"
_BECH32_GENERATOR = (0x3B6A57B2, 0x26508E6D, 0x1EA119FA, 0x3D4233DD, 0x2A1462B3)
_BECH32_CHECK = 1
_BECH32M_CHECK = 0x2BC830A3
_CHECK_SYMBOLS = 6
_ADDRESS_MAX = 90
_BASE58_PAYLOAD_BYTES = 21
_OP_1 = 0x51

BURN_PHRASE = "Kench demo reward: nobody knows a script with this hash"
"""What the demo's payout address commits to; see `burn_address`."""


class InvalidAddressError(KenchError):
    """A text that is no address of the network; the message says why."""


@dataclass(frozen=True, slots=True)
class _Prefixes:
    p2pkh: int
    p2sh: int
    segwit: str


_TEST = _Prefixes(p2pkh=111, p2sh=196, segwit="tb")
_NETWORKS = {
    "main": _Prefixes(p2pkh=0, p2sh=5, segwit="bc"),
    "test": _TEST,
    "testnet4": _TEST,
    "signet": _TEST,
    "regtest": _Prefixes(p2pkh=111, p2sh=196, segwit="bcrt"),
}


@dataclass(frozen=True, slots=True)
class Destination:
    """What an address means: `kind` as Core names it, `program` the hash or witness program."""

    kind: str
    script: bytes
    program: bytes
    witness_version: int | None


def script_of(address: str, network: str) -> bytes:
    """Return the scriptPubKey that pays `address` on `network` (a name of getblockchaininfo).

    Raises InvalidAddressError.
    """
    return describe(address, network).script


def deposit_script_of(address: str, network: str) -> bytes:
    """Return the script of an address that coins can be entrusted to; raises InvalidAddressError.

    A witness version that no rule of Bitcoin guards yet is well spelled, and what it is paid
    belongs to whoever takes it first: no venue deposits there.
    """
    destination = describe(address, network)
    if destination.kind == "witness_unknown":
        raise InvalidAddressError(
            f"{address}: no rule of Bitcoin guards witness version {destination.witness_version} "
            f"with {len(destination.program)} bytes, so anybody could spend what it is paid"
        )
    return destination.script


def describe(address: str, network: str) -> Destination:
    """Read an address of `network`; raises InvalidAddressError."""
    prefixes = _prefixes(network)
    segwit = {known.segwit for known in _NETWORKS.values()}
    head = address.lower().rpartition("1")[0]
    if head in segwit:
        return _segwit(address, prefixes.segwit, network)
    return _base58(address, prefixes, network)


def address_of(script: bytes, network: str) -> str | None:
    """Return the address that `script` pays on `network`; None where it has none."""
    prefixes = _prefixes(network)
    size = len(script)
    if size == 25 and script[:3] == b"\x76\xa9\x14" and script[23:] == b"\x88\xac":
        return _base58_text(bytes([prefixes.p2pkh]) + script[3:23])
    if size == 23 and script[:2] == b"\xa9\x14" and script[22:] == b"\x87":
        return _base58_text(bytes([prefixes.p2sh]) + script[2:22])
    if 4 <= size <= 42 and script[1] == size - 2:
        version = 0 if script[0] == 0 else script[0] - _OP_1 + 1
        if (version == 0 and size in (22, 34)) or 1 <= version <= 16:
            return _segwit_text(prefixes.segwit, version, script[2:])
    return None


def burn_address(network: str) -> str:
    """Return an address for demonstrations that nobody known can spend from.

    It is a P2WSH whose program is the SHA-256 of BURN_PHRASE, which is no script that can succeed:
    coins sent there are lost. Only regtest, whose coins are worth nothing, should use it.
    """
    return _segwit_text(_prefixes(network).segwit, 0, hashlib.sha256(BURN_PHRASE.encode()).digest())


def _prefixes(network: str) -> _Prefixes:
    try:
        return _NETWORKS[network]
    except KeyError:
        raise InvalidAddressError(
            f"unknown network {network!r}: one of {', '.join(_NETWORKS)}"
        ) from None


def _base58(address: str, prefixes: _Prefixes, network: str) -> Destination:
    payload = _base58_payload(address)
    version, program = payload[0], payload[1:]
    if version == prefixes.p2pkh:
        script = b"\x76\xa9\x14" + program + b"\x88\xac"
        return Destination("pubkeyhash", script, program, None)
    if version == prefixes.p2sh:
        return Destination("scripthash", b"\xa9\x14" + program + b"\x87", program, None)
    raise InvalidAddressError(f"{address}: not an address of network {network}")


def _base58_payload(address: str) -> bytes:
    if not address or len(address) > _ADDRESS_MAX:
        raise InvalidAddressError(f"an address has 1 to {_ADDRESS_MAX} characters")
    number = 0
    for symbol in address:
        digit = _BASE58.find(symbol)
        if digit < 0:
            raise InvalidAddressError(f"{address}: {symbol!r} stands in no address")
        number = number * 58 + digit
    zeros = len(address) - len(address.lstrip(_BASE58[0]))
    raw = bytes(zeros) + number.to_bytes((number.bit_length() + 7) // 8, "big")
    if len(raw) != _BASE58_PAYLOAD_BYTES + 4:
        raise InvalidAddressError(f"{address}: wrong length")
    payload, check = raw[:-4], raw[-4:]
    if sha256d(payload)[:4] != check:
        raise InvalidAddressError(f"{address}: the checksum is wrong, a character was mistyped")
    return payload


def _base58_text(payload: bytes) -> str:
    raw = payload + sha256d(payload)[:4]
    number = int.from_bytes(raw, "big")
    text = ""
    while number:
        number, digit = divmod(number, 58)
        text = _BASE58[digit] + text
    return _BASE58[0] * (len(raw) - len(raw.lstrip(b"\0"))) + text


def _segwit(address: str, prefix: str, network: str) -> Destination:
    if len(address) > _ADDRESS_MAX:
        raise InvalidAddressError(f"an address has 1 to {_ADDRESS_MAX} characters")
    if address not in (address.lower(), address.upper()):
        raise InvalidAddressError(f"{address}: capital and small letters are mixed")
    head, _, tail = address.lower().rpartition("1")
    if head != prefix:
        raise InvalidAddressError(f"{address}: not an address of network {network}")
    symbols = [_BECH32.find(symbol) for symbol in tail]
    if -1 in symbols:
        raise InvalidAddressError(f"{address}: {tail[symbols.index(-1)]!r} stands in no address")
    if len(symbols) <= _CHECK_SYMBOLS:
        raise InvalidAddressError(f"{address}: wrong length")
    version = symbols[0]
    expected = _BECH32_CHECK if version == 0 else _BECH32M_CHECK
    if _polymod(_expand(head) + symbols) != expected:
        raise InvalidAddressError(f"{address}: the checksum is wrong, a character was mistyped")
    program = _regroup(symbols[1:-_CHECK_SYMBOLS], 5, 8)
    if program is None or not 2 <= len(program) <= 40:
        raise InvalidAddressError(f"{address}: wrong length")
    if version > 16:
        raise InvalidAddressError(f"{address}: witness version {version} does not exist")
    if version == 0 and len(program) not in (20, 32):
        raise InvalidAddressError(f"{address}: wrong length for witness version 0")
    opcode = 0 if version == 0 else _OP_1 + version - 1
    data = bytes(program)
    script = bytes([opcode, len(data)]) + data
    return Destination(_segwit_kind(version, len(data)), script, data, version)


def _segwit_kind(version: int, size: int) -> str:
    if version == 0:
        return "witness_v0_keyhash" if size == 20 else "witness_v0_scripthash"
    return "witness_v1_taproot" if (version, size) == (1, 32) else "witness_unknown"


def _segwit_text(prefix: str, version: int, program: bytes) -> str:
    symbols = [version, *(_regroup(program, 8, 5) or [])]
    constant = _BECH32_CHECK if version == 0 else _BECH32M_CHECK
    rest = _polymod(_expand(prefix) + symbols + [0] * _CHECK_SYMBOLS) ^ constant
    check = [rest >> 5 * (_CHECK_SYMBOLS - 1 - i) & 31 for i in range(_CHECK_SYMBOLS)]
    return prefix + "1" + "".join(_BECH32[symbol] for symbol in symbols + check)


def _expand(prefix: str) -> list[int]:
    return [ord(one) >> 5 for one in prefix] + [0] + [ord(one) & 31 for one in prefix]


def _polymod(symbols: Iterable[int]) -> int:
    """Remainder of the checksum's polynomial division (BIP173)."""
    rest = 1
    for symbol in symbols:
        top = rest >> 25
        rest = (rest & 0x1FF_FFFF) << 5 ^ symbol
        for i, generator in enumerate(_BECH32_GENERATOR):
            if top >> i & 1:
                rest ^= generator
    return rest


def _regroup(values: Iterable[int], width: int, new_width: int) -> list[int] | None:
    """Cut a run of bits anew; None where what is left over is not padding as BIP173 wants it."""
    held = bits = 0
    regrouped = []
    for value in values:
        held = held << width | value
        bits += width
        while bits >= new_width:
            bits -= new_width
            regrouped.append(held >> bits & (1 << new_width) - 1)
        held &= (1 << bits) - 1
    if new_width > width:
        return None if bits >= width or held else regrouped
    if bits:
        regrouped.append(held << new_width - bits & (1 << new_width) - 1)
    return regrouped
