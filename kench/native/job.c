/* Preparing a job once, and completing its header for each share. */
#include "job.h"

#include <stdlib.h>
#include <string.h>

#include "bytes.h"
#include "sha256.h"

kench_job *kench_job_new(const uint8_t *coinb1, size_t coinb1_size, const uint8_t *coinb2,
                         size_t coinb2_size, size_t extranonce2_size, const uint8_t *branches,
                         size_t branch_count) {
    size_t whole = coinb1_size / 64, head = coinb1_size % 64;
    size_t extranonce_size = 4 + extranonce2_size;
    size_t used = head + extranonce_size + coinb2_size;
    size_t blocks_size = (used + 9 + 63) / 64 * 64;
    kench_job *job = calloc(1, sizeof *job + blocks_size + 32 * branch_count);
    if (!job)
        return NULL;
    memcpy(job->midstate, kench_sha256_initial, sizeof job->midstate);
    kench_sha256_chosen()(job->midstate, coinb1, whole);
    memcpy(job->blocks, coinb1 + 64 * whole, head);
    memcpy(job->blocks + head + extranonce_size, coinb2, coinb2_size);
    job->extranonce_at = head;
    job->extranonce2_size = extranonce2_size;
    job->block_count = kench_sha256_pad(job->blocks, used, 64 * whole + used);
    job->branches = job->blocks + blocks_size;
    job->branch_count = branch_count;
    memcpy(job->branches, branches, 32 * branch_count);
    return job;
}

void kench_job_header(kench_job *job, const uint8_t extranonce1[4], const uint8_t *extranonce2,
                      uint32_t ntime, uint32_t nonce, uint32_t version, uint8_t header[80]) {
    kench_sha256_fold fold = kench_sha256_chosen();
    uint8_t coinbase_txid[32];
    memcpy(job->blocks + job->extranonce_at, extranonce1, 4);
    memcpy(job->blocks + job->extranonce_at + 4, extranonce2, job->extranonce2_size);
    kench_sha256d_padded(fold, job->midstate, job->blocks, job->block_count, coinbase_txid);
    kench_store_le32(header, version);
    memcpy(header + 4, job->prevhash_le, 32);
    kench_merkle_root(fold, coinbase_txid, job->branches, job->branch_count, header + 36);
    kench_store_le32(header + 68, ntime);
    kench_store_le32(header + 72, job->nbits);
    kench_store_le32(header + 76, nonce);
}
