
/*
 * Copyright (C) the ngx_http_socketio_module authors
 */


/* From the backend to one socket: accept, reject, replies, session data. */


#include "store/ngx_socketio_recovery.h"
#include "store/ngx_socketio_session.h"
#include "store/ngx_socketio_message.h"
#include "store/ngx_socketio_bytes.h"


static ngx_socketio_ref_t ngx_socketio_answer_lock(ngx_socketio_zone_t *zone,
    ngx_str_t *frames);
static ngx_int_t ngx_socketio_accept_locked(ngx_socketio_zone_t *zone,
    ngx_socketio_ref_t socket, ngx_socketio_name_t *rooms, ngx_uint_t nrooms,
    ngx_str_t *data, ngx_socketio_ref_t message);
static ngx_socketio_socket_t *ngx_socketio_waiting_locked(
    ngx_socketio_zone_t *zone, ngx_socketio_id_t *id);
static void ngx_socketio_orphan_locked(ngx_socketio_zone_t *zone,
    ngx_socketio_ref_t socket);
static void ngx_socketio_reply_lost(ngx_socketio_zone_t *zone,
    ngx_socketio_id_t *id);
static ngx_int_t ngx_socketio_reply_to(ngx_socketio_zone_t *zone,
    ngx_uint_t type, ngx_socketio_id_t *id, u_char *frames, size_t len,
    ngx_uint_t last);
static void ngx_socketio_refuse_locked(ngx_socketio_zone_t *zone,
    ngx_socketio_ref_t socket, ngx_socketio_ref_t message, size_t len);
static ngx_int_t ngx_socketio_data_locked(ngx_socketio_zone_t *zone,
    ngx_socketio_ref_t socket, ngx_str_t *data);


ngx_int_t
ngx_socketio_accept(ngx_socketio_zone_t *zone, ngx_socketio_id_t *id,
    ngx_socketio_name_t *rooms, ngx_uint_t nrooms, ngx_str_t *data,
    u_char *frames, size_t len)
{
    ngx_int_t               rc;
    ngx_str_t               part;
    ngx_socketio_ref_t      message;
    ngx_socketio_socket_t  *socket;

    part.data = frames;
    part.len = len;

    message = ngx_socketio_answer_lock(zone, &part);
    socket = ngx_socketio_waiting_locked(zone, id);

    if (socket == NULL) {
        rc = NGX_DECLINED;

    } else if (socket->state == NGX_SOCKETIO_SOCKET_ORPHAN) {
        (void) ngx_socketio_data_locked(zone, id->ref, data);
        ngx_socketio_orphan_locked(zone, id->ref);
        rc = NGX_OK;

    } else {
        /* repeated, it would be neither accepted nor sent its answer */

        zone->sh->doubt = socket->session;
        ngx_socketio_order();

        rc = (message == 0 && len)
             ? NGX_BUSY
             : ngx_socketio_accept_locked(zone, id->ref, rooms, nrooms, data,
                                          message);
    }

    if (rc == NGX_BUSY) {
        zone->sh->stats.full++;
        rc = NGX_ERROR;

        if (socket->state == NGX_SOCKETIO_SOCKET_PENDING) {
            ngx_socketio_socket_become_locked(zone, socket,
                                              NGX_SOCKETIO_SOCKET_CONNECTED);
        }

        if (socket->pass) {
            /* of its rooms some may be missing */
            ngx_socketio_pass_free_locked(zone, socket);
        }

        ngx_socketio_session_end_locked(zone, socket->session,
                                        NGX_SOCKETIO_REASON_FORCED_SERVER,
                                        ngx_current_msec);
    }

    ngx_socketio_order();
    zone->sh->doubt = 0;

    if (message) {
        ngx_socketio_message_release_locked(zone, message);
    }

    ngx_socketio_zone_unlock(zone);

    return rc;
}


/* with the lock held on return; 0: no memory, or there is nothing */

static ngx_socketio_ref_t
ngx_socketio_answer_lock(ngx_socketio_zone_t *zone, ngx_str_t *frames)
{
    if (frames->len && frames->data) {
        return ngx_socketio_message_make_lock(zone, frames, 1);
    }

    ngx_socketio_zone_lock(zone);

    return 0;
}


/* NGX_BUSY: the zone is full; else as ngx_socketio_give_locked() */

