
/*
 * Copyright (C) the ngx_http_socketio_module authors
 */


/*
 * The world of store_model.h: workers, connections, sessions and sockets as
 * the model knows them, and what a session receives.
 */


#ifndef _STORE_WORLD_H_INCLUDED_
#define _STORE_WORLD_H_INCLUDED_


#include <stdio.h>
#include <stdlib.h>

#include "store_check.h"


#define MODEL_SLOTS     5
#define MODEL_SESSIONS  12
#define MODEL_SOCKETS   6                   /* of a session, also ended ones */
#define MODEL_ROOMS     6
#define MODEL_QUEUE     4096
#define MODEL_EVENTS    64
#define MODEL_ASKS      24
#define MODEL_OWED      8                   /* at a time, by a socket */
#define MODEL_EXPECTED  (MODEL_SESSIONS * MODEL_SOCKETS)
#define MODEL_LOCALS    256
#define MODEL_SEATS     64
#define MODEL_BACK      16
#define MODEL_OWNED     256
#define MODEL_HOARD     1024
#define MODEL_BYE       0x80000000
#define MODEL_LOCATION  7
#define MODEL_RAW       2                   /* the namespace of raw sessions */

#define MODEL_GET       (1 << NGX_SOCKETIO_CONN_GET)
#define MODEL_POST      (1 << NGX_SOCKETIO_CONN_POST)
#define MODEL_WS        (1 << NGX_SOCKETIO_CONN_WS)
#define MODEL_WAIT      (1 << NGX_SOCKETIO_CONNS)   /* for acks */


enum {
    MODEL_PENDING = 0,
    MODEL_CONNECTED,
    MODEL_ENDED,                            /* a disconnect must come */
    MODEL_ORPHAN,                           /* its answer decides */
    MODEL_REFUSED                           /* nothing more comes */
};


/* an emit that is to be answered */

typedef struct {
    ngx_uint_t               used;
    uint32_t                 token;         /* 0: a worker waits */
    uint64_t                 number;
    uint64_t                 deadline;
    ngx_socketio_id_t        id;
    ngx_uint_t               slot;          /* of who waits */
    uint32_t                 slot_gen;
    ngx_uint_t               expected;
    ngx_uint_t               left;          /* to answer */
    ngx_uint_t               received;
    uint32_t                 answers[MODEL_EXPECTED];
    uint8_t                  parts[MODEL_EXPECTED];
    ngx_uint_t               nanswers;
} model_ask_t;


typedef struct {
    ngx_uint_t               used;
    ngx_uint_t               state;
    ngx_uint_t               nsp;
    ngx_uint_t               born;
    ngx_socketio_id_t        id;
    char                     text[24];
    char                     rooms[MODEL_ROOMS][24];
    uint32_t                 seq;           /* of the next entry */
    uint64_t                 events[MODEL_EVENTS];
    ngx_uint_t               nevents;       /* not done yet */
    ngx_uint_t               peeked;
    ngx_uint_t               matched;
    model_ask_t             *asks[MODEL_OWED];      /* the oldest first */
    uint8_t                  given[MODEL_OWED];     /* up, in this step */
    ngx_uint_t               nasks;
    ngx_uint_t               recovered;     /* its last connect was */
    ngx_uint_t               pass;          /* with this key it comes back */
    u_char                   key[NGX_SOCKETIO_PASS_KEY];
} model_socket_t;


typedef struct {
    ngx_uint_t               used;
    ngx_uint_t               open;          /* state OPENED */
    ngx_uint_t               hooked;
    ngx_uint_t               raw;           /* one socket, CONNECT at open */
    ngx_uint_t               may_close;
    ngx_uint_t               missing;       /* attachments */
    ngx_uint_t               partial;       /* payload */
    ngx_uint_t               parts;         /* attachments of it */
    uint64_t                 partial_ack;   /* as in an incoming */
    ngx_uint_t               partial_kind;
    model_socket_t          *partial_socket;
    ngx_socketio_id_t        id;
    ngx_socketio_key_t       key;
    model_socket_t           sockets[MODEL_SOCKETS];
    uint32_t                 queue[MODEL_QUEUE];
    ngx_uint_t               head;
    ngx_uint_t               tail;
} model_session_t;


typedef struct {
    ngx_uint_t               kind;          /* MODEL_GET ...; 0: free */
    ngx_uint_t               websocket;     /* no probe any more */
    ngx_uint_t               stalled;       /* waits for room in the inbox */
    ngx_uint_t               forgotten;     /* its worker was robbed */
    ngx_uint_t               ready;         /* knows that all is answered */
    model_ask_t             *ask;
    model_session_t         *session;
    ngx_socketio_id_t        id;
    uint64_t                 from_seq;
    uint64_t                 mark;
    ngx_uint_t               nseats;
    ngx_socketio_membership_t  seats[MODEL_SEATS];
} model_local_t;


typedef struct {
    ngx_socketio_id_t        id;
    uint32_t                 tenure;
    ngx_uint_t               n;             /* entries peeked, commands run */
    ngx_socketio_entry_t     entries[4];
} model_owned_t;


