
/*
 * Copyright (C) the ngx_http_socketio_module authors
 */


/* From clients: events, attachments, disconnects on their way to an inbox. */


#include "store/ngx_socketio_recovery.h"
#include "store/ngx_socketio_session.h"
#include "store/ngx_socketio_ack.h"
#include "store/ngx_socketio_message.h"
#include "store/ngx_socketio_bytes.h"


static ngx_int_t ngx_socketio_incoming_check_locked(ngx_socketio_zone_t *zone,
    ngx_socketio_id_t *id, ngx_socketio_incoming_t *in,
    ngx_socketio_ref_t *socket, uint64_t now);
static ngx_int_t ngx_socketio_incoming_connect_locked(
    ngx_socketio_zone_t *zone, ngx_socketio_id_t *id,
    ngx_socketio_incoming_t *in, ngx_socketio_ref_t nsp,
    ngx_socketio_ref_t *socket, uint64_t now);
static ngx_int_t ngx_socketio_incoming_awaited_locked(
    ngx_socketio_zone_t *zone, ngx_socketio_session_t *session,
    ngx_socketio_incoming_t *in, ngx_socketio_ref_t socket);
static ngx_int_t ngx_socketio_incoming_early_locked(
    ngx_socketio_zone_t *zone, ngx_socketio_id_t *id,
    ngx_socketio_incoming_t *in, ngx_uint_t pending, uint64_t now);
static ngx_int_t ngx_socketio_inbox_full_locked(
    ngx_socketio_session_t *session, size_t len);
static ngx_int_t ngx_socketio_incoming_wait_locked(
    ngx_socketio_session_t *session);
static ngx_int_t ngx_socketio_fault_locked(ngx_socketio_zone_t *zone,
    ngx_socketio_id_t *id, ngx_socketio_eio_event_e event, uint64_t now);
static ngx_int_t ngx_socketio_incoming_body_locked(ngx_socketio_zone_t *zone,
    ngx_socketio_ref_t event, ngx_str_t *body);
static ngx_int_t ngx_socketio_incoming_ack_locked(ngx_socketio_zone_t *zone,
    ngx_socketio_incoming_t *in, ngx_socketio_ref_t message);
static void ngx_socketio_event_complete_locked(ngx_socketio_zone_t *zone,
    ngx_socketio_ref_t event);
static void ngx_socketio_incoming_part_locked(ngx_socketio_zone_t *zone,
    ngx_socketio_ref_t part);
static void ngx_socketio_incoming_lacks_locked(ngx_socketio_zone_t *zone,
    ngx_socketio_ref_t session, ngx_msec_t timeout, uint64_t now);
static void ngx_socketio_incoming_attach_locked(ngx_socketio_zone_t *zone,
    ngx_socketio_ref_t event, ngx_socketio_ref_t message, uint32_t len);


ngx_int_t
ngx_socketio_incoming(ngx_socketio_zone_t *zone, ngx_socketio_id_t *id,
    ngx_socketio_incoming_t *in, uint64_t now)
{
    ngx_int_t           rc;
    ngx_socketio_ref_t  socket, message;

    message = 0;

    if (in->body.len > NGX_SOCKETIO_COPY_LOCKED) {
        message = ngx_socketio_message_try_lock(zone, &in->body, 1);

        if (message == 0) {
            return NGX_BUSY;
        }

    } else {
        ngx_socketio_zone_lock(zone);
    }

    rc = ngx_socketio_incoming_check_locked(zone, id, in, &socket, now);

    if (rc == NGX_OK && socket && in->kind == NGX_SOCKETIO_EVENT_CONNECT) {

        if (ngx_socketio_recover_locked(zone, id, in, socket, &message, now)
            == NGX_OK)
        {
            goto done;
        }

        in->recover = NULL;
        rc = ngx_socketio_incoming_check_locked(zone, id, in, &socket, now);
    }

    if (rc == NGX_OK) {
        rc = (in->kind == NGX_SOCKETIO_EVENT_ACK && in->attachments == 0)
             ? ngx_socketio_incoming_ack_locked(zone, in, message)
             : ngx_socketio_incoming_add_locked(zone, id, in, socket, message);

        if (rc == NGX_OK) {
            message = 0;

            if (in->attachments) {
                ngx_socketio_incoming_lacks_locked(zone, id->ref, in->timeout,
                                                   now);
            }

        } else {
            zone->sh->stats.full++;
        }
    }

done:

    if (message) {
        ngx_socketio_message_release_locked(zone, message);
    }

    ngx_socketio_zone_unlock(zone);

    return rc;
}


