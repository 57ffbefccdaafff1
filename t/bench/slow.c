
/*
 * Copyright (C) the ngx_http_socketio_module authors
 */


/*
 * Thousands of clients that do not read, and what they cost those that do:
 * messages are published to all of them, at a rate, and the time that each
 * takes to a hundred good websockets is measured, while the others
 *
 *   deaf  never read          slow  read a byte a second
 *   mute  open a session and say nothing
 *
 *   slow PORT CLIENTS SECONDS deaf|slow|mute websocket|polling 3|4
 *        [RATE [SIZE]]
 *
 * By hand: PORT has socketio, socketio_publish and "socketio_status json" at
 * /socket.io/, /_publish and /_status.  Prints the zone and the workers' memory
 * before, with the crowd, after the messages, and when all have left.
 */


#include "wire.h"


#define GOOD     100
#define SAMPLES  2000000


typedef struct {
    int              fd;
    int              good;
    size_t           len;
    unsigned char   *buf;
    size_t           size;
} peer_t;


static int        port, revision;
static int        epfd;
static double    *samples;
static unsigned   nsamples, closed;
static peer_t     good[GOOD];
static peer_t    *crowd;


/* the head and body of one answer; returns its length */

static size_t
answer(int fd, char *buf, size_t size)
{
    char     *end, *p;
    size_t    len, want;
    ssize_t   n;

    len = 0;
    want = size;

    while (len < want) {
        n = read(fd, buf + len, size - 1 - len);

        if (n <= 0) {
            die("answer");
        }

        len += (size_t) n;
        buf[len] = '\0';
        end = strstr(buf, "\r\n\r\n");

        if (end && want == size) {
            p = strstr(buf, "Content-Length: ");
            want = (size_t) (end + 4 - buf) + (p ? strtoul(p + 16, NULL, 10)
                                                 : 0);
        }
    }

    return len;
}


static void
request(int fd, const char *method, const char *query, const char *body)
{
    int   n;
    char  head[512];

    n = snprintf(head, sizeof(head),
                 "%s /socket.io/?EIO=%d&transport=%s HTTP/1.1\r\n"
                 "Host: localhost\r\nContent-Length: %zu\r\n\r\n",
                 method, revision, query, strlen(body));

    put(fd, head, (size_t) n);
    put(fd, body, strlen(body));
}


