
/*
 * Copyright (C) the ngx_http_socketio_module authors
 */


/*
 * Whom the worker of fuzz_worker.c talks to: clients, which read all that they
 * get and learn ids from it, and a backend, which answers by the script.
 */


#ifndef _WORKER_PEERS_H_INCLUDED_
#define _WORKER_PEERS_H_INCLUDED_


#include "ngx_http_socketio.h"

#include <ngx_event.h>

#include <sys/un.h>


#define FUZZ_CLIENTS  8
#define FUZZ_HOOKS    16
#define FUZZ_ANSWERS  16
#define FUZZ_BUFFER   65536
#define FUZZ_ID       192
#define FUZZ_TURNS    200

#define must(cond)                                                            \
    if (!(cond)) {                                                            \
        fprintf(stderr, "%s:%d: violated: %s\n", __FILE__, __LINE__, #cond);  \
        abort();                                                              \
    }


typedef struct {
    int         fd;                         /* -1: none */
    ngx_uint_t  stalled;
    ngx_uint_t  waiting;                    /* hooks: for an answer */
    size_t      len;                        /* of what has been read of one */
    u_char     *data;
} fuzz_peer_t;


typedef struct {
    u_char      kind;
    size_t      len;
    u_char     *data;
} fuzz_answer_t;


void __real_ngx_process_events_and_timers(ngx_cycle_t *cycle);

static void fuzz_connect(fuzz_peer_t *c);
static void fuzz_send(fuzz_peer_t *c, u_char *p, size_t len);
static void fuzz_close(fuzz_peer_t *c, ngx_uint_t reset);
static void fuzz_pump(void);
static ngx_uint_t fuzz_read(fuzz_peer_t *c);
static void fuzz_learn(u_char *p, size_t len);
static void fuzz_learn_one(char *to, u_char *p, u_char *last);
static ngx_uint_t fuzz_accept(void);
static ngx_uint_t fuzz_hook(fuzz_peer_t *h);
static ngx_uint_t fuzz_hook_complete(fuzz_peer_t *h);
static void fuzz_answer(fuzz_peer_t *h);
static void fuzz_answer_chunks(fuzz_peer_t *h, fuzz_answer_t *a);
static void fuzz_address(struct sockaddr_un *sun, const char *name);


static char           fuzz_dir[80];
static int            fuzz_listen;
static fuzz_peer_t    fuzz_clients[FUZZ_CLIENTS];
static fuzz_peer_t    fuzz_hooks[FUZZ_HOOKS];
static fuzz_answer_t  fuzz_answers[FUZZ_ANSWERS];
static ngx_uint_t     fuzz_nanswers;
static ngx_uint_t     fuzz_held;

/* learned */

static char           fuzz_sid[FUZZ_ID];
static char           fuzz_socket[FUZZ_ID];
static char           fuzz_pid[FUZZ_ID];
static char           fuzz_ids[4][FUZZ_ID];


static void
fuzz_address(struct sockaddr_un *sun, const char *name)
{
    ngx_memzero(sun, sizeof(*sun));
    sun->sun_family = AF_UNIX;

    must(snprintf(sun->sun_path, sizeof(sun->sun_path), "%s/%s", fuzz_dir,
                  name) < (int) sizeof(sun->sun_path));
}


static void
fuzz_connect(fuzz_peer_t *c)
{
    struct sockaddr_un  sun;

    if (c->fd != -1) {
        return;
    }

    fuzz_address(&sun, "client");

    c->stalled = 0;
    c->fd = socket(AF_UNIX, SOCK_STREAM|SOCK_NONBLOCK, 0);
    must(c->fd != -1);
    must(connect(c->fd, (struct sockaddr *) &sun, sizeof(sun)) == 0);
}


/* what the worker does not read is lost */

static void
fuzz_send(fuzz_peer_t *c, u_char *p, size_t len)
{
    ssize_t  n;

    if (c >= fuzz_clients && c < fuzz_clients + FUZZ_CLIENTS) {
        fuzz_connect(c);
    }

    n = send(c->fd, p, len, MSG_NOSIGNAL);
    (void) n;
}


static void
fuzz_close(fuzz_peer_t *c, ngx_uint_t reset)
{
    if (c->fd == -1) {
        return;
    }

    /* with unread bytes in it a unix socket resets its peer */

    if (!reset) {
        shutdown(c->fd, SHUT_WR);
        fuzz_pump();
    }

    if (c->fd != -1) {
        close(c->fd);
    }

    c->fd = -1;
    c->len = 0;
    c->waiting = 0;
}


static void
fuzz_pump(void)
{
    ngx_uint_t  i, n, idle, moved;

    for (idle = 0, n = 0; n < FUZZ_TURNS && idle < 2; n++) {
        moved = !ngx_queue_empty(&ngx_posted_events)
                || !ngx_queue_empty(&ngx_posted_next_events);

        __real_ngx_process_events_and_timers((ngx_cycle_t *) ngx_cycle);

        for (i = 0; i < FUZZ_CLIENTS; i++) {
            moved |= fuzz_read(&fuzz_clients[i]);
        }

        moved |= fuzz_accept();

        for (i = 0; i < FUZZ_HOOKS; i++) {
            moved |= fuzz_hook(&fuzz_hooks[i]);
        }

        idle = moved ? 0 : idle + 1;
    }
}


static ngx_uint_t
fuzz_read(fuzz_peer_t *c)
{
    u_char   buf[16384];
    ssize_t  n;

    if (c->fd == -1 || c->stalled) {
        return 0;
    }

    n = recv(c->fd, buf, sizeof(buf), 0);

    if (n > 0) {
        fuzz_learn(buf, n);
        return 1;
    }

    if (n == 0 || ngx_errno != NGX_EAGAIN) {
        close(c->fd);
        c->fd = -1;
    }

    return 0;
}


static void
fuzz_learn(u_char *p, size_t len)
{
    u_char  *last, *q;

    last = p + len;

    for (q = p; (q = memmem(q, last - q, "\"sid\":\"", 7)) != NULL; q += 7) {
        fuzz_learn_one(q >= p + 3 && q[-3] == '4' && q[-2] == '0'
                       ? fuzz_socket : fuzz_sid, q + 7, last);
    }

    q = memmem(p, len, "\"pid\":\"", 7);

    if (q) {
        fuzz_learn_one(fuzz_pid, q + 7, last);
    }
}


static void
fuzz_learn_one(char *to, u_char *p, u_char *last)
{
    size_t  n;

    for (n = 0; p < last && *p != '"' && *p != '\\' && n < FUZZ_ID - 1; n++) {
        to[n] = *p++;
    }

    to[n] = '\0';
}


static ngx_uint_t
fuzz_accept(void)
{
    int         fd;
    ngx_uint_t  i;

    for (i = 0; i < FUZZ_HOOKS; i++) {
        if (fuzz_hooks[i].fd == -1) {
            break;
        }
    }

    if (i == FUZZ_HOOKS) {
        return 0;
    }

    fd = accept4(fuzz_listen, NULL, NULL, SOCK_NONBLOCK);

    if (fd == -1) {
        return 0;
    }

    fuzz_hooks[i].fd = fd;
    fuzz_hooks[i].len = 0;
    fuzz_hooks[i].waiting = 0;

    return 1;
}


static ngx_uint_t
fuzz_hook(fuzz_peer_t *h)
{
    ssize_t     n;
    ngx_uint_t  moved;

    if (h->fd == -1) {
        return 0;
    }

    moved = 0;
    n = recv(h->fd, h->data + h->len, FUZZ_BUFFER - h->len, 0);

    if (n == 0 || (n < 0 && ngx_errno != NGX_EAGAIN)) {
        close(h->fd);
        h->fd = -1;
        h->waiting = 0;

        return 1;
    }

    if (n > 0) {
        h->len += n;
        moved = 1;

        if (fuzz_hook_complete(h)) {
            h->waiting = 1;
            h->len = 0;
        }
    }

    if (h->waiting && !fuzz_held) {
        fuzz_answer(h);
        return 1;
    }

    return moved;
}


/* and learns its ids */

static ngx_uint_t
fuzz_hook_complete(fuzz_peer_t *h)
{
    size_t       need;
    u_char      *body, *length, *p, *last;
    ngx_uint_t   i;

    body = memmem(h->data, h->len, "\r\n\r\n", 4);
    length = memmem(h->data, h->len, "Content-Length: ", 16);

    if (body == NULL) {
        must(h->len < FUZZ_BUFFER);
        return 0;
    }

    body += 4;
    need = length && length < body ? strtoul((char *) length + 16, NULL, 10)
                                   : 0;
    must(body + need <= h->data + FUZZ_BUFFER);

    if ((size_t) (h->data + h->len - body) < need) {
        return 0;
    }

    last = body + need;

    for (p = body, i = 0; i < 4; i++, p += 6) {
        p = memmem(p, last - p, "\"id\":\"", 6);

        if (p == NULL) {
            break;
        }

        fuzz_learn_one(fuzz_ids[i], p + 6, last);
    }

    return 1;
}


/* by what the script has next; a backend without more to say takes all */

static void
fuzz_answer(fuzz_peer_t *h)
{
    int             n;
    char            head[128];
    fuzz_answer_t   a;

    a.kind = 'B';
    a.len = 0;
    a.data = NULL;

    if (fuzz_nanswers) {
        a = fuzz_answers[0];
        fuzz_nanswers--;
        ngx_memmove(&fuzz_answers[0], &fuzz_answers[1],
                    fuzz_nanswers * sizeof(fuzz_answer_t));
    }

    h->waiting = 0;

    switch (a.kind) {

    case 'R':
        fuzz_send(h, a.data, a.len);
        close(h->fd);
        h->fd = -1;
        break;

    case 'K':
        fuzz_answer_chunks(h, &a);
        break;

    default:
        n = a.kind == 'S' && a.len >= 3 ? 3 : 0;
        snprintf(head, sizeof(head), "HTTP/1.1 %.*s X\r\n"
                 "Content-Length: %d\r\n\r\n", 3,
                 n && a.data[0] >= '2' && a.data[0] <= '5'
                   && a.data[1] >= '0' && a.data[1] <= '9'
                   && a.data[2] >= '0' && a.data[2] <= '9'
                 ? (char *) a.data : "200", (int) a.len - n);
        fuzz_send(h, (u_char *) head, strlen(head));

        if (a.len - n) {
            fuzz_send(h, a.data + n, a.len - n);
        }
    }

    free(a.data);
}


/* each line when the one before it has been read */

static void
fuzz_answer_chunks(fuzz_peer_t *h, fuzz_answer_t *a)
{
    int      fd;
    char     size[64];
    u_char  *p, *last, *next;

    static const char  head[] =
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";

    fuzz_send(h, (u_char *) head, sizeof(head) - 1);

    fd = h->fd;
    p = a->data;
    last = p + a->len;

    for ( /* void */ ; p < last; p = next) {
        next = memchr(p, '\n', last - p);
        next = next ? next + 1 : last;

        snprintf(size, sizeof(size), "%x\r\n", (unsigned) (next - p));
        fuzz_send(h, (u_char *) size, strlen(size));
        fuzz_send(h, p, next - p);
        fuzz_send(h, (u_char *) "\r\n", 2);

        __real_ngx_process_events_and_timers((ngx_cycle_t *) ngx_cycle);

        if (h->fd != fd) {
            return;
        }
    }

    fuzz_send(h, (u_char *) "0\r\n\r\n", 5);
}


#endif /* _WORKER_PEERS_H_INCLUDED_ */