/*
 * NGX_OK: it may be added; *socket is set, 0 for a new one, and of a CONNECT
 * one that may be recovered
 */

static ngx_int_t
ngx_socketio_incoming_check_locked(ngx_socketio_zone_t *zone,
    ngx_socketio_id_t *id, ngx_socketio_incoming_t *in,
    ngx_socketio_ref_t *ref, uint64_t now)
{
    ngx_socketio_ref_t       nsp;
    ngx_socketio_socket_t   *socket;
    ngx_socketio_session_t  *session;

    session = ngx_socketio_find_locked(zone, NGX_SOCKETIO_SESSION, id->ref,
                                       id->gen);

    if (session == NULL || session->eio.state != NGX_SOCKETIO_EIO_OPENED) {
        return NGX_DECLINED;
    }

    ngx_socketio_heard_locked(session, now);

    if (session->partial) {
        /* text among the attachments of a packet (socket.io, 2) */
        return ngx_socketio_fault_locked(zone, id,
                                         NGX_SOCKETIO_EIO_EV_BAD_PACKET, now);
    }

    nsp = ngx_socketio_room_find_locked(zone, 0, &in->nsp);
    *ref = nsp ? ngx_socketio_socket_find_locked(zone, session, nsp) : 0;

    if (in->kind == NGX_SOCKETIO_EVENT_CONNECT) {
        return ngx_socketio_incoming_connect_locked(zone, id, in, nsp, ref,
                                                    now);
    }

    socket = *ref ? ngx_socketio_rec(zone, *ref) : NULL;

    if (socket == NULL
        || socket->state != NGX_SOCKETIO_SOCKET_CONNECTED)
    {
        *ref = 0;
        return ngx_socketio_incoming_early_locked(zone, id, in,
                                                  socket != NULL, now);
    }

    if (in->kind == NGX_SOCKETIO_EVENT_ACK) {
        return ngx_socketio_incoming_awaited_locked(zone, session, in,
                                                    *ref);
    }

    if (!session->hooked && in->attachments == 0) {
        return NGX_DONE;
    }

    if (in->kind == NGX_SOCKETIO_EVENT_DROPPED) {

        if (in->attachments == 0) {
            zone->sh->stats.dropped++;
            return NGX_DONE;
        }

        /* it takes no room in the inbox */

        return NGX_OK;
    }

    return ngx_socketio_inbox_full_locked(session, in->body.len);
}


/* as ..._check_locked(); *ref: the socket that is there, 0: none */

static ngx_int_t
ngx_socketio_incoming_connect_locked(ngx_socketio_zone_t *zone,
    ngx_socketio_id_t *id, ngx_socketio_incoming_t *in,
    ngx_socketio_ref_t nsp, ngx_socketio_ref_t *ref, uint64_t now)
{
    ngx_socketio_socket_t   *socket;
    ngx_socketio_session_t  *session;

    session = ngx_socketio_rec(zone, id->ref);

    if (*ref) {
        socket = ngx_socketio_rec(zone, *ref);

        if (socket->state == NGX_SOCKETIO_SOCKET_PENDING
            || session->eio.beat.revision == 3)
        {
            /* clients may ask twice: the answer is for both */
            return NGX_DONE;
        }

        return ngx_socketio_fault_locked(zone, id,
                                         NGX_SOCKETIO_EIO_EV_BAD_STATE, now);
    }

    if (session->nsockets >= in->namespaces_max) {
        return NGX_ERROR;
    }

    if (in->recover
        && (!session->hooked
            || ngx_socketio_inbox_full_locked(session, in->body.len)
               == NGX_OK))
    {
        *ref = ngx_socketio_recover_find_locked(zone, session, nsp, in,
                                                now);
        if (*ref) {
            return NGX_OK;
        }
    }

    if (!session->hooked) {
        *ref = ngx_socketio_socket_add_locked(zone, id->ref, &in->nsp,
                                              in->secret);
        if (*ref == 0) {
            zone->sh->stats.full++;
            return NGX_BUSY;
        }

        socket = ngx_socketio_rec(zone, *ref);
        in->socket.ref = *ref;
        in->socket.gen = socket->rec.gen;

        return NGX_DONE;
    }

    return ngx_socketio_inbox_full_locked(session, in->body.len);
}


/*
 * Only what becomes an entry needs room in the inbox; an ACK that nobody waits
 * for is dropped (socket.io, 4).
 */