static void
open_websocket(int fd, int eio, int joins)
{
    int   n;
    char  buf[4096], head[512];

    n = snprintf(head, sizeof(head),
                 "GET /socket.io/?EIO=%d&transport=websocket HTTP/1.1\r\n"
                 "Host: localhost\r\nUpgrade: websocket\r\n"
                 "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                 "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n", eio);
    put(fd, head, (size_t) n);
    answer(fd, buf, sizeof(buf));

    if (memcmp(buf, "HTTP/1.1 101", 12) != 0) {
        fprintf(stderr, "%s\n", buf);
        exit(2);
    }

    if (joins && eio != 3) {
        put_text(fd, "40");
    }
}


/* leaves a GET behind, of which nobody reads the answer */

static void
open_polling(int fd, int joins)
{
    char  buf[4096], query[128], *sid;

    request(fd, "GET", "polling", "");
    answer(fd, buf, sizeof(buf));

    sid = strstr(buf, "\"sid\":\"");

    if (sid == NULL) {
        fprintf(stderr, "%s\n", buf);
        exit(2);
    }

    snprintf(query, sizeof(query), "polling&sid=%.22s", sid + 7);

    if (joins && revision != 3) {
        request(fd, "POST", query, "40");
        answer(fd, buf, sizeof(buf));
        request(fd, "GET", query, "");
        answer(fd, buf, sizeof(buf));
    }

    if (joins) {
        request(fd, "GET", query, "");
    }
}


static void
watch(peer_t *p, uint32_t what)
{
    struct epoll_event  ee;

    fcntl(p->fd, F_SETFL, O_NONBLOCK);
    ee.events = what;
    ee.data.ptr = p;
    epoll_ctl(epfd, EPOLL_CTL_ADD, p->fd, &ee);
}


static void
hear(peer_t *p)
{
    char           *t;
    size_t          size, header;
    ssize_t         n;
    unsigned char  *pos, *last;

    n = read(p->fd, p->buf + p->len, p->size - p->len);

    if (n <= 0) {
        if (n == -1 && errno == EAGAIN) {
            return;
        }

        fprintf(stderr, "a good client was closed\n");
        exit(1);
    }

    p->len += (size_t) n;
    pos = p->buf;
    last = pos + p->len;

    while (last - pos >= 4) {
        size = pos[1] & 0x7f;
        header = 2;

        if (size == 126) {
            size = (size_t) pos[2] << 8 | pos[3];
            header = 4;
        }

        if ((size_t) (last - pos) < header + size) {
            break;
        }

        if (size == 1 && pos[header] == '2') {
            put_text(p->fd, "3");
        }

        t = memmem(pos + header, size, "[\"t\",", 5);

        if (t && nsamples < SAMPLES) {
            samples[nsamples++] = now() - strtod(t + 5, NULL);
        }

        pos += header + size;
    }

    p->len = (size_t) (last - pos);
    memmove(p->buf, pos, p->len);
}


static void
turn(int ms)
{
    int                 i, n;
    peer_t             *p;
    struct epoll_event  events[MAX_EVENTS];

    n = epoll_wait(epfd, events, MAX_EVENTS, ms);

    for (i = 0; i < n; i++) {
        p = events[i].data.ptr;

        if (p->good) {
            hear(p);

        } else if (events[i].events & (EPOLLHUP|EPOLLERR|EPOLLRDHUP)) {
            epoll_ctl(epfd, EPOLL_CTL_DEL, p->fd, NULL);
            closed++;
        }
    }
}


/* "name":N of the status, from where "after" is */

static unsigned long
field(const char *text, const char *after, const char *name)
{
    char  word[64], *p;

    text = strstr(text, after);
    snprintf(word, sizeof(word), "\"%s\":", name);
    p = text ? strstr(text, word) : NULL;

    return p ? strtoul(p + strlen(word), NULL, 10) : 0;
}


static unsigned long
rss(unsigned long pid)
{
    FILE           *f;
    char            name[64];
    unsigned long   size, pages;

    snprintf(name, sizeof(name), "/proc/%lu/statm", pid);
    f = fopen(name, "r");

    if (f == NULL || fscanf(f, "%lu %lu", &size, &pages) != 2) {
        pages = 0;
    }

    if (f) {
        fclose(f);
    }

    return pages * 4;
}


static void
report(const char *when)
{
    int            fd;
    char          *p;
    unsigned long  all;
    static char    buf[65536];

    static const char  get[] = "GET /_status HTTP/1.1\r\nHost: localhost\r\n"
                               "\r\n";

    fd = dial(port);
    put(fd, get, sizeof(get) - 1);
    answer(fd, buf, sizeof(buf));
    close(fd);

    for (all = 0, p = buf; (p = strstr(p, "\"pid\":")) != NULL; p += 6) {
        all += rss(strtoul(p + 6, NULL, 10));
    }

    printf("%-8s zone %6lu KB, sessions %lu + %lu, slow %lu, "
           "held %lu, workers %lu KB, closed %u\n", when,
           (field(buf, "zone", "bytes") - field(buf, "zone", "free")) / 1024,
           field(buf, "sessions", "polling"),
           field(buf, "sessions", "websocket"), field(buf, "sessions", "slow"),
           field(buf, "queues", "held"), all, closed);
    fflush(stdout);
}


static void
publish(int fd, size_t size)
{
    int          n;
    char         head[128], got[4096];
    size_t       len;
    static char  body[MESSAGE_MAX + 256];

    len = (size_t) sprintf(body, "{\"all\":true,\"event\":\"t\",\"args\":"
                           "[%.6f,\"", now());
    memset(body + len, 'x', size);
    len += size;
    len += (size_t) sprintf(body + len, "\"]}");

    n = sprintf(head, "POST /_publish HTTP/1.1\r\nHost: localhost\r\n"
                "Content-Length: %zu\r\n\r\n", len);
    put(fd, head, (size_t) n);
    put(fd, body, len);
    answer(fd, got, sizeof(got));
}


static int
compare(const void *a, const void *b)
{
    double  x, y;

    x = *(const double *) a;
    y = *(const double *) b;

    return (x > y) - (x < y);
}


static void
latency(void)
{
    qsort(samples, nsamples, sizeof(double), compare);

    if (nsamples) {
        printf("%u deliveries to %d good clients: median %.2f ms, "
               "99%% %.2f ms, worst %.2f ms\n", nsamples, GOOD,
               samples[nsamples / 2] * 1e3,
               samples[(size_t) nsamples * 99 / 100] * 1e3,
               samples[nsamples - 1] * 1e3);
    }
}


static void
run(unsigned n, double seconds, int slow, double rate, size_t size)
{
    int       fd;
    char      byte;
    double    start, next, second;
    unsigned  i;

    fd = dial(port);
    start = next = second = now();

    while (now() - start < seconds) {

        if (now() >= next) {
            publish(fd, size);
            next += 1 / rate;
        }

        if (slow && now() >= second) {
            for (i = 0; i < n; i++) {
                if (read(crowd[i].fd, &byte, 1) == -1) {
                    continue;
                }
            }

            second += 1;
        }

        turn(next > now() ? (int) ((next - now()) * 1e3) + 1 : 0);
    }

    close(fd);
}


int
main(int argc, char **argv)
{
    int            small, joins, polling;
    double         end;
    unsigned       i, n;
    struct rlimit  rl;

    if (argc < 7) {
        fprintf(stderr, "usage: see the head of slow.c\n");
        return 2;
    }

    port = atoi(argv[1]);
    n = (unsigned) atoi(argv[2]);
    joins = strcmp(argv[4], "mute") != 0;
    polling = strcmp(argv[5], "polling") == 0;
    revision = atoi(argv[6]);

    rl.rlim_cur = rl.rlim_max = n + GOOD + 64;
    (void) setrlimit(RLIMIT_NOFILE, &rl);

    epfd = epoll_create1(0);
    samples = malloc(SAMPLES * sizeof(double));
    crowd = calloc(n, sizeof(peer_t));

    report("before");

    for (i = 0; i < GOOD; i++) {
        good[i].fd = dial(port);
        good[i].good = 1;
        good[i].size = 4 * MESSAGE_MAX;
        good[i].buf = malloc(good[i].size);
        open_websocket(good[i].fd, 4, 1);
        watch(&good[i], EPOLLIN);
    }

    for (i = 0; i < n; i++) {
        crowd[i].fd = dial(port);
        small = 4096;
        setsockopt(crowd[i].fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small));

        if (polling) {
            open_polling(crowd[i].fd, joins);

        } else {
            open_websocket(crowd[i].fd, revision, joins);
        }

        watch(&crowd[i], EPOLLRDHUP);
        turn(0);
    }

    report("crowd");

    run(n, atof(argv[3]), strcmp(argv[4], "slow") == 0,
        argc > 7 ? atof(argv[7]) : 10, argc > 8 ? (size_t) atoi(argv[8]) : 100);

    report("messages");
    latency();

    for (i = 0; i < n; i++) {
        close(crowd[i].fd);
    }

    for (end = now() + 3; now() < end; ) {
        turn(100);
    }

    report("left");

    return 0;
}
