"""The compiled sending of one line to many sockets; twin_sending.py is its specification."""

from cpython.bytes cimport PyBytes_GET_SIZE
from libc.stdint cimport uint8_t
from libc.stdlib cimport free, malloc

from kench.native import twin_sending

from kench.native._checks cimport check_bytes, check_int, data_of


cdef extern from "<sys/socket.h>" nogil:
    ssize_t send(int descriptor, const void *data, size_t size, int flags)
    int MSG_DONTWAIT, MSG_NOSIGNAL

# The bound has one home, the twin.
cdef long long DESCRIPTOR_MAX = twin_sending.DESCRIPTOR_MAX


def send_to_each(descriptors, line):
    """Offer ``line`` to each socket once; return (place, bytes taken) of those it did not fit."""
    if not isinstance(descriptors, list):
        raise TypeError(f"descriptors must be a list, not {type(descriptors).__name__}")
    cdef Py_ssize_t size = check_bytes("line", line)
    cdef Py_ssize_t count = len(<list> descriptors), i
    cdef const uint8_t *data = data_of(line)
    cdef list short = []
    if not count:
        return short
    # First the descriptors, then in their place what each took.
    cdef ssize_t *each = <ssize_t *> malloc(count * sizeof(ssize_t))
    if each == NULL:
        raise MemoryError
    try:
        for i in range(count):
            each[i] = check_int("descriptor", (<list> descriptors)[i], DESCRIPTOR_MAX)
        with nogil:
            for i in range(count):
                each[i] = send(<int> each[i], data, size, MSG_DONTWAIT | MSG_NOSIGNAL)
        for i in range(count):
            if each[i] != size:
                short.append((i, max(each[i], 0)))
        return short
    finally:
        free(each)
