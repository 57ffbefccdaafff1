
/*
 * Copyright (C) the ngx_http_socketio_module authors
 */


/*
 * Changes that the backend asks for: the answer to a connect, joins, leaves,
 * disconnects and session data.
 */


#include "store/ngx_socketio_emit.h"
#include "store/ngx_socketio_inbox.h"
#include "store/ngx_socketio_session.h"
#include "store/ngx_socketio_slot.h"
#include "store/ngx_socketio_bytes.h"
#include "proto/ngx_socketio_base64.h"


#define NGX_SOCKETIO_SELECT_HOLD  256       /* sockets */


typedef struct {
    ngx_socketio_zone_t       *zone;
    ngx_socketio_target_t     *target;
    ngx_socketio_do_e          what;
    ngx_socketio_name_t       *rooms;
    ngx_uint_t                 nrooms;
    ngx_uint_t                 rooms_max;
    ngx_socketio_ref_t         message;
    ngx_socketio_ref_t         nsp;
    uint64_t                   mark;
    uint64_t                   now;
    ngx_uint_t                 n;           /* in this hold */
    ngx_int_t                  rc;
} ngx_socketio_selector_t;


static ngx_int_t ngx_socketio_select_step_locked(ngx_socketio_selector_t *s);
static ngx_int_t ngx_socketio_select_room_locked(ngx_socketio_selector_t *s,
    ngx_socketio_ref_t room);
static void ngx_socketio_select_except_locked(ngx_socketio_selector_t *s);
static void ngx_socketio_select_socket_locked(ngx_socketio_selector_t *s,
    ngx_socketio_ref_t socket);
static ngx_int_t ngx_socketio_join_name_locked(ngx_socketio_zone_t *zone,
    ngx_socketio_ref_t socket, ngx_socketio_name_t *name,
    ngx_uint_t rooms_max);
static void ngx_socketio_select_end_locked(ngx_socketio_selector_t *s,
    ngx_socketio_ref_t socket);
static ngx_int_t ngx_socketio_bye_locked(ngx_socketio_selector_t *s,
    ngx_socketio_ref_t socket);
static ngx_int_t ngx_socketio_data_locked(ngx_socketio_zone_t *zone,
    ngx_socketio_ref_t socket, ngx_str_t *data);
static void ngx_socketio_orphan_locked(ngx_socketio_zone_t *zone,
    ngx_socketio_ref_t socket);


void
ngx_socketio_socket_text(u_char *p, ngx_socketio_id_t *socket, u_char *secret)
{
    u_char      raw[8 + NGX_SOCKETIO_SECRET];
    ngx_uint_t  i;

    for (i = 0; i < 4; i++) {
        raw[i] = (u_char) (socket->ref >> (24 - 8 * i));
        raw[4 + i] = (u_char) (socket->gen >> (24 - 8 * i));
    }

    ngx_memcpy(&raw[8], secret, NGX_SOCKETIO_SECRET);

    (void) ngx_socketio_base64url_encode(p, raw, sizeof(raw));
}


ngx_int_t
ngx_socketio_socket_parse(ngx_str_t *text, ngx_socketio_id_t *socket,
    u_char *secret)
{
    size_t      len;
    u_char      raw[NGX_SOCKETIO_SOCKET_TEXT];
    ngx_uint_t  i;

    if (text->len != NGX_SOCKETIO_SOCKET_TEXT
        || ngx_socketio_base64url_decode(raw, &len, text->data,
                                         text->data + text->len)
           != NGX_OK
        || len != 8 + NGX_SOCKETIO_SECRET)
    {
        return NGX_ERROR;
    }

    socket->ref = 0;
    socket->gen = 0;

    for (i = 0; i < 4; i++) {
        socket->ref = socket->ref << 8 | raw[i];
        socket->gen = socket->gen << 8 | raw[4 + i];
    }

    ngx_memcpy(secret, &raw[8], NGX_SOCKETIO_SECRET);

    return NGX_OK;
}


