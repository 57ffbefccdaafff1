
/*
 * Copyright (C) the ngx_http_socketio_module authors
 */


/* Changes to all sockets of a target: joins, leaves, disconnects. */


#include "store/ngx_socketio_scan.h"
#include "store/ngx_socketio_session.h"
#include "store/ngx_socketio_message.h"
#include "store/ngx_socketio_bytes.h"
#include "proto/ngx_socketio_eio.h"
#include "proto/ngx_socketio_sio.h"
#include "proto/ngx_socketio_ws_frame.h"


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
    ngx_socketio_selector_t  s;

    ngx_memzero(&s, sizeof(ngx_socketio_selector_t));
    ngx_socketio_scan_init(&s.scan, zone, target);

    s.what = what;
    s.rooms = rooms;
    s.nrooms = nrooms;
    s.rooms_max = rooms_max;
    s.frames.data = frames;
    s.frames.len = len;

    do {
        rc = ngx_socketio_select_step(&s);
    } while (rc == NGX_AGAIN);

    ngx_socketio_scan_free(&s.scan);

    *count = s.n;

    return rc;
}


ngx_int_t
ngx_socketio_select_step(ngx_socketio_selector_t *s)
{
    ngx_int_t           rc;
    ngx_socketio_ref_t  ref;

    if (ngx_socketio_scan_ready(&s->scan) != NGX_OK) {
        return NGX_ERROR;
    }

    s->zone = s->scan.zone;
    s->now = ngx_current_msec;
    s->message = 0;

    if (s->frames.len) {
        s->message = ngx_socketio_message_try_lock(s->zone, &s->frames, 1);

        if (s->message == 0) {
            return NGX_ERROR;
        }

    } else {
        ngx_socketio_zone_lock(s->zone);
    }

    ngx_socketio_scan_begin_locked(&s->scan);

    while (s->zone->nowned < NGX_SOCKETIO_OWNED) {

        ref = ngx_socketio_scan_next_locked(&s->scan);
        if (ref == 0) {
            break;
        }

        s->n++;
        ngx_socketio_select_socket_locked(s, ref);
    }

    rc = ngx_socketio_scan_end_locked(&s->scan);

    if (s->message) {
        ngx_socketio_message_release_locked(s->zone, s->message);
    }

    ngx_socketio_zone_unlock(s->zone);

    return (rc == NGX_OK && s->full) ? NGX_ERROR : rc;
}


static void
ngx_socketio_select_socket_locked(ngx_socketio_selector_t *s,
    ngx_socketio_ref_t ref)
{
    ngx_uint_t          i;
    ngx_socketio_ref_t  room;

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
                s->full = 1;
            }

            continue;
        }

        room = ngx_socketio_room_find_locked(s->zone, s->scan.nsp,
                                             &s->rooms[i]);

        if (room
            && ngx_socketio_leave_locked(s->zone, ref, room) == NGX_ERROR)
        {
            s->zone->sh->stats.full++;
            s->full = 1;
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
