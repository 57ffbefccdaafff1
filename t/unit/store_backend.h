
/*
 * Copyright (C) the ngx_http_socketio_module authors
 */


/*
 * Targets, and what the backend does to those whom they match.
 */


#ifndef _STORE_BACKEND_H_INCLUDED_
#define _STORE_BACKEND_H_INCLUDED_


#include "store_hook.h"


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
    n = model_choose(3);

    if (n == 2) {
        return model_lost_text();
    }

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

    i = model_choose(8);
    t->nsp = (i < 3) ? i : 0;
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


static void model_logged(model_target_t *t, uint32_t serial);


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

    if (s->raw) {
        return;
    }

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

        if (t.nsp == MODEL_RAW) {
            /* without a word */
            what = NGX_SOCKETIO_DO_CLOSE;

        } else {
            len = model_frames(frames, serial);
        }
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


/* the socket that was found; each is once, and its rooms are the model's */

static void
model_found(model_target_t *t, ngx_socketio_found_t *found)
{
    u_char          *p;
    char             name[24];
    ngx_str_t        text;
    ngx_uint_t       i, k, n;
    model_socket_t  *m;

    for (i = 0; i < MODEL_SESSIONS; i++) {
        for (k = 0; k < MODEL_SOCKETS; k++) {
            m = &model_sessions[i].sockets[k];

            if (!model_sessions[i].used || !model_matches(t, m)
                || m->id.ref != found->socket.ref
                || m->id.gen != found->socket.gen)
            {
                continue;
            }

            must(!m->matched);
            m->matched = 1;
            p = found->rooms.data;

            for (n = 0; ngx_socketio_fetch_name(&p, found->rooms.data
                                                    + found->rooms.len, &text)
                        == NGX_OK; n++)
            {
                must(text.len < sizeof(name));
                ngx_memcpy(name, text.data, text.len);
                name[text.len] = '\0';
                must(model_in(m, name) && strcmp(name, m->text) != 0);
            }

            must(n + model_in(m, m->text) == model_room_count(m));
            return;
        }
    }

    must(0);
}


/* how many match, of those that "matched" or not */

static ngx_uint_t
model_matching(model_target_t *t, ngx_uint_t clear)
{
    ngx_uint_t       i, k, n;
    model_socket_t  *m;

    for (n = 0, i = 0; i < MODEL_SESSIONS; i++) {
        for (k = 0; model_sessions[i].used && k < MODEL_SOCKETS; k++) {
            m = &model_sessions[i].sockets[k];
            n += model_matches(t, m);

            if (clear) {
                m->matched = 0;
            }
        }
    }

    return n;
}


/* a room that somebody is in who has not its name */

static ngx_uint_t
model_room_of(model_target_t *t, const char *name)
{
    ngx_uint_t       i, k;
    model_socket_t  *m;

    for (i = 0; i < MODEL_SESSIONS; i++) {
        for (k = 0; model_sessions[i].used && k < MODEL_SOCKETS; k++) {
            m = &model_sessions[i].sockets[k];

            if (model_matches(t, m) && model_in(m, name)
                && strcmp(name, m->text) != 0)
            {
                return 1;
            }
        }
    }

    return 0;
}


static ngx_uint_t
model_fetch_rooms(model_target_t *t, ngx_socketio_fetch_t *fetch)
{
    u_char      *p;
    char         name[24];
    ngx_str_t    text;
    ngx_uint_t   n;

    p = fetch->buf;

    for (n = 0; ngx_socketio_fetch_name(&p, fetch->buf + fetch->len, &text)
                == NGX_OK; n++)
    {
        must(text.len < sizeof(name));
        ngx_memcpy(name, text.data, text.len);
        name[text.len] = '\0';
        must(model_room_of(t, name));
    }

    must(n == fetch->n);

    return n;
}


/* distinct names */

static ngx_uint_t
model_rooms_want(model_target_t *t)
{
    ngx_uint_t       i, k, j, o, n;
    model_socket_t  *m;
    const char      *seen[MODEL_SESSIONS * MODEL_SOCKETS * MODEL_ROOMS];

    n = 0;

    for (i = 0; i < MODEL_SESSIONS; i++) {
        for (k = 0; model_sessions[i].used && k < MODEL_SOCKETS; k++) {
            m = &model_sessions[i].sockets[k];

            for (j = 0; model_matches(t, m) && j < MODEL_ROOMS; j++) {
                if (!m->rooms[j][0] || strcmp(m->rooms[j] + 1, m->text) == 0) {
                    continue;
                }

                for (o = 0; o < n; o++) {
                    if (strcmp(seen[o], m->rooms[j] + 1) == 0) {
                        break;
                    }
                }

                if (o == n) {
                    seen[n++] = m->rooms[j] + 1;
                }
            }
        }
    }

    return n;
}


static void
model_op_fetch(model_worker_t *w)
{
    ngx_int_t                    rc;
    ngx_uint_t                   i, n, count;
    model_target_t               t;
    static ngx_socketio_fetch_t  fetch;

    model_target(&t);

    count = 0;
    ngx_socketio_fetch_init(&fetch, &w->zone, &t.target, 0);

    do {
        rc = ngx_socketio_count(&fetch.scan, &count);
    } while (rc == NGX_AGAIN);

    ngx_socketio_fetch_free(&fetch);

    if (model_gone()) {
        return;
    }

    must(count == model_matching(&t, 1));
    model_seen[33] += count;

    ngx_socketio_fetch_init(&fetch, &w->zone, &t.target,
                            NGX_SOCKETIO_FETCH_HANDSHAKE
                            |NGX_SOCKETIO_FETCH_DATA|NGX_SOCKETIO_FETCH_ROOMS);
    n = 0;

    do {
        rc = ngx_socketio_fetch_sockets(&fetch);

        for (i = 0; !model_gone() && i < fetch.n; i++) {
            model_found(&t, &fetch.found[i]);
            must(fetch.found[i].handshake.len == 100
                 && fetch.found[i].handshake.data[99] == 'h');
            n++;
        }
    } while (rc == NGX_AGAIN);

    ngx_socketio_fetch_free(&fetch);

    if (model_gone()) {
        return;
    }

    must(n == count);
    (void) model_matching(&t, 1);

    ngx_socketio_fetch_init(&fetch, &w->zone, &t.target, 0);
    n = 0;

    do {
        rc = ngx_socketio_fetch_rooms(&fetch);
        n += model_gone() ? 0 : model_fetch_rooms(&t, &fetch);
    } while (rc == NGX_AGAIN);

    ngx_socketio_fetch_free(&fetch);

    must(model_gone() || n == model_rooms_want(&t));
    model_seen[34] += n;
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

    model_pass(w, s, m);

    if (model_gone()) {
        return;
    }

    rc = ngx_socketio_accept(&w->zone, &m->id, names, nrooms, &data, frames,
                             s->raw ? 0 : len);
    if (model_gone()) {
        return;
    }

    switch (m->state) {

    case MODEL_PENDING:
        m->state = MODEL_CONNECTED;

        if (rc == NGX_OK) {

            if (!s->raw) {
                model_push(s, serial);
            }

            for (i = 0; i < nrooms; i++) {
                model_join(m, rooms[i], nrooms);
            }

            model_seen[12]++;
            break;
        }

        must(rc == NGX_ERROR);
        must(model_record(s)->eio.state == NGX_SOCKETIO_EIO_CLOSED);

        if (!s->raw) {
            model_push(s, serial);
        }

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


#endif /* _STORE_BACKEND_H_INCLUDED_ */
