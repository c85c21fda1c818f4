/* Load client: many Stratum connections, each with a fixed number of submits in flight.
 *
 *     client PORT CONNECTIONS IN_FLIGHT WARM_UP_S MEASURE_S SERVER_PID,... [USER]
 *
 * With USER each connection logs in (the password is taken from KENCH_LOAD_PASSWORD) and works on
 * the job it is given; without, the peer is a bare server that answers every line alike, and the
 * submits are made up. Prints one JSON object. Ends by itself: every phase has a deadline, and a
 * connection that the server closes ends the run. Exit status: 0, or 1 with one line on stderr.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include "histogram.h"
#include "wire.h"

enum {
    IN_FLIGHT_MAX = 1024,
    SUBMIT_MAX = 384,      /* longest submit line */
    EVENTS = 512,
    OPENING_MAX = 256,     /* connections that log in at once */
    CODES = 64,            /* refusal codes counted apart; others count as code 0 */
    LOGIN_S = 60,
    DRAIN_S = 10,
};

typedef enum { CLOSED, LOGGING_IN, WORKING } phase;

typedef struct {
    int fd;
    phase phase;
    int authorised, has_job;
    int head, waiting;       /* ring of sent_ns: oldest entry, entries */
    uint64_t next_id, oldest_id;
    uint64_t *sent_ns;
    char job_id[40], ntime[9];
    unfinished_line carry;
    char *unsent;            /* what the socket did not take */
    size_t unsent_size;
} connection;

static struct {
    int connections, in_flight;
    const char *server_pids; /* of one process, or of several with commas between */
    double warm_up_s, measure_s;
    uint16_t port;
    const char *user, *password;
} options;

static struct {
    uint64_t accepted, accepted_in_window, refused[CODES];
    uint64_t jobs, other_lines;
    int opened, working;
    int submitting, measuring;
    long waiting;
    histogram latency;
} run;

static int poller;

static double own_cpu_seconds(void) {
    struct rusage used;
    getrusage(RUSAGE_SELF, &used);
    return (double)(used.ru_utime.tv_sec + used.ru_stime.tv_sec)
           + (double)(used.ru_utime.tv_usec + used.ru_stime.tv_usec) / 1e6;
}

static void watch(connection *c, int operation, uint32_t events) {
    struct epoll_event event = {.events = events, .data.ptr = c};
    if (epoll_ctl(poller, operation, c->fd, &event))
        fail("epoll_ctl: %s", strerror(errno));
}

