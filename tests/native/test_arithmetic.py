"""Hashes, merkle trees, checksums and the nonce search, held to published values."""

import hashlib
import zlib
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from .builders import ANY_HASH, NO_HASH, VECTORS, from_wire_prevhash

DIFFICULTY_1 = 0xFFFF << 208
# FIPS 180-4's examples of SHA-256, and the values published with it.
FIPS = [
    (b"", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
    (b"abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
    (
        b"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
        "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1",
    ),
    (b"a" * 1_000_000, "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0"),
]


@pytest.mark.parametrize(("message", "digest"), FIPS)
def test_hashes_equal_the_standards_examples(
    native: SimpleNamespace, message: bytes, digest: str
) -> None:
    expected = hashlib.sha256(bytes.fromhex(digest)).digest()
    assert native.sha256d(message) == expected
    assert native.sha256d_portable(message) == expected


@pytest.mark.parametrize("vector", VECTORS["headers"], ids=lambda vector: str(vector["height"]))
def test_mainnet_headers_hash_to_their_blocks(
    native: SimpleNamespace, vector: dict[str, Any]
) -> None:
    header = bytes.fromhex(vector["header"])
    assert native.sha256d(header)[::-1].hex() == vector["hash"]
    assert native.sha256d_portable(header)[::-1].hex() == vector["hash"]


def test_backend_is_named(native: SimpleNamespace) -> None:
    names = {"python": {"hashlib"}, "cython": {"sha-ni", "portable"}}
    assert native.sha256_backend() in names[native.IMPLEMENTATION]


def test_merkle_root_of_block_100000_follows_from_its_txids(native: SimpleNamespace) -> None:
    block = VECTORS["block_100000"]
    coinbase, *others = (bytes.fromhex(txid)[::-1] for txid in block["txids"])
    branches = native.merkle_branches(b"".join(others))
    assert branches[:32] == others[0]
    assert native.merkle_root(coinbase, branches)[::-1].hex() == block["merkle_root"]


def test_a_block_with_only_a_coinbase_has_no_branches(native: SimpleNamespace) -> None:
    assert native.merkle_branches(b"") == b""
    assert native.merkle_root(b"\x07" * 32, b"") == b"\x07" * 32


def whole_tree_root(txids: list[bytes]) -> bytes:
    """The merkle root by the whole tree, as a block's verifier computes it."""
    while len(txids) > 1:
        txids = [*txids, txids[-1]] if len(txids) % 2 else txids
        pairs = zip(txids[::2], txids[1::2], strict=True)
        txids = [hashlib.sha256(hashlib.sha256(a + b).digest()).digest() for a, b in pairs]
    return txids[0]


@given(count=st.integers(1, 100))
def test_branches_lead_to_the_root_of_the_whole_tree(native: SimpleNamespace, count: int) -> None:
    txids = [hashlib.sha256(bytes([place])).digest() for place in range(count)]
    branches = native.merkle_branches(b"".join(txids[1:]))
    assert native.merkle_root(txids[0], branches) == whole_tree_root(txids)


def test_checksum_has_the_published_check_value(native: SimpleNamespace) -> None:
    assert native.crc32(b"123456789") == 0xCBF43926


@given(data=st.binary(max_size=100), more=st.binary(max_size=100))
def test_checksum_equals_zlib_and_continues(
    native: SimpleNamespace, data: bytes, more: bytes
) -> None:
    assert native.crc32(data) == zlib.crc32(data)
    assert native.crc32(more, native.crc32(data)) == zlib.crc32(data + more)


@pytest.mark.parametrize("scan", ["scan_nonces", "scan_nonces_portable"])
@pytest.mark.parametrize("before", [0, 1, 2, 37])
def test_scan_finds_the_nonce_of_mainnet_block_1(
    native: SimpleNamespace, scan: str, before: int
) -> None:
    header = bytes.fromhex(VECTORS["headers"][1]["header"])
    nonce = int.from_bytes(header[76:], "little")
    target_le = DIFFICULTY_1.to_bytes(32, "little")
    search = getattr(native, scan)
    assert search(header[:76], target_le, nonce - before, before + 1) == nonce
    assert search(header[:76], target_le, nonce - before, before) == -1


def test_scan_takes_a_hash_equal_to_the_target_and_none_above(native: SimpleNamespace) -> None:
    header = bytes.fromhex(VECTORS["headers"][1]["header"])
    nonce = int.from_bytes(header[76:], "little")
    hash_le = native.sha256d(header)
    below_le = (int.from_bytes(hash_le, "little") - 1).to_bytes(32, "little")
    assert native.scan_nonces(header[:76], hash_le, nonce, 1) == nonce
    assert native.scan_nonces(header[:76], below_le, nonce, 1) == -1


def test_scan_covers_the_last_nonces_and_an_empty_range(native: SimpleNamespace) -> None:
    assert native.scan_nonces(bytes(76), ANY_HASH, 2**32 - 1, 1) == 2**32 - 1
    assert native.scan_nonces(bytes(76), ANY_HASH, 5, 0) == -1
    assert native.scan_nonces(bytes(76), NO_HASH, 2**32 - 3, 3) == -1
    with pytest.raises(ValueError, match=r"start \+ count must not pass 2\*\*32"):
        native.scan_nonces(bytes(76), ANY_HASH, 2**32 - 1, 2)


@pytest.mark.parametrize("vector", VECTORS["jobs"], ids=lambda vector: str(vector["name"]))
def test_stratum_vectors_give_header_hash_and_difficulty(
    native: SimpleNamespace, vector: dict[str, Any]
) -> None:
    numbers = ("version", "nbits", "ntime", "submit_ntime", "nonce", "mask")
    version, nbits, ntime, submit_ntime, nonce, mask = (int(vector[key], 16) for key in numbers)
    extranonce1, extranonce2 = (bytes.fromhex(vector[k]) for k in ("extranonce1", "extranonce2"))
    job = native.Job(
        1,
        *(bytes.fromhex(vector[key]) for key in ("coinb1", "coinb2", "branches")),
        from_wire_prevhash(vector["prevhash"]),
        version,
        nbits,
        ntime,
        ntime,
        NO_HASH,
        len(extranonce2),
    )
    bits = int(vector["version_bits"] or "0", 16)
    header = job.header(extranonce1, extranonce2, submit_ntime, nonce, version | bits)
    assert header.hex() == vector["header"]
    hash_le = native.sha256d(header)
    assert hash_le[::-1].hex() == vector["hash"]
    assert DIFFICULTY_1 / int.from_bytes(hash_le, "little") == vector["difficulty"]
    # The gate comes to the same hash: it accepts at this very target and refuses below it.
    for target_le, accepted in ((hash_le, 1), (bytes(32), 0)):
        table, records = native.JobTable(), native.RecordBuffer(4, 0)
        table.add(job)
        gate = native.Gate(table, records, extranonce1)
        gate.allow(b"w", 1, 1)
        gate.set_mask(mask)
        gate.set_difficulty(vector["difficulty"], target_le, 1)
        fields = [vector[k] for k in ("extranonce2", "submit_ntime", "nonce", "version_bits")]
        words = [None if text is None else text.encode() for text in fields]
        gate.submit(b"w", b"1", *words, ntime * 1_000_000)
        assert gate.accepted == accepted


@settings(max_examples=20)
@given(size=st.integers(0, 1000))
def test_processors_instructions_and_portable_code_agree(
    native: SimpleNamespace, size: int
) -> None:
    data = hashlib.shake_128(bytes([size % 256])).digest(size)
    assert native.sha256d(data) == native.sha256d_portable(data)
