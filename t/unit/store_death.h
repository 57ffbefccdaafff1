
/*
 * Copyright (C) the ngx_http_socketio_module authors
 */


/*
 * What others can see of a zone, before a hold, after it, and after a worker
 * died in it and the zone was rebuilt.  The third is between the first two:
 * each queue has what it had, and nothing or the beginning of what it got or
 * lost; each membership is as before or as after; and what the workers of
 * websockets are told of them comes to the same.  But a session that was being
 * changed may have been closed.
 */


#ifndef _STORE_DEATH_H_INCLUDED_
#define _STORE_DEATH_H_INCLUDED_


#include "store_model.h"


#define DEATH_SESSIONS  64
#define DEATH_SOCKETS   256
#define DEATH_MEMBERS   1024
#define DEATH_QUEUE     2048


typedef struct {
    ngx_uint_t               n;
    uint64_t                 items[DEATH_QUEUE];    /* reference and life */
} death_queue_t;


typedef struct {
    ngx_socketio_ref_t       ref;
    uint32_t                 gen;
    ngx_uint_t               open;
    ngx_uint_t               websocket;
    ngx_uint_t               slot;
    ngx_socketio_ref_t       partial;
    uint32_t                 got;
    death_queue_t            out;           /* messages */
    death_queue_t            in;            /* entries */
} death_session_t;


typedef struct {
    ngx_socketio_ref_t       ref;
    uint32_t                 gen;
    ngx_socketio_ref_t       session;
    uint32_t                 session_gen;
    ngx_uint_t               state;
} death_socket_t;


typedef struct {
    ngx_socketio_ref_t       socket;
    ngx_socketio_ref_t       room;
    uint32_t                 room_gen;
} death_member_t;


typedef struct {
    ngx_uint_t               nsessions;
    death_session_t          sessions[DEATH_SESSIONS];
    ngx_uint_t               nsockets;
    death_socket_t           sockets[DEATH_SOCKETS];
    ngx_uint_t               nmembers;      /* of connected sockets */
    death_member_t           members[DEATH_MEMBERS];
    death_queue_t            mail[MODEL_SLOTS];
    ngx_uint_t               overrun[MODEL_SLOTS];
    uint64_t                 closed;        /* not counted: for the report */
} death_view_t;


static uint64_t
death_item(ngx_socketio_ref_t ref)
{
    ngx_socketio_rec_t  *rec;

    rec = ngx_socketio_rec(&model_zone, ref);

    return (uint64_t) rec->gen << 32 | ref;
}


static void
death_push(death_queue_t *q, uint64_t item)
{
    must(q->n < DEATH_QUEUE);
    q->items[q->n++] = item;
}


static void
death_see_session(death_session_t *s, ngx_socketio_ref_t ref)
{
    ngx_socketio_ref_t       r;
    ngx_socketio_node_t     *node;
    ngx_socketio_event_t    *event;
    ngx_socketio_session_t  *session;

    session = ngx_socketio_rec(&model_zone, ref);

    s->ref = ref;
    s->gen = session->rec.gen;
    s->open = (session->eio.state == NGX_SOCKETIO_EIO_OPENED);
    s->websocket = (session->eio.transport == NGX_SOCKETIO_EIO_WEBSOCKET);
    s->slot = session->conns[NGX_SOCKETIO_CONN_WS].slot;
    s->partial = session->partial;
    s->got = 0;
    s->out.n = 0;
    s->in.n = 0;

    if (session->partial) {
        event = ngx_socketio_rec(&model_zone, session->partial);
        s->got = event->got;
    }

    for (r = session->outbox; r; r = node->next) {
        node = ngx_socketio_rec(&model_zone, r);
        death_push(&s->out, death_item(node->message));
    }

    for (r = session->inbox;
         r;
         r = *ngx_socketio_entry_link_locked(&model_zone, r))
    {
        death_push(&s->in, death_item(r));
    }
}


/* with the lock held, all lists good */

