/* The 72-byte share record of the journal. */
#ifndef KENCH_RECORD_H
#define KENCH_RECORD_H

#include <stdint.h>

#include "bytes.h"
#include "crc32.h"

enum { KENCH_RECORD_SIZE = 72, KENCH_FLAG_BLOCK = 1, KENCH_FLAG_UNCREDITED = 2 };

/* A share in numbers, with its header and that header's hash. */
typedef struct {
    uint32_t participant, worker; /* 0 where the name is unknown */
    uint32_t ntime, nonce, version;
    double difficulty;
    uint8_t extranonce1[4];
    uint8_t extranonce2[8]; /* zeros after the job's extranonce2_size */
    uint8_t header[80];
    uint8_t hash_le[32];
} kench_share;

/*  0 crc32 of the bytes after it   4 flags u16   6 reserved u16   8 sequence u64
   16 time_us u64   24 job_key u64  32 participant u32   36 worker u32
   40 extranonce1   44 extranonce2  52 ntime u32   56 nonce u32   60 version u32
   64 difficulty f64; all little-endian */
static inline void kench_record_write(uint8_t *at, const kench_share *share, uint16_t flags,
                                      uint64_t sequence, uint64_t time_us, uint64_t job_key) {
    uint64_t difficulty;
    memcpy(&difficulty, &share->difficulty, 8);
    kench_store_le32(at + 4, flags);
    kench_store_le64(at + 8, sequence);
    kench_store_le64(at + 16, time_us);
    kench_store_le64(at + 24, job_key);
    kench_store_le32(at + 32, share->participant);
    kench_store_le32(at + 36, share->worker);
    memcpy(at + 40, share->extranonce1, 4);
    memcpy(at + 44, share->extranonce2, 8);
    kench_store_le32(at + 52, share->ntime);
    kench_store_le32(at + 56, share->nonce);
    kench_store_le32(at + 60, share->version);
    kench_store_le64(at + 64, difficulty);
    kench_store_le32(at, kench_crc32(at + 4, KENCH_RECORD_SIZE - 4, 0));
}

#endif
