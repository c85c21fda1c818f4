"""The compiled sending of lines to many sockets; twin_sending.py is its specification."""

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


ctypedef struct sending:
    int descriptor
    const uint8_t *data
    ssize_t size
    ssize_t taken


def send_to_each(descriptors, line):
    """Offer ``line`` to each socket once; return (place, bytes taken) of those it did not fit."""
    cdef Py_ssize_t count = check_list("descriptors", descriptors)
    check_bytes("line", line)
    return send_all(<list> descriptors, count, line, None)


def send_each(descriptors, lines):
    """Offer each socket the line at its place; return (place, bytes taken) of misfits."""
    cdef Py_ssize_t count = check_list("descriptors", descriptors)
    if check_list("lines", lines) != count:
        raise ValueError("there must be as many lines as descriptors")
    return send_all(<list> descriptors, count, None, <list> lines)


cdef list send_all(list descriptors, Py_ssize_t count, bytes line, list lines):
    """Send ``line``, or where that is None, each of ``lines``."""
    cdef Py_ssize_t i
    cdef list short = []
    cdef object one = line
    if not count:
        return short
    cdef sending *each = <sending *> malloc(count * sizeof(sending))
    if each == NULL:
        raise MemoryError
    try:
        for i in range(count):
            if lines is not None:
                one = lines[i]
            each[i].size = check_bytes("line", one)
            each[i].data = data_of(one)
            each[i].descriptor = <int> check_int("descriptor", descriptors[i], DESCRIPTOR_MAX)
        with nogil:
            for i in range(count):
                each[i].taken = send(
                    each[i].descriptor, each[i].data, each[i].size, MSG_DONTWAIT | MSG_NOSIGNAL)
        for i in range(count):
            if each[i].taken != each[i].size:
                short.append((i, max(each[i].taken, 0)))
        return short
    finally:
        free(each)


cdef Py_ssize_t check_list(str name, object value) except -1:
    if not isinstance(value, list):
        raise TypeError(f"{name} must be a list, not {type(value).__name__}")
    return len(<list> value)
