/* A crowd of miners that mostly listen: logins all at once, new jobs watched, few steady submitters.
 *
 *     crowd PORT SERVER_PID,... [USER]
 *
 * Takes commands on stdin, one a line, and answers each with one JSON object on a line:
 *
 *     login COUNT OPENING      connect so many more at once, at most OPENING (0: all) on their way;
 *                              each subscribes, authorises and waits for its job
 *     steady COUNT RATE        have the first COUNT submit RATE shares a second each; 0 stops them
 *     watch SECONDS JOBS       look on for so long, or until so many new jobs have reached all;
 *                              answers `{}` when it begins, and again at the end
 *
 * With USER the password is taken from KENCH_LOAD_PASSWORD; without, the peer is a bare server and
 * answers are not looked at closely. Ends with stdin. Exit status: 0, or 1 with one line on stderr.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "histogram.h"
#include "wire.h"

enum {
    EVENTS = 512,
    CONNECTIONS_MAX = 60000,
    WAITING_MAX = 64,        /* shares of a submitter without an answer; then it leaves one out */
    JOBS_MAX = 32,           /* new jobs told apart in one watch */
    CODES = 64,
    LOGIN_S = 60,
    TICK_MS = 2,             /* how often the steady are looked at */
};

typedef enum { CONNECTING, SUBSCRIBING, AUTHORISING, WORKING } phase;

typedef struct {
    int fd;
    phase phase;
    int authorised, has_job, waiting, head;
    uint64_t opened_ns, due_ns, next_id, oldest_id;
    uint64_t *sent_ns;
    char job_id[40], ntime[9];
    unfinished_line carry;
} connection;

typedef struct {
    char id[40];
    uint64_t first_ns, last_ns;
    int received;
} seen_job;

static struct {
    const char *server_pids; /* of one process, or of several with commas between */
    uint16_t port;
    const char *user, *password;
} options;

static struct {
    connection *all;
    int opened, working, closed, steady;
    uint64_t every_ns;
    /* since the last command */
    histogram logins, answers;
    uint64_t answered, left_out, refused[CODES];
    seen_job jobs[JOBS_MAX];
    int jobs_count, jobs_complete;
} run;

static int poller;

static void send_line(connection *c, const char *line, size_t size) {
    if (send(c->fd, line, size, MSG_NOSIGNAL | MSG_DONTWAIT) != (ssize_t)size)
        fail("a connection broke while sending: %s", strerror(errno));
}

static void open_connection(connection *c) {
    struct sockaddr_in address = {
        .sin_family = AF_INET,
        .sin_port = htons(options.port),
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
    };
    struct epoll_event event = {.events = EPOLLOUT, .data.ptr = c};
    int one = 1;
    c->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    if (c->fd < 0)
        fail("socket: %s (raise the limit of open files)", strerror(errno));
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    c->opened_ns = now_ns();
    c->next_id = c->oldest_id = 10;
    if (connect(c->fd, (struct sockaddr *)&address, sizeof address) && errno != EINPROGRESS)
        fail("connect to port %d: %s", options.port, strerror(errno));
    if (epoll_ctl(poller, EPOLL_CTL_ADD, c->fd, &event))
        fail("epoll_ctl: %s", strerror(errno));
}

static void connected(connection *c) {
    static const char SUBSCRIBE[] =
        "{\"id\":1,\"method\":\"mining.subscribe\",\"params\":[\"kench-load/1\"]}\n";
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = c};
    int error = 0;
    socklen_t size = sizeof error;
    getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &error, &size);
    if (error)
        fail("connect to port %d: %s", options.port, strerror(error));
    epoll_ctl(poller, EPOLL_CTL_MOD, c->fd, &event);
    c->phase = SUBSCRIBING;
    send_line(c, SUBSCRIBE, sizeof SUBSCRIBE - 1);
}

static void authorise(connection *c) {
    char line[512];
    int size = snprintf(line, sizeof line,
                        "{\"id\":2,\"method\":\"mining.authorize\",\"params\":[\"%s\",\"%s\"]}\n",
                        options.user ? options.user : "1.bare", options.password);
    if (size >= (int)sizeof line)
        fail("user and password are too long");
    c->phase = AUTHORISING;
    send_line(c, line, (size_t)size);
}

