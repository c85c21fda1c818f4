"""Argument checks, equal to checks.py in type and words of each error."""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from cpython.long cimport PyLong_AsLongLongAndOverflow
from libc.stdint cimport uint8_t, uint64_t


cdef inline const uint8_t *data_of(object value) noexcept:
    """The first byte of a bytes object that was checked before."""
    return <const uint8_t *> PyBytes_AS_STRING(value)


cdef inline Py_ssize_t check_bytes(str name, object value, Py_ssize_t size=-1) except -1:
    """Require bytes, of exactly `size` bytes unless that is -1; return their number."""
    if not isinstance(value, bytes):
        raise TypeError(f"{name} must be bytes, not {type(value).__name__}")
    cdef Py_ssize_t length = PyBytes_GET_SIZE(value)
    if size >= 0 and length != size:
        raise ValueError(f"{name} must be {size} bytes, not {length}")
    return length


cdef inline Py_ssize_t check_hashes(str name, object value) except -1:
    """Require 32-byte hashes one after the other; return how many."""
    cdef Py_ssize_t length = check_bytes(name, value)
    if length % 32:
        raise ValueError(f"{name} must be a multiple of 32 bytes, not {length}")
    return length // 32


cdef inline long long check_int(
    str name, object value, long long most, long long least=0
) except -1:
    """Require an int in least..most, neither of them negative."""
    if not isinstance(value, int):
        raise TypeError(f"{name} must be an int, not {type(value).__name__}")
    cdef int overflow = 0
    cdef long long number = PyLong_AsLongLongAndOverflow(value, &overflow)
    if overflow or not least <= number <= most:
        raise OverflowError(f"{name} must be in {least}..{most}")
    return number


cdef inline int check_u64(str name, object value, uint64_t *number, uint64_t least=0) except -1:
    """Require an int in least..2**64-1 and store it."""
    if not isinstance(value, int):
        raise TypeError(f"{name} must be an int, not {type(value).__name__}")
    if not least <= value <= 0xFFFFFFFFFFFFFFFF:
        raise OverflowError(f"{name} must be in {least}..{0xFFFFFFFFFFFFFFFF}")
    number[0] = value
    return 0