typedef struct {
    ngx_socketio_zone_t      zone;
    ngx_uint_t               alive;
    ngx_uint_t               exiting;
    ngx_uint_t               robbed;        /* and has not noticed */
    ngx_uint_t               woken;
    ngx_socketio_letters_t   letters;
    ngx_uint_t               left;
    ngx_uint_t               bells;
    model_local_t            locals[MODEL_LOCALS];
    ngx_socketio_ref_t       back[MODEL_BACK];
    ngx_uint_t               nback;
    model_owned_t            owned[MODEL_OWNED];
    ngx_uint_t               nowned;
} model_worker_t;


static uint32_t (*model_choose)(uint32_t n);    /* 0 ... n - 1 */
static ngx_uint_t             model_over;       /* the source has dried up */

static model_worker_t         model_workers[MODEL_SLOTS];
static model_session_t        model_sessions[MODEL_SESSIONS];
static model_ask_t            model_asks[MODEL_ASKS];
static ngx_uint_t             model_turned;     /* the wheel, in this step */
static ngx_socketio_zone_t    model_zone;       /* the first; a bystander's */
static ngx_socketio_grave_t   model_graves[MODEL_SLOTS];
static uint64_t               model_now;
static uint64_t               model_serial;
static uint64_t               model_emptied;
static ngx_socketio_id_t      model_hoard[MODEL_HOARD];
static ngx_uint_t             model_nhoard;
static model_worker_t        *model_hoarder;
static uint64_t               model_full;
static uint64_t               model_slow;
static ngx_uint_t             model_any_close;
static ngx_uint_t             model_die;        /* at so many unlocks more */
static ngx_uint_t             model_unlocks;
static ngx_uint_t             model_every;      /* check each so many holds */
static ngx_uint_t             model_seen[64];   /* what has been covered */

static char  *model_nsps[] = { "/", "/chat", "engine.io" };
static char  *model_rooms[] = { "a", "b", "c", "" };
static ngx_shm_zone_t         model_shm;
static ngx_slab_pool_t        model_pool;
static ngx_log_t              model_log;


static void model_websocket_close(model_worker_t *w, model_local_t *local,
    ngx_socketio_eio_event_e event);
static void model_sync(void);
static void model_asks_end(model_socket_t *m);
static const char *model_lost_text(void);
static void model_socket_gone(model_socket_t *m, ngx_uint_t hooked);
static void model_pass(model_worker_t *w, model_session_t *s,
    model_socket_t *m);
static void model_accept(model_worker_t *w, model_session_t *s,
    model_socket_t *m);


static ngx_uint_t
model_gone(void)
{
    return model_zone.sh->stats.emptied != model_emptied;
}


static ngx_socketio_session_t *
model_record(model_session_t *s)
{
    return ngx_socketio_find_locked(&model_zone, NGX_SOCKETIO_SESSION,
                                    s->id.ref, s->id.gen);
}


static model_session_t *
model_session(ngx_socketio_id_t *id)
{
    ngx_uint_t  i;

    for (i = 0; i < MODEL_SESSIONS; i++) {
        if (model_sessions[i].used
            && model_sessions[i].id.ref == id->ref
            && model_sessions[i].id.gen == id->gen)
        {
            return &model_sessions[i];
        }
    }

    return NULL;
}


static model_socket_t *
model_socket(model_session_t *s, ngx_socketio_id_t *id)
{
    ngx_uint_t  i;

    for (i = 0; i < MODEL_SOCKETS; i++) {
        if (s->sockets[i].used
            && s->sockets[i].id.ref == id->ref
            && s->sockets[i].id.gen == id->gen)
        {
            return &s->sockets[i];
        }
    }

    return NULL;
}


/* pending or connected in this namespace */

static model_socket_t *
model_socket_of(model_session_t *s, ngx_uint_t nsp)
{
    ngx_uint_t  i;

    for (i = 0; i < MODEL_SOCKETS; i++) {
        if (s->sockets[i].used && s->sockets[i].nsp == nsp
            && s->sockets[i].state <= MODEL_CONNECTED)
        {
            return &s->sockets[i];
        }
    }

    return NULL;
}


/*
 * 1: what a raw session sends has to wait for its open, an entry without a
 * serial: a bell rings when that is done.
 */

static ngx_uint_t
model_opening(model_session_t *s)
{
    model_socket_t  *m;

    m = &s->sockets[0];

    return s->raw && m->used && m->nevents && m->events[0] == 0;
}


static ngx_uint_t
model_nsockets(model_session_t *s)
{
    ngx_uint_t  i, n;

    for (n = 0, i = 0; i < MODEL_SOCKETS; i++) {
        n += s->sockets[i].used;
    }

    return n;
}


static void
model_socket_end(model_session_t *s, model_socket_t *m)
{
    if (s->partial_socket == m) {
        s->partial_socket = NULL;
    }

    if (!s->hooked) {
        model_asks_end(m);
        model_socket_gone(m, 0);
        return;
    }

    if (m->state == MODEL_PENDING) {
        m->state = MODEL_ORPHAN;

    } else if (m->state == MODEL_CONNECTED) {
        m->state = MODEL_ENDED;
    }
}


