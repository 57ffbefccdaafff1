
/*
 * Copyright (C) the ngx_http_socketio_module authors
 */


/*
 * Emits that are to be answered, as the model knows them: whom each expects,
 * and what has come of it.  Each of them has exactly one outcome: an entry
 * of the socket's inbox, with the token, or an answer for the worker that
 * waits, or nothing if that worker has gone.
 *
 * What clients answer is known at once.  The rest, timeouts and sockets that
 * ended, is found after each step (model_asks_sync()): who is not awaited any
 * more must have a reason for it, and an entry in the right place.
 */


#ifndef _STORE_ASKS_H_INCLUDED_
#define _STORE_ASKS_H_INCLUDED_


#include "store_world.h"


/* an entry of an inbox in model_socket_t.events, above the body's serial */

#define MODEL_ACK            ((uint64_t) 1 << 63)
#define model_ack_event(ask, kind, parts, body)                               \
    (MODEL_ACK | (uint64_t) ((kind) - NGX_SOCKETIO_EVENT_ACK) << 60           \
     | (uint64_t) (parts) << 56           \
     | (uint64_t) (ask)->token << 32 | (body))
#define model_ack_kind(e)                                                     \
    (NGX_SOCKETIO_EVENT_ACK + ((ngx_uint_t) ((e) >> 60) & 7))
#define model_ack_parts(e)   ((ngx_uint_t) ((e) >> 56) & 15)
#define model_ack_token(e)   ((uint32_t) ((e) >> 32) & 0xffffff)


static size_t
model_token(u_char *p, uint32_t token)
{
    size_t  len;

    /* some need more than one chunk */

    len = (token % 3) ? 12 : 200;
    ngx_memset(p, 't', len);
    ngx_memcpy(p + 1, &token, sizeof(uint32_t));
    p[0] = '"';
    p[len - 1] = '"';

    return len;
}


/* 1: it waits, and its worker is there to do so */

static ngx_uint_t
model_ask_waits(model_ask_t *ask)
{
    return model_workers[ask->slot].alive
           && model_workers[ask->slot].zone.slot_gen == ask->slot_gen;
}


static model_ask_t *
model_ask_free(void)
{
    ngx_uint_t  i;

    for (i = 0; i < MODEL_ASKS; i++) {
        if (!model_asks[i].used) {
            return &model_asks[i];
        }
    }

    return NULL;
}


/* the ask with this number that a socket owes an answer to */

static model_ask_t *
model_owes(model_socket_t *m, uint64_t number)
{
    ngx_uint_t  i;

    for (i = 0; m && m->used && i < m->nasks; i++) {
        if (m->asks[i]->number == number) {
            return m->asks[i];
        }
    }

    return NULL;
}


static void
model_event(model_socket_t *m, uint64_t event)
{
    must(m->nevents < MODEL_EVENTS);
    m->events[m->nevents++] = event;
    m->seq++;
}


/* this socket is not awaited any more */

static void
model_ask_out(model_socket_t *m, model_ask_t *ask)
{
    ngx_uint_t  i;

    for (i = 0; m->asks[i] != ask; i++) {
        must(i + 1 < m->nasks);
    }

    for (m->nasks--; i < m->nasks; i++) {
        m->asks[i] = m->asks[i + 1];
        m->given[i] = m->given[i + 1];
    }

    must(ask->left);
    ask->left--;

    if (ask->left == 0 && ask->token) {
        ask->used = 0;
    }
}


/* the socket has ended, and nobody need hear of it but who waits */

static void
model_asks_end(model_socket_t *m)
{
    while (m->nasks) {
        model_seen[41]++;
        model_ask_out(m, m->asks[0]);
    }
}


static void
model_answered(model_socket_t *m, model_ask_t *ask, uint32_t body,
    ngx_uint_t parts)
{
    ask->received++;
    model_seen[36] += (parts == 0);
    model_seen[37] += (parts != 0);

    if (ask->token) {
        model_event(m, model_ack_event(ask, NGX_SOCKETIO_EVENT_ACK, parts,
                                       body));

    } else {
        must(ask->nanswers < MODEL_EXPECTED);
        ask->answers[ask->nanswers] = body;
        ask->parts[ask->nanswers++] = (uint8_t) parts;
    }

    model_ask_out(m, ask);
}


/* who waits does so no more, or its worker is buried */

static void
model_ask_drop(model_ask_t *ask)
{
    ngx_uint_t       i, k;
    model_socket_t  *m;

    for (i = 0; i < MODEL_SESSIONS; i++) {
        for (k = 0; k < MODEL_SOCKETS; k++) {
            m = &model_sessions[i].sockets[k];

            if (model_sessions[i].used && model_owes(m, ask->number) == ask) {
                model_ask_out(m, ask);
            }
        }
    }

    must(ask->left == 0);
    ask->used = 0;
}