/* Sends, keeping what the socket does not take until it does. */
static void send_bytes(connection *c, const char *data, size_t size) {
    ssize_t sent = 0;
    if (!c->unsent_size) {
        sent = send(c->fd, data, size, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (sent < 0 && errno != EAGAIN)
            fail("a connection broke while sending: %s", strerror(errno));
        if (sent < 0)
            sent = 0;
    }
    if ((size_t)sent == size)
        return;
    size_t rest = size - (size_t)sent;
    if (!c->unsent_size)
        watch(c, EPOLL_CTL_MOD, EPOLLIN | EPOLLOUT);
    c->unsent = realloc(c->unsent, c->unsent_size + rest);
    if (!c->unsent)
        fail("out of memory");
    memcpy(c->unsent + c->unsent_size, data + sent, rest);
    c->unsent_size += rest;
}

static void send_rest(connection *c) {
    ssize_t sent = send(c->fd, c->unsent, c->unsent_size, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent < 0 && errno != EAGAIN)
        fail("a connection broke while sending: %s", strerror(errno));
    if (sent <= 0)
        return;
    c->unsent_size -= (size_t)sent;
    memmove(c->unsent, c->unsent + sent, c->unsent_size);
    if (!c->unsent_size)
        watch(c, EPOLL_CTL_MOD, EPOLLIN);
}

static void open_connection(connection *c) {
    struct sockaddr_in address = {
        .sin_family = AF_INET,
        .sin_port = htons(options.port),
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
    };
    int one = 1;
    c->fd = socket(AF_INET, SOCK_STREAM, 0);
    if (c->fd < 0)
        fail("socket: %s (raise the limit of open files)", strerror(errno));
    if (connect(c->fd, (struct sockaddr *)&address, sizeof address))
        fail("connect to port %d: %s", options.port, strerror(errno));
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    watch(c, EPOLL_CTL_ADD, EPOLLIN);
    run.opened++;
    if (!options.user) {
        strcpy(c->job_id, "64a1b2c3d4e5f");
        strcpy(c->ntime, "66aabbcc");
        c->phase = WORKING;
        run.working++;
        return;
    }
    char hello[512];
    int size = snprintf(hello, sizeof hello,
                        "{\"id\":1,\"method\":\"mining.subscribe\",\"params\":[\"kench-load\"]}\n"
                        "{\"id\":2,\"method\":\"mining.authorize\",\"params\":[\"%s\",\"%s\"]}\n",
                        options.user, options.password);
    if (size >= (int)sizeof hello)
        fail("user and password are too long");
    c->phase = LOGGING_IN;
    send_bytes(c, hello, (size_t)size);
}

/* Brings a connection to the wished number of submits in flight, with one send. */
static void fill(connection *c) {
    static char lines[IN_FLIGHT_MAX * SUBMIT_MAX];
    char *at = lines;
    if (!run.submitting || c->phase != WORKING || c->waiting == options.in_flight)
        return;
    uint64_t now = now_ns();
    while (c->waiting < options.in_flight) {
        uint64_t id = c->next_id++;
        at = put_submit(at, options.user ? options.user : "1.bare", c->job_id, c->ntime, id);
        c->sent_ns[(c->head + c->waiting) % options.in_flight] = now;
        c->waiting++;
        run.waiting++;
    }
    send_bytes(c, lines, (size_t)(at - lines));
}

static void take_reply(connection *c, uint64_t id, const char *rest, const char *end) {
    int accepted = is_true(rest, end);
    if (c->phase == LOGGING_IN) {
        if (id == 2 && !accepted)
            fail("the login was refused: %.*s", (int)(end - rest), rest);
        c->authorised |= id == 2;
        return;
    }
    if (!c->waiting)
        fail("an answer to nothing: id %llu", (unsigned long long)id);
    if (options.user && id != c->oldest_id)
        fail("answer to %llu where %llu was next", (unsigned long long)id,
             (unsigned long long)c->oldest_id);
    uint64_t sent = c->sent_ns[c->head];
    c->head = (c->head + 1) % options.in_flight;
    c->waiting--;
    c->oldest_id++;
    run.waiting--;
    if (!accepted) {
        int code = error_code(rest, end);
        run.refused[code > 0 && code < CODES ? code : 0]++;
        return;
    }
    run.accepted++;
    if (run.measuring) {
        run.accepted_in_window++;
        histogram_add(&run.latency, (now_ns() - sent) / 1000);
    }
}

static void take_line(void *to, const char *line, const char *end) {
    connection *c = to;
    uint64_t id;
    const char *answer = answer_of(line, end, &id), *params;
    if (answer) {
        take_reply(c, id, answer, end);
    } else if ((params = notify_params(line, end))) {
        take_job(params, end, c->job_id, c->ntime);
        run.jobs++;
        c->has_job = 1;
    } else {
        run.other_lines++;
    }
}

static void take_bytes(connection *c) {
    if (!take_lines(c->fd, &c->carry, c, take_line))
        return;
    if (c->phase == LOGGING_IN && c->authorised && c->has_job) {
        c->phase = WORKING;
        run.working++;
    }
    fill(c);
}

/* Serves sockets until the deadline, or until nothing is awaited where `until_quiet`. */
static void serve(uint64_t deadline_ns, const int *enough, int goal, int until_quiet) {
    static struct epoll_event events[EVENTS];
    for (;;) {
        uint64_t now = now_ns();
        if (now >= deadline_ns || (enough && *enough >= goal) || (until_quiet && !run.waiting))
            return;
        int wait_ms = (int)((deadline_ns - now) / 1000000) + 1;
        int count = epoll_wait(poller, events, EVENTS, wait_ms);
        if (count < 0 && errno != EINTR)
            fail("epoll_wait: %s", strerror(errno));
        for (int i = 0; i < count; i++) {
            connection *c = events[i].data.ptr;
            if (events[i].events & EPOLLOUT)
                send_rest(c);
            if (events[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR))
                take_bytes(c);
        }
    }
}

static uint64_t after(double seconds) {
    return now_ns() + (uint64_t)(seconds * 1e9);
}

static void log_in(connection *all) {
    uint64_t deadline = after(LOGIN_S);
    while (run.working < options.connections && now_ns() < deadline) {
        while (run.opened < options.connections && run.opened - run.working < OPENING_MAX)
            open_connection(&all[run.opened]);
        int goal = run.opened < options.connections ? run.opened - OPENING_MAX / 2 : run.opened;
        serve(deadline, &run.working, goal, 0);
    }
    if (run.working < options.connections)
        fail("only %d of %d connections had a job after %d s", run.working, options.connections,
             LOGIN_S);
}

static void print_result(double login_s, double window_s, double server_cpu_s, double own_cpu_s) {
    printf("{\"connections\": %d, \"in_flight\": %d, \"login_s\": %.3f, \"seconds\": %.3f, "
           "\"accepted\": %llu, \"accepted_total\": %llu, \"refused_total\": {",
           options.connections, options.in_flight, login_s, window_s,
           (unsigned long long)run.accepted_in_window, (unsigned long long)run.accepted);
    const char *comma = "";
    for (int code = 0; code < CODES; code++)
        if (run.refused[code]) {
            printf("%s\"%d\": %llu", comma, code, (unsigned long long)run.refused[code]);
            comma = ", ";
        }
    printf("}, \"unanswered\": %ld, \"jobs\": %llu, \"p50_ms\": %.3f, \"p99_ms\": %.3f, "
           "\"max_ms\": %.3f, \"server_cpu_s\": %.2f, \"client_cpu_s\": %.2f}\n",
           run.waiting, (unsigned long long)run.jobs,
           (double)histogram_quantile(&run.latency, 0.50) / 1000,
           (double)histogram_quantile(&run.latency, 0.99) / 1000,
           (double)run.latency.most / 1000, server_cpu_s, own_cpu_s);
}

static void read_options(int count, char **words) {
    if (count < 7)
        fail("usage: client PORT CONNECTIONS IN_FLIGHT WARM_UP_S MEASURE_S SERVER_PID,... [USER]");
    options.port = (uint16_t)atoi(words[1]);
    options.connections = atoi(words[2]);
    options.in_flight = atoi(words[3]);
    options.warm_up_s = atof(words[4]);
    options.measure_s = atof(words[5]);
    options.server_pids = words[6];
    options.user = count > 7 ? words[7] : NULL;
    options.password = getenv("KENCH_LOAD_PASSWORD");
    if (!options.password)
        options.password = "x";
    if (!options.port || options.connections < 1 || options.in_flight < 1
        || options.in_flight > IN_FLIGHT_MAX || options.measure_s <= 0)
        fail("PORT, CONNECTIONS, IN_FLIGHT (at most %d) and MEASURE_S must be positive",
             IN_FLIGHT_MAX);
    if (options.user && strlen(options.user) > 128)
        fail("USER is too long");
}

int main(int count, char **words) {
    read_options(count, words);
    poller = epoll_create1(0);
    connection *all = calloc((size_t)options.connections, sizeof *all);
    if (poller < 0 || !all)
        fail("out of memory");
    for (int i = 0; i < options.connections; i++) {
        all[i].sent_ns = calloc((size_t)options.in_flight, sizeof(uint64_t));
        if (!all[i].sent_ns)
            fail("out of memory");
        all[i].next_id = all[i].oldest_id = 10;
    }
    uint64_t start = now_ns();
    log_in(all);
    double login_s = (double)(now_ns() - start) / 1e9;
    run.submitting = 1;
    for (int i = 0; i < options.connections; i++)
        fill(&all[i]);
    serve(after(options.warm_up_s), NULL, 0, 0);
    run.measuring = 1;
    double server_cpu_s = cpu_seconds_of(options.server_pids), own_cpu_s = own_cpu_seconds();
    start = now_ns();
    serve(after(options.measure_s), NULL, 0, 0);
    double window_s = (double)(now_ns() - start) / 1e9;
    server_cpu_s = cpu_seconds_of(options.server_pids) - server_cpu_s;
    own_cpu_s = own_cpu_seconds() - own_cpu_s;
    run.measuring = run.submitting = 0;
    serve(after(DRAIN_S), NULL, 0, 1);
    print_result(login_s, window_s, server_cpu_s, own_cpu_s);
    return 0;
}
