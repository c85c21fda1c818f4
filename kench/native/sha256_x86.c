/* SHA-256 compression by the x86 SHA instructions, and the question whether they may be used. */
#include "sha256.h"

#ifdef KENCH_SHA256_X86

#include <cpuid.h>
#include <immintrin.h>

#define WITH_SHA __attribute__((target("sha,sse4.1,ssse3")))

int kench_sha256_x86_usable(void) {
    unsigned a, b, c, d;
    if (!__get_cpuid(1, &a, &b, &c, &d) || !(c & bit_SSSE3) || !(c & bit_SSE4_1))
        return 0;
    if (c & bit_OSXSAVE) {
        /* XCR0 bit 1: the operating system keeps the XMM registers over a task switch. */
        unsigned low, high;
        __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
        if (!(low & 2))
            return 0;
    }
    return __get_cpuid_count(7, 0, &a, &b, &c, &d) && (b & bit_SHA) != 0;
}

/* The instructions hold the eight state words as (a,b,e,f) and (c,d,g,h). */
typedef struct {
    __m128i abef, cdgh;
} halves;

WITH_SHA static inline halves load_state(const uint32_t state[8]) {
    __m128i cdab = _mm_shuffle_epi32(_mm_loadu_si128((const __m128i *)state), 0xB1);
    __m128i efgh = _mm_shuffle_epi32(_mm_loadu_si128((const __m128i *)(state + 4)), 0x1B);
    return (halves){_mm_alignr_epi8(cdab, efgh, 8), _mm_blend_epi16(efgh, cdab, 0xF0)};
}

WITH_SHA static inline void store_state(uint32_t state[8], halves h) {
    __m128i feba = _mm_shuffle_epi32(h.abef, 0x1B), dchg = _mm_shuffle_epi32(h.cdgh, 0xB1);
    _mm_storeu_si128((__m128i *)state, _mm_blend_epi16(feba, dchg, 0xF0));
    _mm_storeu_si128((__m128i *)(state + 4), _mm_alignr_epi8(dchg, feba, 8));
}

WITH_SHA static inline void load_block(__m128i w[4], const uint8_t *block) {
    const __m128i swap = _mm_set_epi64x(0x0c0d0e0f08090a0bLL, 0x0405060700010203LL);
    for (int i = 0; i < 4; i++)
        w[i] = _mm_shuffle_epi8(_mm_loadu_si128((const __m128i *)(block + 16 * i)), swap);
}

/* Rounds 4i to 4i+3, and the four schedule words that round 4i+16 will want. */
WITH_SHA static inline void four_rounds(halves *h, __m128i w[4], int i) {
    __m128i now = w[i & 3], next = w[(i + 1) & 3], last = w[(i + 3) & 3];
    __m128i k = _mm_loadu_si128((const __m128i *)(kench_sha256_constants + 4 * i));
    __m128i wk = _mm_add_epi32(now, k);
    h->cdgh = _mm_sha256rnds2_epu32(h->cdgh, h->abef, wk);
    h->abef = _mm_sha256rnds2_epu32(h->abef, h->cdgh, _mm_shuffle_epi32(wk, 0x0E));
    if (i < 12) {
        __m128i middle = _mm_alignr_epi8(last, w[(i + 2) & 3], 4);
        __m128i sum = _mm_add_epi32(_mm_sha256msg1_epu32(now, next), middle);
        w[i & 3] = _mm_sha256msg2_epu32(sum, last);
    }
}

WITH_SHA static inline halves add(halves x, halves y) {
    return (halves){_mm_add_epi32(x.abef, y.abef), _mm_add_epi32(x.cdgh, y.cdgh)};
}

WITH_SHA void kench_sha256_fold_x86(uint32_t state[8], const uint8_t *blocks, size_t count) {
    halves h = load_state(state);
    for (; count; count--, blocks += 64) {
        halves before = h;
        __m128i w[4];
        load_block(w, blocks);
#pragma GCC unroll 16
        for (int i = 0; i < 16; i++)
            four_rounds(&h, w, i);
        h = add(h, before);
    }
    store_state(state, h);
}

WITH_SHA void kench_sha256_fold_two_x86(uint32_t a[8], const uint8_t *block_a, uint32_t b[8],
                                        const uint8_t *block_b) {
    halves ha = load_state(a), hb = load_state(b), before_a = ha, before_b = hb;
    __m128i wa[4], wb[4];
    load_block(wa, block_a);
    load_block(wb, block_b);
#pragma GCC unroll 16
    for (int i = 0; i < 16; i++) {
        four_rounds(&ha, wa, i);
        four_rounds(&hb, wb, i);
    }
    store_state(a, add(ha, before_a));
    store_state(b, add(hb, before_b));
}

#endif
