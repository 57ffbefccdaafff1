
/*
 * Copyright (C) the ngx_http_socketio_module authors
 */


/*
 * Recovery in the model: sockets whose connection was lost, the messages that
 * they may have missed, and clients that come back with a pid and an offset,
 * right or wrong.
 */


#ifndef _STORE_RECOVER_H_INCLUDED_
#define _STORE_RECOVER_H_INCLUDED_


#define MODEL_LOST      64
#define MODEL_LOG       4096


/* to whom, by names; whether the name was of a room, or of a socket, then */

typedef struct {
    uint64_t                 token;
    uint32_t                 serial;
    model_target_t           t;
    uint8_t                  rooms[5];      /* in, except */
    uint8_t                  sockets[5];
} model_logged_t;


static model_socket_t        model_lost[MODEL_LOST];
static model_logged_t        model_log_of[MODEL_LOG];
static ngx_uint_t            model_nlog;
static ngx_msec_t            model_recovery;


static void
model_name_seen(model_logged_t *l, ngx_uint_t i, ngx_socketio_word_t *word)
{
    ngx_socketio_ref_t      nsp;
    ngx_socketio_socket_t  *socket;

    nsp = ngx_socketio_room_find_locked(&model_zone, 0, &l->t.target.nsp);

    l->rooms[i] = nsp && ngx_socketio_room_find_locked(&model_zone, nsp,
                                                       &word->name);

    socket = ngx_socketio_find_locked(&model_zone, NGX_SOCKETIO_SOCKET,
                                      word->socket.ref, word->socket.gen);
    l->sockets[i] = word->socket.ref && socket && socket->pass;
}


/* an emit that went out; "t" may be logged */

static void
model_logged(model_target_t *t, uint32_t serial)
{
    ngx_uint_t       i;
    model_logged_t  *l;

    if (t->target.token == 0 || model_nlog == MODEL_LOG) {
        return;
    }

    l = &model_log_of[model_nlog++];
    ngx_memzero(l, sizeof(model_logged_t));
    l->token = t->target.token;
    l->serial = serial;
    l->t = *t;
    l->t.target.all = t->target.all
                      && ngx_socketio_room_find_locked(&model_zone, 0,
                                                       &t->target.nsp) != 0;

    for (i = 0; i < t->target.nin; i++) {
        model_name_seen(l, i, &t->in[i]);
    }

    for (i = 0; i < t->target.nexcept; i++) {
        model_name_seen(l, 3 + i, &t->except[i]);
    }
}


static ngx_uint_t
model_missed(model_logged_t *l, model_socket_t *m)
{
    ngx_uint_t  i, in;

    if (m->nsp != l->t.nsp) {
        return 0;
    }

    in = l->t.target.all;

    for (i = 0; i < l->t.target.nin; i++) {
        in |= (l->rooms[i] && model_in(m, l->t.ins[i]))
              || (l->sockets[i] && strcmp(m->text, l->t.ins[i]) == 0);
    }

    for (i = 0; i < l->t.target.nexcept; i++) {
        if ((l->rooms[3 + i] && model_in(m, l->t.excepts[i]))
            || (l->sockets[3 + i] && strcmp(m->text, l->t.excepts[i]) == 0))
        {
            return 0;
        }
    }

    return in;
}


/* nobody need hear of its end any more: it is lost or gone */

static void
model_socket_gone(model_socket_t *m, ngx_uint_t hooked)
{
    ngx_uint_t              i;
    ngx_socketio_socket_t  *socket;

    m->used = 0;

    socket = ngx_socketio_find_locked(&model_zone, NGX_SOCKETIO_SOCKET,
                                      m->id.ref, m->id.gen);
    if (socket == NULL) {
        return;
    }

    must(socket->state == NGX_SOCKETIO_SOCKET_LOST);
    must(m->pass && model_recovery);
    must(socket->reason != NGX_SOCKETIO_REASON_CLIENT_NSP
         && socket->reason != NGX_SOCKETIO_REASON_SERVER_NSP
         && socket->reason != NGX_SOCKETIO_REASON_PARSE_ERROR);

    for (i = 0; i < MODEL_LOST; i++) {
        if (!model_lost[i].used) {
            model_lost[i] = *m;
            model_lost[i].used = 1;
            model_lost[i].seq += hooked;    /* its disconnect */
            model_seen[48]++;
            return;
        }
    }
}


