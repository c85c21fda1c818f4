/* Records of the journal checked, and counted by participant, worker and difficulty. */
#ifndef KENCH_COUNTING_H
#define KENCH_COUNTING_H

#include <stddef.h>
#include <stdint.h>

/* How often one participant's worker had a share of one difficulty; 0 in a free slot. */
typedef struct {
    uint64_t ids;        /* participant above, worker below */
    uint64_t difficulty; /* the bits of the double */
    uint64_t count;
} kench_count;

/* Open addressing, at most half full. */
typedef struct {
    kench_count *slots;
    size_t size; /* a power of two, or 0 before the first record */
    size_t rows;
} kench_counts;

/* How many records at the start are whole: checksum right, sequences unbroken. */
size_t kench_whole_records(const uint8_t *records, size_t count, uint64_t first_sequence);
/* Counts those that are credited and returns how many were looked at: fewer than `count` only
   where more than `rows_max` rows are needed, or where memory is short. */
size_t kench_counts_add(kench_counts *counts, const uint8_t *records, size_t count,
                        size_t rows_max);
void kench_counts_clear(kench_counts *counts);

#endif
