/* Open addressing with linear steps; half of the slots at most are in use. */
#include "hash_set.h"

#include <stdlib.h>

#include "bytes.h"

enum {
    FIRST_SIZE = 1024,
    /* A table of n slots grows when n/2 are used, and the next one when n/2 more were added: with
       two slots moved for each the old one would just be empty in time. */
    MOVED_PER_ADD = 4,
};

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
static size_t slot_of(const kench_hash_slots *in, key k) {
    size_t at = k.low & (in->size - 1);
    while ((in->slots[at][0] | in->slots[at][1]) &&
           (in->slots[at][0] != k.low || in->slots[at][1] != k.high))
        at = (at + 1) & (in->size - 1);
    return at;
}

static int has(const kench_hash_slots *in, key k) {
    if (!in->size)
        return 0;
    size_t at = slot_of(in, k);
    return (in->slots[at][0] | in->slots[at][1]) != 0;
}

static void put(kench_hash_slots *in, key k) {
    size_t at = slot_of(in, k);
    in->slots[at][0] = k.low;
    in->slots[at][1] = k.high;
}

static void drop(kench_hash_slots *gone) {
    free(gone->slots);
    *gone = (kench_hash_slots){NULL, 0};
}

/* Moves up to `most` slots; a moved hash stays in `old` too, where its neighbours lean on it. */
static void move(kench_hash_set *set, size_t most) {
    for (; most && set->moved < set->old.size; most--, set->moved++) {
        const uint64_t *slot = set->old.slots[set->moved];
        if (slot[0] | slot[1])
            put(&set->now, (key){slot[0], slot[1]});
    }
    if (set->old.size && set->moved == set->old.size)
        drop(&set->old);
}

int kench_hash_set_has(const kench_hash_set *set, const uint8_t *hash_le) {
    key k = key_of(hash_le);
    return has(&set->now, k) || has(&set->old, k);
}

int kench_hash_set_reserve(kench_hash_set *set) {
    if (2 * (set->count + 1) <= set->now.size)
        return 1;
    kench_hash_slots grown = {NULL, set->now.size ? 2 * set->now.size : FIRST_SIZE};
    /* Large pieces come zeroed page by page as they are touched, so this does not wait either. */
    grown.slots = calloc(grown.size, sizeof *grown.slots);
    if (!grown.slots)
        return 0;
    move(set, set->old.size);
    set->old = set->now;
    set->now = grown;
    set->moved = 0;
    return 1;
}

void kench_hash_set_add(kench_hash_set *set, const uint8_t *hash_le) {
    put(&set->now, key_of(hash_le));
    set->count++;
    if (set->old.size)
        move(set, MOVED_PER_ADD);
}

void kench_hash_set_clear(kench_hash_set *set) {
    drop(&set->now);
    drop(&set->old);
    *set = (kench_hash_set){{NULL, 0}, {NULL, 0}, 0, 0};
}
