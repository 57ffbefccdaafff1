
/*
 * Copyright (C) the ngx_http_socketio_module authors
 */


/*
 * A load generator for websockets, one thread on epoll, and the floor that a
 * fan-out is measured against: a bare epoll server with one prebuilt frame
 * and one send() for each client.  All on 127.0.0.1.
 *
 *   load idle   PORT CLIENTS SECONDS [deflate]
 *   load fanout PORT CLIENTS MESSAGES [SIZE [deflate]]
 *                                        POST /_publish, wait for all, repeat
 *   load acks   PORT CLIENTS IN_FLIGHT SECONDS
 *   load floor  PORT                     answers "fanout" of another load
 *
 * With "deflate" clients offer it, and do not look into what they get.
 */


#include "wire.h"


#define MESSAGE_SIZE  100


typedef struct {
    int       fd;
    int       joined;
    size_t    len;
    unsigned char  *buf;
} client_t;


static int       port, epfd;
static client_t *clients;
static unsigned  nclients, njoined;
static uint64_t  received, acked;
static unsigned  next_ack;
static unsigned char  out[65536];
static size_t    out_len;
static unsigned  message_size = MESSAGE_SIZE;
static size_t    buf_size = 2048;
static int       deflate;


/* into the buffer of this turn of the client: one write() for all of it */

static void
emit(void)
{
    int             n;
    unsigned char  *p;

    p = &out[out_len];
    n = sprintf((char *) p + 6, "42%u[\"e\",1]", next_ack++ % 100000);
    p[0] = 0x81;
    p[1] = (unsigned char) (0x80 | n);
    memset(&p[2], 0, 4);
    out_len += (size_t) n + 6;
}


static void
flush(client_t *c)
{
    if (out_len) {
        put(c->fd, out, out_len);
        out_len = 0;
    }
}


static void
packet(client_t *c, unsigned char *p, size_t len, int reply)
{
    if (len >= 2 && p[0] == '4' && p[1] == '0') {
        if (!c->joined) {
            c->joined = 1;
            njoined++;
        }

    } else if (len >= 2 && p[0] == '4' && p[1] == '2') {
        received++;

    } else if (len >= 2 && p[0] == '4' && p[1] == '3') {
        acked++;

        if (reply) {
            emit();
        }

    } else if (len == 1 && p[0] == '2') {
        put_text(c->fd, "3");
    }
}


static void
feed(client_t *c, int reply)
{
    size_t          size, header;
    ssize_t         n;
    unsigned char  *p, *last;

    n = read(c->fd, c->buf + c->len, buf_size - c->len);

    if (n <= 0) {
        if (n == -1 && errno == EAGAIN) {
            return;
        }

        fprintf(stderr, "a client was closed\n");
        exit(2);
    }

    c->len += (size_t) n;
    p = c->buf;
    last = c->buf + c->len;

    for ( ;; ) {

        if (last - p < 2) {
            break;
        }

        size = p[1] & 0x7f;
        header = 2;

        if (size == 126) {
            if (last - p < 4) {
                break;
            }

            size = (size_t) p[2] << 8 | p[3];
            header = 4;
        }

        if ((size_t) (last - p) < header + size) {
            break;
        }

        if (p[0] & 0x40) {
            received++;

        } else {
            packet(c, p + header, size, reply);
        }

        p += header + size;
    }

    flush(c);

    c->len = (size_t) (last - p);
    memmove(c->buf, p, c->len);
}


static void
turn(int ms, int reply)
{
    int                 i, n;
    struct epoll_event  events[MAX_EVENTS];

    n = epoll_wait(epfd, events, MAX_EVENTS, ms);

    for (i = 0; i < n; i++) {
        feed(events[i].data.ptr, reply);
    }
}


