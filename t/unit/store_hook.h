
/*
 * Copyright (C) the ngx_http_socketio_module authors
 */


/*
 * The owner of an inbox: entries in order, the backend's answers, done.
 */


#ifndef _STORE_HOOK_H_INCLUDED_
#define _STORE_HOOK_H_INCLUDED_


#include "store_letters.h"


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
    uint64_t         what;
    model_socket_t  *m;

    m = model_socket(s, &e->socket);
    must(m != NULL);
    must(ngx_memcmp(e->text, m->text, NGX_SOCKETIO_SOCKET_TEXT) == 0);
    must(e->location == MODEL_LOCATION && e->handshake_len == 100);
    must(e->nsp_len == strlen(model_nsps[m->nsp]));
    must(e->peer.raw == s->raw && e->peer.revision == s->key.revision);

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
        must(e->type == NGX_SOCKETIO_ENTRY_CONNECT);
        must(e->recovered == m->recovered);
        return;
    }

    if (what & MODEL_ACK) {
        model_ack_entry(e, what);

        if (e->outcome != NGX_SOCKETIO_EVENT_ACK) {
            return;
        }

    } else {
        must(e->type == NGX_SOCKETIO_ENTRY_EVENT);
        must(e->binary == (s->raw && (what & 1)));
    }

    must(model_body(e->body, e->body_len, (uint32_t) what));
    must(model_parts(e->attached, e->attached_len, e->attachments,
                     (uint32_t) what));
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
            must(m->state == MODEL_ENDED && m->nevents == 0 && !m->nasks);
            model_socket_gone(m, 1);
            model_seen[4]++;
            continue;
        }

        must(m->nevents);
        m->nevents--;
        ngx_memmove(m->events, m->events + 1, m->nevents * sizeof(uint64_t));
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

    rc = ngx_socketio_reject(&w->zone, &m->id, frames, s->raw ? 0 : len,
                             heard);

    if (model_gone()) {
        return;
    }

    if (m->state != MODEL_PENDING && m->state != MODEL_ORPHAN) {
        must(rc == NGX_DECLINED);
        return;
    }

    must(rc == NGX_OK);

    if (s->raw) {
        must(!s->open || model_record(s)->eio.state
                         == NGX_SOCKETIO_EIO_LINGERS);
        s->may_close = 1;
        model_seen[31]++;

    } else if (m->state == MODEL_PENDING) {
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


#endif /* _STORE_HOOK_H_INCLUDED_ */