static const char *
model_lost_text(void)
{
    ngx_uint_t  i;

    for (i = 0; i < MODEL_LOST; i++) {
        if (model_lost[i].used && model_choose(2)) {
            return model_lost[i].text;
        }
    }

    return "nobody";
}


/* it may have been forgotten, but then nothing of it is left */

static ngx_socketio_socket_t *
model_lost_record(model_socket_t *m)
{
    ngx_socketio_socket_t  *socket;

    socket = ngx_socketio_find_locked(&model_zone, NGX_SOCKETIO_SOCKET,
                                      m->id.ref, m->id.gen);
    if (socket == NULL) {
        m->used = 0;
        return NULL;
    }

    must(socket->state == NGX_SOCKETIO_SOCKET_LOST);
    must(socket->nrooms == 1 + model_room_count(m));

    return socket;
}


static void
model_pass(model_worker_t *w, model_session_t *s, model_socket_t *m)
{
    u_char     key[NGX_SOCKETIO_PASS_KEY];
    ngx_int_t  rc;

    if (!model_recovery || s->raw || s->key.revision == 3
        || model_choose(8) == 0)
    {
        return;
    }

    ngx_memset(key, (int) ++model_serial, NGX_SOCKETIO_PASS_KEY);
    rc = ngx_socketio_pass(&w->zone, &m->id, key);

    if (model_gone()) {
        return;
    }

    must(rc == NGX_DECLINED || (rc == NGX_OK && m->state == MODEL_PENDING));

    if (rc == NGX_OK) {
        m->pass = 1;
        ngx_memcpy(m->key, key, NGX_SOCKETIO_PASS_KEY);
    }
}


/* 1: all of the log from this entry on is known to the store */

static ngx_uint_t
model_log_whole(ngx_uint_t from)
{
    ngx_socketio_ref_t   ref;
    ngx_socketio_log_t  *log;

    for (ref = model_zone.sh->log; ref; ref = log->next) {
        log = ngx_socketio_rec(&model_zone, ref);

        if (log->token == model_log_of[from].token) {
            return !model_zone.sh->log_gap;
        }
    }

    return 0;
}


static void
model_recovered(model_session_t *s, model_socket_t *lost, ngx_uint_t from,
    uint32_t answer)
{
    ngx_uint_t       i, k;
    model_socket_t  *m;

    for (i = 0; s->sockets[i].used; i++) {
        must(i < MODEL_SOCKETS - 1);
    }

    m = &s->sockets[i];
    *m = *lost;
    lost->used = 0;

    m->state = MODEL_CONNECTED;
    m->born = ++model_serial;
    m->nevents = 0;
    m->peeked = 0;
    m->recovered = 1;

    if (s->hooked) {
        m->seq++;
        m->events[m->nevents++] = 0;
    }

    for (k = from + 1; k < model_nlog; k++) {
        if (model_missed(&model_log_of[k], m)) {
            model_push(s, model_log_of[k].serial);
            model_seen[50]++;
        }
    }

    model_push(s, answer);
    model_seen[49]++;
}


/* a client with a pid comes to this session */

