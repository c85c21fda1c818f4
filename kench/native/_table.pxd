"""What the gate sees of the compiled job table and record buffer."""

from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t

from kench.native._c cimport kench_hash_set, kench_job, kench_share


ctypedef struct table_entry:
    kench_job *job  # alive as long as its Job stands in the table's list
    int tips_ago
    int64_t stale_from_us


cdef class Job:
    cdef kench_job *job


cdef class RecordBuffer:
    cdef uint8_t *records
    cdef Py_ssize_t capacity, count
    cdef int64_t sequence, last_us

    cdef bint has_room(self) noexcept
    cdef int64_t append(
        self, const kench_share *share, uint16_t flags, int64_t time_us, uint64_t job_key
    ) noexcept


cdef class JobTable:
    cdef readonly list candidates
    cdef readonly dict tally
    cdef list jobs
    cdef table_entry *entries
    cdef Py_ssize_t capacity
    cdef size_t duplicates_max
    cdef uint64_t last_key
    cdef kench_hash_set current, previous
    cdef size_t listed_current, listed_previous

    cdef table_entry *find(self, uint64_t job_key) noexcept
    cdef kench_hash_set *seen_hashes(self, const table_entry *entry) noexcept
    cdef size_t *listed_for(self, const table_entry *entry) noexcept
    cdef bint reserve(self, kench_hash_set *seen, bint candidate) noexcept
    cdef int count_refusal(
        self, uint32_t participant, uint32_t worker, int verdict, uint16_t agent
    ) except -1