static void
death_see(death_view_t *v)
{
    ngx_uint_t               i;
    ngx_socketio_ref_t       ref;
    death_socket_t          *s;
    death_member_t          *m;
    ngx_socketio_rec_t      *room;
    ngx_socketio_slot_t     *slot;
    ngx_socketio_node_t     *node;
    ngx_socketio_member_t   *member;
    ngx_socketio_socket_t   *socket;
    ngx_socketio_session_t  *session;

    v->nsessions = v->nsockets = v->nmembers = 0;

    ngx_socketio_rebuild_each(&model_zone, NGX_SOCKETIO_SESSION, ref) {
        must(v->nsessions < DEATH_SESSIONS);
        death_see_session(&v->sessions[v->nsessions++], ref);
    }

    ngx_socketio_rebuild_each(&model_zone, NGX_SOCKETIO_SOCKET, ref) {
        must(v->nsockets < DEATH_SOCKETS);
        socket = ngx_socketio_rec(&model_zone, ref);
        s = &v->sockets[v->nsockets++];
        s->ref = ref;
        s->gen = socket->rec.gen;
        s->session = socket->session;
        s->state = socket->state;
        s->session_gen = 0;

        if (socket->session) {
            session = ngx_socketio_rec(&model_zone, socket->session);
            s->session_gen = session->rec.gen;
        }
    }

    ngx_socketio_rebuild_each(&model_zone, NGX_SOCKETIO_MEMBER, ref) {
        member = ngx_socketio_rec(&model_zone, ref);
        socket = ngx_socketio_rec(&model_zone, member->socket);

        if (socket->state != NGX_SOCKETIO_SOCKET_CONNECTED) {
            continue;
        }

        must(v->nmembers < DEATH_MEMBERS);
        room = ngx_socketio_rec(&model_zone, member->room);
        m = &v->members[v->nmembers++];
        m->socket = member->socket;
        m->room = member->room;
        m->room_gen = room->gen;
    }

    for (i = 0; i < MODEL_SLOTS; i++) {
        slot = &model_zone.slots[i];
        v->mail[i].n = 0;
        v->overrun[i] = slot->overrun || slot->gen == 0;

        for (ref = slot->mailbox; ref; ref = node->next) {
            node = ngx_socketio_rec(&model_zone, ref);
            death_push(&v->mail[i], death_item(ref));
        }
    }
}


static death_session_t *
death_session(death_view_t *v, ngx_socketio_ref_t ref, uint32_t gen)
{
    ngx_uint_t  i;

    for (i = 0; i < v->nsessions; i++) {
        if (v->sessions[i].ref == ref && v->sessions[i].gen == gen) {
            return &v->sessions[i];
        }
    }

    return NULL;
}


static death_socket_t *
death_socket(death_view_t *v, ngx_socketio_ref_t ref, uint32_t gen)
{
    ngx_uint_t  i;

    for (i = 0; i < v->nsockets; i++) {
        if (v->sockets[i].ref == ref && v->sockets[i].gen == gen) {
            return &v->sockets[i];
        }
    }

    return NULL;
}


static ngx_uint_t
death_member(death_view_t *v, death_member_t *m)
{
    ngx_uint_t  i;

    for (i = 0; i < v->nmembers; i++) {
        if (v->members[i].socket == m->socket
            && v->members[i].room == m->room
            && v->members[i].room_gen == m->room_gen)
        {
            return 1;
        }
    }

    return 0;
}


static ngx_uint_t
death_prefix(death_queue_t *a, death_queue_t *b)
{
    return a->n <= b->n
           && memcmp(a->items, b->items, a->n * sizeof(uint64_t)) == 0;
}


static ngx_uint_t
death_suffix(death_queue_t *a, death_queue_t *b)
{
    return a->n <= b->n
           && memcmp(a->items, b->items + b->n - a->n,
                     a->n * sizeof(uint64_t)) == 0;
}


/* a beginning of what is added, or of what is taken away */

static ngx_uint_t
death_between(death_queue_t *before, death_queue_t *now, death_queue_t *after)
{
    return (death_prefix(before, now) && death_prefix(now, after))
           || (death_suffix(after, now) && death_suffix(now, before));
}


static void
death_compare_sessions(death_view_t *before, death_view_t *now,
    death_view_t *after)
{
    ngx_uint_t        i;
    death_session_t  *s, *b, *a;

    static death_session_t  none;

    for (i = 0; i < now->nsessions; i++) {
        s = &now->sessions[i];
        b = death_session(before, s->ref, s->gen);
        a = death_session(after, s->ref, s->gen);

        must(b || a);

        if (!s->open) {

            /* that it was closed must not lose what the backend hears of */

            now->closed += (b == NULL || b->open) && (a == NULL || a->open);

            if (b && a && b->open && !a->open) {
                continue;
            }

            continue;
        }

        must((b && b->open) || (a && a->open));

        b = b ? b : &none;
        a = a ? a : &none;

        must(s->websocket == b->websocket || s->websocket == a->websocket);
        must(s->partial == b->partial || s->partial == a->partial);
        must(death_between(&b->in, &s->in, &a->in));

        if (s->websocket == b->websocket) {
            must(death_between(&b->out, &s->out, &a->out));
        }
    }

    /* none is gone that neither was */

    for (i = 0; i < before->nsessions; i++) {
        s = &before->sessions[i];
        must(death_session(now, s->ref, s->gen)
             || !s->open || !death_session(after, s->ref, s->gen)
             || !death_session(after, s->ref, s->gen)->open
             || now->closed);
    }
}