ngx_int_t
ngx_socketio_select(ngx_socketio_zone_t *zone, ngx_socketio_target_t *target,
    ngx_socketio_do_e what, ngx_socketio_name_t *rooms, ngx_uint_t nrooms,
    ngx_uint_t rooms_max, u_char *frames, size_t len, ngx_uint_t *count)
{
    ngx_int_t                rc;
    ngx_str_t                part;
    ngx_socketio_selector_t  s;

    ngx_memzero(&s, sizeof(ngx_socketio_selector_t));

    s.zone = zone;
    s.target = target;
    s.what = what;
    s.rooms = rooms;
    s.nrooms = nrooms;
    s.rooms_max = rooms_max;
    s.now = ngx_current_msec;
    s.rc = NGX_OK;

    *count = 0;

    do {
        s.n = 0;
        s.message = 0;

        if (len) {
            part.data = frames;
            part.len = len;
            s.message = ngx_socketio_message_make_lock(zone, &part, 1);

            if (s.message == 0) {
                zone->sh->stats.full++;
                ngx_socketio_zone_unlock(zone);
                return NGX_ERROR;
            }

        } else {
            ngx_socketio_zone_lock(zone);
        }

        if (s.mark == 0) {
            s.mark = ++zone->sh->seq;
        }

        rc = ngx_socketio_select_step_locked(&s);

        if (s.message) {
            ngx_socketio_message_release_locked(zone, s.message);
        }

        ngx_socketio_zone_unlock(zone);

        *count += s.n;

    } while (rc == NGX_AGAIN);

    return s.rc;
}


/*
 * Up to 256 sockets that this selector has not met yet; between two holds
 * the lists may change, so each hold starts from their heads.
 */

static ngx_int_t
ngx_socketio_select_step_locked(ngx_socketio_selector_t *s)
{
    ngx_uint_t              i;
    ngx_socketio_ref_t      ref;
    ngx_socketio_zone_t    *zone;
    ngx_socketio_target_t  *target;

    zone = s->zone;
    target = s->target;

    s->nsp = ngx_socketio_room_find_locked(zone, 0, &target->nsp);
    if (s->nsp == 0) {
        return NGX_OK;
    }

    /* it must not go while its last socket is disconnected */

    ngx_socketio_room_ref_locked(zone, s->nsp);
    ngx_socketio_select_except_locked(s);

    if (target->all
        && ngx_socketio_select_room_locked(s, s->nsp) == NGX_AGAIN)
    {
        goto again;
    }

    for (i = 0; i < target->nin; i++) {
        ref = ngx_socketio_word_socket_locked(zone, s->nsp, &target->in[i]);

        if (ref) {
            ngx_socketio_select_socket_locked(s, ref);
        }

        ref = ngx_socketio_room_find_locked(zone, s->nsp,
                                            &target->in[i].name);

        if (ref && ngx_socketio_select_room_locked(s, ref) == NGX_AGAIN) {
            goto again;
        }
    }

    ngx_socketio_room_unref_locked(zone, s->nsp);

    return NGX_OK;

again:

    ngx_socketio_room_unref_locked(zone, s->nsp);

    return NGX_AGAIN;
}


static void
ngx_socketio_select_except_locked(ngx_socketio_selector_t *s)
{
    ngx_uint_t              i, list;
    ngx_socketio_ref_t      ref, m;
    ngx_socketio_word_t    *word;
    ngx_socketio_room_t    *room;
    ngx_socketio_member_t  *member;
    ngx_socketio_socket_t  *socket;

    for (i = 0; i < s->target->nexcept; i++) {
        word = &s->target->except[i];

        ref = ngx_socketio_word_socket_locked(s->zone, s->nsp, word);
        if (ref) {
            socket = ngx_socketio_rec(s->zone, ref);
            socket->mark = s->mark;
        }

        ref = ngx_socketio_room_find_locked(s->zone, s->nsp, &word->name);
        if (ref == 0) {
            continue;
        }

        room = ngx_socketio_rec(s->zone, ref);

        for (list = 0; list < 2; list++) {
            for (m = room->list[list]; m; m = member->next) {
                member = ngx_socketio_rec(s->zone, m);
                socket = ngx_socketio_rec(s->zone, member->socket);
                socket->mark = s->mark;
            }
        }
    }
}


