
/*
 * Copyright (C) the ngx_http_socketio_module authors
 */


/* Changes to all sockets of a target: joins, leaves, disconnects. */


#include "store/ngx_socketio_emit.h"
#include "store/ngx_socketio_session.h"
#include "store/ngx_socketio_message.h"
#include "store/ngx_socketio_bytes.h"
#include "proto/ngx_socketio_eio.h"
#include "proto/ngx_socketio_sio.h"
#include "proto/ngx_socketio_ws_frame.h"


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
static void ngx_socketio_select_socket_locked(ngx_socketio_selector_t *s,
    ngx_socketio_ref_t socket);
static void ngx_socketio_select_end_locked(ngx_socketio_selector_t *s,
    ngx_socketio_ref_t socket);
static ngx_int_t ngx_socketio_bye_locked(ngx_socketio_selector_t *s,
    ngx_socketio_ref_t socket);


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
            s.message = ngx_socketio_message_try_lock(zone, &part, 1);

            if (s.message == 0) {
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
    ngx_socketio_target_except_locked(zone, target, s->nsp, s->mark);

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
    ngx_str_t                part, name;
    ngx_socketio_ref_t       message_ref;
    ngx_socketio_room_t     *nsp;
    ngx_socketio_socket_t   *socket;
    ngx_socketio_message_t  *message;
    u_char                   text[1024];
    u_char                   buf[NGX_SOCKETIO_WS_HEADER_MAX + 3 + 1024];

    socket = ngx_socketio_rec(s->zone, ref);
    nsp = ngx_socketio_rec(s->zone, socket->nsp);

    if (nsp->name_len > sizeof(text)) {
        return NGX_OK;
    }

    name.data = text;
    name.len = ngx_socketio_bytes_read(s->zone, nsp->name, text,
                                       nsp->name_len);

    len = 1 + ngx_socketio_sio_header(NULL, NGX_SOCKETIO_SIO_DISCONNECT, 0,
                                      &name, 0, 0);

    p = buf + ngx_socketio_ws_frame_header(buf,
                             NGX_SOCKETIO_WS_FIN|NGX_SOCKETIO_WS_TEXT, len);
    *p++ = '0' + NGX_SOCKETIO_EIO_MESSAGE;
    p += ngx_socketio_sio_header(p, NGX_SOCKETIO_SIO_DISCONNECT, 0, &name, 0,
                                 0);

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