/* the wheel has turned: never earlier, and a bucket later at the most */

static ngx_uint_t
model_ask_due(model_ask_t *ask)
{
    return model_turned && model_now >= ask->deadline;
}


static ngx_uint_t
model_ask_late(model_ask_t *ask)
{
    return model_turned
           && ask->deadline / NGX_SOCKETIO_WHEEL_MSEC + 1
              <= model_now / NGX_SOCKETIO_WHEEL_MSEC;
}


static ngx_uint_t
model_awaited(model_socket_t *m, uint64_t number)
{
    ngx_socketio_ref_t      ref;
    ngx_socketio_ack_t     *ack;
    ngx_socketio_event_t   *event;
    ngx_socketio_socket_t  *socket;

    socket = ngx_socketio_find_locked(&model_zone, NGX_SOCKETIO_SOCKET,
                                      m->id.ref, m->id.gen);

    for (ref = socket ? socket->awaited : 0; ref; ref = event->next) {
        event = check_rec(ref, NGX_SOCKETIO_EVENT);
        ack = check_rec((ngx_socketio_ref_t) event->ack, NGX_SOCKETIO_ACK);

        if (ack->number == number) {
            return 1;
        }
    }

    return 0;
}


static void
model_outcome(model_socket_t *m, ngx_socketio_event_t *event,
    ngx_uint_t ended)
{
    size_t               len;
    u_char               token[200], text[200];
    ngx_uint_t           i, kind;
    model_ask_t         *ask;
    ngx_socketio_ack_t  *ack;

    kind = event->rec.kind;
    must(event->body == 0 && event->attached == 0);
    must(event->seq == m->seq);

    ack = check_rec((ngx_socketio_ref_t) event->ack, NGX_SOCKETIO_ACK);
    len = ngx_socketio_bytes_read(&model_zone, ack->token, text,
                                  ack->token_len);

    for (i = 0; /* void */ ; i++) {
        must(i < m->nasks);
        ask = m->asks[i];

        if (ask->token && model_token(token, ask->token) == len
            && ngx_memcmp(token, text, len) == 0)
        {
            break;
        }
    }

    must(!model_awaited(m, ask->number));

    if (kind == NGX_SOCKETIO_EVENT_ACK_GONE) {
        /* the oldest is told first */
        must(ended && i == 0);
        model_seen[40]++;

    } else {
        must(kind == NGX_SOCKETIO_EVENT_ACK_TIMEOUT);
        must((m->given[i] && i == 0) || model_ask_due(ask));
        model_seen[m->given[i] ? 38 : 39]++;
    }

    model_event(m, model_ack_event(ask, kind, 0, 0));
    model_ask_out(m, ask);
}


/*
 * The entries of a socket that the model does not know yet: they are outcomes
 * that no client asked for.
 */

static void
model_outcomes(model_session_t *s, model_socket_t *m, ngx_uint_t ended)
{
    ngx_uint_t               n;
    ngx_socketio_ref_t       ref;
    ngx_socketio_event_t    *event;
    ngx_socketio_socket_t   *socket;
    ngx_socketio_session_t  *rec;

    rec = model_record(s);
    must(rec != NULL);
    n = 0;

    for (ref = rec->inbox; ref; /* void */) {

        if (ngx_socketio_type(&model_zone, ref) == NGX_SOCKETIO_SOCKET) {
            must(ref != m->id.ref || n == m->nevents);
            socket = check_rec(ref, NGX_SOCKETIO_SOCKET);
            ref = socket->inbox_next;
            continue;
        }

        event = check_rec(ref, NGX_SOCKETIO_EVENT);
        ref = event->next;

        if (event->socket == m->id.ref && n++ >= m->nevents) {
            model_outcome(m, event, ended);
        }
    }

    must(n == m->nevents);
}


static void
model_asks_socket(model_session_t *s, model_socket_t *m)
{
    ngx_uint_t    i, ended;
    model_ask_t  *ask;

    ended = (m->state != MODEL_CONNECTED);

    /* of those for workers no entry tells; they are oldest first, too */

    for (i = 0; i < m->nasks; /* void */) {
        ask = m->asks[i];

        if (ask->token || model_awaited(m, ask->number)) {
            i++;
            continue;
        }

        must(ended || m->given[i] || !model_ask_waits(ask)
             || model_ask_due(ask));
        model_seen[41]++;
        model_ask_out(m, ask);
    }

    if (s->hooked) {
        model_outcomes(s, m, ended);
    }

    for (i = 0; i < m->nasks; i++) {
        ask = m->asks[i];
        must(!ended && !m->given[i] && model_awaited(m, ask->number));
        must(!model_ask_late(ask));
    }
}


/* what the zone says of it */

