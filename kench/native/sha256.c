/* Which compression serves, and what is built on it: double hashes, merkle root, nonce search. */
#include "sha256.h"
#include "bytes.h"

static kench_sha256_fold chosen = kench_sha256_fold_portable;

void kench_sha256_choose(void) {
#ifdef KENCH_SHA256_X86
    if (kench_sha256_x86_usable())
        chosen = kench_sha256_fold_x86;
#endif
}

kench_sha256_fold kench_sha256_chosen(void) { return chosen; }

const char *kench_sha256_backend(void) {
    return chosen == kench_sha256_fold_portable ? "portable" : "sha-ni";
}

size_t kench_sha256_pad(uint8_t *blocks, size_t used, uint64_t size) {
    size_t count = (used + 9 + 63) / 64;
    memset(blocks + used, 0, 64 * count - used);
    blocks[used] = 0x80;
    kench_store_be32(blocks + 64 * count - 8, (uint32_t)(size >> 29));
    kench_store_be32(blocks + 64 * count - 4, (uint32_t)(size << 3));
    return count;
}

static void write_state(const uint32_t state[8], uint8_t out[32]) {
    for (int i = 0; i < 8; i++)
        kench_store_be32(out + 4 * i, state[i]);
}

/* The second SHA-256, over the 32 bytes of the first. */
static void finish_double(kench_sha256_fold fold, const uint32_t first[8], uint8_t out[32]) {
    uint32_t state[8];
    uint8_t block[64];
    write_state(first, block);
    kench_sha256_pad(block, 32, 32);
    memcpy(state, kench_sha256_initial, sizeof state);
    fold(state, block, 1);
    write_state(state, out);
}

void kench_sha256d_padded(kench_sha256_fold fold, const uint32_t midstate[8],
                          const uint8_t *blocks, size_t count, uint8_t out[32]) {
    uint32_t state[8];
    memcpy(state, midstate, sizeof state);
    fold(state, blocks, count);
    finish_double(fold, state, out);
}

void kench_sha256d(kench_sha256_fold fold, const uint8_t *data, size_t size, uint8_t out[32]) {
    uint32_t state[8];
    uint8_t tail[128];
    size_t whole = size / 64, rest = size % 64;
    memcpy(state, kench_sha256_initial, sizeof state);
    fold(state, data, whole);
    memcpy(tail, data + 64 * whole, rest);
    kench_sha256d_padded(fold, state, tail, kench_sha256_pad(tail, rest, size), out);
}

/* One block into each of two states, side by side where the processor can. */
static void fold_two(kench_sha256_fold fold, uint32_t state[2][8], const uint8_t *first,
                     const uint8_t *second) {
#ifdef KENCH_SHA256_X86
    if (fold == kench_sha256_fold_x86) {
        kench_sha256_fold_two_x86(state[0], first, state[1], second);
        return;
    }
#endif
    fold(state[0], first, 1);
    fold(state[1], second, 1);
}

/* The second SHA-256 of both; each `inner` carries the padding after its 32 bytes. */
static void finish_two(kench_sha256_fold fold, uint32_t state[2][8], uint8_t inner[2][64],
                       uint8_t out[2][32]) {
    for (int i = 0; i < 2; i++) {
        write_state(state[i], inner[i]);
        memcpy(state[i], kench_sha256_initial, sizeof state[i]);
    }
    fold_two(fold, state, inner[0], inner[1]);
    for (int i = 0; i < 2; i++)
        write_state(state[i], out[i]);
}

/* 0x80, zeros, and the length of 64 bytes in bits: 512. */
static const uint8_t pair_padding[64] = {[0] = 0x80, [62] = 0x02};

void kench_sha256d_pair(kench_sha256_fold fold, const uint8_t pair[64], uint8_t out[32]) {
    uint32_t state[8];
    memcpy(state, kench_sha256_initial, sizeof state);
    fold(state, pair, 1);
    kench_sha256d_padded(fold, state, pair_padding, 1, out);
}

void kench_sha256d_pairs(kench_sha256_fold fold, const uint8_t *pairs, size_t count,
                         uint8_t *out) {
    uint8_t inner[2][64], two[2][32];
    kench_sha256_pad(inner[0], 32, 32);
    kench_sha256_pad(inner[1], 32, 32);
    for (; count >= 2; count -= 2, pairs += 128, out += 64) {
        uint32_t state[2][8];
        memcpy(state[0], kench_sha256_initial, sizeof state[0]);
        memcpy(state[1], kench_sha256_initial, sizeof state[1]);
        fold_two(fold, state, pairs, pairs + 64);
        fold_two(fold, state, pair_padding, pair_padding);
        finish_two(fold, state, inner, two);
        memcpy(out, two, sizeof two);
    }
    if (count)
        kench_sha256d_pair(fold, pairs, out);
}

void kench_merkle_root(kench_sha256_fold fold, const uint8_t leaf[32], const uint8_t *branches,
                       size_t count, uint8_t out[32]) {
    uint8_t pair[64];
    memcpy(pair, leaf, 32);
    for (size_t i = 0; i < count; i++) {
        memcpy(pair + 32, branches + 32 * i, 32);
        kench_sha256d_pair(fold, pair, pair);
    }
    memcpy(out, pair, 32);
}

/* Two headers that differ in their nonce alone, hashed side by side where the processor can. */
static void hash_two(kench_sha256_fold fold, const uint32_t midstate[8], uint8_t tail[2][64],
                     uint8_t inner[2][64], uint8_t out[2][32]) {
    uint32_t state[2][8];
    memcpy(state[0], midstate, sizeof state[0]);
    memcpy(state[1], midstate, sizeof state[1]);
    fold_two(fold, state, tail[0], tail[1]);
    finish_two(fold, state, inner, out);
}

int64_t kench_scan_nonces(kench_sha256_fold fold, const uint8_t header76[76],
                          const uint8_t target_le[32], uint32_t start, uint64_t count) {
    uint32_t midstate[8];
    uint8_t tail[2][64], inner[2][64], out[2][32];
    memcpy(midstate, kench_sha256_initial, sizeof midstate);
    fold(midstate, header76, 1);
    for (int i = 0; i < 2; i++) {
        memcpy(tail[i], header76 + 64, 12);
        kench_sha256_pad(tail[i], 16, 80);
        kench_sha256_pad(inner[i], 32, 32);
    }
    for (uint64_t done = 0; done < count; done += 2) {
        uint32_t nonce = start + (uint32_t)done;
        kench_store_le32(tail[0] + 12, nonce);
        kench_store_le32(tail[1] + 12, nonce + 1);
        hash_two(fold, midstate, tail, inner, out);
        if (kench_compare_le256(out[0], target_le) <= 0)
            return nonce;
        if (done + 1 < count && kench_compare_le256(out[1], target_le) <= 0)
            return (int64_t)nonce + 1;
    }
    return -1;
}
