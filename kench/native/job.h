/* A Stratum job as C sees it: everything of the header that does not change between shares. */
#ifndef KENCH_JOB_H
#define KENCH_JOB_H

#include <stddef.h>
#include <stdint.h>

typedef struct {
    uint64_t key;
    uint32_t version, nbits, ntime, mintime;
    uint8_t prevhash_le[32];
    uint8_t block_target_le[32];
    uint32_t midstate[8];   /* of coinb1's whole 64-byte blocks */
    size_t extranonce_at;   /* where extranonce1 stands in `blocks` */
    size_t extranonce2_size;
    size_t block_count;
    size_t branch_count;
    uint8_t *branches;      /* 32 * branch_count bytes, in the same memory, after the blocks */
    uint8_t blocks[];       /* the rest of the coinbase with SHA-256's padding */
} kench_job;

/* NULL when memory is short. Free with free(). The caller fills the plain numbers in. */
kench_job *kench_job_new(const uint8_t *coinb1, size_t coinb1_size, const uint8_t *coinb2,
                         size_t coinb2_size, size_t extranonce2_size, const uint8_t *branches,
                         size_t branch_count);
/* Writes the 80-byte header of a share. The coinbase is completed in place, in `blocks`. */
void kench_job_header(kench_job *job, const uint8_t extranonce1[4], const uint8_t *extranonce2,
                      uint32_t ntime, uint32_t nonce, uint32_t version, uint8_t header[80]);

#endif
