"""Bitcoin's own encodings: compact sizes, script pushes, hash spelling, compact targets."""

from collections.abc import Sequence

import numpy as np

MAX_TARGET = 2**256 - 1


def compact_size(count: int) -> bytes:
    """Encode `count` as Bitcoin's CompactSize."""
    if count < 0xFD:
        return count.to_bytes(1, "little")
    if count <= 0xFFFF:
        return b"\xfd" + count.to_bytes(2, "little")
    if count <= 0xFFFF_FFFF:
        return b"\xfe" + count.to_bytes(4, "little")
    return b"\xff" + count.to_bytes(8, "little")


def push_height(height: int) -> bytes:
    """Encode `height` as the script push that BIP34 wants first in a coinbase."""
    if height < 0:
        raise ValueError("a block height is never negative")
    if height == 0:
        return b"\x00"
    if height <= 16:
        return bytes([0x50 + height])
    # One byte beyond the magnitude's own bits leaves room for the sign of a script number.
    number = height.to_bytes(height.bit_length() // 8 + 1, "little")
    return bytes([len(number)]) + number


def push_data(data: bytes) -> bytes:
    """Encode `data` (1 to 75 bytes) as a script push."""
    if not 1 <= len(data) <= 75:
        raise ValueError("a direct push holds 1 to 75 bytes")
    return bytes([len(data)]) + data


def hash_hex(hash_le: bytes) -> str:
    """Spell a 32-byte internal (little-endian) hash as people and RPC read it."""
    return hash_le[::-1].hex()


def hash_le(display_hex: str) -> bytes:
    """Return the internal byte order of a hash spelled for display."""
    raw = bytes.fromhex(display_hex)
    if len(raw) != 32:
        raise ValueError("a hash has 64 hex digits")
    return raw[::-1]


def hashes_le(display_hex: Sequence[str]) -> bytes:
    """Return the internal byte order of many hashes, one after the other."""
    raw = bytes.fromhex("".join(display_hex))
    if len(raw) != 32 * len(display_hex) or set(map(len, display_hex)) - {64}:
        raise ValueError("a hash has 64 hex digits")
    return np.frombuffer(raw, np.uint8).reshape(-1, 32)[:, ::-1].tobytes()


def target_from_bits(nbits: int) -> int:
    """Expand the compact form of a header's target.

    Raises ValueError for a negative, zero or overflowing target, which no valid header has.
    """
    size, mantissa = nbits >> 24, nbits & 0x007F_FFFF
    if nbits & 0x0080_0000:
        raise ValueError(f"nbits {nbits:08x} is negative")
    target = mantissa >> 8 * (3 - size) if size <= 3 else mantissa << 8 * (size - 3)
    if not 0 < target <= MAX_TARGET:
        raise ValueError(f"nbits {nbits:08x} is not a target")
    return target


def stratum_prevhash(previous_hash_le: bytes) -> str:
    """Spell the previous block's hash as `mining.notify` carries it.

    The internal bytes with each four-byte word reversed (reference rules, section 0).
    """
    words = (previous_hash_le[i : i + 4][::-1] for i in range(0, 32, 4))
    return b"".join(words).hex()
