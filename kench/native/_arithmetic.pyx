"""The compiled arithmetic; twin.py is its specification."""

from cpython.bytes cimport PyBytes_FromStringAndSize
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.stdlib cimport free, malloc
from libc.string cimport memcpy

from kench.native._c cimport (
    kench_crc32,
    kench_crc32_prepare,
    kench_merkle_root,
    kench_scan_nonces,
    kench_sha256_backend,
    kench_sha256_choose,
    kench_sha256_chosen,
    kench_sha256_fold,
    kench_sha256_fold_portable,
    kench_sha256d,
    kench_sha256d_pairs,
)
from kench.native._checks cimport check_bytes, check_hashes, check_int, data_of

IMPLEMENTATION = "cython"

cdef long long U32_MAX = 0xFFFFFFFF

kench_sha256_choose()
kench_crc32_prepare()


cdef inline bytes hash_with(kench_sha256_fold fold, object data):
    cdef uint8_t out[32]
    cdef Py_ssize_t size = check_bytes("data", data)
    kench_sha256d(fold, data_of(data), size, out)
    return PyBytes_FromStringAndSize(<const char *> out, 32)


def sha256d(data):
    """Return SHA-256 of the SHA-256 of ``data``: 32 bytes, little-endian when read as a hash."""
    return hash_with(kench_sha256_chosen(), data)


def sha256d_portable(data):
    """Return the same by the portable C code, whatever the processor offers."""
    return hash_with(kench_sha256_fold_portable, data)


def sha256_backend():
    """Name what computes SHA-256: ``sha-ni`` or ``portable``."""
    return kench_sha256_backend().decode()


def merkle_root(leaf, branches):
    """Fold the coinbase txid ``leaf`` with its branches, 32 bytes each, lowest first."""
    cdef uint8_t out[32]
    check_bytes("leaf", leaf, 32)
    cdef Py_ssize_t count = check_hashes("branches", branches)
    kench_merkle_root(kench_sha256_chosen(), data_of(leaf), data_of(branches), count, out)
    return PyBytes_FromStringAndSize(<const char *> out, 32)


cdef bytes branches_with(kench_sha256_fold fold, object txids):
    cdef Py_ssize_t count = check_hashes("txids", txids)
    cdef Py_ssize_t depth = 0
    # 63 levels are more than any level count that fits in memory needs.
    cdef uint8_t branches[63 * 32]
    # The level without its first place, the coinbase's; one place more for the repeated hash.
    cdef uint8_t *level = <uint8_t *> malloc((count + 1) * 32)
    if level == NULL:
        raise MemoryError
    memcpy(level, data_of(txids), count * 32)
    # A full block's tree takes half a millisecond.
    with nogil:
        while count:
            memcpy(branches + 32 * depth, level, 32)
            depth += 1
            if count % 2 == 0:
                memcpy(level + 32 * count, level + 32 * (count - 1), 32)
                count += 1
            count = (count - 1) // 2
            kench_sha256d_pairs(fold, level + 32, count, level)
    free(level)
    return PyBytes_FromStringAndSize(<const char *> branches, 32 * depth)


def merkle_branches(txids):
    """Return the branch of the coinbase at index 0, given the txids of all others (32*n bytes)."""
    return branches_with(kench_sha256_chosen(), txids)


def merkle_branches_portable(txids):
    """Return the same by the portable C code, whatever the processor offers."""
    return branches_with(kench_sha256_fold_portable, txids)


def crc32(data, value=0):
    """Return the CRC-32 of zlib and Ethernet over ``data``, continuing from ``value``."""
    cdef Py_ssize_t size = check_bytes("data", data)
    cdef uint32_t start = <uint32_t> check_int("value", value, U32_MAX)
    return kench_crc32(data_of(data), size, start)


cdef int64_t scan_with(
    kench_sha256_fold fold, object header76, object target_le, object start, object count
) except -2:
    check_bytes("header76", header76, 76)
    check_bytes("target_le", target_le, 32)
    cdef uint32_t first = <uint32_t> check_int("start", start, U32_MAX)
    cdef uint64_t number = <uint64_t> check_int("count", count, U32_MAX + 1)
    if first + number > <uint64_t> U32_MAX + 1:
        raise ValueError("start + count must not pass 2**32")
    cdef const uint8_t *header = data_of(header76)
    cdef const uint8_t *target = data_of(target_le)
    cdef int64_t nonce
    # The arguments are held by the caller's frame, so their bytes stay while others run.
    with nogil:
        nonce = kench_scan_nonces(fold, header, target, first, number)
    return nonce


def scan_nonces(header76, target_le, start, count):
    """Return the first nonce in ``start .. start+count-1`` whose hash meets the target, or -1."""
    return scan_with(kench_sha256_chosen(), header76, target_le, start, count)


def scan_nonces_portable(header76, target_le, start, count):
    """Return the same by the portable C code, whatever the processor offers."""
    return scan_with(kench_sha256_fold_portable, header76, target_le, start, count)