static void
open_clients(unsigned n)
{
    char                buf[4096], *end;
    size_t              len;
    ssize_t             got;
    unsigned            i;
    struct rlimit       rl;
    struct epoll_event  ee;

    static const char  request[] =
        "GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\n"
        "Host: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Version: 13\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
    static const char  offer[] =
        "Sec-WebSocket-Extensions: permessage-deflate\r\n";

    rl.rlim_cur = rl.rlim_max = n + 64;
    (void) setrlimit(RLIMIT_NOFILE, &rl);

    epfd = epoll_create1(0);
    nclients = n;
    clients = calloc(n, sizeof(client_t));

    for (i = 0; i < n; i++) {
        clients[i].fd = dial(port);
        clients[i].buf = malloc(buf_size);

        if (clients[i].buf == NULL) {
            die("malloc");
        }

        put(clients[i].fd, request, sizeof(request) - 1);
        put(clients[i].fd, offer, deflate ? sizeof(offer) - 1 : 0);
        put(clients[i].fd, "\r\n", 2);

        for (len = 0, end = NULL; end == NULL; ) {
            got = read(clients[i].fd, buf + len, sizeof(buf) - 1 - len);
            if (got <= 0) {
                die("handshake");
            }

            len += (size_t) got;
            buf[len] = '\0';
            end = strstr(buf, "\r\n\r\n");
        }

        if (memcmp(buf, "HTTP/1.1 101", 12) != 0) {
            fprintf(stderr, "%s\n", buf);
            exit(2);
        }

        end += 4;
        clients[i].len = len - (size_t) (end - buf);
        memcpy(clients[i].buf, end, clients[i].len);

        fcntl(clients[i].fd, F_SETFL, O_NONBLOCK);
        ee.events = EPOLLIN;
        ee.data.ptr = &clients[i];
        epoll_ctl(epfd, EPOLL_CTL_ADD, clients[i].fd, &ee);

        put_text(clients[i].fd, "40");
    }

    while (njoined < n) {
        turn(1000, 0);
    }
}


/* an array of small objects, no two alike */

static void
publish(int fd)
{
    int              n;
    size_t           len;
    char             head[128];
    static char      body[MESSAGE_MAX + 256];
    static unsigned  seed;

    len = (size_t) sprintf(body, "{\"all\":true,\"event\":\"m\",\"args\":[");

    do {
        seed = seed * 1103515245 + 12345;
        len += (size_t) sprintf(body + len, "{\"id\":%u,\"name\":\"user%u\","
                                "\"at\":%u,\"ok\":%s},",
                                seed % 10000, seed / 7 % 300, seed / 3,
                                (seed & 4096) ? "true" : "false");
    } while (len < message_size);

    len += (size_t) sprintf(body + len - 1, "]}") - 1;

    n = sprintf(head, "POST /_publish HTTP/1.1\r\nHost: localhost\r\n"
                "Content-Length: %u\r\n\r\n", (unsigned) len);
    put(fd, head, (size_t) n);
    put(fd, body, len);

    if (read(fd, body, sizeof(body)) <= 0) {
        die("publish");
    }
}


static void
fanout(unsigned messages)
{
    int       fd;
    double    start, s;
    unsigned  i;
    uint64_t  want;

    fd = dial(port);
    received = 0;
    start = now();

    for (i = 1; i <= messages; i++) {
        publish(fd);

        for (want = (uint64_t) i * nclients; received < want; ) {
            turn(1000, 0);
        }
    }

    s = now() - start;
    printf("%u clients, %u messages: %.0f deliveries/s\n", nclients, messages,
           (double) received / s);
}


static void
acks(unsigned flight, unsigned seconds)
{
    double    start;
    unsigned  i, k;

    for (i = 0; i < nclients; i++) {
        for (k = 0; k < flight; k++) {
            emit();
        }

        flush(&clients[i]);
    }

    start = now();
    acked = 0;

    while (now() - start < seconds) {
        turn(1000, 1);
    }

    printf("%u clients x %u in flight: %.0f acks/s\n", nclients, flight,
           (double) acked / (now() - start));
}


/* the floor: handshakes by rote, then each POST is one frame to everybody */