static ngx_int_t
ngx_socketio_select_room_locked(ngx_socketio_selector_t *s,
    ngx_socketio_ref_t ref)
{
    ngx_int_t               rc;
    ngx_uint_t              list;
    ngx_socketio_ref_t      m, next;
    ngx_socketio_room_t    *room;
    ngx_socketio_member_t  *member;

    /* a leave may take its last member */

    ngx_socketio_room_ref_locked(s->zone, ref);
    room = ngx_socketio_rec(s->zone, ref);
    rc = NGX_OK;

    for (list = 0; list < 2; list++) {
        for (m = room->list[list]; m; m = next) {

            if (s->n == NGX_SOCKETIO_SELECT_HOLD
                || s->zone->nowned == NGX_SOCKETIO_OWNED)
            {
                rc = NGX_AGAIN;
                goto done;
            }

            member = ngx_socketio_rec(s->zone, m);
            next = member->next;
            ngx_socketio_select_socket_locked(s, member->socket);
        }
    }

done:

    ngx_socketio_room_unref_locked(s->zone, ref);

    return rc;
}


static void
ngx_socketio_select_socket_locked(ngx_socketio_selector_t *s,
    ngx_socketio_ref_t ref)
{
    ngx_uint_t              i;
    ngx_socketio_ref_t      room;
    ngx_socketio_socket_t  *socket;

    socket = ngx_socketio_rec(s->zone, ref);

    if (socket->mark == s->mark) {
        return;
    }

    socket->mark = s->mark;
    s->n++;

    if (s->what >= NGX_SOCKETIO_DO_DISCONNECT) {
        ngx_socketio_select_end_locked(s, ref);
        return;
    }

    for (i = 0; i < s->nrooms; i++) {

        if (s->what == NGX_SOCKETIO_DO_JOIN) {
            if (ngx_socketio_join_name_locked(s->zone, ref, &s->rooms[i],
                                              s->rooms_max)
                == NGX_ERROR)
            {
                s->zone->sh->stats.full++;
                s->rc = NGX_ERROR;
            }

            continue;
        }

        room = ngx_socketio_room_find_locked(s->zone, s->nsp, &s->rooms[i]);

        if (room
            && ngx_socketio_leave_locked(s->zone, ref, room) == NGX_ERROR)
        {
            s->zone->sh->stats.full++;
            s->rc = NGX_ERROR;
        }
    }
}


/* NGX_DECLINED: is there already, or in too many rooms */

static ngx_int_t
ngx_socketio_join_name_locked(ngx_socketio_zone_t *zone,
    ngx_socketio_ref_t ref, ngx_socketio_name_t *name, ngx_uint_t rooms_max)
{
    ngx_int_t               rc;
    ngx_socketio_ref_t      room;
    ngx_socketio_socket_t  *socket;

    socket = ngx_socketio_rec(zone, ref);

    /* the namespace counts as one */

    if (socket->nrooms > rooms_max) {
        return NGX_DECLINED;
    }

    room = ngx_socketio_room_make_locked(zone, socket->nsp, name);
    if (room == 0) {
        return NGX_ERROR;
    }

    /* a join that fails half-way takes its member off again */

    ngx_socketio_room_ref_locked(zone, room);
    rc = ngx_socketio_join_locked(zone, ref, room);
    ngx_socketio_room_unref_locked(zone, room);

    return rc;
}


