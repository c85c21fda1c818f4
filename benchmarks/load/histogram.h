/* Latencies in buckets 1/32 wide of their value: a quantile is at most 3 % too high. */
#ifndef KENCH_LOAD_HISTOGRAM_H
#define KENCH_LOAD_HISTOGRAM_H

#include <stdint.h>

enum { HISTOGRAM_FINE_BITS = 5, HISTOGRAM_BUCKETS = 64 << HISTOGRAM_FINE_BITS };

typedef struct {
    uint64_t counts[HISTOGRAM_BUCKETS];
    uint64_t total, most;
} histogram;

/* Values below 32 have a bucket each; above, the five bits after the highest one choose. */
static inline unsigned histogram_bucket(uint64_t value) {
    if (value < 1u << HISTOGRAM_FINE_BITS)
        return (unsigned)value;
    unsigned shift = 63u - (unsigned)__builtin_clzll(value) - HISTOGRAM_FINE_BITS;
    return ((shift + 1) << HISTOGRAM_FINE_BITS)
           + (unsigned)((value >> shift) & ((1u << HISTOGRAM_FINE_BITS) - 1));
}

/* The largest value that falls into a bucket. */
static inline uint64_t histogram_top(unsigned bucket) {
    if (bucket < 1u << HISTOGRAM_FINE_BITS)
        return bucket;
    unsigned shift = (bucket >> HISTOGRAM_FINE_BITS) - 1;
    uint64_t fine = bucket & ((1u << HISTOGRAM_FINE_BITS) - 1);
    return (((fine | 1u << HISTOGRAM_FINE_BITS) + 1) << shift) - 1;
}

static inline void histogram_add(histogram *h, uint64_t value) {
    h->counts[histogram_bucket(value)]++;
    h->total++;
    if (value > h->most)
        h->most = value;
}

static inline uint64_t histogram_quantile(const histogram *h, double share) {
    uint64_t wanted = (uint64_t)(share * (double)h->total), seen = 0;
    for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++)
        if ((seen += h->counts[i]) > wanted)
            return histogram_top(i) < h->most ? histogram_top(i) : h->most;
    return h->most;
}

#endif