static ngx_int_t
ngx_socketio_incoming_awaited_locked(ngx_socketio_zone_t *zone,
    ngx_socketio_session_t *session, ngx_socketio_incoming_t *in,
    ngx_socketio_ref_t socket)
{
    in->awaited = ngx_socketio_ack_find_locked(zone, socket, in->ack - 1);

    if (in->awaited && ngx_socketio_ack_hooked_locked(zone, in->awaited)) {
        return ngx_socketio_inbox_full_locked(session, in->body.len);
    }

    return (in->awaited || in->attachments) ? NGX_OK : NGX_DONE;
}


/* a packet for a namespace that is not connected, or not yet: "pending" */

static ngx_int_t
ngx_socketio_incoming_early_locked(ngx_socketio_zone_t *zone,
    ngx_socketio_id_t *id, ngx_socketio_incoming_t *in, ngx_uint_t pending,
    uint64_t now)
{
    ngx_socketio_session_t  *session;

    session = ngx_socketio_rec(zone, id->ref);

    if (session->raw && pending) {
        /* until the backend has answered "open", it is asked no more */
        return ngx_socketio_incoming_wait_locked(session);
    }

    if (session->eio.beat.revision == 3 || (session->kicked && !pending)) {
        /*
         * On its way when the server ended the socket: dropped, where Node's
         * server closes the connection with all its namespaces.  Servers of
         * revision 3 have never minded, whatever came (socket.io, 3).
         */
        return in->attachments ? NGX_OK : NGX_DONE;
    }

    return ngx_socketio_fault_locked(zone, id, NGX_SOCKETIO_EIO_EV_BAD_STATE,
                                     now);
}


static ngx_int_t
ngx_socketio_inbox_full_locked(ngx_socketio_session_t *session, size_t len)
{
    if (session->inbox_n < session->inbox_max
        && (session->inbox_n == 0
            || session->inbox_bytes + len <= session->inbox_max_bytes))
    {
        return NGX_OK;
    }

    return ngx_socketio_incoming_wait_locked(session);
}


/*
 * A POST that is held is offered again each second.  The client's pong can
 * only come behind it: each time is heard as the first one.
 */

static ngx_int_t
ngx_socketio_incoming_wait_locked(ngx_socketio_session_t *session)
{
    session->stuffed = 1;
    session->eio.beat.extended = 0;

    return NGX_AGAIN;
}


static ngx_int_t
ngx_socketio_fault_locked(ngx_socketio_zone_t *zone, ngx_socketio_id_t *id,
    ngx_socketio_eio_event_e event, uint64_t now)
{
    ngx_socketio_session_step_locked(zone, id->ref, event, now);

    return NGX_ABORT;
}


ngx_int_t
ngx_socketio_incoming_add_locked(ngx_socketio_zone_t *zone,
    ngx_socketio_id_t *id, ngx_socketio_incoming_t *in,
    ngx_socketio_ref_t socket_ref, ngx_socketio_ref_t message)
{
    ngx_time_t              *tp;
    ngx_socketio_ref_t       ref, tail;
    ngx_socketio_event_t    *event;
    ngx_socketio_session_t  *session;

    ref = ngx_socketio_alloc_locked(zone, NGX_SOCKETIO_EVENT);
    if (ref == 0) {
        return NGX_BUSY;
    }

    event = ngx_socketio_rec(zone, ref);

    if (message == 0
        && ngx_socketio_incoming_body_locked(zone, ref, &in->body) != NGX_OK)
    {
        ngx_socketio_free_locked(zone, ref);
        return NGX_BUSY;
    }

    if (in->kind == NGX_SOCKETIO_EVENT_CONNECT) {
        socket_ref = ngx_socketio_socket_add_locked(zone, id->ref, &in->nsp,
                                                    in->secret);
        if (socket_ref == 0) {
            ngx_socketio_event_free_locked(zone, ref);
            return NGX_BUSY;
        }
    }

    if (message) {
        event->body = ngx_socketio_message_strip_locked(zone, message, ref,
                                                        &tail);
    }

    tp = ngx_timeofday();

    event->rec.kind = (in->kind == NGX_SOCKETIO_EVENT_ACK)
                      ? NGX_SOCKETIO_EVENT_ACK_PART : (uint8_t) in->kind;
    event->session = id->ref;
    event->socket = socket_ref;
    event->time = (uint64_t) tp->sec * 1000 + tp->msec;
    event->ack = in->ack;
    event->body_len = (uint32_t) in->body.len;
    event->attachments = (uint16_t) in->attachments;

    ngx_socketio_used(event);

    if (in->attachments) {
        session = ngx_socketio_rec(zone, id->ref);
        session->partial = ref;

    } else {
        ngx_socketio_event_complete_locked(zone, ref);
    }

    return NGX_OK;
}


