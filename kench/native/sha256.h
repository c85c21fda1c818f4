/* Double SHA-256 (FIPS 180-4), its midstates, and the search for a nonce. */
#ifndef KENCH_SHA256_H
#define KENCH_SHA256_H

#include <stddef.h>
#include <stdint.h>

/* Fold `count` blocks of 64 bytes into the state. */
typedef void (*kench_sha256_fold)(uint32_t state[8], const uint8_t *blocks, size_t count);

extern const uint32_t kench_sha256_initial[8];
extern const uint32_t kench_sha256_constants[64];

void kench_sha256_fold_portable(uint32_t state[8], const uint8_t *blocks, size_t count);
#if defined(__x86_64__) || defined(__i386__)
#define KENCH_SHA256_X86 1
int kench_sha256_x86_usable(void); /* asks the processor and the operating system */
void kench_sha256_fold_x86(uint32_t state[8], const uint8_t *blocks, size_t count);
/* One block into each of two states, side by side: the instructions' latency is shared. */
void kench_sha256_fold_two_x86(uint32_t a[8], const uint8_t *block_a, uint32_t b[8],
                               const uint8_t *block_b);
#endif

/* Choose the fold; each extension module calls this once when it is imported. */
void kench_sha256_choose(void);
kench_sha256_fold kench_sha256_chosen(void);
const char *kench_sha256_backend(void);

void kench_sha256d(kench_sha256_fold fold, const uint8_t *data, size_t size, uint8_t out[32]);
/* `blocks` already carry SHA-256's padding; the state is a midstate of what stands before. */
void kench_sha256d_padded(kench_sha256_fold fold, const uint32_t midstate[8],
                          const uint8_t *blocks, size_t count, uint8_t out[32]);
/* The merkle step: both hashes stand one after the other. */
void kench_sha256d_pair(kench_sha256_fold fold, const uint8_t pair[64], uint8_t out[32]);
/* A level of a merkle tree: `count` such pairs; `out` may be where the pairs are, or before. */
void kench_sha256d_pairs(kench_sha256_fold fold, const uint8_t *pairs, size_t count,
                         uint8_t *out);
void kench_merkle_root(kench_sha256_fold fold, const uint8_t leaf[32], const uint8_t *branches,
                       size_t count, uint8_t out[32]);
/* Write SHA-256's padding after `used` bytes of a message of `size` bytes in all, of which
   `used` stand in `blocks`; returns the number of 64-byte blocks then filled. */
size_t kench_sha256_pad(uint8_t *blocks, size_t used, uint64_t size);
/* The first nonce in start .. start+count-1 whose header meets the target, or -1. */
int64_t kench_scan_nonces(kench_sha256_fold fold, const uint8_t header76[76],
                          const uint8_t target_le[32], uint32_t start, uint64_t count);

#endif
