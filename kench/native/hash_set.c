/* Open addressing with linear steps; half of the slots at most are in use. */
#include "hash_set.h"

#include <stdlib.h>

#include "bytes.h"

enum { FIRST_SIZE = 1024 };

typedef struct {
    uint64_t low, high;
} key;

static key key_of(const uint8_t *hash_le) {
    key k = {kench_load_le64(hash_le), kench_load_le64(hash_le + 8)};
    /* An all-zero key would look like a free slot. No one will ever see one; still, be exact. */
    if (!(k.low | k.high))
        k.high = 1;
    return k;
}

/* The low bytes of a hash are as good as random, so they are the place to start at. */
static size_t slot_of(const kench_hash_set *set, key k) {
    size_t at = k.low & (set->size - 1);
    while ((set->slots[at][0] | set->slots[at][1]) &&
           (set->slots[at][0] != k.low || set->slots[at][1] != k.high))
        at = (at + 1) & (set->size - 1);
    return at;
}

int kench_hash_set_has(const kench_hash_set *set, const uint8_t *hash_le) {
    if (!set->size)
        return 0;
    size_t at = slot_of(set, key_of(hash_le));
    return (set->slots[at][0] | set->slots[at][1]) != 0;
}

static void put(kench_hash_set *set, key k) {
    size_t at = slot_of(set, k);
    set->slots[at][0] = k.low;
    set->slots[at][1] = k.high;
}

int kench_hash_set_reserve(kench_hash_set *set) {
    if (2 * (set->count + 1) <= set->size)
        return 1;
    kench_hash_set grown = {NULL, set->size ? 2 * set->size : FIRST_SIZE, set->count};
    grown.slots = calloc(grown.size, sizeof *grown.slots);
    if (!grown.slots)
        return 0;
    for (size_t i = 0; i < set->size; i++)
        if (set->slots[i][0] | set->slots[i][1])
            put(&grown, (key){set->slots[i][0], set->slots[i][1]});
    free(set->slots);
    *set = grown;
    return 1;
}

void kench_hash_set_add(kench_hash_set *set, const uint8_t *hash_le) {
    put(set, key_of(hash_le));
    set->count++;
}

void kench_hash_set_clear(kench_hash_set *set) {
    free(set->slots);
    *set = (kench_hash_set){NULL, 0, 0};
}
