
/*
 * Copyright (C) the ngx_http_socketio_module authors
 */


/*
 * What clients do, over either transport.
 */


#ifndef _STORE_CLIENT_H_INCLUDED_
#define _STORE_CLIENT_H_INCLUDED_


#include "store_emit.h"


static void model_op_connect(model_worker_t *w, model_session_t *s,
    ngx_socketio_incoming_t *in, ngx_uint_t nsp, model_local_t *local);


/* as ngx_http_socketio_client_open(): some are connected without asking */

static void
model_connect_open(model_worker_t *w, model_session_t *s)
{
    ngx_uint_t               nsp;
    ngx_socketio_incoming_t  in;

    if (!s->raw && s->key.revision != 3) {
        return;
    }

    nsp = s->raw ? MODEL_RAW : 0;

    ngx_memzero(&in, sizeof(ngx_socketio_incoming_t));
    model_name(&in.nsp, model_nsps[nsp]);
    model_serial++;
    ngx_memcpy(in.secret, &model_serial, NGX_SOCKETIO_SECRET);

    model_op_connect(w, s, &in, nsp, NULL);

    if (!model_gone() && model_socket_of(s, nsp) == NULL) {
        s->may_close = 1;
        ngx_socketio_end(&w->zone, &s->id, NGX_SOCKETIO_REASON_FORCED_SERVER,
                         model_now);
    }
}


static void
model_op_open(model_worker_t *w)
{
    u_char                handshake[100];
    uint64_t              random;
    ngx_int_t             rc;
    ngx_str_t             name;
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
    ngx_memcpy(s->key.sid, &random, 8);
    s->key.sid[1] = s->key.sid[2] = s->key.sid[3] = 0;
    ngx_memcpy(s->key.sid + 8, &model_serial, 8);
    s->key.location = MODEL_LOCATION;
    s->key.revision = model_choose(3) ? 4 : 3;
    s->raw = (model_choose(4) == 0);

    open.key = s->key;
    open.peer.revision = s->key.revision;
    open.peer.raw = s->raw;
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

    if (model_choose(3) == 0) {
        name.len = 1 + model_choose(2);
        name.data = handshake;
        ngx_socketio_name_set(&open.address, &name);
        open.per_ip = 1 + model_choose(4);
        open.bytes_rate = model_choose(2);
    }

    local = NULL;

    if (open.transport == NGX_SOCKETIO_EIO_WEBSOCKET) {
        local = model_local_add(w, MODEL_WS, s);
        local->websocket = 1;
        open.handle = model_handle(w, local);
    }

    rc = ngx_socketio_open(&w->zone, &open, &s->id, model_now);

    must(rc != NGX_DECLINED || open.per_ip || model_gone());

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
    model_seen[25] += s->raw;
    model_seen[26] += (s->key.revision == 3);

    model_connect_open(w, s);
}


/* a request may find that its session should have been closed by now */

static void
model_clock(model_session_t *s)
{
    ngx_socketio_session_t  *rec;

    rec = model_record(s);

    if (rec && model_now >= rec->eio.beat.at) {
        model_any_close = 1;
    }
}


/*
 * A request that is wrong about its session: refused, without any effect.
 * Who does not know the location is not told whether there is such a sid.
 */

static void
model_op_stranger(model_worker_t *w, model_session_t *s)
{
    ngx_int_t                rc, want;
    ngx_socketio_id_t        id;
    ngx_socketio_key_t       key;
    ngx_socketio_taken_t     taken;
    ngx_socketio_session_t  *rec;

    key = s->key;
    rec = model_record(s);
    want = NGX_DECLINED;

    model_clock(s);

    switch (model_choose(4)) {

    case 0:
        key.location++;
        break;

    case 1:
        key.sid[15] ^= 1;
        break;

    default:
        key.revision = 7 - key.revision;

        if (rec && rec->eio.state != NGX_SOCKETIO_EIO_CLOSED) {
            want = NGX_ABORT;
        }
    }

    switch (model_choose(4)) {

    case 0:
        rc = ngx_socketio_get(&w->zone, &key, MODEL_LOCALS, &taken,
                              model_now);
        break;

    case 1:
        rc = ngx_socketio_post(&w->zone, &key, MODEL_LOCALS, &taken,
                               model_now);
        break;

    case 2:
        rc = ngx_socketio_probe(&w->zone, &key, MODEL_LOCALS, &id,
                                model_now);
        break;

    default:
        rc = ngx_socketio_known(&w->zone, &key);
    }

    if (model_gone()) {
        return;
    }

    must(rc == want || (model_any_close && rc == NGX_DECLINED));
    model_seen[27] += (rc == NGX_ABORT);
}