static void
serve(void)
{
    int                 ls, fd, one, i, k, n, *fds, nfds, *new_fds;
    char                buf[8192];
    ssize_t             got;
    size_t              len;
    unsigned char       frame[MESSAGE_SIZE + 2];
    struct rlimit       rl;
    struct sockaddr_in  sin;
    struct epoll_event  ee, events[MAX_EVENTS];

    static const char  upgrade[] =
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
        "Connection: upgrade\r\n\r\n";
    static const char  good[] =
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

    rl.rlim_cur = rl.rlim_max = 65536;
    (void) setrlimit(RLIMIT_NOFILE, &rl);

    frame[0] = 0x81;
    frame[1] = MESSAGE_SIZE;
    memset(&frame[2], 'x', MESSAGE_SIZE);
    memcpy(&frame[2], "42", 2);

    ls = socket(AF_INET, SOCK_STREAM, 0);
    one = 1;
    setsockopt(ls, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
    memset(&sin, 0, sizeof(sin));
    sin.sin_family = AF_INET;
    sin.sin_port = htons((uint16_t) port);
    sin.sin_addr.s_addr = htonl(INADDR_LOOPBACK);

    if (bind(ls, (struct sockaddr *) &sin, sizeof(sin)) == -1
        || listen(ls, 4096) == -1)
    {
        die("listen");
    }

    epfd = epoll_create1(0);
    ee.events = EPOLLIN;
    ee.data.fd = ls;
    epoll_ctl(epfd, EPOLL_CTL_ADD, ls, &ee);

    fds = NULL;
    nfds = 0;

    for ( ;; ) {
        n = epoll_wait(epfd, events, MAX_EVENTS, -1);

        for (i = 0; i < n; i++) {
            fd = events[i].data.fd;

            if (fd == ls) {
                fd = accept(ls, NULL, NULL);
                setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
                ee.data.fd = fd;
                epoll_ctl(epfd, EPOLL_CTL_ADD, fd, &ee);
                continue;
            }

            got = read(fd, buf, sizeof(buf));

            if (got <= 0) {
                close(fd);

                for (k = 0; k < nfds; k++) {
                    if (fds[k] == fd) {
                        fds[k--] = fds[--nfds];
                    }
                }

                continue;
            }

            len = (size_t) got;

            if (len > 4 && memcmp(buf, "GET ", 4) == 0) {
                put(fd, upgrade, sizeof(upgrade) - 1);

                new_fds = realloc(fds, (size_t) (nfds + 1) * sizeof(int));
                if (new_fds == NULL) {
                    die("realloc");
                }

                fds = new_fds;
                fds[nfds++] = fd;

            } else if (len > 5 && memcmp(buf, "POST ", 5) == 0) {

                put(fd, good, sizeof(good) - 1);

                for (k = 0; k < nfds; k++) {
                    put(fds[k], frame, sizeof(frame));
                }

            } else {
                /* "40", masked with zeros */
                put(fd, "\x81\x02" "40", 4);
            }
        }
    }
}


int
main(int argc, char **argv)
{
    if (argc < 3) {
        fprintf(stderr, "usage: see the head of load.c\n");
        return 2;
    }

    port = atoi(argv[2]);

    if (strcmp(argv[1], "floor") == 0) {
        serve();
    }

    if (argc < 5) {
        return 2;
    }

    deflate = strcmp(argv[argc - 1], "deflate") == 0;

    if (strcmp(argv[1], "fanout") == 0 && argc > 5) {
        message_size = (unsigned) atoi(argv[5]);
        buf_size += message_size + 200;

        if (message_size > MESSAGE_MAX) {
            return 2;
        }
    }

    open_clients((unsigned) atoi(argv[3]));

    if (strcmp(argv[1], "idle") == 0) {
        double  end;

        printf("%u clients are there\n", nclients);
        fflush(stdout);

        for (end = now() + atoi(argv[4]); now() < end; ) {
            turn(1000, 0);
        }

    } else if (strcmp(argv[1], "fanout") == 0) {
        fanout((unsigned) atoi(argv[4]));

    } else if (strcmp(argv[1], "acks") == 0 && argc > 5) {
        acks((unsigned) atoi(argv[4]), (unsigned) atoi(argv[5]));
    }

    return 0;
}