static void take_answer(connection *c, uint64_t id, const char *answer, const char *end) {
    if (c->phase == SUBSCRIBING) {
        authorise(c);
    } else if (c->phase == AUTHORISING) {
        if (!is_true(answer, end))
            fail("the login was refused: %.*s", (int)(end - answer), answer);
        c->authorised = 1;
    } else if (c->waiting) {
        if (options.user && id != c->oldest_id)
            fail("answer to %llu where %llu was next", (unsigned long long)id,
                 (unsigned long long)c->oldest_id);
        histogram_add(&run.answers, (now_ns() - c->sent_ns[c->head]) / 1000);
        c->head = (c->head + 1) % WAITING_MAX;
        c->waiting--;
        c->oldest_id++;
        run.answered++;
        if (!is_true(answer, end)) {
            int code = error_code(answer, end);
            run.refused[code > 0 && code < CODES ? code : 0]++;
        }
    } else {
        fail("an answer to nothing: id %llu", (unsigned long long)id);
    }
}

/* Notes when a job reached its first and its last connection; logins bring no news. */
static void note_job(const connection *c) {
    seen_job *job = NULL;
    for (int i = run.jobs_count - 1; i >= 0 && !job; i--)
        if (!strcmp(run.jobs[i].id, c->job_id))
            job = &run.jobs[i];
    if (!job) {
        if (run.jobs_count == JOBS_MAX)
            return;
        job = &run.jobs[run.jobs_count++];
        *job = (seen_job){.first_ns = now_ns()};
        strcpy(job->id, c->job_id);
    }
    job->last_ns = now_ns();
    run.jobs_complete += ++job->received == run.working;
}

static void take_line(void *to, const char *line, const char *end) {
    connection *c = to;
    uint64_t id;
    const char *answer = answer_of(line, end, &id), *params;
    if (answer) {
        take_answer(c, id, answer, end);
    } else if ((params = notify_params(line, end))) {
        take_job(params, end, c->job_id, c->ntime);
        c->has_job = 1;
        if (c->phase == WORKING)
            note_job(c);
    }
}

static void take_bytes(connection *c) {
    if (!take_lines(c->fd, &c->carry, c, take_line))
        return;
    if (c->phase == AUTHORISING && c->authorised && c->has_job) {
        c->phase = WORKING;
        run.working++;
        histogram_add(&run.logins, (now_ns() - c->opened_ns) / 1000);
    }
}

/* Has each steady submitter whose time has come send one share. */
static void submit_due(uint64_t now) {
    char line[512];
    for (int i = 0; i < run.steady; i++) {
        connection *c = &run.all[i];
        while (c->due_ns <= now) {
            c->due_ns += run.every_ns;
            if (c->waiting == WAITING_MAX) {
                run.left_out++;
                continue;
            }
            uint64_t id = c->next_id++;
            char *end =
                put_submit(line, options.user ? options.user : "1.bare", c->job_id, c->ntime, id);
            c->sent_ns[(c->head + c->waiting) % WAITING_MAX] = now_ns();
            c->waiting++;
            send_line(c, line, (size_t)(end - line));
        }
    }
}

/* Serves sockets for one wait of epoll; returns 1 when a command lies on stdin. */
static int serve_once(int wait_ms) {
    static struct epoll_event events[EVENTS];
    int command = 0;
    if (run.steady) {
        submit_due(now_ns());
        if (wait_ms > TICK_MS)
            wait_ms = TICK_MS;
    }
    int count = epoll_wait(poller, events, EVENTS, wait_ms);
    if (count < 0 && errno != EINTR)
        fail("epoll_wait: %s", strerror(errno));
    for (int i = 0; i < count; i++) {
        connection *c = events[i].data.ptr;
        if (!c)
            command = 1;
        else if (c->phase == CONNECTING)
            connected(c);
        else
            take_bytes(c);
    }
    return command;
}

static void begin_figures(void) {
    memset(&run.logins, 0, sizeof run.logins);
    memset(&run.answers, 0, sizeof run.answers);
    memset(run.refused, 0, sizeof run.refused);
    run.answered = run.left_out = 0;
    run.jobs_count = run.jobs_complete = 0;
}

static double quantile_ms(const histogram *h, double part) {
    return h->total ? (double)histogram_quantile(h, part) / 1000 : 0;
}

