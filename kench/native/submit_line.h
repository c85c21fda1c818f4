/* The plain submit line, found without a JSON parser, and the hex numbers in it. */
#ifndef KENCH_SUBMIT_LINE_H
#define KENCH_SUBMIT_LINE_H

#include <stddef.h>
#include <stdint.h>

typedef struct {
    const uint8_t *at; /* NULL: absent */
    size_t size;
} kench_text;

typedef struct {
    kench_text id;
    kench_text name, job_id, extranonce2, ntime, nonce, version_bits;
} kench_submit;

/* Reads one line of the grammar in twin_gate.py; returns its size with the line feed, or 0 when
   it is not plain or not complete. The parts point into `data`. */
size_t kench_submit_line(const uint8_t *data, size_t size, kench_submit *submit);

/* Hex digits of either case; 0 when the text is anything else. */
int kench_hex_bytes(kench_text text, uint8_t *out, size_t size);
int kench_hex_u32(kench_text text, uint32_t *out); /* 1 to 8 digits */
uint64_t kench_job_key(kench_text text); /* the canonical %x of 1 .. 2^64-1, else 0 */

#endif
