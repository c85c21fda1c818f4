/* The set of hashes seen under one tip: open addressing on the first 16 bytes of each hash. */
#ifndef KENCH_HASH_SET_H
#define KENCH_HASH_SET_H

#include <stddef.h>
#include <stdint.h>

typedef struct {
    uint64_t (*slots)[2]; /* both zero: free */
    size_t size;          /* a power of two, or 0 before the first hash */
} kench_hash_slots;

/* While it grows, hashes move from `old` to `now` a few with each one added: no share waits for
   a whole table to be moved. */
typedef struct {
    kench_hash_slots now, old;
    size_t moved; /* slots of `old` that are in `now` too */
    size_t count;
} kench_hash_set;

int kench_hash_set_has(const kench_hash_set *set, const uint8_t *hash_le);
/* Makes room for one more hash; 0 when memory is short. */
int kench_hash_set_reserve(kench_hash_set *set);
/* Adds a hash that is not in the set; room was reserved. */
void kench_hash_set_add(kench_hash_set *set, const uint8_t *hash_le);
void kench_hash_set_clear(kench_hash_set *set);

#endif
