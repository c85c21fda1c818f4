/* What both load clients need: time, CPU seconds, lines put together, received and taken apart. */
#ifndef KENCH_LOAD_WIRE_H
#define KENCH_LOAD_WIRE_H

#include <errno.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

__attribute__((noreturn, format(printf, 1, 2))) static inline void fail(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    fputs("load client: ", stderr);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    va_end(arguments);
    exit(1);
}

static inline uint64_t now_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* CPU seconds of a process, all its threads, from /proc; 0 for no process. */
static inline double cpu_seconds(int pid) {
    char path[64], text[1024];
    unsigned long user = 0, system = 0;
    if (!pid)
        return 0;
    snprintf(path, sizeof path, "/proc/%d/stat", pid);
    FILE *file = fopen(path, "r");
    if (!file)
        fail("process %d is gone", pid);
    size_t size = fread(text, 1, sizeof text - 1, file);
    fclose(file);
    text[size] = 0;
    char *after_name = strrchr(text, ')');
    if (!after_name
        || sscanf(after_name + 1, " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user,
                  &system) != 2)
        fail("cannot read %s", path);
    return (double)(user + system) / (double)sysconf(_SC_CLK_TCK);
}

/* CPU seconds of the processes whose ids stand in the text, with commas between. */
static inline double cpu_seconds_of(const char *pids) {
    double seconds = 0;
    for (const char *at = pids; at; at = strchr(at, ',')) {
        at += *at == ',';
        seconds += cpu_seconds(atoi(at));
    }
    return seconds;
}

static inline char *put(char *at, const char *text) {
    size_t size = strlen(text);
    memcpy(at, text, size);
    return at + size;
}

static inline char *put_hex(char *at, uint64_t value, int digits) {
    for (int i = digits - 1; i >= 0; i--, value >>= 4)
        at[i] = "0123456789abcdef"[value & 15];
    return at + digits;
}

static inline char *put_decimal(char *at, uint64_t value) {
    char digits[20];
    int count = 0;
    do
        digits[count++] = (char)('0' + value % 10);
    while (value /= 10);
    while (count)
        *at++ = digits[--count];
    return at;
}

/* Writes one submit line, made up from its id, and returns its end. */
static inline char *put_submit(char *at, const char *user, const char *job_id, const char *ntime,
                               uint64_t id) {
    at = put(at, "{\"params\":[\"");
    at = put(at, user);
    at = put(at, "\",\"");
    at = put(at, job_id);
    at = put(at, "\",\"");
    at = put_hex(at, id, 16);
    at = put(at, "\",\"");
    at = put(at, ntime);
    at = put(at, "\",\"");
    at = put_hex(at, id * 2654435761u, 8);
    at = put(at, "\"],\"id\":");
    at = put_decimal(at, id);
    return put(at, ",\"method\":\"mining.submit\"}\n");
}

enum {
    READ_SIZE = 65536,     /* bytes taken from a socket at once */
    CARRY_MAX = 32768,     /* longest line that the server may send */
};

/* The beginning of a line whose end has not come yet. */
typedef struct {
    char *bytes;
    size_t size;
} unfinished_line;

/* Has `take_line` take each line that is whole now, from `line` to its newline. Returns 0 where
 * nothing came. */
static inline int take_lines(int fd, unfinished_line *carry, void *connection,
                             void (*take_line)(void *, const char *line, const char *end)) {
    static char buffer[CARRY_MAX + READ_SIZE];
    if (carry->size)
        memcpy(buffer, carry->bytes, carry->size);
    ssize_t size = recv(fd, buffer + carry->size, READ_SIZE, MSG_DONTWAIT);
    if (size < 0 && errno == EAGAIN)
        return 0;
    if (size <= 0)
        fail("the server closed a connection%s%s", size ? ": " : "", size ? strerror(errno) : "");
    const char *line = buffer, *end = buffer + carry->size + size, *newline;
    while ((newline = memchr(line, '\n', (size_t)(end - line)))) {
        take_line(connection, line, newline);
        line = newline + 1;
    }
    size_t rest = (size_t)(end - line);
    if (rest > CARRY_MAX)
        fail("the server sent a line of over %d bytes", CARRY_MAX);
    if (rest > carry->size && !(carry->bytes = realloc(carry->bytes, rest)))
        fail("out of memory");
    if (rest)
        memcpy(carry->bytes, line, rest);
    carry->size = rest;
    return 1;
}

/* Copies the next string of a JSON array, and moves past it. */
static inline const char *take_string(const char *at, const char *end, char *text, size_t size) {
    const char *start = memchr(at, '"', (size_t)(end - at));
    const char *stop = start ? memchr(start + 1, '"', (size_t)(end - start - 1)) : NULL;
    if (!stop || (size_t)(stop - start) > size)
        fail("a mining.notify that this client cannot read");
    memcpy(text, start + 1, (size_t)(stop - start - 1));
    text[stop - start - 1] = 0;
    return stop + 1;
}

/* params: job id, prevhash, coinb1, coinb2, [branches], version, nbits, ntime, clean.
 * job_id has room for 40 bytes, ntime for 9. */
static inline void take_job(const char *params, const char *end, char *job_id, char *ntime) {
    char ignored[16];
    params = take_string(params, end, job_id, 40);
    const char *at = memchr(params, ']', (size_t)(end - params));
    if (!at)
        fail("a mining.notify that this client cannot read");
    at = take_string(at, end, ignored, sizeof ignored);
    at = take_string(at, end, ignored, sizeof ignored);
    take_string(at, end, ntime, 9);
}

static inline int starts_with(const char *at, const char *end, const char *words) {
    size_t size = strlen(words);
    return (size_t)(end - at) >= size && !memcmp(at, words, size);
}

/* The params of a mining.notify line, or NULL for any other line. */
static inline const char *notify_params(const char *line, const char *end) {
    static const char NOTIFY[] = "\"method\":\"mining.notify\"", PARAMS[] = "\"params\":[";
    size_t size = (size_t)(end - line);
    if (!memmem(line, size, NOTIFY, sizeof NOTIFY - 1))
        return NULL;
    const char *found = memmem(line, size, PARAMS, sizeof PARAMS - 1);
    return found ? found + sizeof PARAMS - 1 : NULL;
}

static inline const char *take_number(const char *at, const char *end, uint64_t *number) {
    for (*number = 0; at < end && *at >= '0' && *at <= '9'; at++)
        *number = *number * 10 + (uint64_t)(*at - '0');
    return at;
}

/* The result and error of an answer line, and its id, or NULL for any other line. Answers begin
 * with their id or, as another server writes them, end with it. */
static inline const char *answer_of(const char *line, const char *end, uint64_t *id) {
    if (starts_with(line, end, "{\"result\":") || starts_with(line, end, "{\"reject-reason\":")) {
        const char *at = memmem(line, (size_t)(end - line), "\"id\":", 5);
        return at && take_number(at + 5, end, id) > at + 5 ? line : NULL;
    }
    if (!starts_with(line, end, "{\"id\":") || line[6] < '0' || line[6] > '9')
        return NULL;
    const char *at = take_number(line + 6, end, id);
    return starts_with(at, end, ",\"result\"") ? at : NULL;
}

static inline int is_true(const char *answer, const char *end) {
    return starts_with(answer + 1, end, "\"result\":true");
}

static inline int error_code(const char *answer, const char *end) {
    const char *error = memmem(answer, (size_t)(end - answer), "\"error\":[", 9);
    return error ? atoi(error + 9) : 0;
}

#endif
