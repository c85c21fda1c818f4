/* Fixed-width integers at any address, in either byte order, and 256-bit comparison. */
#ifndef KENCH_BYTES_H
#define KENCH_BYTES_H

#include <stdint.h>
#include <string.h>

static inline uint32_t kench_load_be32(const uint8_t *p) {
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static inline void kench_store_be32(uint8_t *p, uint32_t v) {
    p[0] = (uint8_t)(v >> 24);
    p[1] = (uint8_t)(v >> 16);
    p[2] = (uint8_t)(v >> 8);
    p[3] = (uint8_t)v;
}

static inline uint32_t kench_load_le32(const uint8_t *p) {
    return (uint32_t)p[3] << 24 | (uint32_t)p[2] << 16 | (uint32_t)p[1] << 8 | p[0];
}

static inline uint64_t kench_load_le64(const uint8_t *p) {
    return (uint64_t)kench_load_le32(p + 4) << 32 | kench_load_le32(p);
}

static inline void kench_store_le32(uint8_t *p, uint32_t v) {
    p[0] = (uint8_t)v;
    p[1] = (uint8_t)(v >> 8);
    p[2] = (uint8_t)(v >> 16);
    p[3] = (uint8_t)(v >> 24);
}

static inline void kench_store_le64(uint8_t *p, uint64_t v) {
    kench_store_le32(p, (uint32_t)v);
    kench_store_le32(p + 4, (uint32_t)(v >> 32));
}

/* A negative, zero or positive number as a is below, equal to or above b; both 32 bytes,
   little-endian. */
static inline int kench_compare_le256(const uint8_t *a, const uint8_t *b) {
    for (int at = 24; at >= 0; at -= 8) {
        uint64_t x = kench_load_le64(a + at), y = kench_load_le64(b + at);
        if (x != y)
            return x < y ? -1 : 1;
    }
    return 0;
}

#endif