static void
ngx_socketio_select_end_locked(ngx_socketio_selector_t *s,
    ngx_socketio_ref_t ref)
{
    ngx_socketio_ref_t       other, session_ref;
    ngx_socketio_socket_t   *socket;
    ngx_socketio_session_t  *session;

    socket = ngx_socketio_rec(s->zone, ref);
    session_ref = socket->session;

    if (s->message
        && ngx_socketio_give_locked(s->zone, session_ref, ref, s->message,
                                    0, ++s->zone->sh->seq, s->now)
           != NGX_OK)
    {
        /* it was closed for it, with all its sockets: ref may be gone */
        return;
    }

    if (s->what == NGX_SOCKETIO_DO_DISCONNECT) {
        ngx_socketio_socket_end_locked(s->zone, ref,
                                       NGX_SOCKETIO_REASON_SERVER_NSP,
                                       s->now);
        return;
    }

    session = ngx_socketio_rec(s->zone, session_ref);

    for (other = session->sockets; other; other = socket->next) {
        socket = ngx_socketio_rec(s->zone, other);

        if (other != ref && socket->state == NGX_SOCKETIO_SOCKET_CONNECTED
            && ngx_socketio_bye_locked(s, other) != NGX_OK)
        {
            /* closed, as above */
            return;
        }
    }

    ngx_socketio_session_step_locked(s->zone, session_ref,
                                     NGX_SOCKETIO_EIO_EV_KICK, s->now);
}


/*
 * "41/nsp," for another namespace of the connection.  NGX_ERROR: it could not
 * be given, the session has been closed.
 */

static ngx_int_t
ngx_socketio_bye_locked(ngx_socketio_selector_t *s, ngx_socketio_ref_t ref)
{
    size_t                   len;
    u_char                  *p;
    ngx_int_t                rc;
    ngx_str_t                part;
    ngx_socketio_ref_t       message_ref;
    ngx_socketio_room_t     *nsp;
    ngx_socketio_socket_t   *socket;
    ngx_socketio_message_t  *message;
    u_char                   buf[1024 + 8];

    socket = ngx_socketio_rec(s->zone, ref);
    nsp = ngx_socketio_rec(s->zone, socket->nsp);
    len = nsp->name_len;

    if (len > 1024) {
        return NGX_OK;
    }

    len = (len > 1) ? len + 3 : 2;

    p = buf;
    *p++ = 0x81;

    if (len < 126) {
        *p++ = (u_char) len;

    } else {
        *p++ = 126;
        *p++ = (u_char) (len >> 8);
        *p++ = (u_char) len;
    }

    *p++ = '4';
    *p++ = '1';

    if (len > 2) {
        p += ngx_socketio_bytes_read(s->zone, nsp->name, p, nsp->name_len);
        *p++ = ',';
    }

    part.data = buf;
    part.len = p - buf;

    message_ref = ngx_socketio_message_alloc_locked(s->zone, part.len);
    if (message_ref == 0) {
        /* the close packet alone says it, too */
        s->zone->sh->stats.full++;
        return NGX_OK;
    }

    message = ngx_socketio_rec(s->zone, message_ref);
    ngx_socketio_bytes_write(s->zone, message->bytes, &part, 1);

    rc = ngx_socketio_give_locked(s->zone, socket->session, ref, message_ref,
                                  0, ++s->zone->sh->seq, s->now);

    ngx_socketio_message_release_locked(s->zone, message_ref);

    return rc;
}