static void
model_push(model_session_t *s, uint32_t what)
{
    must(s->tail - s->head < MODEL_QUEUE);
    s->queue[s->tail++ % MODEL_QUEUE] = what;
}


static size_t
model_frames(u_char *p, uint32_t serial)
{
    size_t  len;

    static size_t  sizes[] = { 5, 60, 200, 300, 900, 5 };

    len = sizes[model_choose(6)];
    ngx_memset(p, 'x', len);
    p[0] = 'M';
    ngx_memcpy(p + 1, &serial, sizeof(uint32_t));

    return len;
}


static void
model_receive(model_session_t *s, ngx_socketio_ref_t message_ref,
    ngx_uint_t strict)
{
    size_t                   n;
    u_char                   buf[1024];
    uint32_t                 what;
    ngx_uint_t               i;
    ngx_socketio_message_t  *message;

    message = check_rec(message_ref, NGX_SOCKETIO_MESSAGE);
    must(message->len <= sizeof(buf));
    n = ngx_socketio_bytes_read(&model_zone, message->bytes, buf,
                                message->len);
    must(n == message->len);

    if (buf[0] == 'M') {
        ngx_memcpy(&what, buf + 1, sizeof(uint32_t));

        for (i = 5; i < n; i++) {
            must(buf[i] == 'x');
        }

    } else {
        must(buf[0] == 0x81 && buf[1] == n - 2);
        what = MODEL_BYE | (n > 4);
        must(n == 4 ? ngx_memcmp(buf + 2, "41", 2) == 0
                    : ngx_memcmp(buf + 2, "41/chat,", 8) == 0);
    }

    for (i = s->head; i != s->tail; i++) {

        if (s->queue[i % MODEL_QUEUE] == what) {
            s->head = i + 1;
            model_seen[0]++;
            return;
        }

        /* a farewell may be left out for lack of memory */
        must(!strict || s->queue[i % MODEL_QUEUE] & MODEL_BYE);
    }

    must(!strict);
}


static model_local_t *
model_local_add(model_worker_t *w, ngx_uint_t kind, model_session_t *s)
{
    ngx_uint_t  i;

    for (i = 0; i < MODEL_LOCALS; i++) {
        if (w->locals[i].kind == 0) {
            ngx_memzero(&w->locals[i], sizeof(model_local_t));
            w->locals[i].kind = kind;
            w->locals[i].session = s;

            if (s) {
                w->locals[i].id = s->id;
            }

            return &w->locals[i];
        }
    }

    abort();
}


static uint32_t
model_handle(model_worker_t *w, model_local_t *local)
{
    return (uint32_t) (local - w->locals);
}


/* any of these kinds, of this session or of any */

static model_local_t *
model_local(model_session_t *s, ngx_uint_t kinds, model_worker_t **worker)
{
    ngx_uint_t       i, k, start;
    model_local_t   *local;
    model_worker_t  *w;

    start = model_choose(MODEL_SLOTS);

    for (i = 0; i < MODEL_SLOTS; i++) {
        w = &model_workers[(start + i) % MODEL_SLOTS];

        for (k = 0; w->alive && k < MODEL_LOCALS; k++) {
            local = &w->locals[k];

            if (local->kind & kinds && (s == NULL || local->session == s)
                && (s == NULL || local->id.gen == s->id.gen))
            {
                *worker = w;
                return local;
            }
        }
    }

    return NULL;
}


static void
model_return(model_worker_t *w)
{
    ngx_uint_t  n;

    n = w->nback;
    w->nback = 0;

    if (n) {
        ngx_socketio_slot_give_back(&w->zone, w->back, n);
    }
}


static void
model_back(model_worker_t *w, ngx_socketio_ref_t node)
{
    if (w->nback == MODEL_BACK) {
        model_return(w);
    }

    w->back[w->nback++] = node;
}


static void
model_taken(model_worker_t *w, model_session_t *s,
    ngx_socketio_taken_t *taken)
{
    ngx_uint_t            i;
    ngx_socketio_ref_t    ref, next;
    ngx_socketio_node_t  *node;

    ref = taken->nodes;

    for (i = 0; i < taken->n; i++) {
        node = check_rec(ref, NGX_SOCKETIO_NODE);
        next = node->next;
        model_receive(s, node->message, 1);
        model_back(w, ref);
        ref = next;
    }

    if (taken->n) {
        must(s->head == s->tail || s->queue[s->head % MODEL_QUEUE]
                                   & MODEL_BYE);
        s->head = s->tail;
    }
}


static void
model_answer(model_worker_t *w, model_session_t *s,
    ngx_socketio_taken_t *taken)
{
    must(taken->answer != NGX_SOCKETIO_EIO_STAY);
    must(taken->answer == NGX_SOCKETIO_EIO_SEND || taken->n == 0);
    must(taken->answer != NGX_SOCKETIO_EIO_SEND || taken->n || taken->ping);

    model_taken(w, s, taken);

    if (taken->answer >= NGX_SOCKETIO_EIO_SEND_CLOSE) {
        s->may_close = 1;
    }
}


#endif /* _STORE_WORLD_H_INCLUDED_ */
