/* The names that may submit on one connection, each with its participant and worker. */
#ifndef KENCH_NAMES_H
#define KENCH_NAMES_H

#include <stddef.h>
#include <stdint.h>

typedef struct {
    uint32_t mark; /* of the name, so that most strangers differ at the first look */
    uint32_t participant, worker;
    uint32_t size;
    uint8_t bytes[];
} kench_name;

typedef struct {
    kench_name **slots;
    uint32_t size; /* a power of two, or 0 before the first name */
    uint32_t count;
} kench_names;

/* NULL when the name is not there. */
kench_name *kench_names_find(const kench_names *names, const uint8_t *bytes, size_t size);
/* Adds a name that is not there; 0 when memory is short. */
int kench_names_add(kench_names *names, const uint8_t *bytes, size_t size, uint32_t participant,
                    uint32_t worker);
/* 0 when the name was not there. */
int kench_names_remove(kench_names *names, const uint8_t *bytes, size_t size);
void kench_names_clear(kench_names *names);

#endif