static ngx_int_t
ngx_socketio_accept_locked(ngx_socketio_zone_t *zone, ngx_socketio_ref_t ref,
    ngx_socketio_name_t *rooms, ngx_uint_t nrooms, ngx_str_t *data,
    ngx_socketio_ref_t message)
{
    ngx_int_t                rc;
    ngx_uint_t               i;
    ngx_socketio_socket_t   *socket;
    ngx_socketio_session_t  *session;

    if (ngx_socketio_data_locked(zone, ref, data) != NGX_OK) {
        return NGX_BUSY;
    }

    socket = ngx_socketio_rec(zone, ref);
    session = ngx_socketio_rec(zone, socket->session);

    ngx_socketio_socket_become_locked(zone, socket,
                                      NGX_SOCKETIO_SOCKET_CONNECTED);

    /* the first join ends the connect timeout for good (socket.io, 3) */

    ngx_socketio_joined_locked(session);
    ngx_socketio_wheel_set_locked(zone, socket->session);

    if (message) {
        rc = ngx_socketio_give_locked(zone, socket->session, ref, message, 0,
                                      ++zone->sh->seq, ngx_current_msec);
        if (rc != NGX_OK) {
            return rc;
        }
    }

    if (ngx_socketio_join_locked(zone, ref, socket->nsp) == NGX_ERROR) {
        return NGX_BUSY;
    }

    for (i = 0; i < nrooms; i++) {
        if (ngx_socketio_join_name_locked(zone, ref, &rooms[i], nrooms)
            == NGX_ERROR)
        {
            return NGX_BUSY;
        }
    }

    return NGX_OK;
}


/* a socket whose connect nobody has answered yet; NULL: not, or not any more */

static ngx_socketio_socket_t *
ngx_socketio_waiting_locked(ngx_socketio_zone_t *zone, ngx_socketio_id_t *id)
{
    ngx_socketio_socket_t  *socket;

    socket = ngx_socketio_find_locked(zone, NGX_SOCKETIO_SOCKET, id->ref,
                                      id->gen);

    if (socket
        && (socket->state == NGX_SOCKETIO_SOCKET_PENDING
            || socket->state == NGX_SOCKETIO_SOCKET_ORPHAN))
    {
        return socket;
    }

    return NULL;
}


/* its client has gone, but the backend knows it: it hears of the end */

static void
ngx_socketio_orphan_locked(ngx_socketio_zone_t *zone, ngx_socketio_ref_t ref)
{
    ngx_socketio_socket_t  *socket;

    socket = ngx_socketio_rec(zone, ref);

    ngx_socketio_socket_ended_locked(zone, socket);
    ngx_socketio_socket_entry_locked(zone, ref);
}


ngx_int_t
ngx_socketio_reject(ngx_socketio_zone_t *zone, ngx_socketio_id_t *id,
    u_char *frames, size_t len, ngx_uint_t heard)
{
    ngx_int_t               rc;
    ngx_str_t               part;
    ngx_time_t             *tp;
    ngx_uint_t              pending;
    ngx_socketio_ref_t      message;
    ngx_socketio_socket_t  *socket;

    part.data = frames;
    part.len = len;
    rc = NGX_DECLINED;

    message = ngx_socketio_answer_lock(zone, &part);
    socket = ngx_socketio_waiting_locked(zone, id);

    if (socket == NULL) {
        goto done;
    }

    rc = NGX_OK;
    pending = (socket->state == NGX_SOCKETIO_SOCKET_PENDING);

    if (pending) {
        zone->sh->doubt = socket->session;
        ngx_socketio_order();

        tp = ngx_timeofday();
        socket->reason = NGX_SOCKETIO_REASON_SERVER_NSP;
        socket->time = (uint64_t) tp->sec * 1000 + tp->msec;
    }

    /* before the message: if it cannot be given, the session ends */

    if (heard) {
        ngx_socketio_socket_ended_locked(zone, socket);

    } else {
        ngx_socketio_socket_become_locked(zone, socket,
                                          NGX_SOCKETIO_SOCKET_REFUSED);
    }

    if (pending) {
        ngx_socketio_refuse_locked(zone, id->ref, message, len);
    }

    if (heard) {
        ngx_socketio_socket_entry_locked(zone, id->ref);
    }

    ngx_socketio_order();
    zone->sh->doubt = 0;

done:

    if (message) {
        ngx_socketio_message_release_locked(zone, message);
    }

    ngx_socketio_zone_unlock(zone);

    return rc;
}


/* tells the client; "len" 0: there is nothing to say, it is kicked */

static void
ngx_socketio_refuse_locked(ngx_socketio_zone_t *zone, ngx_socketio_ref_t ref,
    ngx_socketio_ref_t message, size_t len)
{
    ngx_socketio_socket_t  *socket;

    socket = ngx_socketio_rec(zone, ref);

    if (message) {
        (void) ngx_socketio_give_locked(zone, socket->session, ref, message, 0,
                                        ++zone->sh->seq, ngx_current_msec);
        return;
    }

    if (len == 0) {
        (void) ngx_socketio_session_step_locked(zone, socket->session,
                                                NGX_SOCKETIO_EIO_EV_KICK,
                                                ngx_current_msec);
        return;
    }

    /* who cannot be told must not wait for ever */

    zone->sh->stats.full++;
    ngx_socketio_session_end_locked(zone, socket->session,
                                    NGX_SOCKETIO_REASON_FORCED_SERVER,
                                    ngx_current_msec);
}