ngx_int_t
ngx_socketio_accept(ngx_socketio_zone_t *zone, ngx_socketio_id_t *id,
    ngx_socketio_name_t *rooms, ngx_uint_t nrooms, ngx_str_t *data,
    u_char *frames, size_t len)
{
    ngx_int_t                rc;
    ngx_str_t                part;
    ngx_uint_t               i;
    ngx_socketio_ref_t       message;
    ngx_socketio_socket_t   *socket;
    ngx_socketio_session_t  *session;

    part.data = frames;
    part.len = len;
    rc = NGX_DECLINED;

    message = ngx_socketio_message_make_lock(zone, &part, 1);

    socket = ngx_socketio_find_locked(zone, NGX_SOCKETIO_SOCKET, id->ref,
                                      id->gen);

    if (socket == NULL
        || (socket->state != NGX_SOCKETIO_SOCKET_PENDING
            && socket->state != NGX_SOCKETIO_SOCKET_ORPHAN))
    {
        goto done;
    }

    session = ngx_socketio_rec(zone, socket->session);

    if (socket->state == NGX_SOCKETIO_SOCKET_ORPHAN) {
        (void) ngx_socketio_data_locked(zone, id->ref, data);
        ngx_socketio_orphan_locked(zone, id->ref);
        rc = NGX_OK;
        goto done;
    }

    if (message == 0
        || ngx_socketio_data_locked(zone, id->ref, data) != NGX_OK)
    {
        goto full;
    }

    socket->state = NGX_SOCKETIO_SOCKET_CONNECTED;

    /* the first join ends the connect timeout for good (socket.io, 3) */

    session->deadline = 0;
    ngx_socketio_wheel_set_locked(zone, socket->session);

    rc = ngx_socketio_give_locked(zone, socket->session, id->ref, message, 0,
                                  ++zone->sh->seq, ngx_current_msec);
    if (rc != NGX_OK) {
        goto done;
    }

    if (ngx_socketio_join_locked(zone, id->ref, socket->nsp) == NGX_ERROR) {
        goto full;
    }

    for (i = 0; i < nrooms; i++) {
        if (ngx_socketio_join_name_locked(zone, id->ref, &rooms[i], nrooms)
            == NGX_ERROR)
        {
            goto full;
        }
    }

    goto done;

full:

    zone->sh->stats.full++;
    rc = NGX_ERROR;

    if (socket->state == NGX_SOCKETIO_SOCKET_PENDING) {
        socket->state = NGX_SOCKETIO_SOCKET_CONNECTED;
    }

    ngx_socketio_session_end_locked(zone, socket->session,
                                    NGX_SOCKETIO_REASON_FORCED_SERVER,
                                    ngx_current_msec);

done:

    if (message) {
        ngx_socketio_message_release_locked(zone, message);
    }

    ngx_socketio_zone_unlock(zone);

    return rc;
}


/* its client has gone, but the backend knows it: it hears of the end */

static void
ngx_socketio_orphan_locked(ngx_socketio_zone_t *zone, ngx_socketio_ref_t ref)
{
    ngx_socketio_socket_t  *socket;

    socket = ngx_socketio_rec(zone, ref);
    socket->state = NGX_SOCKETIO_SOCKET_ENDED;
    socket->end_seq = socket->seq++;

    ngx_socketio_inbox_add_locked(zone, socket->session, ref, 0);
}


ngx_int_t
ngx_socketio_reject(ngx_socketio_zone_t *zone, ngx_socketio_id_t *id,
    u_char *frames, size_t len, ngx_uint_t heard)
{
    ngx_int_t               rc;
    ngx_str_t               part;
    ngx_time_t             *tp;
    ngx_socketio_ref_t      message;
    ngx_socketio_socket_t  *socket;

    part.data = frames;
    part.len = len;
    rc = NGX_DECLINED;

    message = ngx_socketio_message_make_lock(zone, &part, 1);

    socket = ngx_socketio_find_locked(zone, NGX_SOCKETIO_SOCKET, id->ref,
                                      id->gen);

    if (socket == NULL
        || (socket->state != NGX_SOCKETIO_SOCKET_PENDING
            && socket->state != NGX_SOCKETIO_SOCKET_ORPHAN))
    {
        goto done;
    }

    rc = NGX_OK;

    if (socket->state == NGX_SOCKETIO_SOCKET_PENDING) {

        /* before the message: if it cannot be given, the session ends */

        socket->state = NGX_SOCKETIO_SOCKET_REFUSED;
        socket->reason = NGX_SOCKETIO_REASON_SERVER_NSP;

        tp = ngx_timeofday();
        socket->time = (uint64_t) tp->sec * 1000 + tp->msec;

        if (message) {
            (void) ngx_socketio_give_locked(zone, socket->session, id->ref,
                                            message, 0, ++zone->sh->seq,
                                            ngx_current_msec);
        } else {
            /* who cannot be told must not wait for ever */
            zone->sh->stats.full++;
            ngx_socketio_session_end_locked(zone, socket->session,
                                            NGX_SOCKETIO_REASON_FORCED_SERVER,
                                            ngx_current_msec);
        }

    } else {
        socket->state = NGX_SOCKETIO_SOCKET_REFUSED;
    }

    if (heard) {
        ngx_socketio_orphan_locked(zone, id->ref);
    }

done:

    if (message) {
        ngx_socketio_message_release_locked(zone, message);
    }

    ngx_socketio_zone_unlock(zone);

    return rc;
}


