/* A recogniser for one shape of line: it either takes all of it or leaves it to the parser. */
#include "submit_line.h"

#include <string.h>

enum { LINE_BYTES_MAX = 1024, ID_DIGITS_MAX = 18, PARAMS_MIN = 5, PARAMS_MAX = 6 };

typedef struct {
    const uint8_t *at, *end;
} cursor;

static void skip_space(cursor *c) {
    while (c->at < c->end && (*c->at == ' ' || *c->at == '\t' || *c->at == '\r'))
        c->at++;
}

/* Takes the byte if it is next, white space around it included. */
static int take(cursor *c, uint8_t byte) {
    skip_space(c);
    if (c->at == c->end || *c->at != byte)
        return 0;
    c->at++;
    skip_space(c);
    return 1;
}

static int take_word(cursor *c, const char *word, size_t size) {
    if ((size_t)(c->end - c->at) < size || memcmp(c->at, word, size))
        return 0;
    c->at += size;
    return 1;
}

#define TAKE_WORD(c, word) take_word(c, word, sizeof(word) - 1)

static int take_id(cursor *c, kench_text *id) {
    id->at = c->at;
    while (c->at < c->end && *c->at >= '0' && *c->at <= '9')
        c->at++;
    id->size = (size_t)(c->at - id->at);
    return id->size == 1 || (id->size > 1 && id->size <= ID_DIGITS_MAX && *id->at != '0');
}

static int take_string(cursor *c, kench_text *text) {
    if (c->at == c->end || *c->at != '"')
        return 0;
    const uint8_t *at = c->at + 1;
    while (at < c->end && *at >= 0x20 && *at <= 0x7e && *at != '"' && *at != '\\')
        at++;
    if (at == c->end || *at != '"')
        return 0;
    *text = (kench_text){c->at + 1, (size_t)(at - c->at - 1)};
    c->at = at + 1;
    return 1;
}

static int take_params(cursor *c, kench_submit *submit) {
    kench_text *const params[PARAMS_MAX] = {&submit->name,  &submit->job_id, &submit->extranonce2,
                                            &submit->ntime, &submit->nonce,  &submit->version_bits};
    int count = 0;
    if (!take(c, '['))
        return 0;
    do {
        if (count == PARAMS_MAX || !take_string(c, params[count]))
            return 0;
        count++;
    } while (take(c, ','));
    return count >= PARAMS_MIN && take(c, ']');
}

/* One member of the object; its bit in `seen` says that it was there. */
static int take_member(cursor *c, kench_submit *submit, unsigned *seen) {
    unsigned bit;
    if (TAKE_WORD(c, "\"params\"")) {
        bit = 1;
        if (!take(c, ':') || !take_params(c, submit))
            return 0;
    } else if (TAKE_WORD(c, "\"id\"")) {
        bit = 2;
        if (!take(c, ':') || !take_id(c, &submit->id))
            return 0;
    } else if (TAKE_WORD(c, "\"method\"")) {
        bit = 4;
        if (!take(c, ':') || !TAKE_WORD(c, "\"mining.submit\""))
            return 0;
    } else {
        return 0;
    }
    *seen |= bit;
    return 1;
}

size_t kench_submit_line(const uint8_t *data, size_t size, kench_submit *submit) {
    unsigned seen = 0;
    cursor c = {data, data + (size > LINE_BYTES_MAX + 1 ? LINE_BYTES_MAX + 1 : size)};
    submit->version_bits = (kench_text){NULL, 0};
    if (!take(&c, '{') || !take_member(&c, submit, &seen) || !take(&c, ',') ||
        !take_member(&c, submit, &seen) || !take(&c, ',') || !take_member(&c, submit, &seen) ||
        !take(&c, '}') || seen != 7 || c.at == c.end || *c.at != '\n')
        return 0;
    return (size_t)(c.at + 1 - data);
}

/* The value of a hex digit, or 16. */
static uint8_t digit(uint8_t c) {
    if (c >= '0' && c <= '9')
        return (uint8_t)(c - '0');
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? (uint8_t)(c - 'a' + 10) : 16;
}

int kench_hex_bytes(kench_text text, uint8_t *out, size_t size) {
    uint8_t wrong = 0;
    if (text.size != 2 * size)
        return 0;
    for (size_t i = 0; i < size; i++) {
        uint8_t high = digit(text.at[2 * i]), low = digit(text.at[2 * i + 1]);
        wrong |= high | low;
        out[i] = (uint8_t)(high << 4 | low);
    }
    return !(wrong & 16);
}

int kench_hex_u32(kench_text text, uint32_t *out) {
    uint32_t value = 0;
    uint8_t wrong = 0;
    if (text.size < 1 || text.size > 8)
        return 0;
    for (size_t i = 0; i < text.size; i++) {
        uint8_t d = digit(text.at[i]);
        wrong |= d;
        value = value << 4 | d;
    }
    *out = value;
    return !(wrong & 16);
}

uint64_t kench_job_key(kench_text text) {
    uint64_t key = 0;
    if (text.size < 1 || text.size > 16 || text.at[0] == '0')
        return 0;
    for (size_t i = 0; i < text.size; i++) {
        uint8_t d = digit(text.at[i]);
        if (d == 16 || (text.at[i] >= 'A' && text.at[i] <= 'F'))
            return 0;
        key = key << 4 | d;
    }
    return key;
}