static ngx_int_t
ngx_socketio_incoming_body_locked(ngx_socketio_zone_t *zone,
    ngx_socketio_ref_t ref, ngx_str_t *body)
{
    ngx_socketio_event_t  *event;

    if (body->len == 0) {
        return NGX_OK;
    }

    event = ngx_socketio_rec(zone, ref);
    event->body = ngx_socketio_bytes_alloc_locked(zone, ref, body->len, NULL);

    if (event->body == 0) {
        return NGX_BUSY;
    }

    ngx_socketio_bytes_write(zone, event->body, body, 1);

    return NGX_OK;
}


/* the answer that was awaited; codes as ..._add_locked() */

static ngx_int_t
ngx_socketio_incoming_ack_locked(ngx_socketio_zone_t *zone,
    ngx_socketio_incoming_t *in, ngx_socketio_ref_t message)
{
    ngx_socketio_ref_t     ref, tail;
    ngx_socketio_event_t  *event;

    ref = in->awaited;
    event = ngx_socketio_rec(zone, ref);

    if (message) {
        event->body = ngx_socketio_message_strip_locked(zone, message, ref,
                                                        &tail);

    } else if (ngx_socketio_incoming_body_locked(zone, ref, &in->body)
               != NGX_OK)
    {
        return NGX_BUSY;
    }

    event->body_len = (uint32_t) in->body.len;

    ngx_socketio_ack_settle_locked(zone, ref, NGX_SOCKETIO_EVENT_ACK);

    return NGX_OK;
}


static void
ngx_socketio_event_complete_locked(ngx_socketio_zone_t *zone,
    ngx_socketio_ref_t ref)
{
    ngx_socketio_event_t    *event;
    ngx_socketio_socket_t   *socket;
    ngx_socketio_session_t  *session;

    event = ngx_socketio_rec(zone, ref);
    session = ngx_socketio_rec(zone, event->session);

    if (event->rec.kind == NGX_SOCKETIO_EVENT_ACK_PART) {
        ngx_socketio_incoming_part_locked(zone, ref);
        return;
    }

    if (!session->hooked
        || event->socket == 0
        || event->rec.kind == NGX_SOCKETIO_EVENT_DROPPED)
    {
        if (event->rec.kind == NGX_SOCKETIO_EVENT_DROPPED) {
            zone->sh->stats.dropped++;
        }

        ngx_socketio_event_free_locked(zone, ref);
        return;
    }

    socket = ngx_socketio_rec(zone, event->socket);
    event->seq = socket->seq;
    zone->sh->stats.events++;

    ngx_socketio_inbox_add_locked(zone, event->session, ref,
                                  event->body_len + event->attached_len);

    socket->seq = event->seq + 1;
}


/* a BINARY_ACK is whole: what it brings goes to the event that is awaited */

static void
ngx_socketio_incoming_part_locked(ngx_socketio_zone_t *zone,
    ngx_socketio_ref_t ref)
{
    ngx_socketio_ref_t     awaited;
    ngx_socketio_event_t  *part, *event;

    part = ngx_socketio_rec(zone, ref);
    awaited = part->socket
              ? ngx_socketio_ack_find_locked(zone, part->socket, part->ack - 1)
              : 0;

    if (awaited) {
        event = ngx_socketio_rec(zone, awaited);

        event->body = part->body;
        event->body_len = part->body_len;
        event->attached = part->attached;
        event->attached_len = part->attached_len;
        event->attachments = part->attachments;
        event->got = part->got;

        (void) ngx_socketio_bytes_own_locked(zone, event->body, awaited);
        (void) ngx_socketio_bytes_own_locked(zone, event->attached, awaited);

        part->body = 0;
        part->attached = 0;

        ngx_socketio_ack_settle_locked(zone, awaited, NGX_SOCKETIO_EVENT_ACK);
    }

    ngx_socketio_event_free_locked(zone, ref);
}


