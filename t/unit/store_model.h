
/*
 * Copyright (C) the ngx_http_socketio_module authors
 */


/*
 * Workers, clients and a backend that do anything in any order to one zone,
 * next to a naive model of what must come of it.  Each worker is a private
 * ngx_socketio_zone_t with a slot of its own; what it does with letters is
 * what src/delivery does.  Checked:
 *
 *   each session receives exactly the messages meant for it, in order, as
 *   long as it is open, over polling, an upgrade, and a websocket;
 *   the backend hears of each socket: connect, events in order and without a
 *   gap, then, if it accepted, exactly one disconnect, whatever dies;
 *   rooms, counts of emits and selectors, refusals are as the model says;
 *   nobody who has something to do has not been woken;
 *   the zone does not contradict itself (store_check.h), and is empty when
 *   all have gone.
 *
 * model_run() is driven by model_choose(), a generator or a fuzzer's bytes.
 */


#ifndef _STORE_MODEL_H_INCLUDED_
#define _STORE_MODEL_H_INCLUDED_


#include <stdio.h>
#include <stdlib.h>

#include "store_check.h"


#define MODEL_SLOTS     5
#define MODEL_SESSIONS  12
#define MODEL_SOCKETS   6                   /* of a session, also ended ones */
#define MODEL_ROOMS     6
#define MODEL_QUEUE     4096
#define MODEL_EVENTS    32
#define MODEL_LOCALS    256
#define MODEL_SEATS     64
#define MODEL_BACK      16
#define MODEL_OWNED     256
#define MODEL_HOARD     1024
#define MODEL_BYE       0x80000000
#define MODEL_LOCATION  7

#define MODEL_GET       (1 << NGX_SOCKETIO_CONN_GET)
#define MODEL_POST      (1 << NGX_SOCKETIO_CONN_POST)
#define MODEL_WS        (1 << NGX_SOCKETIO_CONN_WS)


enum {
    MODEL_PENDING = 0,
    MODEL_CONNECTED,
    MODEL_ENDED,                            /* a disconnect must come */
    MODEL_ORPHAN,                           /* its answer decides */
    MODEL_REFUSED                           /* nothing more comes */
};


typedef struct {
    ngx_uint_t               used;
    ngx_uint_t               state;
    ngx_uint_t               nsp;
    ngx_uint_t               born;
    ngx_socketio_id_t        id;
    char                     text[24];
    char                     rooms[MODEL_ROOMS][24];
    uint32_t                 seq;           /* of the next entry */
    uint32_t                 events[MODEL_EVENTS];
    ngx_uint_t               nevents;       /* not done yet */
    ngx_uint_t               peeked;
    ngx_uint_t               matched;
} model_socket_t;


typedef struct {
    ngx_uint_t               used;
    ngx_uint_t               open;          /* state OPENED */
    ngx_uint_t               hooked;
    ngx_uint_t               may_close;
    ngx_uint_t               missing;       /* attachments */
    ngx_uint_t               partial;       /* payload */
    model_socket_t          *partial_socket;
    ngx_socketio_id_t        id;
    u_char                   sid[NGX_SOCKETIO_SID];
    model_socket_t           sockets[MODEL_SOCKETS];
    uint32_t                 queue[MODEL_QUEUE];
    ngx_uint_t               head;
    ngx_uint_t               tail;
} model_session_t;


