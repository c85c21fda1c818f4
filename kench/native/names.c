/* Open addressing on pointers; a connection with one name holds two slots and that name. */
#include "names.h"

#include <stdlib.h>
#include <string.h>

/* FNV-1a. Names come from the register and a connection has at most names_max of them, so a
   keyed hash would guard against nothing. */
static uint32_t mark_of(const uint8_t *bytes, size_t size) {
    uint32_t mark = 2166136261u;
    for (size_t i = 0; i < size; i++)
        mark = (mark ^ bytes[i]) * 16777619u;
    return mark;
}

static uint32_t slot_of(const kench_names *names, uint32_t mark, const uint8_t *bytes,
                        size_t size) {
    uint32_t at = mark & (names->size - 1);
    for (kench_name *name; (name = names->slots[at]); at = (at + 1) & (names->size - 1))
        if (name->mark == mark && name->size == size && !memcmp(name->bytes, bytes, size))
            break;
    return at;
}

kench_name *kench_names_find(const kench_names *names, const uint8_t *bytes, size_t size) {
    if (!names->size)
        return NULL;
    return names->slots[slot_of(names, mark_of(bytes, size), bytes, size)];
}

static void place(kench_names *names, kench_name *name) {
    names->slots[slot_of(names, name->mark, name->bytes, name->size)] = name;
}

static int grow(kench_names *names) {
    kench_names grown = {NULL, names->size ? 2 * names->size : 2, names->count};
    grown.slots = calloc(grown.size, sizeof *grown.slots);
    if (!grown.slots)
        return 0;
    for (uint32_t i = 0; i < names->size; i++)
        if (names->slots[i])
            place(&grown, names->slots[i]);
    free(names->slots);
    *names = grown;
    return 1;
}

int kench_names_add(kench_names *names, const uint8_t *bytes, size_t size, uint32_t participant,
                    uint32_t worker) {
    if (2 * (names->count + 1) > names->size && !grow(names))
        return 0;
    kench_name *name = malloc(sizeof *name + size);
    if (!name)
        return 0;
    *name = (kench_name){mark_of(bytes, size), participant, worker, (uint32_t)size};
    memcpy(name->bytes, bytes, size);
    place(names, name);
    names->count++;
    return 1;
}

int kench_names_remove(kench_names *names, const uint8_t *bytes, size_t size) {
    if (!kench_names_find(names, bytes, size))
        return 0;
    uint32_t at = slot_of(names, mark_of(bytes, size), bytes, size);
    free(names->slots[at]);
    names->slots[at] = NULL;
    names->count--;
    /* Names that had stepped over this slot are placed anew, up to the next free slot. */
    for (at = (at + 1) & (names->size - 1); names->slots[at];
         at = (at + 1) & (names->size - 1)) {
        kench_name *name = names->slots[at];
        names->slots[at] = NULL;
        place(names, name);
    }
    return 1;
}

void kench_names_clear(kench_names *names) {
    for (uint32_t i = 0; i < names->size; i++)
        free(names->slots[i]);
    free(names->slots);
    *names = (kench_names){NULL, 0, 0};
}