static void
model_op_get(model_worker_t *w, model_session_t *s)
{
    ngx_int_t                rc;
    model_local_t           *local;
    model_worker_t          *other;
    ngx_socketio_taken_t     taken;
    ngx_socketio_session_t  *rec;

    /* a second one ends the session */

    if (model_local(s, MODEL_GET, &other) && model_choose(32)) {
        return;
    }

    model_clock(s);
    rec = model_record(s);
    local = model_local_add(w, MODEL_GET, s);

    rc = ngx_socketio_get(&w->zone, &s->key, model_handle(w, local), &taken,
                          model_now);
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
    ngx_int_t              rc;
    model_local_t         *local;
    ngx_socketio_taken_t   taken;

    model_clock(s);
    local = model_local_add(w, MODEL_POST, s);

    rc = ngx_socketio_post(&w->zone, &s->key, model_handle(w, local), &taken,
                           model_now);

    if (rc == NGX_OK && (taken.actions & NGX_SOCKETIO_EIO_ACCEPT)) {
        return local;
    }

    local->kind = 0;

    if (rc == NGX_OK) {
        s->may_close = (taken.actions & NGX_SOCKETIO_EIO_REFUSE_EMPTY) != 0;
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
        must(s->open && !s->missing);

        if (rc == NGX_DONE && in->socket.ref == 0) {
            /* asked for twice before it was answered, or by an old client */
            must(old != NULL);
            socket = check_rec(old->id.ref, NGX_SOCKETIO_SOCKET);
            must(socket->state == NGX_SOCKETIO_SOCKET_PENDING
                 || s->key.revision == 3);
            break;
        }

        must(old == NULL);
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

        if (s->raw || model_choose(4)) {
            model_accept(w, s, m);
        }

        break;

    case NGX_ABORT:
        must(s->open && (s->missing || (old && s->key.revision != 3)));
        s->may_close = 1;
        break;

    case NGX_AGAIN:
        must(s->hooked && local);
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


/*
 * The server has ended a socket of the session: what comes for a namespace
 * without one may have been on its way, and is dropped.  From clients of
 * revision 3 it always is, also while the connect waits for its answer.
 */

static ngx_uint_t
model_late(model_session_t *s, model_socket_t *m)
{
    ngx_socketio_session_t  *rec;

    rec = model_record(s);

    if (!s->open || rec == NULL) {
        return 0;
    }

    if (s->key.revision == 3) {
        return m == NULL || m->state != MODEL_CONNECTED;
    }

    return m == NULL && rec->kicked;
}


static void
model_op_message(model_worker_t *w, model_session_t *s,
    ngx_socketio_incoming_t *in, model_local_t *local)
{
    uint32_t         serial;
    ngx_int_t        rc;
    model_socket_t  *m;

    m = model_socket_of(s, MODEL_RAW);

    if (m && m->nevents > MODEL_EVENTS - 2 * MODEL_OWED) {
        return;
    }

    ngx_memcpy(&serial, in->body.data, 4);
    in->kind = (serial & 1) ? NGX_SOCKETIO_EVENT_BINARY
                            : NGX_SOCKETIO_EVENT_TEXT;

    rc = ngx_socketio_incoming(&w->zone, &s->id, in, model_now);

    if (model_gone()) {
        return;
    }

    switch (rc) {

    case NGX_OK:
        must(s->open && s->hooked && m && m->state == MODEL_CONNECTED);
        model_event(m, serial);
        model_seen[28]++;
        break;

    case NGX_DONE:
        must(s->open && !s->hooked && m && m->state == MODEL_CONNECTED);
        break;

    case NGX_AGAIN:
        must(s->open && s->hooked && m);
        model_seen[29] += (m->state == MODEL_PENDING);
        local->stalled = 1;
        break;

    case NGX_BUSY:
        break;

    default:
        must(rc == NGX_DECLINED && !s->open);
    }

    must(m == NULL || m->state != MODEL_PENDING || rc == NGX_AGAIN
         || rc == NGX_BUSY);
}


/* of what is awaited from this socket, or of somebody else, or of nobody */

static uint64_t
model_ack_number(model_socket_t *m)
{
    if (m && m->nasks && model_choose(4)) {
        return m->asks[model_choose(m->nasks)]->number;
    }

    return model_choose(3) ? model_asks[model_choose(MODEL_ASKS)].number
                           : ((uint64_t) 1 << 53) + model_choose(3);
}


static void
model_partial(model_session_t *s, ngx_socketio_incoming_t *in,
    model_socket_t *m)
{
    uint32_t  serial;

    ngx_memcpy(&serial, in->body.data, 4);

    s->missing = in->attachments;
    s->parts = in->attachments;
    s->partial = serial;
    s->partial_ack = in->ack;
    s->partial_kind = in->kind;
    s->partial_socket = m;
}


static void
model_op_event(model_worker_t *w, model_session_t *s,
    ngx_socketio_incoming_t *in, ngx_uint_t nsp, model_local_t *local)
{
    uint32_t         serial;
    ngx_int_t        rc;
    ngx_uint_t       late;
    model_ask_t     *ask;
    model_socket_t  *m;

    m = model_socket_of(s, nsp);
    ask = NULL;

    if (m && m->nevents > MODEL_EVENTS - 2 * MODEL_OWED) {
        return;
    }

    in->kind = model_choose(6) ? NGX_SOCKETIO_EVENT_EVENT
                               : NGX_SOCKETIO_EVENT_DROPPED;
    in->attachments = model_choose(4) ? 0 : 1 + model_choose(2);

    if (model_choose((m && m->nasks) ? 2 : 6) == 0) {
        in->kind = NGX_SOCKETIO_EVENT_ACK;
        in->ack = model_ack_number(m) + 1;
        ask = model_owes(m, in->ack - 1);
    }

    late = model_late(s, m) && !s->missing;
    rc = ngx_socketio_incoming(&w->zone, &s->id, in, model_now);

    if (model_gone()) {
        return;
    }

    if (late && rc != NGX_BUSY) {
        model_seen[30] += (s->key.revision == 3);
        model_seen[32] += (m != NULL);
        must(rc == (in->attachments ? NGX_OK : NGX_DONE));
        model_partial(s, in, NULL);
        return;
    }

    switch (rc) {

    case NGX_OK:
        must(s->open && !s->missing && m && m->state == MODEL_CONNECTED);

        if (in->attachments) {
            model_partial(s, in, m);

            if (in->kind == NGX_SOCKETIO_EVENT_DROPPED
                || (in->kind == NGX_SOCKETIO_EVENT_EVENT && !s->hooked))
            {
                s->partial_socket = NULL;
            }

            break;
        }

        ngx_memcpy(&serial, in->body.data, 4);

        if (in->ack) {
            must(ask != NULL);
            model_answered(m, ask, serial, 0);
            break;
        }

        must(s->hooked);
        model_event(m, serial);
        break;

    case NGX_DONE:
        must(in->ack ? ask == NULL && !in->attachments
                     : !s->hooked || in->kind == NGX_SOCKETIO_EVENT_DROPPED);
        must(m && m->state == MODEL_CONNECTED);
        model_seen[46] += (in->ack != 0);
        break;

    case NGX_ABORT:
        must(s->missing || m == NULL || m->state != MODEL_CONNECTED);
        s->may_close = 1;
        break;

    case NGX_AGAIN:
        must(s->hooked && in->kind != NGX_SOCKETIO_EVENT_DROPPED);
        must(!in->ack || (ask && ask->token));
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
    size_t           max;
    u_char           data[70];
    ngx_int_t        rc;
    model_ask_t     *ask;
    model_socket_t  *m;

    max = model_choose(40) ? sizeof(data) * 4 : sizeof(data) - 1;

    ngx_memset(data, (int) s->partial, sizeof(data));
    rc = ngx_socketio_incoming_attachment(&w->zone, &s->id, data,
                                          sizeof(data), max, 0, model_now);
    if (model_gone() || rc == NGX_BUSY) {
        return;
    }

    if (rc == NGX_ERROR) {
        must(s->missing && max < sizeof(data));
        s->may_close = 1;
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

    /* what is dropped takes no room */

    must(rc == NGX_OK && s->missing);
    must(max >= sizeof(data) || s->partial_kind == NGX_SOCKETIO_EVENT_DROPPED);

    m = s->partial_socket;

    if (--s->missing || m == NULL) {
        return;
    }

    s->partial_socket = NULL;

    if (s->partial_ack == 0) {
        model_event(m, s->partial);
        model_seen[17]++;
        return;
    }

    /* awaited when it began, or only now */

    ask = model_owes(m, s->partial_ack - 1);

    if (ask) {
        model_answered(m, ask, (uint32_t) s->partial, s->parts);
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

    /* who pings depends on the revision; neither may, the other one */

    expected = s->open && (n < 2 || (n == 3 && s->key.revision == 3));
    s->may_close = !expected;
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
    ngx_uint_t               nsp, n, late;
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

    nsp = s->raw ? MODEL_RAW : model_choose(4) == 0;
    serial = ++model_serial;
    m = model_socket_of(s, nsp);

    ngx_memzero(&in, sizeof(ngx_socketio_incoming_t));
    model_name(&in.nsp, model_nsps[nsp]);
    ngx_memset(body, 'b', sizeof(body));
    ngx_memcpy(body, &serial, 4);
    ngx_memcpy(in.secret, &serial, 4);
    in.body.data = body;
    in.body.len = model_choose(3) ? 4 + model_choose(60) : sizeof(body);

    n = model_choose(64);

    if (s->raw) {
        if (n < 5) {
            model_op_packet(w, s, n);

        } else {
            model_op_message(w, s, &in, local);
        }

    } else if (s->missing && n != 0) {
        model_op_attachment(w, s);

    } else if (n < 2) {
        model_op_attachment(w, s);

    } else if (n < 4) {
        name = in.nsp;
        late = model_late(s, m) && !s->missing;
        rc = ngx_socketio_incoming_disconnect(&w->zone, &s->id, &name,
                                              model_now);
        if (!model_gone() && rc == NGX_OK) {

            if (!late) {
                must(m && m->state == MODEL_CONNECTED);
                model_socket_end(s, m);
            }

        } else {
            s->may_close = 1;
        }

    } else if (n == 4) {
        in.kind = NGX_SOCKETIO_EVENT_ACK;
        late = model_late(s, m) && !s->missing;
        rc = ngx_socketio_incoming(&w->zone, &s->id, &in, model_now);
        must(model_gone() || rc == NGX_BUSY
             || (rc == NGX_DONE)
                == (late || (s->open && !s->missing && m
                             && m->state == MODEL_CONNECTED)));
        s->may_close = 1;

    } else if (n < 10) {
        model_op_packet(w, s, n - 5);

    } else if (m == NULL && (n == 12 || n == 13)) {
        model_op_event(w, s, &in, nsp, local);

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
        model_clock(s);
        local = model_local_add(w, MODEL_WS, s);
        rc = ngx_socketio_probe(&w->zone, &s->key, model_handle(w, local),
                                &id, model_now);
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
    n = model_choose(16);

    if (n == 0) {
        model_websocket_close(w, local,
                              !local->websocket
                                  ? NGX_SOCKETIO_EIO_EV_PROBE_LOST
                                  : model_choose(2)
                                        ? NGX_SOCKETIO_EIO_EV_WS_CLOSE
                                        : NGX_SOCKETIO_EIO_EV_WS_ERROR);

    } else if (!local->websocket && n < 8) {
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
    model_turned = 1;
    ngx_socketio_wheel_turn(&w->zone, model_now);
    must(model_zone.sh->wheel_at >= model_now / NGX_SOCKETIO_WHEEL_MSEC
         || model_gone());
    (void) ngx_socketio_wheel_next(&w->zone, model_now);
}


#endif /* _STORE_CLIENT_H_INCLUDED_ */