ngx_int_t
ngx_socketio_incoming_attachment(ngx_socketio_zone_t *zone,
    ngx_socketio_id_t *id, u_char *p, size_t len, size_t max,
    ngx_msec_t timeout, uint64_t now)
{
    size_t                   kept;
    uint32_t                 size;
    ngx_int_t                rc;
    ngx_str_t                parts[2];
    ngx_socketio_ref_t       message, partial;
    ngx_socketio_event_t    *event;
    ngx_socketio_session_t  *session;

    size = (uint32_t) len;
    parts[0].len = sizeof(uint32_t);
    parts[0].data = (u_char *) &size;
    parts[1].len = len;
    parts[1].data = p;

    message = ngx_socketio_message_try_lock(zone, parts, 2);

    if (message == 0) {
        return NGX_BUSY;
    }

    session = ngx_socketio_find_locked(zone, NGX_SOCKETIO_SESSION, id->ref,
                                       id->gen);
    rc = NGX_DECLINED;

    if (session == NULL || session->eio.state != NGX_SOCKETIO_EIO_OPENED) {
        goto failed;
    }

    ngx_socketio_heard_locked(session, now);

    if (session->partial == 0) {
        rc = ngx_socketio_fault_locked(zone, id,
                                       NGX_SOCKETIO_EIO_EV_BAD_PACKET, now);
        goto failed;
    }

    partial = session->partial;
    event = ngx_socketio_rec(zone, partial);

    /* each of those that are there has its length before it */

    kept = (event->rec.kind == NGX_SOCKETIO_EVENT_DROPPED)
           ? 0 : event->attached_len - event->got * sizeof(uint32_t);

    if (len > max || kept > max - len) {
        (void) ngx_socketio_fault_locked(zone, id,
                                         NGX_SOCKETIO_EIO_EV_BAD_PACKET, now);
        rc = NGX_ERROR;
        goto failed;
    }

    if (event->rec.kind == NGX_SOCKETIO_EVENT_DROPPED) {
        ngx_socketio_message_release_locked(zone, message);

    } else {
        ngx_socketio_incoming_attach_locked(zone, partial, message,
                                            sizeof(uint32_t) + size);
    }

    if (++event->got == event->attachments) {
        session->partial = 0;

        if (session->lacking) {
            session->lacking = 0;
            session->deadline = 0;
        }

        ngx_socketio_event_complete_locked(zone, partial);

    } else {
        ngx_socketio_incoming_lacks_locked(zone, id->ref, timeout, now);
    }

    ngx_socketio_zone_unlock(zone);

    return NGX_OK;

failed:

    ngx_socketio_message_release_locked(zone, message);
    ngx_socketio_zone_unlock(zone);

    return rc;
}


/*
 * Pongs keep a session alive whatever it lacks.  While it has not joined any
 * namespace that deadline is its end anyway.
 */

static void
ngx_socketio_incoming_lacks_locked(ngx_socketio_zone_t *zone,
    ngx_socketio_ref_t ref, ngx_msec_t timeout, uint64_t now)
{
    ngx_socketio_session_t  *session;

    session = ngx_socketio_rec(zone, ref);

    if (timeout == 0 || (session->deadline && !session->lacking)) {
        return;
    }

    session->deadline = now + timeout;

    if (!session->lacking) {
        session->lacking = 1;
        ngx_socketio_wheel_set_locked(zone, ref);
    }
}


/* the message is used up */

static void
ngx_socketio_incoming_attach_locked(ngx_socketio_zone_t *zone,
    ngx_socketio_ref_t ref, ngx_socketio_ref_t message, uint32_t len)
{
    ngx_socketio_ref_t     bytes, tail;
    ngx_socketio_event_t  *event;
    ngx_socketio_chunk_t  *last;

    event = ngx_socketio_rec(zone, ref);
    bytes = ngx_socketio_message_strip_locked(zone, message, ref, &tail);

    if (event->attached_tail) {
        last = ngx_socketio_rec(zone, event->attached_tail);
        last->next = bytes;

    } else {
        event->attached = bytes;
    }

    event->attached_tail = tail;
    event->attached_len += len;
}


ngx_int_t
ngx_socketio_incoming_disconnect(ngx_socketio_zone_t *zone,
    ngx_socketio_id_t *id, ngx_socketio_name_t *nsp, uint64_t now)
{
    ngx_int_t                rc;
    ngx_socketio_ref_t       ref;
    ngx_socketio_incoming_t  in;

    ngx_memzero(&in, sizeof(ngx_socketio_incoming_t));
    in.kind = NGX_SOCKETIO_EVENT_EVENT;
    in.nsp = *nsp;

    ngx_socketio_zone_lock(zone);

    rc = ngx_socketio_incoming_check_locked(zone, id, &in, &ref, now);

    if (rc == NGX_DONE || rc == NGX_AGAIN) {
        /* the socket is its own entry: the inbox may be full */
        rc = NGX_OK;
    }

    if (rc == NGX_OK && ref) {
        ngx_socketio_socket_end_locked(zone, ref,
                                       NGX_SOCKETIO_REASON_CLIENT_NSP, now);
    }

    ngx_socketio_zone_unlock(zone);

    return rc;
}