ngx_int_t
ngx_socketio_reply(ngx_socketio_zone_t *zone, ngx_socketio_id_t *id,
    u_char *frames, size_t len)
{
    return ngx_socketio_reply_to(zone, NGX_SOCKETIO_SOCKET, id, frames, len,
                                 0);
}


ngx_int_t
ngx_socketio_dismiss(ngx_socketio_zone_t *zone, ngx_socketio_id_t *id,
    u_char *frames, size_t len)
{
    return ngx_socketio_reply_to(zone, NGX_SOCKETIO_SOCKET, id, frames, len,
                                 1);
}


ngx_int_t
ngx_socketio_reply_session(ngx_socketio_zone_t *zone, ngx_socketio_id_t *id,
    u_char *frames, size_t len)
{
    return ngx_socketio_reply_to(zone, NGX_SOCKETIO_SESSION, id, frames, len,
                                 0);
}


/* "type" is that of the record with this id; "last": it ends the socket */

static ngx_int_t
ngx_socketio_reply_to(ngx_socketio_zone_t *zone, ngx_uint_t type,
    ngx_socketio_id_t *id, u_char *frames, size_t len, ngx_uint_t last)
{
    void                   *rec;
    ngx_int_t               rc;
    ngx_str_t               part;
    ngx_socketio_ref_t      message, session, ref;
    ngx_socketio_socket_t  *socket;

    part.data = frames;
    part.len = len;
    rc = NGX_DECLINED;

    message = frames ? ngx_socketio_message_try_lock(zone, &part, 1) : 0;

    if (message == 0) {

        if (type == NGX_SOCKETIO_SOCKET) {
            ngx_socketio_reply_lost(zone, id);
        }

        return NGX_ERROR;
    }

    rec = ngx_socketio_find_locked(zone, type, id->ref, id->gen);
    session = rec ? id->ref : 0;
    ref = 0;

    if (rec && type == NGX_SOCKETIO_SOCKET) {
        socket = rec;
        session = (socket->state == NGX_SOCKETIO_SOCKET_CONNECTED)
                  ? socket->session : 0;
        ref = id->ref;
    }

    if (session) {
        rc = ngx_socketio_give_locked(zone, session, ref, message, 0,
                                      ++zone->sh->seq, ngx_current_msec);

        /* else it has been ended already, with its session */

        if (rc == NGX_OK && last) {
            ngx_socketio_socket_end_locked(zone, ref,
                                           NGX_SOCKETIO_REASON_SERVER_NSP,
                                           ngx_current_msec);
        }
    }

    ngx_socketio_message_release_locked(zone, message);
    ngx_socketio_zone_unlock(zone);

    return rc;
}


/* never a gap: who cannot be given a packet is closed */

static void
ngx_socketio_reply_lost(ngx_socketio_zone_t *zone, ngx_socketio_id_t *id)
{
    ngx_socketio_socket_t  *socket;

    ngx_socketio_zone_lock(zone);

    socket = ngx_socketio_find_locked(zone, NGX_SOCKETIO_SOCKET, id->ref,
                                      id->gen);

    if (socket && socket->state == NGX_SOCKETIO_SOCKET_CONNECTED) {
        ngx_socketio_session_end_locked(zone, socket->session,
                                        NGX_SOCKETIO_REASON_TRANSPORT_ERROR,
                                        ngx_current_msec);
    }

    ngx_socketio_zone_unlock(zone);
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


static ngx_int_t
ngx_socketio_data_locked(ngx_socketio_zone_t *zone, ngx_socketio_ref_t ref,
    ngx_str_t *data)
{
    ngx_socketio_ref_t      bytes, old;
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

    /* the chain knows how long it is, if this ends in between */

    old = socket->data;
    socket->data = bytes;
    ngx_socketio_order();

    socket->data_len = bytes ? (uint16_t) data->len : 0;

    ngx_socketio_bytes_free_locked(zone, old);

    return NGX_OK;
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


size_t
ngx_socketio_socket_data(ngx_socketio_zone_t *zone, ngx_socketio_id_t *id,
    u_char *p, size_t size)
{
    size_t                  len;
    ngx_socketio_socket_t  *socket;

    len = 0;

    ngx_socketio_zone_lock(zone);

    socket = ngx_socketio_find_locked(zone, NGX_SOCKETIO_SOCKET, id->ref,
                                      id->gen);

    if (socket && socket->data_len <= size) {
        len = ngx_socketio_bytes_read(zone, socket->data, p,
                                      socket->data_len);
    }

    ngx_socketio_zone_unlock(zone);

    return len;
}
