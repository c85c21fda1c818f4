"""The gate as the wire sees it, and a buffer of replies that grows."""

from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.stdlib cimport realloc

from kench.native._c cimport kench_job, kench_name, kench_names, kench_share, kench_submit
from kench.native._table cimport JobTable, RecordBuffer, table_entry


ctypedef struct in_force:
    uint64_t from_key
    double difficulty
    uint8_t target_le[32]


ctypedef struct gathered:
    uint8_t *data
    size_t used, size


cdef inline int make_room(gathered *text, size_t more) except -1:
    """Let so many bytes more be written."""
    cdef size_t size = text.size
    cdef uint8_t *data
    if text.used + more > size:
        size = 2 * (text.used + more)
        data = <uint8_t *> realloc(text.data, size)
        if data == NULL:
            raise MemoryError
        text.data = data
        text.size = size
    return 0


cdef class Gate:
    cdef readonly JobTable table
    cdef RecordBuffer records
    cdef readonly uint64_t accepted, refused, wrong, late
    cdef uint64_t uncounted, timely, tell_at
    cdef double tell_after
    cdef kench_names allowed
    cdef in_force *history
    cdef uint32_t names_max, mask
    cdef uint16_t agent
    cdef uint8_t history_count
    cdef bint full_version
    cdef uint8_t extranonce1_bytes[4]

    cdef bint counted(self, uint64_t accepted, double now) noexcept
    cdef Py_ssize_t judge_lines(
        self, const uint8_t *lines, Py_ssize_t size, int64_t now_us, gathered *replies
    ) except -1
    cdef int ease(self, const in_force *new) noexcept
    cdef int remember(self, const in_force *new) except -1
    cdef int decide(self, const kench_submit *submit, int64_t now_us) except -1
    cdef int judge(
        self, const kench_name *owner, const kench_submit *submit, int64_t now_us
    ) except -1
    cdef int solve(self, kench_job *job, const kench_submit *submit, kench_share *share) noexcept
    cdef int record(
        self, table_entry *entry, bint named, kench_share *share, int64_t now_us
    ) except -1
    cdef int list_candidate(
        self, table_entry *entry, const kench_share *share, int verdict, int64_t sequence
    ) except -1
    cdef const in_force *force_for(self, uint64_t job_key) noexcept