static void print_figures(uint64_t start_ns, double server_cpu_s) {
    printf("{\"seconds\": %.4f, \"server_cpu_s\": %.2f, \"connections\": %d, \"logins\": %llu, "
           "\"login_p50_ms\": %.3f, \"login_p99_ms\": %.3f, \"answered\": %llu, "
           "\"left_out\": %llu, \"p50_ms\": %.3f, \"p99_ms\": %.3f, \"max_ms\": %.3f, "
           "\"refused\": {",
           (double)(now_ns() - start_ns) / 1e9, cpu_seconds_of(options.server_pids) - server_cpu_s,
           run.working, (unsigned long long)run.logins.total, quantile_ms(&run.logins, 0.5),
           quantile_ms(&run.logins, 0.99), (unsigned long long)run.answered,
           (unsigned long long)run.left_out, quantile_ms(&run.answers, 0.5),
           quantile_ms(&run.answers, 0.99), (double)run.answers.most / 1000);
    const char *comma = "";
    for (int code = 0; code < CODES; code++)
        if (run.refused[code]) {
            printf("%s\"%d\": %llu", comma, code, (unsigned long long)run.refused[code]);
            comma = ", ";
        }
    printf("}, \"jobs\": [");
    for (int i = 0; i < run.jobs_count; i++)
        printf("%s{\"first_ns\": %llu, \"last_ns\": %llu, \"received\": %d}", i ? ", " : "",
               (unsigned long long)run.jobs[i].first_ns, (unsigned long long)run.jobs[i].last_ns,
               run.jobs[i].received);
    printf("]}\n");
    fflush(stdout);
}

static void log_in(int count, int opening) {
    int goal = run.opened + count;
    if (goal > CONNECTIONS_MAX)
        fail("at most %d connections", CONNECTIONS_MAX);
    double server_cpu_s = cpu_seconds_of(options.server_pids);
    uint64_t start = now_ns(), deadline = start + LOGIN_S * 1000000000ull;
    if (!opening)
        opening = count;
    while (run.working < goal) {
        while (run.opened < goal && run.opened - run.working < opening)
            open_connection(&run.all[run.opened++]);
        if (now_ns() > deadline)
            fail("only %d of %d connections had a job after %d s", run.working, goal, LOGIN_S);
        serve_once(100);
    }
    print_figures(start, server_cpu_s);
}

static void set_steady(int count, double rate) {
    if (count > run.working || (count && rate <= 0))
        fail("steady: at most the %d connections there are, RATE above 0", run.working);
    run.every_ns = count ? (uint64_t)(1e9 / rate) : 0;
    uint64_t now = now_ns();
    for (int i = 0; i < count; i++) {
        connection *c = &run.all[i];
        if (!c->sent_ns && !(c->sent_ns = calloc(WAITING_MAX, sizeof *c->sent_ns)))
            fail("out of memory");
        c->due_ns = now + run.every_ns * (uint64_t)i / (uint64_t)count;
    }
    run.steady = count;
    printf("{}\n");
    fflush(stdout);
}

static void watch(double seconds, int jobs) {
    printf("{}\n"); /* whoever makes the new job waits for this */
    fflush(stdout);
    double server_cpu_s = cpu_seconds_of(options.server_pids);
    uint64_t start = now_ns(), deadline = start + (uint64_t)(seconds * 1e9);
    while (now_ns() < deadline && !(jobs && run.jobs_complete >= jobs)) {
        uint64_t now = now_ns();
        serve_once(now < deadline ? (int)((deadline - now) / 1000000) + 1 : 0);
    }
    print_figures(start, server_cpu_s);
}

static void obey(const char *command) {
    int count, number;
    double rate, seconds;
    begin_figures();
    if (sscanf(command, "login %d %d", &count, &number) == 2 && count > 0)
        log_in(count, number);
    else if (sscanf(command, "steady %d %lf", &count, &rate) == 2)
        set_steady(count, rate);
    else if (sscanf(command, "watch %lf %d", &seconds, &number) == 2)
        watch(seconds, number);
    else
        fail("no such command: %s", command);
}

int main(int count, char **words) {
    char command[128];
    if (count < 3)
        fail("usage: crowd PORT SERVER_PID,... [USER], commands on stdin");
    options.port = (uint16_t)atoi(words[1]);
    options.server_pids = words[2];
    options.user = count > 3 ? words[3] : NULL;
    options.password = getenv("KENCH_LOAD_PASSWORD");
    if (!options.password)
        options.password = "x";
    if (options.user && strlen(options.user) > 128)
        fail("USER is too long");
    poller = epoll_create1(0);
    run.all = calloc(CONNECTIONS_MAX, sizeof *run.all);
    if (poller < 0 || !run.all)
        fail("out of memory");
    for (;;) {
        /* One command at a time, read byte by byte: none waits in a buffer that epoll cannot see. */
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = NULL};
        if (epoll_ctl(poller, EPOLL_CTL_ADD, STDIN_FILENO, &event))
            fail("epoll_ctl: %s", strerror(errno));
        while (!serve_once(1000))
            ;
        epoll_ctl(poller, EPOLL_CTL_DEL, STDIN_FILENO, NULL);
        size_t size = 0;
        while (size < sizeof command - 1 && read(STDIN_FILENO, command + size, 1) == 1
               && command[size] != '\n')
            size++;
        command[size] = 0;
        if (!size)
            return 0;
        obey(command);
    }
}
