"""The compiled counting of records; twin_counting.py is its specification."""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize
from libc.stdint cimport uint8_t, uint64_t
from libc.string cimport memcpy

from kench.native import twin_counting
from kench.native.twin_table import RECORD_SIZE

from kench.native._c cimport kench_crc32_prepare
from kench.native._checks cimport check_bytes, check_int, data_of


cdef extern from "counting.h" nogil:
    ctypedef struct kench_count:
        uint64_t ids, difficulty, count
    ctypedef struct kench_counts:
        kench_count *slots
        size_t size, rows
    size_t kench_whole_records(
        const uint8_t *records, size_t count, uint64_t first_sequence) noexcept
    size_t kench_counts_add(
        kench_counts *counts, const uint8_t *records, size_t count, size_t rows_max) noexcept
    void kench_counts_clear(kench_counts *counts) noexcept

# The bound and the size of a row have one home, the twin.
cdef size_t ROWS_MAX = twin_counting.ROWS_MAX
cdef Py_ssize_t SIZE = RECORD_SIZE

kench_crc32_prepare()


cdef Py_ssize_t check_records(object records) except -1:
    cdef Py_ssize_t size = check_bytes("records", records)
    if size % SIZE:
        raise ValueError(f"records must be a multiple of {SIZE} bytes, not {size}")
    return size // SIZE


def whole_records(records, first_sequence):
    """Return how many records at the start are whole: checksum right, sequences unbroken."""
    cdef size_t count = check_records(records)
    cdef uint64_t first = check_int("first_sequence", first_sequence, 0x7FFFFFFFFFFFFFFF)
    cdef const uint8_t *data = data_of(records)
    with nogil:
        count = kench_whole_records(data, count, first)
    return count


cdef class ShareCounts:
    """How many credited shares each participant's worker has of each difficulty."""

    cdef kench_counts counts

    def __dealloc__(self):
        kench_counts_clear(&self.counts)

    def __len__(self):
        return self.counts.rows

    def add(self, records):
        """Count records of the journal; what is refused is counted in part."""
        cdef size_t count = check_records(records), done
        cdef const uint8_t *data = data_of(records)
        with nogil:
            done = kench_counts_add(&self.counts, data, count, ROWS_MAX)
        if done < count:
            raise OverflowError(f"there are more than {ROWS_MAX} rows, or memory is short")

    def rows(self):
        """Return the counts, 24 bytes each and in no order."""
        cdef bytes result = PyBytes_FromStringAndSize(NULL, self.counts.rows * sizeof(kench_count))
        cdef char *at = PyBytes_AS_STRING(result)
        cdef size_t i
        for i in range(self.counts.size):
            if self.counts.slots[i].count:
                memcpy(at, &self.counts.slots[i], sizeof(kench_count))
                at += sizeof(kench_count)
        return result
