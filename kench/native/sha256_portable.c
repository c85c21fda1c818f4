/* SHA-256's constants and its compression in C99, for every processor. */
#include "bytes.h"
#include "sha256.h"

const uint32_t kench_sha256_initial[8] = {
    0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19,
};

const uint32_t kench_sha256_constants[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
};

static inline uint32_t turn(uint32_t x, int by) { return x >> by | x << (32 - by); }

/* FIPS 180-4, 6.2.2 step 1; only the last sixteen words of the schedule are kept. */
static inline uint32_t schedule(uint32_t w[16], int i) {
    if (i >= 16) {
        uint32_t early = w[(i + 1) & 15], late = w[(i + 14) & 15];
        w[i & 15] += (turn(early, 7) ^ turn(early, 18) ^ early >> 3) + w[(i + 9) & 15] +
                     (turn(late, 17) ^ turn(late, 19) ^ late >> 10);
    }
    return w[i & 15];
}

void kench_sha256_fold_portable(uint32_t state[8], const uint8_t *blocks, size_t count) {
    for (; count; count--, blocks += 64) {
        uint32_t w[16], s[8];
        for (int i = 0; i < 16; i++)
            w[i] = kench_load_be32(blocks + 4 * i);
        memcpy(s, state, sizeof s);
#pragma GCC unroll 64
        for (int i = 0; i < 64; i++) {
            /* The eight names a..h move down one place a round; here the index moves instead. */
            uint32_t a = s[(64 - i) & 7], b = s[(65 - i) & 7], c = s[(66 - i) & 7];
            uint32_t e = s[(68 - i) & 7], f = s[(69 - i) & 7], g = s[(70 - i) & 7];
            uint32_t t = s[(71 - i) & 7] + (turn(e, 6) ^ turn(e, 11) ^ turn(e, 25)) +
                         (g ^ (e & (f ^ g))) + kench_sha256_constants[i] + schedule(w, i);
            s[(67 - i) & 7] += t;
            s[(71 - i) & 7] =
                t + (turn(a, 2) ^ turn(a, 13) ^ turn(a, 22)) + ((a & b) | (c & (a | b)));
        }
        for (int i = 0; i < 8; i++)
            state[i] += s[i];
    }
}