static void
model_op_recover(model_worker_t *w, model_session_t *s)
{
    size_t                   len;
    u_char                   frames[1024], body[300];
    uint32_t                 answer;
    ngx_int_t                rc;
    ngx_uint_t               i, right, from, whole, full;
    model_socket_t          *lost, *m;
    ngx_socketio_id_t        id;
    ngx_socketio_socket_t   *socket;
    ngx_socketio_recover_t   recover;
    ngx_socketio_session_t  *rec;
    ngx_socketio_incoming_t  in;

    lost = &model_lost[model_choose(MODEL_LOST)];

    for (i = 0; !lost->used && i < MODEL_LOST; i++) {
        lost = &model_lost[i];
    }

    if (!lost->used || model_nlog == 0 || model_lost_record(lost) == NULL
        || !s->open || s->missing || s->raw || s->key.revision == 3
        || model_socket_of(s, lost->nsp)
        || model_nsockets(s) >= MODEL_SOCKETS - 1)
    {
        return;
    }

    ngx_memzero(&recover, sizeof(recover));
    ngx_memzero(&in, sizeof(in));

    answer = ++model_serial;
    len = model_frames(frames, answer);
    right = model_choose(8) != 0;
    from = model_choose(4) ? model_nlog - 1 - model_choose(
                                  (uint32_t) ngx_min(model_nlog, 20))
                           : model_choose((uint32_t) model_nlog);

    recover.socket = lost->id;
    recover.frames.data = frames;
    recover.frames.len = len;
    recover.token = model_log_of[from].token;
    ngx_memcpy(recover.key, lost->key, NGX_SOCKETIO_PASS_KEY);
    recover.key[model_choose(NGX_SOCKETIO_PASS_KEY)] ^= !right;

    socket = ngx_socketio_find_locked(&model_zone, NGX_SOCKETIO_SOCKET,
                                      lost->id.ref, lost->id.gen);
    ngx_memcpy(recover.secret, socket->secret, NGX_SOCKETIO_SECRET);

    in.kind = NGX_SOCKETIO_EVENT_CONNECT;
    in.namespaces_max = MODEL_SOCKETS - 1;
    in.recover = &recover;
    in.body.data = body;
    in.body.len = model_choose(2) ? sizeof(body) : 2;
    ngx_memset(body, 'x', sizeof(body));
    model_name(&in.nsp, model_nsps[lost->nsp]);

    whole = model_log_whole(from);
    rec = model_record(s);
    full = s->hooked && rec->inbox_n >= rec->inbox_max;

    model_clock(s);
    rc = ngx_socketio_incoming(&w->zone, &s->id, &in, model_now);

    if (model_gone()) {
        return;
    }

    socket = ngx_socketio_find_locked(&model_zone, NGX_SOCKETIO_SOCKET,
                                      lost->id.ref, lost->id.gen);

    if (socket && socket->state == NGX_SOCKETIO_SOCKET_CONNECTED) {
        must(rc == NGX_OK && right && whole && !full);
        must(socket->session == s->id.ref);
        model_recovered(s, lost, from, answer);
        return;
    }

    /* one try; whoever does not have its key has not touched it */

    must(socket == NULL || !right || rc == NGX_AGAIN || rc == NGX_BUSY
         || rc == NGX_DECLINED
         || model_now > ((ngx_socketio_pass_t *)
                         ngx_socketio_rec(&model_zone, socket->pass))->time
                        + model_recovery);
    must(socket || right);
    lost->used = (socket != NULL);
    model_seen[51]++;

    if (rc != NGX_OK && rc != NGX_DONE) {
        must(rc == NGX_AGAIN || rc == NGX_BUSY);
        return;
    }

    /* as any other CONNECT */

    rec = model_record(s);
    id.ref = rec->sockets;
    socket = check_rec(id.ref, NGX_SOCKETIO_SOCKET);
    id.gen = socket->rec.gen;

    for (i = 0; s->sockets[i].used; i++) {
        must(i < MODEL_SOCKETS - 1);
    }

    m = &s->sockets[i];
    ngx_memzero(m, sizeof(model_socket_t));
    m->used = 1;
    m->nsp = (socket->nsp == ngx_socketio_room_find_locked(&model_zone, 0,
                                                           &in.nsp))
             ? lost->nsp : MODEL_RAW;
    m->id = id;
    m->born = ++model_serial;
    ngx_socketio_socket_text((u_char *) m->text, &id, socket->secret);

    if (rc == NGX_OK) {
        must(s->hooked);
        m->seq = 1;
        m->nevents = 1;
        return;
    }

    must(in.socket.ref == id.ref && in.socket.gen == id.gen);
    model_accept(w, s, m);
}


/* what is lost is not known for ever; nothing of it stays */

static void
model_forget(model_worker_t *w)
{
    ngx_uint_t  i;

    model_recovery = 0;

    for (i = 0; i < MODEL_SLOTS; i++) {
        model_workers[i].zone.recovery = 0;
    }

    model_now += 2000;
    stub_clock(model_now);
    ngx_socketio_recovery_turn(&w->zone, model_now);

    must(model_zone.sh->log == 0 && model_zone.sh->lost == 0);
}


#endif /* _STORE_RECOVER_H_INCLUDED_ */
