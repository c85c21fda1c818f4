"""The C parts as the Cython modules see them; each is described in its header."""

from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t


cdef extern from "bytes.h" nogil:
    int kench_compare_le256(const uint8_t *a, const uint8_t *b) noexcept


cdef extern from "sha256.h" nogil:
    ctypedef void (*kench_sha256_fold)(uint32_t *state, const uint8_t *blocks, size_t count) noexcept
    void kench_sha256_choose() noexcept
    kench_sha256_fold kench_sha256_chosen() noexcept
    void kench_sha256_fold_portable(uint32_t *state, const uint8_t *blocks, size_t count) noexcept
    const char *kench_sha256_backend() noexcept
    void kench_sha256d(
        kench_sha256_fold fold, const uint8_t *data, size_t size, uint8_t *out) noexcept
    void kench_sha256d_pairs(
        kench_sha256_fold fold, const uint8_t *pairs, size_t count, uint8_t *out) noexcept
    void kench_merkle_root(
        kench_sha256_fold fold, const uint8_t *leaf, const uint8_t *branches, size_t count,
        uint8_t *out) noexcept
    int64_t kench_scan_nonces(
        kench_sha256_fold fold, const uint8_t *header76, const uint8_t *target_le,
        uint32_t start, uint64_t count) noexcept


cdef extern from "crc32.h" nogil:
    void kench_crc32_prepare() noexcept
    uint32_t kench_crc32(const uint8_t *data, size_t size, uint32_t value) noexcept


cdef extern from "job.h" nogil:
    ctypedef struct kench_job:
        uint64_t key
        uint32_t version, nbits, ntime, mintime
        uint8_t prevhash_le[32]
        uint8_t block_target_le[32]
        size_t extranonce2_size
    kench_job *kench_job_new(
        const uint8_t *coinb1, size_t coinb1_size, const uint8_t *coinb2, size_t coinb2_size,
        size_t extranonce2_size, const uint8_t *branches, size_t branch_count) noexcept
    void kench_job_header(
        kench_job *job, const uint8_t *extranonce1, const uint8_t *extranonce2, uint32_t ntime,
        uint32_t nonce, uint32_t version, uint8_t *header) noexcept


cdef extern from "hash_set.h" nogil:
    ctypedef struct kench_hash_set:
        size_t count
    int kench_hash_set_has(const kench_hash_set *seen, const uint8_t *hash_le) noexcept
    int kench_hash_set_reserve(kench_hash_set *seen) noexcept
    void kench_hash_set_add(kench_hash_set *seen, const uint8_t *hash_le) noexcept
    void kench_hash_set_clear(kench_hash_set *seen) noexcept


cdef extern from "names.h" nogil:
    ctypedef struct kench_name:
        uint32_t participant, worker
    ctypedef struct kench_names:
        kench_name **slots
        uint32_t size, count
    kench_name *kench_names_find(
        const kench_names *names, const uint8_t *at, size_t size) noexcept
    int kench_names_add(
        kench_names *names, const uint8_t *at, size_t size, uint32_t participant,
        uint32_t worker) noexcept
    int kench_names_remove(kench_names *names, const uint8_t *at, size_t size) noexcept
    void kench_names_clear(kench_names *names) noexcept


cdef extern from "submit_line.h" nogil:
    ctypedef struct kench_text:
        const uint8_t *at
        size_t size
    ctypedef struct kench_submit:
        kench_text id
        kench_text name, job_id, extranonce2, ntime, nonce, version_bits
    size_t kench_submit_line(const uint8_t *data, size_t size, kench_submit *submit) noexcept
    int kench_hex_bytes(kench_text text, uint8_t *out, size_t size) noexcept
    int kench_hex_u32(kench_text text, uint32_t *out) noexcept
    uint64_t kench_job_key(kench_text text) noexcept


cdef extern from "record.h" nogil:
    enum:
        KENCH_RECORD_SIZE
        KENCH_FLAG_BLOCK
        KENCH_FLAG_UNCREDITED
    ctypedef struct kench_share:
        uint32_t participant, worker, ntime, nonce, version
        double difficulty
        uint8_t extranonce1[4]
        uint8_t extranonce2[8]
        uint8_t header[80]
        uint8_t hash_le[32]
    void kench_record_write(
        uint8_t *at, const kench_share *share, uint16_t flags, uint64_t sequence,
        uint64_t time_us, uint64_t job_key) noexcept
