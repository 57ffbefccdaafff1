
/*
 * Copyright (C) the ngx_http_socketio_module authors
 */


/* What waits for backends: which events and acks are good. */


#include "store/ngx_socketio_rebuild.h"
#include "store/ngx_socketio_ack.h"


static ngx_int_t ngx_socketio_truth_awaited_locked(ngx_socketio_zone_t *zone,
    ngx_socketio_event_t *event);
static ngx_int_t ngx_socketio_truth_entry_locked(ngx_socketio_zone_t *zone,
    ngx_socketio_event_t *event);
static ngx_int_t ngx_socketio_truth_partial_locked(ngx_socketio_zone_t *zone,
    ngx_socketio_event_t *event);
static ngx_int_t ngx_socketio_truth_texts_locked(ngx_socketio_zone_t *zone,
    ngx_socketio_ref_t ref);


ngx_int_t
ngx_socketio_truth_ack_locked(ngx_socketio_zone_t *zone,
    ngx_socketio_ref_t ref)
{
    ngx_socketio_ack_t  *ack;

    ack = ngx_socketio_rec(zone, ref);

    if (ack->token == 0
        && (ack->conn.gen == 0
            || ack->conn.slot >= zone->sh->nslots
            || zone->slots[ack->conn.slot].gen != ack->conn.gen))
    {
        return NGX_ERROR;
    }

    return ngx_socketio_chain_of_locked(zone, ack->token, ref,
                                        ack->token_len);
}


/* an answer for who waits, awaited, an entry, or one that lacks attachments */

ngx_int_t
ngx_socketio_truth_event_locked(ngx_socketio_zone_t *zone,
    ngx_socketio_ref_t ref)
{
    ngx_int_t                rc;
    ngx_socketio_ack_t      *ack;
    ngx_socketio_event_t    *event;
    ngx_socketio_session_t  *session;

    event = ngx_socketio_rec(zone, ref);

    if (event->session == 0) {
        ack = (event->rec.kind == NGX_SOCKETIO_EVENT_ACK)
              ? ngx_socketio_used_locked(zone, NGX_SOCKETIO_ACK,
                                         (ngx_socketio_ref_t) event->ack)
              : NULL;

        if (ack == NULL || ack->token) {
            return NGX_ERROR;
        }

        event->socket = 0;

        return ngx_socketio_truth_texts_locked(zone, ref);
    }

    session = ngx_socketio_used_locked(zone, NGX_SOCKETIO_SESSION,
                                       event->session);

    if (session == NULL) {
        return NGX_ERROR;
    }

    if (event->order) {
        rc = ngx_socketio_truth_entry_locked(zone, event);

    } else if (event->rec.kind >= NGX_SOCKETIO_EVENT_ACK
               && event->rec.kind <= NGX_SOCKETIO_EVENT_ACK_GONE)
    {
        return ngx_socketio_truth_awaited_locked(zone, event);

    } else {
        rc = ngx_socketio_truth_partial_locked(zone, event);
    }

    if (rc != NGX_OK) {
        return NGX_ERROR;
    }

    if (ngx_socketio_truth_texts_locked(zone, ref) != NGX_OK) {
        ngx_socketio_truth_break_locked(zone, event->session);
        return NGX_ERROR;
    }

    if (event->order == 0) {
        session->partial = ref;
    }

    return NGX_OK;
}


/* an answer that had begun to come has not come: its chunks are nobody's */

static ngx_int_t
ngx_socketio_truth_awaited_locked(ngx_socketio_zone_t *zone,
    ngx_socketio_event_t *event)
{
    ngx_socketio_socket_t  *socket;

    socket = ngx_socketio_used_locked(zone, NGX_SOCKETIO_SOCKET,
                                      event->socket);

    if (socket == NULL
        || socket->session != event->session
        || (socket->state != NGX_SOCKETIO_SOCKET_CONNECTED
            && socket->state != NGX_SOCKETIO_SOCKET_ENDED)
        || ngx_socketio_used_locked(zone, NGX_SOCKETIO_ACK,
                                    (ngx_socketio_ref_t) event->ack)
           == NULL)
    {
        return NGX_ERROR;
    }

    event->rec.kind = NGX_SOCKETIO_EVENT_ACK;
    event->body = 0;
    event->body_len = 0;
    event->attached = 0;
    event->attached_len = 0;
    event->attachments = 0;
    event->got = 0;

    return NGX_OK;
}


static ngx_int_t
ngx_socketio_truth_entry_locked(ngx_socketio_zone_t *zone,
    ngx_socketio_event_t *event)
{
    ngx_socketio_ack_t      *ack;
    ngx_socketio_socket_t   *socket;
    ngx_socketio_session_t  *session;

    session = ngx_socketio_rec(zone, event->session);
    socket = ngx_socketio_used_locked(zone, NGX_SOCKETIO_SOCKET,
                                      event->socket);

    if (socket == NULL) {
        return NGX_ERROR;
    }

    if (socket->session != event->session) {

        /* of one that did not come back after all: its number is free */

        if (socket->seq == event->seq + 1) {
            socket->seq = event->seq;
        }

        return NGX_ERROR;
    }

    if (!session->hooked
        || event->rec.kind == NGX_SOCKETIO_EVENT_DROPPED
        || event->rec.kind > NGX_SOCKETIO_EVENT_ACK_GONE
        || event->got != event->attachments)
    {
        return NGX_ERROR;
    }

    if (event->rec.kind < NGX_SOCKETIO_EVENT_ACK) {
        return NGX_OK;
    }

    ack = ngx_socketio_used_locked(zone, NGX_SOCKETIO_ACK,
                                   (ngx_socketio_ref_t) event->ack);

    return (ack && ack->token) ? NGX_OK : NGX_ERROR;
}


static ngx_int_t
ngx_socketio_truth_partial_locked(ngx_socketio_zone_t *zone,
    ngx_socketio_event_t *event)
{
    ngx_socketio_socket_t   *socket;
    ngx_socketio_session_t  *session;

    session = ngx_socketio_rec(zone, event->session);

    if (session->partial
        || event->got >= event->attachments
        || event->rec.kind == NGX_SOCKETIO_EVENT_CONNECT
        || event->rec.kind == NGX_SOCKETIO_EVENT_RECOVERED
        || event->rec.kind > NGX_SOCKETIO_EVENT_ACK_PART
        || session->eio.state != NGX_SOCKETIO_EIO_OPENED)
    {
        return NGX_ERROR;
    }

    socket = ngx_socketio_used_locked(zone, NGX_SOCKETIO_SOCKET,
                                      event->socket);

    if (socket == NULL
        || socket->session != event->session
        || socket->state != NGX_SOCKETIO_SOCKET_CONNECTED)
    {
        event->socket = 0;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_socketio_truth_texts_locked(ngx_socketio_zone_t *zone,
    ngx_socketio_ref_t ref)
{
    size_t                 len;
    ngx_socketio_event_t  *event;

    event = ngx_socketio_rec(zone, ref);

    if (ngx_socketio_chain_of_locked(zone, event->body, ref, event->body_len)
        != NGX_OK
        || ngx_socketio_chain_locked(zone, event->attached, ref, &len,
                                     &event->attached_tail)
           != NGX_OK
        || len != event->attached_len)
    {
        return NGX_ERROR;
    }

    return NGX_OK;
}