static void
model_ask_sync(model_ask_t *ask)
{
    ngx_socketio_ack_t  *ack;

    ack = ngx_socketio_find_locked(&model_zone, NGX_SOCKETIO_ACK, ask->id.ref,
                                   ask->id.gen);

    if (ack == NULL) {

        /* it went with its worker */

        must(!ask->token && !model_ask_waits(ask) && ask->left == 0);
        ask->used = 0;
        model_seen[44]++;
        return;
    }

    must(ack->expected == ask->expected && ack->received == ask->received);
    must(ack->number == ask->number);
}


/* after each step */

static void
model_asks_sync(void)
{
    ngx_uint_t        i, k;
    model_session_t  *s;

    for (i = 0; i < MODEL_SESSIONS; i++) {
        s = &model_sessions[i];

        for (k = 0; s->used && k < MODEL_SOCKETS; k++) {
            if (s->sockets[k].used) {
                model_asks_socket(s, &s->sockets[k]);
            }
        }
    }

    for (i = 0; i < MODEL_ASKS; i++) {
        if (model_asks[i].used) {
            model_ask_sync(&model_asks[i]);
        }
    }

    model_turned = 0;
}


/* an entry that the owner of the inbox reads */

static void
model_ack_entry(ngx_socketio_entry_t *e, uint64_t event)
{
    u_char  expected[200], token[200];
    size_t  len;

    must(e->type == NGX_SOCKETIO_ENTRY_ACK);
    must(e->outcome == model_ack_kind(event));

    len = model_token(expected, model_ack_token(event));
    must(e->token_len == len);
    must(ngx_socketio_bytes_read(&model_zone, e->token, token, len) == len);
    must(ngx_memcmp(token, expected, len) == 0);

    if (e->outcome != NGX_SOCKETIO_EVENT_ACK) {
        must(e->body_len == 0 && e->attached_len == 0 && !e->attachments);
    }

    must(e->attachments == model_ack_parts(event));
}


/* 1: what a client sent, with this serial */

static ngx_uint_t
model_body(ngx_socketio_ref_t ref, size_t len, uint32_t serial)
{
    u_char      body[400];
    ngx_uint_t  i;

    if (len < 4 || len > sizeof(body)
        || ngx_socketio_bytes_read(&model_zone, ref, body, len) != len
        || ngx_memcmp(body, &serial, 4) != 0)
    {
        return 0;
    }

    for (i = 4; i < len; i++) {
        if (body[i] != 'b') {
            return 0;
        }
    }

    return 1;
}


static ngx_uint_t
model_parts(ngx_socketio_ref_t ref, size_t len, ngx_uint_t n, uint32_t serial)
{
    u_char  data[4 * (4 + 70)];

    return n <= 4 && len == n * (4 + 70)
           && ngx_socketio_bytes_read(&model_zone, ref, data, len) == len
           && (n == 0 || (data[4] == (u_char) serial
                          && data[len - 1] == (u_char) serial));
}


/* the worker has been told that nobody is left, or looks by itself */

static void
model_wait_look(model_worker_t *w, model_local_t *local)
{
    ngx_int_t            rc;
    ngx_socketio_acks_t  acks;

    rc = ngx_socketio_ack_look(&w->zone, &local->id, &acks);

    if (rc == NGX_OK) {
        local->ready = 1;
    }

    must(model_gone() || rc == NGX_OK || rc == NGX_AGAIN);
}


/* it writes what it got, or its publisher has gone */

static void
model_wait_end(model_worker_t *w, model_local_t *local)
{
    ngx_int_t               rc;
    ngx_uint_t              i;
    model_ask_t            *ask;
    ngx_socketio_ref_t      ref;
    ngx_socketio_acks_t     acks;
    ngx_socketio_answer_t   answer;

    ask = local->ask;
    rc = ngx_socketio_ack_look(&w->zone, &local->id, &acks);

    if (!model_gone()) {
        must(rc == (ask->left ? NGX_AGAIN : NGX_OK));
        must(acks.expected == ask->expected);
        must(acks.received == ask->received);

        for (ref = acks.first, i = 0; ref && !model_gone(); i++) {
            must(i < ask->nanswers);
            must(ngx_socketio_ack_answer(&w->zone, &local->id, ref, &answer)
                 == NGX_OK || model_gone());

            if (model_gone()) {
                break;
            }

            must(model_body(answer.body, answer.body_len, ask->answers[i]));
            must(answer.attachments == ask->parts[i]);
            must(model_parts(answer.attached, answer.attached_len,
                             answer.attachments, ask->answers[i]));
            ref = answer.next;
        }

        must(model_gone() || i == ask->nanswers);
    }

    model_seen[ask->left ? 43 : 42]++;

    ngx_socketio_ack_free(&w->zone, &local->id);
    local->kind = 0;

    if (!model_gone()) {
        model_ask_drop(ask);
    }
}


#endif /* _STORE_ASKS_H_INCLUDED_ */