typedef struct {
    ngx_uint_t               kind;          /* MODEL_GET ...; 0: free */
    ngx_uint_t               websocket;     /* no probe any more */
    ngx_uint_t               stalled;       /* waits for room in the inbox */
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
static ngx_socketio_zone_t    model_zone;       /* the first; a bystander's */
static ngx_socketio_ref_t     model_graves[MODEL_SLOTS];
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

static char  *model_nsps[] = { "/", "/chat" };
static char  *model_rooms[] = { "a", "b", "c", "" };
static ngx_shm_zone_t         model_shm;
static ngx_slab_pool_t        model_pool;
static ngx_log_t              model_log;


static void model_websocket_close(model_worker_t *w, model_local_t *local,
    ngx_socketio_eio_event_e event);
static void model_sync(void);
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
        m->used = 0;
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
            w->locals[i].id = s->id;
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


/* ------------------------------------------------------------- letters */

static void
model_deliver(model_worker_t *w, model_local_t *local,
    ngx_socketio_node_t *node)
{
    if (!local->websocket) {
        must(local->kind != MODEL_WS || !local->nseats);
        return;
    }

    model_receive(local->session, node->message, local->session->open);
    (void) w;
}


static ngx_uint_t
model_seated(model_local_t *local, ngx_socketio_node_t *node)
{
    ngx_uint_t  i;

    for (i = 0; i < local->nseats; i++) {
        if (local->seats[i].room == node->room
            && local->seats[i].room_gen == node->room_gen)
        {
            return 1;
        }
    }

    return 0;
}


static void
model_seat(model_local_t *local, ngx_socketio_ref_t socket,
    ngx_socketio_ref_t room, uint32_t gen)
{
    must(local->nseats < MODEL_SEATS);
    local->seats[local->nseats].socket = socket;
    local->seats[local->nseats].room = room;
    local->seats[local->nseats++].room_gen = gen;
}


static void
model_unseat(model_local_t *local, ngx_socketio_ref_t socket,
    ngx_socketio_ref_t room)
{
    ngx_uint_t  i, n;

    for (n = 0, i = 0; i < local->nseats; i++) {
        if (local->seats[i].socket == socket
            && (room == 0 || local->seats[i].room == room))
        {
            continue;
        }

        local->seats[n++] = local->seats[i];
    }

    local->nseats = n;
}


static void
model_node(model_worker_t *w)
{
    ngx_uint_t            i;
    model_local_t        *local;
    ngx_socketio_ref_t    ref;
    ngx_socketio_node_t  *node;

    ref = w->letters.nodes;
    node = check_rec(ref, NGX_SOCKETIO_NODE);

    switch (node->rec.kind) {

    case NGX_SOCKETIO_TO_ROOM:
    case NGX_SOCKETIO_NOT_ROOM:

        for (i = 0; i < MODEL_LOCALS; i++) {
            local = &w->locals[i];

            if (local->kind != MODEL_WS || !model_seated(local, node)) {
                continue;
            }

            if (node->rec.kind == NGX_SOCKETIO_NOT_ROOM) {
                local->mark = node->seq;

            } else if (node->seq > local->from_seq
                       && local->mark != node->seq)
            {
                local->mark = node->seq;
                model_seen[1]++;
                model_deliver(w, local, node);
            }
        }

        break;

    default:
        must(node->conn < MODEL_LOCALS);
        local = &w->locals[node->conn];

        if (local->kind != MODEL_WS
            || local->id.gen != node->session_gen
            || node->seq <= local->from_seq)
        {
            break;
        }

        if (node->rec.kind == NGX_SOCKETIO_JOINED) {
            model_seat(local, node->socket, node->room, node->room_gen);

        } else if (node->rec.kind == NGX_SOCKETIO_LEFT) {
            model_unseat(local, node->socket, node->room);

        } else {
            local->mark = node->seq;

            if (node->rec.kind == NGX_SOCKETIO_TO_SOCKET) {
                model_deliver(w, local, node);
            }
        }
    }

    w->letters.nodes = node->next;
    w->left--;
    model_back(w, ref);
}


static void
model_look_get(model_worker_t *w, model_local_t *local, ngx_uint_t noop)
{
    ngx_int_t             rc;
    ngx_socketio_taken_t  taken;

    rc = ngx_socketio_get_look(&w->zone, &local->id, model_handle(w, local),
                               noop, &taken, model_now);

    if (rc == NGX_AGAIN) {
        must(!noop);
        return;
    }

    if (rc == NGX_OK) {
        local->kind = 0;

        if (!model_gone()) {
            model_answer(w, local->session, &taken);
        }

        return;
    }

    must(model_gone());
    local->kind = 0;
}


static void
model_look(model_worker_t *w, model_local_t *local)
{
    ngx_int_t   rc;
    ngx_uint_t  reason;

    switch (local->kind) {

    case MODEL_GET:
        model_look_get(w, local, 0);
        break;

    case MODEL_POST:
        rc = ngx_socketio_websocket_look(&w->zone, &local->id, &reason);

        if (rc == NGX_DONE) {
            ngx_socketio_post_end(&w->zone, &local->id,
                                  model_handle(w, local),
                                  NGX_SOCKETIO_EIO_EV_POST_DONE, model_now);
            local->kind = 0;

        } else if (ngx_socketio_inbox_writable(&w->zone, &local->id)) {
            local->stalled = 0;
        }

        break;

    case MODEL_WS:
        rc = ngx_socketio_websocket_look(&w->zone, &local->id, &reason);

        if (rc == NGX_DONE) {

            /* all that was queued has been seen: letters before bells */

            model_websocket_close(w, local, local->websocket
                                            ? NGX_SOCKETIO_EIO_EV_WS_CLOSE
                                            : NGX_SOCKETIO_EIO_EV_PROBE_LOST);

        } else if (ngx_socketio_inbox_writable(&w->zone, &local->id)) {
            local->stalled = 0;
        }
    }
}


static void
model_websocket_close(model_worker_t *w, model_local_t *local,
    ngx_socketio_eio_event_e event)
{
    if (local->websocket) {
        local->session->may_close = 1;
    }

    local->kind = 0;
    ngx_socketio_websocket_gone(&w->zone, &local->id, model_handle(w, local),
                                event, model_now);
}


static void
model_own(model_worker_t *w, ngx_socketio_id_t *id, uint32_t tenure)
{
    ngx_uint_t  i;

    for (i = 0; i < w->nowned; i++) {
        must(w->owned[i].id.gen != id->gen || w->owned[i].tenure != tenure);
    }

    must(w->nowned < MODEL_OWNED);

    w->owned[w->nowned].id = *id;
    w->owned[w->nowned].n = 0;
    w->owned[w->nowned++].tenure = tenure;
}


static void
model_bell(model_worker_t *w, ngx_socketio_id_t *id)
{
    int64_t     handles[NGX_SOCKETIO_CONNS];
    uint32_t    tenure;
    ngx_uint_t  i;

    if (ngx_socketio_mine(&w->zone, id, handles, &tenure) != NGX_OK) {
        return;
    }

    for (i = 0; i < NGX_SOCKETIO_CONNS; i++) {

        if (handles[i] < 0) {
            continue;
        }

        must(handles[i] < MODEL_LOCALS);

        if (w->locals[handles[i]].kind == (ngx_uint_t) 1 << i
            && w->locals[handles[i]].id.gen == id->gen)
        {
            model_look(w, &w->locals[handles[i]]);
        }
    }

    if (tenure) {
        model_own(w, id, tenure);
    }
}


static void
model_drop(model_worker_t *w, ngx_uint_t kinds)
{
    ngx_uint_t      i;
    model_local_t  *local;

    for (i = 0; i < MODEL_LOCALS; i++) {
        local = &w->locals[i];

        if ((local->kind & kinds) == 0) {
            continue;
        }

        local->session->may_close = 1;
        ngx_socketio_end(&w->zone, &local->id,
                         NGX_SOCKETIO_REASON_TRANSPORT_ERROR, model_now);

        if (local->kind == MODEL_WS) {
            model_websocket_close(w, local, NGX_SOCKETIO_EIO_EV_WS_ERROR);
        }

        local->kind = 0;
    }
}


static void
model_take(model_worker_t *w)
{
    uint32_t            tenure;
    ngx_int_t           rc;
    ngx_uint_t          i;
    ngx_socketio_id_t   id;
    ngx_socketio_ref_t  cursor;

    w->woken = 0;
    ngx_socketio_slot_take(&w->zone, &w->letters, model_now);

    if (model_gone()) {
        return;
    }

    w->left = w->letters.n;
    w->bells = 0;

    must(!w->letters.emptied);

    if (w->letters.overrun) {
        model_seen[2]++;
        model_drop(w, MODEL_WS);
    }

    if (!w->letters.all) {
        return;
    }

    model_seen[3]++;

    for (i = 0; i < MODEL_LOCALS; i++) {
        if (w->locals[i].kind) {
            model_look(w, &w->locals[i]);
        }
    }

    cursor = 0;

    do {
        rc = ngx_socketio_inbox_handed(&w->zone, &cursor, &id, &tenure);

        if (rc == NGX_OK) {
            model_own(w, &id, tenure);
        }
    } while (rc != NGX_DONE);
}


/* as src/delivery: what was taken before, in order, bells after records */

static void
model_letters(model_worker_t *w, ngx_uint_t n)
{
    if (w->left == 0 && w->bells == w->letters.nbells) {
        model_take(w);
    }

    for ( /* void */ ; n && !model_gone(); n--) {

        if (w->left) {
            model_node(w);

        } else if (w->bells < w->letters.nbells) {
            model_bell(w, &w->letters.bells[w->bells++]);

        } else {
            break;
        }
    }
}


/* --------------------------------------------------------------- hooks */

static void
model_wake(ngx_socketio_zone_t *zone, ngx_uint_t slot)
{
    (void) zone;

    must(!stub_held);
    must(slot < MODEL_SLOTS);
    model_workers[slot].woken = 1;
}


static void
model_inbox(ngx_socketio_zone_t *zone, ngx_socketio_id_t *id, uint32_t tenure)
{
    ngx_uint_t  i;

    must(!stub_held);

    for (i = 0; i < MODEL_SLOTS; i++) {
        if (zone == &model_workers[i].zone) {
            must(model_workers[i].alive);
            model_own(&model_workers[i], id, tenure);
            return;
        }
    }

    abort();
}


static void
model_disown(model_worker_t *w, ngx_uint_t i)
{
    w->owned[i] = w->owned[--w->nowned];
}


static void
model_entry(model_session_t *s, ngx_socketio_entry_t *e)
{
    u_char           body[1024];
    uint32_t         what;
    model_socket_t  *m;

    m = model_socket(s, &e->socket);
    must(m != NULL);
    must(ngx_memcmp(e->text, m->text, NGX_SOCKETIO_SOCKET_TEXT) == 0);
    must(e->location == MODEL_LOCATION && e->handshake_len == 100);
    must(e->nsp_len == strlen(model_nsps[m->nsp]));

    /* from the oldest entry that is not done, without a gap */

    must(e->seq == m->seq - m->nevents + m->peeked);

    if (m->peeked == m->nevents) {
        must(e->type == NGX_SOCKETIO_ENTRY_DISCONNECT);
        must(m->state == MODEL_ENDED);
        m->peeked++;
        return;
    }

    must(m->peeked < m->nevents);
    what = m->events[m->peeked++];

    if (what == 0) {
        must(e->type == NGX_SOCKETIO_ENTRY_CONNECT && e->seq == 0);
        return;
    }

    must(e->type == NGX_SOCKETIO_ENTRY_EVENT);
    must(e->body_len >= 4 && e->body_len <= sizeof(body));
    must(ngx_socketio_bytes_read(&model_zone, e->body, body, e->body_len)
         == e->body_len);
    must(ngx_memcmp(body, &what, 4) == 0);

    if (e->attachments) {
        must(e->attached_len == e->attachments * (4 + 70));
        must(ngx_socketio_bytes_read(&model_zone, e->attached, body,
                                     e->attached_len)
             == e->attached_len);
        must(body[4] == (u_char) what && body[e->attached_len - 1]
             == (u_char) what);
    }
}


static void
model_hook_peek(model_worker_t *w, model_owned_t *o)
{
    ngx_int_t         rc;
    ngx_uint_t        i, n;
    model_session_t  *s;

    n = 1 + model_choose(4);
    rc = ngx_socketio_inbox_peek(&w->zone, &o->id, o->tenure, 0, o->entries,
                                 &n);
    if (model_gone()) {
        return;
    }

    s = model_session(&o->id);

    if (rc == NGX_DECLINED) {
        model_disown(w, o - w->owned);
        return;
    }

    must(rc == NGX_OK && n > 0 && s != NULL && s->hooked);

    for (i = 0; i < MODEL_SOCKETS; i++) {
        s->sockets[i].peeked = 0;
    }

    for (i = 0; i < n; i++) {
        model_entry(s, &o->entries[i]);
    }

    o->n = n;
}


static void
model_hook_done(model_worker_t *w, model_owned_t *o)
{
    ngx_int_t         rc;
    ngx_uint_t        i, n;
    model_socket_t   *m;
    model_session_t  *s;

    n = o->n;
    rc = ngx_socketio_inbox_done(&w->zone, &o->id, o->tenure, n);

    if (model_gone()) {
        return;
    }

    if (rc == NGX_DECLINED) {
        model_disown(w, o - w->owned);
        return;
    }

    s = model_session(&o->id);
    must(s != NULL);

    for (i = 0; i < n; i++) {
        m = model_socket(s, &o->entries[i].socket);
        must(m != NULL);

        if (o->entries[i].type == NGX_SOCKETIO_ENTRY_DISCONNECT) {
            must(m->state == MODEL_ENDED && m->nevents == 0);
            m->used = 0;
            model_seen[4]++;
            continue;
        }

        must(m->nevents);
        m->nevents--;
        ngx_memmove(m->events, m->events + 1, m->nevents * sizeof(uint32_t));
        model_seen[5]++;

        if (o->entries[i].type == NGX_SOCKETIO_ENTRY_CONNECT
            && m->state == MODEL_REFUSED)
        {
            m->used = 0;
        }
    }

    if (rc == NGX_OK) {

        for (i = 0; i < MODEL_SOCKETS; i++) {
            must(!s->sockets[i].used || s->sockets[i].nevents == 0);
            must(!s->sockets[i].used
                 || s->sockets[i].state == MODEL_CONNECTED);
        }

        model_disown(w, o - w->owned);
        return;
    }

    must(rc == NGX_AGAIN);
    o->n = 0;
}


static void
model_reject(model_worker_t *w, model_session_t *s, model_socket_t *m)
{
    size_t      len;
    u_char      frames[1024];
    uint32_t    serial;
    ngx_int_t   rc;
    ngx_uint_t  heard;

    heard = model_choose(2);
    serial = ++model_serial;
    len = model_frames(frames, serial);

    rc = ngx_socketio_reject(&w->zone, &m->id, frames, len, heard);

    if (model_gone()) {
        return;
    }

    if (m->state != MODEL_PENDING && m->state != MODEL_ORPHAN) {
        must(rc == NGX_DECLINED);
        return;
    }

    must(rc == NGX_OK);

    if (m->state == MODEL_PENDING) {
        model_push(s, serial);
    }

    m->state = heard ? MODEL_ENDED : MODEL_REFUSED;
    model_seen[6]++;
}


/* the backend's commands for what was peeked; then, in another step, done */

static void
model_hook(model_worker_t *w, ngx_uint_t i)
{
    ngx_uint_t        k, n;
    model_owned_t     o;
    model_socket_t   *m;
    model_session_t  *s;

    if (w->owned[i].n) {
        model_hook_done(w, &w->owned[i]);
        return;
    }

    n = w->nowned;
    model_hook_peek(w, &w->owned[i]);

    if (model_gone() || w->nowned < n) {
        return;
    }

    o = w->owned[i];

    for (k = 0; k < o.n; k++) {
        s = model_session(&o.id);

        if (o.entries[k].type != NGX_SOCKETIO_ENTRY_CONNECT || s == NULL) {
            continue;
        }

        m = model_socket(s, &o.entries[k].socket);

        if (m == NULL) {
            continue;
        }

        if (model_choose(4)) {
            model_accept(w, s, m);

        } else {
            model_reject(w, s, m);
        }

        model_sync();

        if (model_gone()) {
            return;
        }
    }
}


/* --------------------------------------------------------------- names */

static void
model_name(ngx_socketio_name_t *name, const char *text)
{
    ngx_str_t  s;

    s.data = (u_char *) text;
    s.len = strlen(text);
    ngx_socketio_name_set(name, &s);
}


static ngx_uint_t
model_in(model_socket_t *m, const char *room)
{
    ngx_uint_t  i;

    for (i = 0; i < MODEL_ROOMS; i++) {
        if (m->rooms[i][0] && strcmp(m->rooms[i] + 1, room) == 0) {
            return 1;
        }
    }

    return 0;
}


static ngx_uint_t
model_room_count(model_socket_t *m)
{
    ngx_uint_t  i, n;

    for (n = 0, i = 0; i < MODEL_ROOMS; i++) {
        n += m->rooms[i][0] != 0;
    }

    return n;
}


static void
model_join(model_socket_t *m, const char *room, ngx_uint_t max)
{
    ngx_uint_t  i;

    if (model_in(m, room) || model_room_count(m) >= max) {
        return;
    }

    for (i = 0; m->rooms[i][0]; i++) {
        must(i < MODEL_ROOMS - 1);
    }

    m->rooms[i][0] = '+';
    strcpy(m->rooms[i] + 1, room);
}


static void
model_leave(model_socket_t *m, const char *room)
{
    ngx_uint_t  i;

    for (i = 0; i < MODEL_ROOMS; i++) {
        if (m->rooms[i][0] && strcmp(m->rooms[i] + 1, room) == 0) {
            m->rooms[i][0] = 0;
        }
    }
}


/* a room's name, or, also as such, the id of some socket */

static const char *
model_word(void)
{
    ngx_uint_t        n;
    model_session_t  *s;

    n = model_choose(6);

    if (n < 4) {
        return model_rooms[n];
    }

    s = &model_sessions[model_choose(MODEL_SESSIONS)];
    n = model_choose(2);

    return (s->used && s->sockets[n].used) ? s->sockets[n].text : "nobody";
}


typedef struct {
    ngx_socketio_target_t   target;
    ngx_socketio_word_t     in[3];
    ngx_socketio_word_t     except[2];
    char                    ins[3][24];
    char                    excepts[2][24];
    ngx_uint_t              nsp;
} model_target_t;


static void
model_target(model_target_t *t)
{
    ngx_str_t   text;
    ngx_uint_t  i;

    ngx_memzero(t, sizeof(model_target_t));

    t->nsp = model_choose(4) == 0;
    model_name(&t->target.nsp, model_nsps[t->nsp]);
    t->target.in = t->in;
    t->target.except = t->except;
    t->target.nin = model_choose(4);
    t->target.all = (t->target.nin == 0);
    t->target.nexcept = (model_choose(3) == 0) ? 1 + model_choose(2) : 0;

    for (i = 0; i < t->target.nin; i++) {
        strcpy(t->ins[i], model_word());
        text.data = (u_char *) t->ins[i];
        text.len = strlen(t->ins[i]);
        ngx_socketio_word_set(&t->in[i], &text);
    }

    for (i = 0; i < t->target.nexcept; i++) {
        strcpy(t->excepts[i], model_word());
        text.data = (u_char *) t->excepts[i];
        text.len = strlen(t->excepts[i]);
        ngx_socketio_word_set(&t->except[i], &text);
    }
}


static ngx_uint_t
model_matches(model_target_t *t, model_socket_t *m)
{
    ngx_uint_t  i, in;

    if (!m->used || m->state != MODEL_CONNECTED || m->nsp != t->nsp) {
        return 0;
    }

    in = t->target.all;

    for (i = 0; i < t->target.nin; i++) {
        in |= model_in(m, t->ins[i]) || strcmp(m->text, t->ins[i]) == 0;
    }

    for (i = 0; i < t->target.nexcept; i++) {
        if (model_in(m, t->excepts[i]) || strcmp(m->text, t->excepts[i]) == 0)
        {
            return 0;
        }
    }

    return in;
}


/* ------------------------------------------------------ what they do */

static void
model_op_emit(model_worker_t *w)
{
    size_t                   len;
    u_char                   frames[1024];
    uint32_t                 serial;
    ngx_int_t                rc;
    ngx_uint_t               i, k, flags, count, want;
    model_target_t           t;
    ngx_socketio_session_t  *rec;
    uint8_t                  reached[MODEL_SESSIONS];

    model_target(&t);

    serial = ++model_serial;
    len = model_frames(frames, serial);
    flags = (model_choose(5) == 0) ? NGX_SOCKETIO_VOLATILE : 0;

    ngx_memzero(reached, sizeof(reached));

    for (i = 0; i < MODEL_SESSIONS; i++) {

        if (!model_sessions[i].used || !model_sessions[i].open) {
            continue;
        }

        rec = model_record(&model_sessions[i]);
        must(rec != NULL);

        if (flags && rec->eio.transport == NGX_SOCKETIO_EIO_POLLING
            && (!rec->eio.get || rec->outbox))
        {
            continue;
        }

        for (k = 0; k < MODEL_SOCKETS; k++) {
            reached[i] |= model_matches(&t, &model_sessions[i].sockets[k]);
        }
    }

    rc = ngx_socketio_emit(&w->zone, &t.target, frames, len, flags, &count);

    if (model_gone()) {
        return;
    }

    if (rc == NGX_ERROR) {
        model_seen[7]++;
        must(model_zone.sh->stats.full != model_full);
        model_full = model_zone.sh->stats.full;     /* nothing happened */
        must(count == 0);
        return;
    }

    must(rc == NGX_OK);

    for (want = 0, i = 0; i < MODEL_SESSIONS; i++) {

        if (reached[i]) {
            model_push(&model_sessions[i], serial);
            rec = model_record(&model_sessions[i]);
            must(rec != NULL);
            want += (rec->eio.state == NGX_SOCKETIO_EIO_OPENED);

            if (rec->eio.state != NGX_SOCKETIO_EIO_OPENED) {
                model_seen[8]++;
                model_sessions[i].may_close = 1;
            }
        }
    }

    must(count == want);
    model_seen[9] += count;
}


/* more than one step failed or not: what are its rooms? */

static void
model_rooms_read(model_socket_t *m)
{
    size_t                  len;
    ngx_uint_t              n;
    ngx_socketio_ref_t      ref;
    ngx_socketio_room_t    *room;
    ngx_socketio_member_t  *member;
    ngx_socketio_socket_t  *socket;

    socket = check_rec(m->id.ref, NGX_SOCKETIO_SOCKET);
    ngx_memzero(m->rooms, sizeof(m->rooms));
    n = 0;

    for (ref = socket->members; ref; ref = member->socket_next) {
        member = check_rec(ref, NGX_SOCKETIO_MEMBER);
        room = check_rec(member->room, NGX_SOCKETIO_ROOM);

        if (room->parent) {
            must(n < MODEL_ROOMS);
            m->rooms[n][0] = '+';
            len = ngx_socketio_bytes_read(&model_zone, room->name,
                                          (u_char *) m->rooms[n] + 1, 22);
            m->rooms[n++][1 + len] = 0;
        }
    }
}


static void
model_closing(model_session_t *s, model_socket_t *m, uint32_t serial)
{
    ngx_uint_t       i;
    model_socket_t  *last, *next;

    model_push(s, serial);

    /* the other namespaces' farewells, the youngest first */

    for (last = NULL; /* void */ ; last = next) {
        next = NULL;

        for (i = 0; i < MODEL_SOCKETS; i++) {
            if (s->sockets[i].used && &s->sockets[i] != m
                && s->sockets[i].state == MODEL_CONNECTED
                && (last == NULL || s->sockets[i].born < last->born)
                && (next == NULL || s->sockets[i].born > next->born))
            {
                next = &s->sockets[i];
            }
        }

        if (next == NULL) {
            return;
        }

        model_push(s, MODEL_BYE | next->nsp);
    }
}


static void
model_op_select(model_worker_t *w)
{
    size_t                  len;
    u_char                  frames[1024];
    uint32_t                serial;
    ngx_int_t               rc;
    ngx_uint_t              i, k, count, want, nrooms, what;
    const char             *rooms[2];
    model_target_t          t;
    model_socket_t         *m;
    model_session_t        *s;
    ngx_socketio_name_t     names[2];
    ngx_socketio_socket_t  *socket;

    model_target(&t);

    what = model_choose(8);
    what = what < 4 ? NGX_SOCKETIO_DO_JOIN
                    : what < 6 ? NGX_SOCKETIO_DO_LEAVE
                               : what == 6 ? NGX_SOCKETIO_DO_DISCONNECT
                                           : NGX_SOCKETIO_DO_CLOSE;
    nrooms = 1 + model_choose(2);
    serial = ++model_serial;
    len = 0;

    if (what >= NGX_SOCKETIO_DO_DISCONNECT) {
        len = model_frames(frames, serial);
    }

    /* a copy: the socket it is the id of may go */

    for (i = 0; i < 2; i++) {
        rooms[i] = strdup(model_word());
        model_name(&names[i], rooms[i]);
    }

    rc = ngx_socketio_select(&w->zone, &t.target, what, names, nrooms,
                             MODEL_ROOMS - 1, frames, len, &count);

    want = 0;

    for (i = 0; !model_gone() && i < MODEL_SESSIONS; i++) {
        s = &model_sessions[i];

        for (k = 0; s->used && k < MODEL_SOCKETS; k++) {
            m = &s->sockets[k];

            if (!model_matches(&t, m)) {
                continue;
            }

            want++;

            if (what < NGX_SOCKETIO_DO_DISCONNECT) {
                continue;
            }

            socket = ngx_socketio_find_locked(&w->zone, NGX_SOCKETIO_SOCKET,
                                              m->id.ref, m->id.gen);
            if (socket && socket->state == NGX_SOCKETIO_SOCKET_CONNECTED) {
                must(rc == NGX_ERROR);
                want--;
                continue;
            }

            if (what == NGX_SOCKETIO_DO_DISCONNECT) {
                model_push(s, serial);
                model_socket_end(s, m);
                continue;
            }

            s->may_close = 1;
            model_closing(s, m, serial);
            model_seen[10]++;
            break;
        }
    }

    for (i = 0; !model_gone() && i < MODEL_SESSIONS; i++) {
        s = &model_sessions[i];

        for (k = 0; s->used && k < MODEL_SOCKETS; k++) {
            m = &s->sockets[k];

            if (what >= NGX_SOCKETIO_DO_DISCONNECT
                || !model_matches(&t, m))
            {
                continue;
            }

            m->matched = 1;
        }
    }

    for (i = 0; !model_gone() && i < MODEL_SESSIONS; i++) {
        s = &model_sessions[i];

        for (k = 0; s->used && k < MODEL_SOCKETS; k++) {
            m = &s->sockets[k];

            if (!m->used || !m->matched) {
                continue;
            }

            m->matched = 0;

            if (what >= NGX_SOCKETIO_DO_DISCONNECT) {
                continue;
            }

            if (rc == NGX_ERROR) {
                model_seen[11]++;
                model_rooms_read(m);
                continue;
            }

            if (what == NGX_SOCKETIO_DO_JOIN) {
                model_join(m, rooms[0], MODEL_ROOMS - 1);
                if (nrooms > 1) {
                    model_join(m, rooms[1], MODEL_ROOMS - 1);
                }

            } else {
                model_leave(m, rooms[0]);
                if (nrooms > 1) {
                    model_leave(m, rooms[1]);
                }
            }
        }
    }

    must(model_gone() || count == want
         || (rc == NGX_ERROR && what >= NGX_SOCKETIO_DO_DISCONNECT));

    free((char *) rooms[0]);
    free((char *) rooms[1]);
}


static void
model_accept(model_worker_t *w, model_session_t *s, model_socket_t *m)
{
    size_t                len;
    u_char                frames[1024];
    uint32_t              serial;
    ngx_int_t             rc;
    ngx_str_t             data;
    ngx_uint_t            i, nrooms;
    char                  rooms[2][24];
    ngx_socketio_name_t   names[2];

    serial = ++model_serial;
    len = model_frames(frames, serial);
    nrooms = model_choose(3);
    data.data = frames;
    data.len = model_choose(2) ? len : 0;

    for (i = 0; i < nrooms; i++) {
        strcpy(rooms[i], model_word());
        model_name(&names[i], rooms[i]);
    }

    rc = ngx_socketio_accept(&w->zone, &m->id, names, nrooms, &data, frames,
                             len);
    if (model_gone()) {
        return;
    }

    switch (m->state) {

    case MODEL_PENDING:
        m->state = MODEL_CONNECTED;

        if (rc == NGX_OK) {
            model_push(s, serial);

            for (i = 0; i < nrooms; i++) {
                model_join(m, rooms[i], nrooms);
            }

            model_seen[12]++;
            break;
        }

        must(rc == NGX_ERROR);
        must(model_record(s)->eio.state == NGX_SOCKETIO_EIO_CLOSED);
        model_push(s, serial);
        s->may_close = 1;
        model_seen[13]++;
        break;

    case MODEL_ORPHAN:
        must(rc == NGX_OK);
        m->state = MODEL_ENDED;
        model_seen[14]++;
        break;

    default:
        must(rc == NGX_DECLINED);
        model_seen[15]++;
    }
}


static void
model_op_reply(model_worker_t *w, model_session_t *s)
{
    size_t           len;
    u_char           frames[1024];
    uint32_t         serial;
    ngx_int_t        rc;
    ngx_str_t        data;
    ngx_uint_t       live;
    model_socket_t  *m;

    m = &s->sockets[model_choose(2)];

    if (!m->used) {
        return;
    }

    serial = ++model_serial;
    len = model_frames(frames, serial);
    live = (m->state == MODEL_CONNECTED);

    switch (model_choose(3)) {

    case 0:
        data.data = frames;
        data.len = len;
        rc = ngx_socketio_set_data(&w->zone, &m->id, &data);
        must(model_gone() || live == (rc != NGX_DECLINED));
        return;

    case 1:
        rc = ngx_socketio_reply(&w->zone, &m->id, frames, len);
        break;

    default:
        live = s->open;
        rc = ngx_socketio_reply_session(&w->zone, &s->id, frames, len);
    }

    if (model_gone()) {
        return;
    }

    if (rc == NGX_OK) {
        must(live);
        model_push(s, serial);

    } else if (rc == NGX_DECLINED) {
        must(!live);

    } else {
        /* either could not be given, or not even be made */
        s->may_close = 1;

        if (model_record(s)
            && model_record(s)->eio.state == NGX_SOCKETIO_EIO_OPENED)
        {
            must(model_full != model_zone.sh->stats.full);
        }
    }
}


static void
model_op_open(model_worker_t *w)
{
    u_char                handshake[100];
    uint64_t              random;
    ngx_int_t             rc;
    ngx_uint_t            i;
    model_local_t        *local;
    model_session_t      *s;
    ngx_socketio_open_t   open;

    s = NULL;

    for (i = 0; i < MODEL_SESSIONS; i++) {
        if (!model_sessions[i].used) {
            s = &model_sessions[i];
            break;
        }
    }

    if (s == NULL) {
        return;
    }

    ngx_memzero(s, sizeof(model_session_t));
    ngx_memzero(&open, sizeof(ngx_socketio_open_t));

    random = ++model_serial * 0x9e3779b97f4a7c15;
    random ^= random >> 29;
    ngx_memcpy(s->sid, &random, 8);
    s->sid[1] = s->sid[2] = s->sid[3] = 0;
    ngx_memcpy(s->sid + 8, &model_serial, 8);

    ngx_memcpy(open.sid, s->sid, NGX_SOCKETIO_SID);
    open.location = MODEL_LOCATION;
    open.transport = model_choose(2) ? NGX_SOCKETIO_EIO_WEBSOCKET
                                     : NGX_SOCKETIO_EIO_POLLING;
    open.interval = 2500;
    open.timeout = 2000;
    open.connect_timeout = 4500;
    open.outbox_max = 4 + model_choose(8);
    open.outbox_max_bytes = 4000;
    open.inbox_max = 4 + model_choose(6);
    open.inbox_max_bytes = 4000;
    ngx_memset(handshake, 'h', sizeof(handshake));
    open.handshake.data = handshake;
    open.handshake.len = sizeof(handshake);
    open.hooked = model_choose(3) != 0;
    s->hooked = open.hooked;

    local = NULL;

    if (open.transport == NGX_SOCKETIO_EIO_WEBSOCKET) {
        local = model_local_add(w, MODEL_WS, s);
        local->websocket = 1;
        open.handle = model_handle(w, local);
    }

    rc = ngx_socketio_open(&w->zone, &open, &s->id, model_now);

    if (rc != NGX_OK || model_gone()) {
        if (local) {
            local->kind = 0;
        }

        return;
    }

    if (local) {
        local->id = s->id;
    }

    s->used = 1;
    s->open = 1;
    model_seen[16]++;
}


static void
model_op_get(model_worker_t *w, model_session_t *s)
{
    ngx_int_t                rc;
    model_local_t           *local;
    ngx_socketio_taken_t     taken;
    ngx_socketio_session_t  *rec;

    rec = model_record(s);
    local = model_local_add(w, MODEL_GET, s);

    rc = ngx_socketio_get(&w->zone, s->sid, MODEL_LOCATION,
                          model_handle(w, local), &taken, model_now);
    if (model_gone()) {
        return;
    }

    if (rc == NGX_DECLINED) {
        must(rec == NULL || rec->eio.state == NGX_SOCKETIO_EIO_CLOSED);
        local->kind = 0;
        return;
    }

    must(rc == NGX_OK);

    if (taken.actions & (NGX_SOCKETIO_EIO_PARK|NGX_SOCKETIO_EIO_PARK_SHORT)) {
        must(s->head == s->tail);
        return;
    }

    local->kind = 0;

    if (taken.actions & NGX_SOCKETIO_EIO_ANSWER) {
        model_answer(w, s, &taken);
        return;
    }

    must(taken.actions & (NGX_SOCKETIO_EIO_REFUSE
                          |NGX_SOCKETIO_EIO_REFUSE_EMPTY));
    s->may_close = (taken.actions & NGX_SOCKETIO_EIO_REFUSE_EMPTY) != 0;
}


/* a GET that ends: its client leaves, or its time is up */

static void
model_op_get_end(void)
{
    model_local_t   *local;
    model_worker_t  *w;

    local = model_local(NULL, MODEL_GET, &w);

    if (local == NULL) {
        return;
    }

    if (model_choose(4)) {
        model_look_get(w, local, 1);
        return;
    }

    local->session->may_close = 1;
    local->kind = 0;
    ngx_socketio_get_gone(&w->zone, &local->id, model_handle(w, local),
                          model_now);
}


static model_local_t *
model_op_post(model_worker_t *w, model_session_t *s)
{
    ngx_int_t          rc;
    ngx_uint_t         actions;
    model_local_t     *local;
    ngx_socketio_id_t  id;

    local = model_local_add(w, MODEL_POST, s);

    rc = ngx_socketio_post(&w->zone, s->sid, MODEL_LOCATION,
                           model_handle(w, local), &id, &actions, model_now);

    if (rc == NGX_OK && (actions & NGX_SOCKETIO_EIO_ACCEPT)) {
        return local;
    }

    local->kind = 0;

    if (rc == NGX_OK) {
        s->may_close = (actions & NGX_SOCKETIO_EIO_REFUSE_EMPTY) != 0;
    }

    return NULL;
}


static void
model_op_post_end(void)
{
    ngx_uint_t                 n;
    model_local_t             *local;
    model_worker_t            *w;
    ngx_socketio_eio_event_e   event;

    local = model_local(NULL, MODEL_POST, &w);

    if (local == NULL) {
        return;
    }

    n = model_choose(16);
    event = n == 0 ? NGX_SOCKETIO_EIO_EV_POST_GONE
                   : n == 1 ? NGX_SOCKETIO_EIO_EV_POST_BAD
                            : NGX_SOCKETIO_EIO_EV_POST_DONE;
    local->session->may_close = n < 2;
    local->kind = 0;
    ngx_socketio_post_end(&w->zone, &local->id, model_handle(w, local), event,
                          model_now);
}


static void
model_op_connect(model_worker_t *w, model_session_t *s,
    ngx_socketio_incoming_t *in, ngx_uint_t nsp, model_local_t *local)
{
    ngx_int_t                rc;
    ngx_uint_t               i;
    ngx_socketio_id_t        id;
    model_socket_t          *m, *old;
    ngx_socketio_socket_t   *socket;
    ngx_socketio_session_t  *rec;

    old = model_socket_of(s, nsp);
    in->kind = NGX_SOCKETIO_EVENT_CONNECT;
    in->namespaces_max = MODEL_SOCKETS - 1;

    rc = ngx_socketio_incoming(&w->zone, &s->id, in, model_now);

    if (model_gone()) {
        return;
    }

    switch (rc) {

    case NGX_OK:
    case NGX_DONE:
        must(s->open && !s->missing && old == NULL);
        must((rc == NGX_OK) == s->hooked);

        rec = model_record(s);
        id.ref = rec->sockets;
        socket = check_rec(id.ref, NGX_SOCKETIO_SOCKET);
        id.gen = socket->rec.gen;
        must(rc == NGX_OK || (in->socket.ref == id.ref
                              && in->socket.gen == id.gen));

        for (i = 0; s->sockets[i].used; i++) {
            must(i < MODEL_SOCKETS - 1);
        }

        m = &s->sockets[i];
        ngx_memzero(m, sizeof(model_socket_t));
        m->used = 1;
        m->nsp = nsp;
        m->id = id;
        m->born = ++model_serial;
        ngx_socketio_socket_text((u_char *) m->text, &id, socket->secret);

        if (rc == NGX_OK) {
            m->seq = 1;
            m->nevents = 1;
            break;
        }

        if (model_choose(4)) {
            model_accept(w, s, m);
        }

        break;

    case NGX_ABORT:
        must(s->open && (s->missing || old));
        s->may_close = 1;
        break;

    case NGX_AGAIN:
        must(s->hooked);
        local->stalled = 1;
        break;

    case NGX_ERROR:
        must(model_nsockets(s) >= MODEL_SOCKETS - 1);
        break;

    case NGX_BUSY:
        break;

    default:
        must(rc == NGX_DECLINED && !s->open);
    }
}


static void
model_op_event(model_worker_t *w, model_session_t *s,
    ngx_socketio_incoming_t *in, ngx_uint_t nsp, model_local_t *local)
{
    ngx_int_t        rc;
    model_socket_t  *m;

    m = model_socket_of(s, nsp);

    if (m && m->nevents > MODEL_EVENTS - 2) {
        return;
    }

    in->kind = model_choose(6) ? NGX_SOCKETIO_EVENT_EVENT
                               : NGX_SOCKETIO_EVENT_ACK;
    in->attachments = model_choose(4) ? 0 : 1 + model_choose(2);

    if (in->kind == NGX_SOCKETIO_EVENT_ACK && in->attachments == 0) {
        in->attachments = 1;
    }

    rc = ngx_socketio_incoming(&w->zone, &s->id, in, model_now);

    if (model_gone()) {
        return;
    }

    switch (rc) {

    case NGX_OK:
        must(s->open && !s->missing && m && m->state == MODEL_CONNECTED);

        if (in->attachments) {
            s->missing = in->attachments;
            ngx_memcpy(&s->partial, in->body.data, 4);
            s->partial = (uint32_t) s->partial;
            s->partial_socket = m;

            if (!s->hooked || in->kind == NGX_SOCKETIO_EVENT_ACK) {
                s->partial_socket = NULL;
            }

            break;
        }

        must(s->hooked);
        m->seq++;
        ngx_memcpy(&m->events[m->nevents++], in->body.data, 4);
        break;

    case NGX_DONE:
        must(!s->hooked && m && m->state == MODEL_CONNECTED);
        break;

    case NGX_ABORT:
        must(s->missing || m == NULL || m->state != MODEL_CONNECTED);
        s->may_close = 1;
        break;

    case NGX_AGAIN:
        must(s->hooked);
        local->stalled = 1;
        break;

    case NGX_BUSY:
        break;

    default:
        must(rc == NGX_DECLINED && !s->open);
    }
}


static void
model_op_attachment(model_worker_t *w, model_session_t *s)
{
    u_char           data[70];
    ngx_int_t        rc;
    model_socket_t  *m;

    ngx_memset(data, (int) s->partial, sizeof(data));
    rc = ngx_socketio_incoming_attachment(&w->zone, &s->id, data,
                                          sizeof(data), model_now);
    if (model_gone() || rc == NGX_BUSY) {
        return;
    }

    if (rc == NGX_DECLINED) {
        must(!s->open);
        return;
    }

    if (rc == NGX_ABORT) {
        must(!s->missing);
        s->may_close = 1;
        return;
    }

    must(rc == NGX_OK && s->missing);

    m = s->partial_socket;

    if (--s->missing == 0 && m) {
        s->partial_socket = NULL;
        m->seq++;
        m->events[m->nevents++] = (uint32_t) s->partial;
        model_seen[17]++;
    }
}


static void
model_op_packet(model_worker_t *w, model_session_t *s, ngx_uint_t n)
{
    ngx_int_t   rc;
    ngx_uint_t  expected;

    static ngx_socketio_eio_event_e  events[] = {
        NGX_SOCKETIO_EIO_EV_PONG, NGX_SOCKETIO_EIO_EV_MESSAGE,
        NGX_SOCKETIO_EIO_EV_CLOSE, NGX_SOCKETIO_EIO_EV_PING,
        NGX_SOCKETIO_EIO_EV_PARSE_ERROR
    };

    rc = ngx_socketio_packet(&w->zone, &s->id, events[n], model_now);

    if (model_gone()) {
        return;
    }

    s->may_close = n > 1;
    expected = s->open && n < 2;
    must(!expected || rc == NGX_OK);
    must(s->open || rc == NGX_DONE);
}


/* what a client says in a POST or on its websocket */

static void
model_op_client(model_worker_t *w, model_session_t *s)
{
    u_char                   body[400];
    uint32_t                 serial;
    ngx_int_t                rc;
    ngx_uint_t               nsp, n;
    model_local_t           *local;
    model_socket_t          *m;
    model_worker_t          *other;
    ngx_socketio_name_t      name;
    ngx_socketio_session_t  *rec;
    ngx_socketio_incoming_t  in;

    rec = model_record(s);

    if (rec == NULL) {
        return;
    }

    local = model_local(s, MODEL_POST|MODEL_WS, &other);

    if (local == NULL || (local->kind == MODEL_WS && !local->websocket)) {
        local = model_op_post(w, s);

    } else {
        w = other;
    }

    if (local == NULL || local->stalled || model_gone()) {
        return;
    }

    nsp = model_choose(4) == 0;
    serial = ++model_serial;
    m = model_socket_of(s, nsp);

    ngx_memzero(&in, sizeof(ngx_socketio_incoming_t));
    model_name(&in.nsp, model_nsps[nsp]);
    ngx_memset(body, 'b', sizeof(body));
    ngx_memcpy(body, &serial, 4);
    ngx_memcpy(in.secret, &serial, 4);
    in.body.data = body;
    in.body.len = model_choose(3) ? 4 + model_choose(60) : sizeof(body);

    n = model_choose(32);

    if (s->missing && n != 0) {
        model_op_attachment(w, s);

    } else if (n < 2) {
        model_op_attachment(w, s);

    } else if (n < 4) {
        name = in.nsp;
        rc = ngx_socketio_incoming_disconnect(&w->zone, &s->id, &name,
                                              model_now);
        if (!model_gone() && rc == NGX_OK) {
            must(m && m->state == MODEL_CONNECTED);
            model_socket_end(s, m);

        } else {
            s->may_close = 1;
        }

    } else if (n == 4) {
        rc = ngx_socketio_incoming_ack(&w->zone, &s->id, &in.nsp, model_now);
        must(model_gone() || (rc == NGX_OK)
                             == (s->open && !s->missing && m
                                 && m->state == MODEL_CONNECTED));
        s->may_close = 1;

    } else if (n < 10) {
        model_op_packet(w, s, n - 5);

    } else if (m == NULL || n == 10) {
        model_op_connect(w, s, &in, nsp, local);

    } else if (m->state == MODEL_CONNECTED || n == 11) {
        model_op_event(w, s, &in, nsp, local);
    }
}


static void
model_op_upgrade(model_worker_t *w, model_local_t *local)
{
    ngx_int_t                  rc;
    ngx_uint_t                 i;
    ngx_socketio_upgrade_t     up;
    ngx_socketio_membership_t  members[MODEL_SEATS];

    ngx_memzero(&up, sizeof(ngx_socketio_upgrade_t));
    up.members = members;
    up.nmembers = model_choose(2) ? MODEL_SEATS : 1;

    rc = ngx_socketio_upgrade(&w->zone, &local->id, model_handle(w, local),
                              &up, model_now);
    if (model_gone()) {
        return;
    }

    if (rc == NGX_AGAIN) {
        must(up.nmembers > 1);
        up.nmembers = MODEL_SEATS;
        rc = ngx_socketio_upgrade(&w->zone, &local->id,
                                  model_handle(w, local), &up, model_now);
    }

    if (model_gone()) {
        return;
    }

    if (rc == NGX_DONE) {
        model_websocket_close(w, local, NGX_SOCKETIO_EIO_EV_PROBE_LOST);
        return;
    }

    must(rc == NGX_OK);
    model_seen[18]++;

    local->websocket = 1;
    local->from_seq = up.from_seq;

    for (i = 0; i < up.nmembers; i++) {
        model_seat(local, members[i].socket, members[i].room,
                   members[i].room_gen);
    }

    must(local->session->head == local->session->tail || up.taken.n
         || !local->session->open);
    model_taken(w, local->session, &up.taken);

    /* as the transport does: it may have been kicked meanwhile */

    model_look(w, local);
}


static void
model_op_websocket(model_worker_t *w, model_session_t *s)
{
    ngx_int_t                rc;
    ngx_uint_t               n;
    model_local_t           *local;
    model_worker_t          *other;
    ngx_socketio_id_t        id;
    ngx_socketio_session_t  *rec;

    local = model_local(s, MODEL_WS, &other);
    rec = model_record(s);

    if (local == NULL || model_choose(16) == 0) {
        local = model_local_add(w, MODEL_WS, s);
        rc = ngx_socketio_probe(&w->zone, s->sid, MODEL_LOCATION,
                                model_handle(w, local), &id, model_now);
        if (model_gone()) {
            return;
        }

        must(rc != NGX_OK || (s->open && rec));

        if (rc != NGX_OK) {
            local->kind = 0;
        }

        return;
    }

    w = other;
    n = model_choose(8);

    if (n == 0) {
        model_websocket_close(w, local,
                              !local->websocket
                                  ? NGX_SOCKETIO_EIO_EV_PROBE_LOST
                                  : model_choose(2)
                                        ? NGX_SOCKETIO_EIO_EV_WS_CLOSE
                                        : NGX_SOCKETIO_EIO_EV_WS_ERROR);

    } else if (!local->websocket && n < 5) {
        rc = ngx_socketio_probe_ping(&w->zone, &local->id,
                                     model_handle(w, local), model_now);

        if (!model_gone() && rc != NGX_OK) {
            model_websocket_close(w, local, NGX_SOCKETIO_EIO_EV_PROBE_LOST);
        }

    } else if (!local->websocket) {
        model_op_upgrade(w, local);
    }
}


static void
model_op_time(model_worker_t *w)
{
    static uint32_t  steps[] = { 1, 49, 50, 200, 1000, 3000, 70000 };

    model_now += steps[model_choose(model_choose(8) ? 6 : 7)];
    stub_clock(model_now);

    model_any_close = 1;
    ngx_socketio_wheel_turn(&w->zone, model_now);
    must(model_zone.sh->wheel_at >= model_now / NGX_SOCKETIO_WHEEL_MSEC
         || model_gone());
    (void) ngx_socketio_wheel_next(&w->zone, model_now);
}


/*
 * Takes nearly all memory, as messages that this worker fills and writes, or
 * gives it back.
 */

static void
model_op_hoard(model_worker_t *w)
{
    ngx_uint_t               i, left;
    ngx_socketio_ref_t       ref, node;
    ngx_socketio_slot_t     *slot;
    ngx_socketio_node_t     *n;

    if (model_nhoard) {
        for (i = 0; i < model_nhoard; i++) {
            if (model_hoarder->alive
                && ngx_socketio_find_locked(&w->zone, NGX_SOCKETIO_NODE,
                                            model_hoard[i].ref,
                                            model_hoard[i].gen))
            {
                ngx_socketio_slot_give_back(&model_hoarder->zone,
                                            &model_hoard[i].ref, 1);
            }

            if (model_gone()) {
                break;
            }
        }

        model_nhoard = 0;
        return;
    }

    left = model_choose(4);
    model_hoarder = w;

    ngx_socketio_zone_lock(&w->zone);

    slot = &w->zone.slots[w->zone.slot];

    while (!model_gone() && model_nhoard < MODEL_HOARD
           && (w->zone.sh->free_pages > left / 2
               || w->zone.sh->nfree[NGX_SOCKETIO_NODE] > left))
    {
        ref = ngx_socketio_message_alloc_locked(&w->zone,
                               w->zone.sh->free_pages > 4 ? 4000 : 5);
        if (ref == 0) {
            break;
        }

        node = ngx_socketio_node_alloc_locked(&w->zone, ref,
                                              NGX_SOCKETIO_TO_SOCKET);
        if (node) {
            n = ngx_socketio_rec(&w->zone, node);
            n->owner = (ngx_socketio_ref_t) w->zone.slot;
            ngx_socketio_nodes_add_locked(&w->zone, &slot->held,
                                          &slot->held_tail, node);
            model_hoard[model_nhoard].ref = node;
            model_hoard[model_nhoard++].gen = n->rec.gen;
        }

        ngx_socketio_message_release_locked(&w->zone, ref);

        if (node == 0) {
            break;
        }
    }

    ngx_socketio_zone_unlock(&w->zone);
}


/* more bells than a ring keeps */

static void
model_op_bells(model_worker_t *w)
{
    ngx_uint_t                i;
    ngx_socketio_slot_t      *slot;
    ngx_socketio_session_t   *rec;

    ngx_socketio_zone_lock(&w->zone);

    for (i = 0; i < 150 && !model_gone(); i++) {
        slot = &w->zone.slots[w->zone.slot];
        rec = model_record(&model_sessions[i % MODEL_SESSIONS]);

        if (slot->gen && rec) {
            ngx_socketio_bell_locked(&w->zone, w->zone.slot, slot->gen,
                                  model_sessions[i % MODEL_SESSIONS].id.ref);
        }
    }

    ngx_socketio_zone_unlock(&w->zone);
}


/* ------------------------------------------------------- deaths */

static ngx_uint_t
model_alive(void)
{
    ngx_uint_t  i, n;

    for (n = 0, i = 0; i < MODEL_SLOTS; i++) {
        n += model_workers[i].alive;
    }

    return n;
}


static void
model_start(ngx_uint_t slot)
{
    ngx_int_t           rc;
    model_worker_t     *w;
    ngx_socketio_ref_t  cursor;

    w = &model_workers[slot];
    must(!w->alive);

    ngx_memzero(w, sizeof(model_worker_t));
    must(ngx_socketio_zone_init(&w->zone, &model_shm, &model_zone, 0)
         == NGX_OK);
    w->zone.wake = model_wake;
    w->zone.inbox = model_inbox;
    w->alive = 1;

    while (ngx_socketio_slot_claim(&w->zone, slot) == NGX_BUSY) {
        cursor = 0;
        model_any_close = 1;
        model_seen[19]++;

        do {
            rc = ngx_socketio_slot_bury(&w->zone, slot, &cursor, model_now);
        } while (rc == NGX_AGAIN);
    }

    check_dead &= ~((uint64_t) 1 << slot);
    model_graves[slot] = 0;
}


static void
model_op_worker(model_worker_t *w)
{
    ngx_int_t   rc;
    ngx_uint_t  i, slot;

    slot = w - model_workers;

    switch (model_choose(6)) {

    case 0:
        /* kill -9 */
        w->alive = 0;
        check_dead |= (uint64_t) 1 << slot;
        model_seen[20]++;
        return;

    case 1:
        ngx_socketio_slot_exiting(&w->zone);
        w->exiting = 1;

        for (i = 0; i < MODEL_LOCALS && !model_gone(); i++) {
            if (w->locals[i].kind == MODEL_GET) {
                model_look_get(w, &w->locals[i], 1);
            }
        }

        return;

    case 2:
        if (!w->exiting) {
            return;
        }

        model_any_close = 1;
        model_return(w);
        ngx_socketio_slot_leave(&w->zone);
        w->alive = 0;
        model_seen[21]++;
        return;

    case 3:
        /* somebody finds a dead one */

        for (i = 0; i < MODEL_SLOTS; i++) {
            if (check_dead & (uint64_t) 1 << i) {
                model_any_close = 1;
                model_seen[22]++;
                rc = ngx_socketio_slot_bury(&w->zone, i, &model_graves[i],
                                            model_now);
                if (rc == NGX_OK) {
                    check_dead &= ~((uint64_t) 1 << i);
                    model_graves[i] = 0;
                }

                return;
            }
        }

        return;

    case 4:
        if (w->exiting && w->nowned) {
            i = model_choose(w->nowned);
            rc = ngx_socketio_inbox_pass_on(&w->zone, &w->owned[i].id,
                                            w->owned[i].tenure);
            if (rc == NGX_OK) {
                model_disown(w, i);
            }
        }

        return;

    default:
        /* dies holding the lock, some holds later */
        if (model_choose(8) == 0) {
            model_die = 1 + model_choose(3);
        }
    }
}


static void
model_unlocking(void)
{
    model_unlocks++;

    if (model_every && model_unlocks % model_every == 0) {
        check_all(&model_zone);
    }

    if (model_die && --model_die == 0) {
        model_zone.sh->dirty = 1;
        model_seen[23]++;
    }
}


/* ----------------------------------------------------------- the truth */

static void
model_reset(void)
{
    ngx_uint_t       i;
    model_worker_t  *w;

    /* what was made after it, in the same step, goes too */

    model_zone.sh->dirty = 1;
    model_zone.wake = model_wake;
    ngx_socketio_zone_lock(&model_zone);
    ngx_socketio_zone_unlock(&model_zone);

    must(model_zone.sh->free_pages == model_zone.sh->npages);
    must(model_zone.sh->stats.sessions == 0);

    model_emptied = model_zone.sh->stats.emptied;
    model_nhoard = 0;

    for (i = 0; i < MODEL_SLOTS; i++) {
        w = &model_workers[i];

        if (!w->alive) {
            continue;
        }

        ngx_memzero(w->locals, sizeof(w->locals));
        w->nowned = 0;
        w->nback = 0;
        w->left = 0;
        w->woken = 0;

        ngx_socketio_slot_take(&w->zone, &w->letters, model_now);
        must(w->letters.n == 0 && w->letters.emptied);
        w->bells = w->letters.nbells;
    }

    ngx_memzero(model_sessions, sizeof(model_sessions));

    for (i = 0; i < MODEL_SLOTS; i++) {
        check_dead &= ~((uint64_t) 1 << i);
        check_dead |= (uint64_t) (model_zone.slots[i].gen
                                  && !model_workers[i].alive) << i;
        model_graves[i] = 0;
    }
}


static void
model_sync_socket(model_session_t *s, model_socket_t *m)
{
    ngx_uint_t              n;
    ngx_socketio_ref_t      ref;
    ngx_socketio_room_t    *room;
    ngx_socketio_member_t  *member;
    ngx_socketio_socket_t  *socket;
    char                    name[24];

    static uint8_t  states[] = {
        NGX_SOCKETIO_SOCKET_PENDING, NGX_SOCKETIO_SOCKET_CONNECTED,
        NGX_SOCKETIO_SOCKET_ENDED, NGX_SOCKETIO_SOCKET_ORPHAN,
        NGX_SOCKETIO_SOCKET_REFUSED
    };

    socket = ngx_socketio_find_locked(&model_zone, NGX_SOCKETIO_SOCKET,
                                      m->id.ref, m->id.gen);
    must(socket != NULL);
    must(socket->session == s->id.ref);
    must(socket->state == states[m->state]);
    must(m->state != MODEL_CONNECTED
         || socket->nrooms == 1 + model_room_count(m));

    n = 0;

    for (ref = socket->members; ref; ref = member->socket_next) {
        member = check_rec(ref, NGX_SOCKETIO_MEMBER);
        room = check_rec(member->room, NGX_SOCKETIO_ROOM);

        if (room->parent) {
            n = ngx_socketio_bytes_read(&model_zone, room->name,
                                        (u_char *) name, 22);
            name[n] = 0;
            must(m->state != MODEL_CONNECTED || model_in(m, name));
        }
    }
}


/* closed sessions; all else must be as the model thinks */

static void
model_sync(void)
{
    ngx_uint_t               i, k, may;
    model_session_t         *s;
    ngx_socketio_session_t  *rec;

    if (model_gone()) {
        return;
    }

    check_zone = &model_zone;
    may = model_any_close || model_full != model_zone.sh->stats.full
          || model_slow != model_zone.sh->stats.slow;

    for (i = 0; i < MODEL_SESSIONS; i++) {
        s = &model_sessions[i];

        if (!s->used) {
            continue;
        }

        rec = model_record(s);

        if (s->open
            && (rec == NULL || rec->eio.state != NGX_SOCKETIO_EIO_OPENED))
        {
            must(s->may_close || may);
            s->open = 0;
            s->missing = 0;
            s->partial_socket = NULL;

            for (k = 0; k < MODEL_SOCKETS; k++) {
                if (s->sockets[k].used) {
                    model_socket_end(s, &s->sockets[k]);
                }
            }
        }

        if (rec == NULL) {

            /* nothing was left to be told to anybody */

            must(model_nsockets(s) == 0);
            s->used = 0;
            continue;
        }

        must(!s->open || rec->eio.state == NGX_SOCKETIO_EIO_OPENED);

        s->may_close = 0;

        for (k = 0; k < MODEL_SOCKETS; k++) {
            if (s->sockets[k].used) {
                model_sync_socket(s, &s->sockets[k]);
            }
        }
    }

    model_any_close = 0;
    model_full = model_zone.sh->stats.full;
    model_slow = model_zone.sh->stats.slow;
}


/*
 * Everybody who was woken does what there is to do.  Then nobody may have
 * something to do, of which he was not told.
 */

static void
model_quiet(void)
{
    ngx_uint_t               i, k, busy;
    model_local_t           *local;
    model_worker_t          *w;
    ngx_socketio_slot_t     *slot;
    ngx_socketio_session_t  *rec;

    do {
        busy = 0;

        for (i = 0; i < MODEL_SLOTS; i++) {
            w = &model_workers[i];

            if (w->alive
                && (w->woken || w->left || w->bells < w->letters.nbells))
            {
                busy = 1;
                model_letters(w, 1000);
                model_sync();

                if (model_gone()) {
                    return;
                }
            }
        }
    } while (busy);

    for (i = 0; i < MODEL_SLOTS; i++) {
        w = &model_workers[i];

        if (!w->alive) {
            continue;
        }

        slot = &model_zone.slots[i];
        must(slot->mailbox == 0 && slot->ring_head == slot->ring_tail);
        must(!slot->overrun && !slot->all);

        for (k = 0; k < MODEL_LOCALS; k++) {
            local = &w->locals[k];

            if (local->kind == 0) {
                continue;
            }

            rec = model_record(local->session);
            must(rec != NULL && local->session->id.gen == local->id.gen);
            must(rec->eio.state != NGX_SOCKETIO_EIO_CLOSED);

            if (local->kind == MODEL_GET) {
                must(rec->eio.state == NGX_SOCKETIO_EIO_OPENED);
                must(rec->eio.transport == NGX_SOCKETIO_EIO_POLLING);
                must(!rec->outbox && !rec->eio.ping);
            }

            if (local->kind == MODEL_WS && local->websocket) {
                must(rec->eio.state == NGX_SOCKETIO_EIO_OPENED);
                must(local->session->head == local->session->tail);
            }

            if (local->stalled) {
                must(rec->inbox_n && rec->stuffed);
            }
        }
    }

    for (i = 0; i < MODEL_SESSIONS; i++) {

        if (!model_sessions[i].used) {
            continue;
        }

        rec = model_record(&model_sessions[i]);

        if (rec == NULL || rec->owner_gen == 0
            || !model_workers[rec->owner].alive
            || model_zone.slots[rec->owner].gen != rec->owner_gen)
        {
            continue;
        }

        w = &model_workers[rec->owner];

        for (k = 0; k < w->nowned; k++) {
            if (w->owned[k].id.gen == rec->rec.gen
                && w->owned[k].tenure == rec->tenure)
            {
                break;
            }
        }

        must(k < w->nowned);
    }

    model_seen[24]++;
}


static void
model_step(void)
{
    ngx_uint_t        n;
    model_worker_t   *w;
    model_session_t  *s;

    n = model_choose(MODEL_SLOTS);
    w = &model_workers[n];

    if (!w->alive) {

        if (model_alive() == 0 || model_choose(3) == 0) {
            model_start(n);
            model_sync();
        }

        return;
    }

    s = &model_sessions[model_choose(MODEL_SESSIONS)];
    n = model_choose(100);

    if (n < 3 || (!s->used && n < 40)) {
        model_op_open(w);

    } else if (n < 18) {
        model_letters(w, 1 + model_choose(20));

    } else if (n < 20) {
        model_return(w);

    } else if (n < 32) {
        model_op_emit(w);

    } else if (n < 36) {
        model_op_select(w);

    } else if (n < 38) {
        model_op_post_end();

    } else if (n < 48) {
        if (w->nowned) {
            model_hook(w, model_choose(w->nowned));
        }

    } else if (n == 48) {
        model_op_time(w);

    } else if (n == 49 && model_choose(4) == 0) {
        model_op_hoard(w);

    } else if (n == 50 && model_choose(8) == 0) {
        model_op_bells(w);

    } else if (n == 51) {
        model_op_worker(w);

    } else if (n == 52) {
        model_op_get_end();

    } else if (n < 54) {
        model_quiet();

    } else if (!s->used) {
        return;

    } else if (n < 64) {
        model_op_get(w, s);

    } else if (n < 70) {
        model_op_websocket(w, s);

    } else if (n < 72) {
        model_op_reply(w, s);

    } else if (n == 72) {
        s->may_close = 1;
        ngx_socketio_end(&w->zone, &s->id,
                         NGX_SOCKETIO_REASON_TRANSPORT_ERROR, model_now);
    } else {
        model_op_client(w, s);
    }
}


/* all go, and leave nothing */

static void
model_finish(void)
{
    ngx_uint_t       i, busy;
    model_worker_t  *w;

    model_die = 0;

    if (!model_workers[0].alive) {
        model_start(0);
    }

    model_any_close = 1;

    for (i = 1; i < MODEL_SLOTS; i++) {
        if (check_dead & (uint64_t) 1 << i) {
            model_start(i);
        }
    }

    model_sync();
    model_any_close = 1;

    for (i = 0; i < MODEL_SESSIONS; i++) {
        if (model_sessions[i].used) {
            ngx_socketio_end(&model_workers[0].zone, &model_sessions[i].id,
                             NGX_SOCKETIO_REASON_FORCED, model_now);
        }
    }

    model_sync();

    do {
        busy = 0;
        model_quiet();

        for (i = 0; i < MODEL_SLOTS; i++) {
            w = &model_workers[i];

            while (w->alive && w->nowned) {
                busy = 1;
                model_hook(w, 0);
                model_sync();
            }
        }
    } while (busy);

    model_now += 100;
    stub_clock(model_now);
    ngx_socketio_wheel_turn(&model_workers[0].zone, model_now);
    model_sync();

    for (i = 0; i < MODEL_SESSIONS; i++) {
        must(!model_sessions[i].used);
    }

    for (i = 0; i < MODEL_SLOTS; i++) {
        if (model_workers[i].alive) {
            model_return(&model_workers[i]);
            ngx_socketio_slot_leave(&model_workers[i].zone);
            model_workers[i].alive = 0;
        }
    }

    check_all(&model_zone);
    must(model_zone.sh->free_pages == model_zone.sh->npages);
    must(model_zone.sh->stats.sessions == 0);
    must(model_zone.sh->stats.sockets == 0);
}


static void
model_run(ngx_uint_t npages, ngx_uint_t every, ngx_uint_t steps)
{
    ngx_uint_t  i;

    ngx_memzero(model_workers, sizeof(model_workers));
    ngx_memzero(model_sessions, sizeof(model_sessions));
    ngx_memzero(model_graves, sizeof(model_graves));
    ngx_memzero(&model_zone, sizeof(model_zone));
    ngx_memzero(&model_pool, sizeof(model_pool));

    model_now = 1000000;
    stub_clock(model_now);

    model_shm.shm.addr = (u_char *) &model_pool;
    model_shm.shm.log = &model_log;
    model_shm.shm.exists = 0;
    model_pool.pfree = npages + 64;
    model_over = 0;
    model_die = 0;
    model_nhoard = 0;
    model_unlocks = 0;
    model_every = every;
    model_serial = 0;
    model_full = 0;
    model_slow = 0;
    model_emptied = 0;
    check_dead = 0;
    stub_unlocking = NULL;

    must(ngx_socketio_zone_init(&model_zone, &model_shm, NULL, MODEL_SLOTS)
         == NGX_OK);

    /* fewer pages than a zone may have, so that memory runs out */

    must(npages <= model_zone.sh->npages);
    model_zone.sh->npages = (uint32_t) npages;
    ngx_socketio_zone_layout(&model_zone, 0);
    ngx_socketio_zone_empty_locked(&model_zone);
    model_zone.sh->stats.emptied = 0;

    store_poison_all(&model_zone);
    stub_unlocking = model_unlocking;

    model_start(0);
    model_start(1);

    for (i = 0; i < steps && !model_over; i++) {
        model_step();
        model_sync();

        if (model_gone()) {
            model_reset();
        }
    }

    model_die = 0;

    if (!model_workers[0].alive) {
        model_start(0);
    }

    if (model_nhoard) {
        model_op_hoard(&model_workers[0]);
    }

    model_letters(&model_workers[0], 0);
    model_letters(&model_workers[0], 1000);
    model_sync();

    if (model_gone()) {
        model_reset();
    }

    model_finish();

    store_unpoison_all(&model_zone);
    stub_unlocking = NULL;
    free(stub_block);
    stub_block = NULL;
}


#endif /* _STORE_MODEL_H_INCLUDED_ */