static ngx_int_t
ngx_socketio_data_locked(ngx_socketio_zone_t *zone, ngx_socketio_ref_t ref,
    ngx_str_t *data)
{
    ngx_socketio_ref_t      bytes;
    ngx_socketio_socket_t  *socket;

    bytes = 0;
    socket = ngx_socketio_rec(zone, ref);

    if (data && data->len) {
        bytes = ngx_socketio_bytes_alloc_locked(zone, ref, data->len, NULL);
        if (bytes == 0) {
            return NGX_ERROR;
        }

        ngx_socketio_bytes_write(zone, bytes, data, 1);
    }

    ngx_socketio_bytes_free_locked(zone, socket->data);

    socket->data = bytes;
    socket->data_len = bytes ? (uint16_t) data->len : 0;

    return NGX_OK;
}


ngx_int_t
ngx_socketio_set_data(ngx_socketio_zone_t *zone, ngx_socketio_id_t *id,
    ngx_str_t *data)
{
    ngx_int_t               rc;
    ngx_socketio_socket_t  *socket;

    rc = NGX_DECLINED;

    ngx_socketio_zone_lock(zone);

    socket = ngx_socketio_find_locked(zone, NGX_SOCKETIO_SOCKET, id->ref,
                                      id->gen);

    if (socket && socket->state == NGX_SOCKETIO_SOCKET_CONNECTED) {
        rc = ngx_socketio_data_locked(zone, id->ref, data);

        if (rc != NGX_OK) {
            zone->sh->stats.full++;
        }
    }

    ngx_socketio_zone_unlock(zone);

    return rc;
}


ngx_int_t
ngx_socketio_socket_secret(ngx_socketio_zone_t *zone, ngx_socketio_id_t *id,
    u_char *secret)
{
    ngx_socketio_socket_t  *socket;

    ngx_socketio_zone_lock(zone);

    socket = ngx_socketio_find_locked(zone, NGX_SOCKETIO_SOCKET, id->ref,
                                      id->gen);
    if (socket) {
        ngx_memcpy(secret, socket->secret, NGX_SOCKETIO_SECRET);
    }

    ngx_socketio_zone_unlock(zone);

    return socket ? NGX_OK : NGX_DECLINED;
}


size_t
ngx_socketio_socket_nsp(ngx_socketio_zone_t *zone, ngx_socketio_id_t *id,
    u_char *p, size_t size)
{
    size_t                  len;
    ngx_socketio_room_t    *nsp;
    ngx_socketio_socket_t  *socket;

    len = 0;

    ngx_socketio_zone_lock(zone);

    socket = ngx_socketio_find_locked(zone, NGX_SOCKETIO_SOCKET, id->ref,
                                      id->gen);
    if (socket) {
        nsp = ngx_socketio_rec(zone, socket->nsp);
        len = ngx_socketio_bytes_read(zone, nsp->name, p,
                                      ngx_min(size, nsp->name_len));
    }

    ngx_socketio_zone_unlock(zone);

    return len;
}
