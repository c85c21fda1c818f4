"""The arithmetic in plain Python: the specification that the compiled code must equal.

Byte order: ``_le`` marks a hash or target as it stands in a block header, little-endian; a hash
meets a target when ``int.from_bytes(hash_le, "little") <= int.from_bytes(target_le, "little")``.
Every function takes bytes and ints only and raises only TypeError, ValueError and OverflowError.
"""

import hashlib
import zlib

from kench.native.checks import U32_MAX, check_bytes, check_hashes, check_int

IMPLEMENTATION = "python"


def sha256d(data: bytes) -> bytes:
    """Return SHA-256 of the SHA-256 of ``data``: 32 bytes, little-endian when read as a hash."""
    check_bytes("data", data)
    return hashlib.sha256(hashlib.sha256(data).digest()).digest()


# The compiled code keeps its portable SHA-256 within reach of tests; here both are hashlib.
sha256d_portable = sha256d


def sha256_backend() -> str:
    """Name what computes SHA-256: ``sha-ni``, ``portable``, or here ``hashlib``."""
    return "hashlib"


def merkle_root(leaf: bytes, branches: bytes) -> bytes:
    """Fold the coinbase txid ``leaf`` with its branches, 32 bytes each, lowest first.

    All hashes in internal byte order (rule "merkle step": root = sha256d(root + branch)).
    """
    check_bytes("leaf", leaf, 32)
    check_hashes("branches", branches)
    root = leaf
    for start in range(0, len(branches), 32):
        root = sha256d(root + branches[start : start + 32])
    return root


def merkle_branches(txids: bytes) -> bytes:
    """Return the branch of the coinbase at index 0, given the txids of all others (32*n bytes).

    The coinbase itself never enters a branch, so its place is held by an empty hash. An odd
    level repeats its last hash, as in Bitcoin's merkle tree.
    """
    check_hashes("txids", txids)
    level = [b"", *(txids[start : start + 32] for start in range(0, len(txids), 32))]
    branches = []
    while len(level) > 1:
        branches.append(level[1])
        if len(level) % 2:
            level.append(level[-1])
        pairs = zip(level[2::2], level[3::2], strict=True)
        level = [b"", *(sha256d(left + right) for left, right in pairs)]
    return b"".join(branches)


merkle_branches_portable = merkle_branches


def crc32(data: bytes, value: int = 0) -> int:
    """Return the CRC-32 of zlib and Ethernet over ``data``, continuing from ``value``."""
    check_bytes("data", data)
    check_int("value", value, U32_MAX)
    return zlib.crc32(data, value)


def scan_nonces(header76: bytes, target_le: bytes, start: int, count: int) -> int:
    """Return the first nonce in ``start .. start+count-1`` whose hash meets the target, or -1.

    ``header76`` is a block header without its nonce. The compiled function lets go of the
    interpreter lock while it searches. A range that passes 2**32 is a ValueError.
    """
    check_bytes("header76", header76, 76)
    check_bytes("target_le", target_le, 32)
    check_int("start", start, U32_MAX)
    check_int("count", count, U32_MAX + 1)
    if start + count > U32_MAX + 1:
        msg = "start + count must not pass 2**32"
        raise ValueError(msg)
    target = int.from_bytes(target_le, "little")
    for nonce in range(start, start + count):
        hash_le = sha256d(header76 + nonce.to_bytes(4, "little"))
        if int.from_bytes(hash_le, "little") <= target:
            return nonce
    return -1


scan_nonces_portable = scan_nonces