static void
death_compare_sockets(death_view_t *before, death_view_t *now,
    death_view_t *after)
{
    ngx_uint_t        i;
    death_socket_t   *s, *b, *a;
    death_member_t   *m;
    death_session_t  *session;

    for (i = 0; i < now->nsockets; i++) {
        s = &now->sockets[i];
        b = death_socket(before, s->ref, s->gen);
        a = death_socket(after, s->ref, s->gen);
        must(b || a);

        session = death_session(now, s->session, s->session_gen);

        if (session && session->open) {
            must((b && s->state == b->state) || (a && s->state == a->state));
        }
    }

    for (i = 0; i < before->nsockets; i++) {
        s = &before->sockets[i];
        session = death_session(now, s->session, s->session_gen);

        if (session && session->open
            && s->state == NGX_SOCKETIO_SOCKET_CONNECTED
            && death_socket(after, s->ref, s->gen))
        {
            must(death_socket(now, s->ref, s->gen));
        }
    }

    for (i = 0; i < now->nmembers; i++) {
        m = &now->members[i];
        must(death_member(before, m) || death_member(after, m));
    }

    for (i = 0; i < before->nmembers; i++) {
        m = &before->members[i];

        if (death_member(after, m) && !death_member(now, m)) {
            must(now->closed);
        }
    }
}


/* what a worker's index comes to, of one session */

static void
death_compare_index(death_view_t *before, death_view_t *now,
    death_session_t *s)
{
    ngx_uint_t            i, k, n;
    death_queue_t        *mail;
    death_socket_t       *socket;
    death_member_t        seats[DEATH_MEMBERS], *m;
    ngx_socketio_node_t  *node;

    n = 0;

    for (i = 0; i < before->nmembers; i++) {
        m = &before->members[i];

        for (k = 0; k < before->nsockets; k++) {
            socket = &before->sockets[k];

            if (socket->ref == m->socket && socket->session == s->ref) {
                seats[n++] = *m;
            }
        }
    }

    mail = &now->mail[s->slot];

    for (i = before->mail[s->slot].n; i < mail->n; i++) {
        node = ngx_socketio_rec(&model_zone,
                                (ngx_socketio_ref_t) mail->items[i]);

        if (node->session_gen != s->gen) {
            continue;
        }

        if (node->rec.kind == NGX_SOCKETIO_JOINED) {
            must(n < DEATH_MEMBERS);
            seats[n].socket = node->socket;
            seats[n].room = node->room;
            seats[n++].room_gen = node->room_gen;

        } else if (node->rec.kind == NGX_SOCKETIO_LEFT) {

            for (k = 0; k < n; /* void */ ) {
                if (seats[k].socket == node->socket
                    && (node->room == 0 || seats[k].room == node->room))
                {
                    seats[k] = seats[--n];

                } else {
                    k++;
                }
            }
        }
    }

    for (i = 0; i < n; i++) {
        must(death_member(now, &seats[i]));
    }

    for (k = 0, i = 0; i < now->nmembers; i++) {
        m = &now->members[i];

        for (ngx_uint_t j = 0; j < now->nsockets; j++) {
            k += now->sockets[j].ref == m->socket
                 && now->sockets[j].session == s->ref;
        }
    }

    must(k == n);
}


static void
death_compare(death_view_t *before, death_view_t *now, death_view_t *after)
{
    ngx_uint_t        i, n;
    death_session_t  *s, *b;

    now->closed = 0;

    death_compare_sessions(before, now, after);
    death_compare_sockets(before, now, after);

    for (i = 0; i < MODEL_SLOTS; i++) {

        if (now->overrun[i] || before->overrun[i] || after->overrun[i]) {
            continue;
        }

        /* what was queued, then a beginning of what came, then it was told */

        if (death_prefix(&before->mail[i], &after->mail[i])) {
            must(death_prefix(&before->mail[i], &now->mail[i]));

            for (n = before->mail[i].n;
                 n < now->mail[i].n && n < after->mail[i].n
                 && now->mail[i].items[n] == after->mail[i].items[n];
                 n++)
            {
                /* void */
            }
        }
    }

    for (i = 0; i < now->nsessions; i++) {
        s = &now->sessions[i];
        b = death_session(before, s->ref, s->gen);

        if (s->open && s->websocket && b && b->websocket
            && !now->overrun[s->slot] && !before->overrun[s->slot]
            && death_prefix(&before->mail[s->slot], &now->mail[s->slot]))
        {
            death_compare_index(before, now, s);
        }
    }
}


#endif /* _STORE_DEATH_H_INCLUDED_ */
