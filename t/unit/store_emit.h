
/*
 * Copyright (C) the ngx_http_socketio_module authors
 */


/*
 * Emits, of which some are to be answered.
 */


#ifndef _STORE_EMIT_H_INCLUDED_
#define _STORE_EMIT_H_INCLUDED_


#include "store_backend.h"


typedef struct {
    model_ask_t             *model;
    ngx_socketio_ask_t       ask;
    model_local_t           *local;         /* NULL: the backend is told */
    u_char                   token[200];
} model_asking_t;


static ngx_uint_t
model_expects(model_asking_t *a, model_target_t *t, model_session_t *s,
    model_socket_t *m)
{
    return s->used && s->open && (a->model->token == 0 || s->hooked)
           && model_matches(t, m);
}


/* 1: an ask goes along with the emit */

static ngx_uint_t
model_asking(model_worker_t *w, model_target_t *t, model_asking_t *a)
{
    ngx_uint_t        i, k;
    model_ask_t      *ask;
    model_session_t  *s;

    static ngx_msec_t  timeouts[] = { 1, 45, 700, 5000, 60000 };

    ask = model_ask_free();

    if (model_choose(2) || ask == NULL) {
        return 0;
    }

    ngx_memzero(a, sizeof(model_asking_t));
    ngx_memzero(ask, sizeof(model_ask_t));

    a->model = ask;
    a->ask.number = ngx_socketio_ack_number(&w->zone);
    a->ask.timeout = timeouts[model_choose(5)];
    a->ask.max = model_choose(5);

    ask->number = a->ask.number;
    ask->deadline = model_now + a->ask.timeout;

    if (model_choose(2)) {
        ask->token = (uint32_t) ++model_serial & 0xffffff;
        a->ask.token.len = model_token(a->token, ask->token);
        a->ask.token.data = a->token;
    }

    for (i = 0; i < MODEL_SESSIONS; i++) {
        s = &model_sessions[i];

        for (k = 0; k < MODEL_SOCKETS; k++) {
            if (model_expects(a, t, s, &s->sockets[k])
                && s->sockets[k].nevents > MODEL_EVENTS - 2 * MODEL_OWED)
            {
                return 0;
            }
        }
    }

    if (ask->token == 0) {
        a->local = model_local_add(w, MODEL_WAIT, NULL);
        a->ask.handle = model_handle(w, a->local);
    }

    return 1;
}


/* beyond max the oldest are given up */

static void
model_ask_give_up(model_socket_t *m, ngx_uint_t max)
{
    ngx_uint_t  i;

    for (i = 0; i + ngx_max(max, 1) < m->nasks; i++) {
        m->given[i] = 1;
    }
}


static void
model_asked(model_worker_t *w, model_target_t *t, model_asking_t *a,
    ngx_int_t rc)
{
    ngx_uint_t        i, k;
    model_ask_t      *ask;
    model_socket_t   *m;
    model_session_t  *s;

    ask = a->model;

    if (rc != NGX_OK) {
        if (a->local) {
            a->local->kind = 0;
        }

        model_seen[45]++;
        return;
    }

    for (i = 0; i < MODEL_SESSIONS; i++) {
        s = &model_sessions[i];

        for (k = 0; k < MODEL_SOCKETS; k++) {
            m = &s->sockets[k];

            if (model_expects(a, t, s, m)) {
                must(m->nasks < MODEL_OWED);
                m->given[m->nasks] = 0;
                m->asks[m->nasks++] = ask;
                model_ask_give_up(m, a->ask.max);
                ask->expected++;
            }
        }
    }

    ask->left = ask->expected;
    ask->id = a->ask.id;
    ask->slot = w - model_workers;
    ask->slot_gen = w->zone.slot_gen;

    if (ask->expected == 0 && (ask->token || ask->id.ref == 0)) {
        must(ngx_socketio_find_locked(&model_zone, NGX_SOCKETIO_ACK,
                                      ask->id.ref, ask->id.gen)
             == NULL);

        if (a->local) {
            a->local->kind = 0;
        }

        return;
    }

    ask->used = 1;
    model_seen[35]++;

    if (a->local) {
        a->local->id = ask->id;
        a->local->ask = ask;
        model_wait_look(w, a->local);
    }
}


/* who waits has all, or goes before */

static void
model_op_wait(void)
{
    model_local_t   *local;
    model_worker_t  *w;

    local = model_local(NULL, MODEL_WAIT, &w);

    if (local && (local->ready || model_choose(6) == 0)) {
        model_wait_end(w, local);
    }
}


static void
model_op_emit(model_worker_t *w)
{
    size_t                   len;
    u_char                   frames[1024];
    uint32_t                 serial;
    ngx_int_t                rc;
    ngx_uint_t               i, k, flags, count, want, asks;
    model_asking_t           a;
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

    asks = model_asking(w, &t, &a);

    if (w->zone.recovery && !flags && !asks && model_choose(8)) {
        t.target.token = ngx_socketio_token(&w->zone);
    }

    rc = ngx_socketio_emit(&w->zone, &t.target, frames, len, flags,
                           asks ? &a.ask : NULL, &count);

    if (model_gone()) {
        return;
    }

    if (asks) {
        model_asked(w, &t, &a, rc);
    }

    if (rc == NGX_ERROR) {
        model_seen[7]++;
        must(model_zone.sh->stats.full != model_full);
        model_full = model_zone.sh->stats.full;     /* nothing happened */
        must(count == 0);
        return;
    }

    must(rc == NGX_OK);
    model_logged(&t, serial);

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


#endif /* _STORE_EMIT_H_INCLUDED_ */
