/* Counting in a table of our own: a sort of so many records takes several times as long. */
#include "counting.h"

#include <stdlib.h>

#include "record.h"

enum { FLAGS_AT = 4, SEQUENCE_AT = 8, PARTICIPANT_AT = 32, WORKER_AT = 36, DIFFICULTY_AT = 64 };
/* Slots are asked for from memory so many records before they are needed. */
enum { AHEAD = 32, SLOTS_MIN = 4096 };

size_t kench_whole_records(const uint8_t *records, size_t count, uint64_t first_sequence) {
    for (size_t i = 0; i < count; i++, records += KENCH_RECORD_SIZE)
        if (kench_load_le64(records + SEQUENCE_AT) != first_sequence + i ||
            kench_load_le32(records) != kench_crc32(records + 4, KENCH_RECORD_SIZE - 4, 0))
            return i;
    return count;
}

static size_t place_of(uint64_t ids, uint64_t difficulty, size_t size) {
    uint64_t hash = ids * 0x9E3779B97F4A7C15u ^ (difficulty >> 32 | difficulty << 32);
    hash = (hash ^ hash >> 32) * 0xD6E8FEB86659FD93u;
    return (size_t)(hash ^ hash >> 32) & (size - 1);
}

static kench_count *slot_of(kench_count *slots, size_t size, uint64_t ids, uint64_t difficulty,
                            size_t place) {
    while (slots[place].count &&
           (slots[place].ids != ids || slots[place].difficulty != difficulty))
        place = (place + 1) & (size - 1);
    return slots + place;
}

/* Makes room for so many rows more; 0 when memory is short. */
static int reserve(kench_counts *counts, size_t more) {
    size_t size = counts->size ? counts->size : SLOTS_MIN;
    while ((counts->rows + more) * 2 > size)
        size *= 2;
    if (size == counts->size)
        return 1;
    kench_count *slots = calloc(size, sizeof *slots);
    if (slots == NULL)
        return 0;
    for (size_t i = 0; i < counts->size; i++) {
        const kench_count *row = counts->slots + i;
        if (row->count)
            *slot_of(slots, size, row->ids, row->difficulty,
                     place_of(row->ids, row->difficulty, size)) = *row;
    }
    free(counts->slots);
    counts->slots = slots;
    counts->size = size;
    return 1;
}

size_t kench_counts_add(kench_counts *counts, const uint8_t *records, size_t count,
                        size_t rows_max) {
    for (size_t done = 0; done < count;) {
        uint64_t ids[AHEAD], difficulties[AHEAD];
        size_t places[AHEAD], start = done, many = 0;
        if (counts->rows + AHEAD > rows_max || !reserve(counts, AHEAD))
            return start;
        for (; done < count && done - start < AHEAD; done++, records += KENCH_RECORD_SIZE) {
            if (records[FLAGS_AT] & KENCH_FLAG_UNCREDITED)
                continue;
            ids[many] = (uint64_t)kench_load_le32(records + PARTICIPANT_AT) << 32 |
                        kench_load_le32(records + WORKER_AT);
            difficulties[many] = kench_load_le64(records + DIFFICULTY_AT);
            places[many] = place_of(ids[many], difficulties[many], counts->size);
            __builtin_prefetch(counts->slots + places[many], 1);
            many++;
        }
        for (size_t i = 0; i < many; i++) {
            kench_count *row =
                slot_of(counts->slots, counts->size, ids[i], difficulties[i], places[i]);
            if (!row->count) {
                row->ids = ids[i];
                row->difficulty = difficulties[i];
                counts->rows++;
            }
            row->count++;
        }
    }
    return count;
}

void kench_counts_clear(kench_counts *counts) {
    free(counts->slots);
    counts->slots = NULL;
    counts->size = counts->rows = 0;
}
