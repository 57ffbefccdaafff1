
/*
 * Copyright (C) the ngx_http_socketio_module authors
 */


#include "store/ngx_socketio_recovery.h"
#include "store/ngx_socketio_session.h"
#include "store/ngx_socketio_ack.h"
#include "store/ngx_socketio_bytes.h"
#include "proto/ngx_socketio_base64.h"


ngx_socketio_ref_t
ngx_socketio_socket_find_locked(ngx_socketio_zone_t *zone,
    ngx_socketio_session_t *session, ngx_socketio_ref_t nsp)
{
    ngx_socketio_ref_t      ref;
    ngx_socketio_socket_t  *socket;

    for (ref = session->sockets; ref; ref = socket->next) {
        socket = ngx_socketio_rec(zone, ref);

        if (socket->nsp == nsp
            && socket->state <= NGX_SOCKETIO_SOCKET_CONNECTED)
        {
            return ref;
        }
    }

    return 0;
}


ngx_socketio_ref_t
ngx_socketio_socket_add_locked(ngx_socketio_zone_t *zone,
    ngx_socketio_ref_t session_ref, ngx_socketio_name_t *nsp, u_char *secret)
{
    ngx_socketio_ref_t      ref, room;
    ngx_socketio_socket_t  *socket;

    room = ngx_socketio_room_make_locked(zone, 0, nsp);
    if (room == 0) {
        return 0;
    }

    ref = ngx_socketio_alloc_locked(zone, NGX_SOCKETIO_SOCKET);
    if (ref == 0) {
        ngx_socketio_room_drop_locked(zone, room);
        return 0;
    }

    socket = ngx_socketio_rec(zone, ref);

    ngx_memcpy(socket->secret, secret, NGX_SOCKETIO_SECRET);
    socket->nsp = room;
    socket->session = session_ref;
    zone->sh->now.sockets[NGX_SOCKETIO_SOCKET_PENDING]++;

    ngx_socketio_room_ref_locked(zone, room);
    ngx_socketio_used(socket);

    ngx_socketio_socket_link_locked(zone, ref, session_ref);

    return ref;
}


void
ngx_socketio_socket_become_locked(ngx_socketio_zone_t *zone,
    ngx_socketio_socket_t *socket, ngx_uint_t state)
{
    zone->sh->now.sockets[socket->state]--;
    zone->sh->now.sockets[state]++;

    socket->state = (uint8_t) state;
}


void
ngx_socketio_socket_link_locked(ngx_socketio_zone_t *zone,
    ngx_socketio_ref_t ref, ngx_socketio_ref_t session_ref)
{
    ngx_socketio_socket_t   *socket;
    ngx_socketio_session_t  *session;

    socket = ngx_socketio_rec(zone, ref);
    session = ngx_socketio_rec(zone, session_ref);

    socket->session = session_ref;
    socket->next = session->sockets;
    session->sockets = ref;
    session->nsockets++;

    zone->sh->stats.sockets++;
}


ngx_uint_t
ngx_socketio_socket_slot_locked(ngx_socketio_zone_t *zone,
    ngx_socketio_ref_t ref)
{
    ngx_socketio_socket_t   *socket;
    ngx_socketio_session_t  *session;

    socket = ngx_socketio_rec(zone, ref);
    session = ngx_socketio_rec(zone, socket->session);

    return session->conns[NGX_SOCKETIO_CONN_WS].slot;
}


/*
 * Its rooms leave the fan-out but stay on the record until the backend has
 * heard of the end.  While its connect is pending, the answer decides.
 */

void
ngx_socketio_socket_end_locked(ngx_socketio_zone_t *zone,
    ngx_socketio_ref_t ref, ngx_uint_t reason, uint64_t now)
{
    ngx_time_t              *tp;
    ngx_socketio_ref_t       m, session_ref;
    ngx_socketio_event_t    *event;
    ngx_socketio_socket_t   *socket;
    ngx_socketio_member_t   *member;
    ngx_socketio_session_t  *session;

    socket = ngx_socketio_rec(zone, ref);

    if (socket->state > NGX_SOCKETIO_SOCKET_CONNECTED) {
        return;
    }

    tp = ngx_timeofday();
    session_ref = socket->session;
    session = ngx_socketio_rec(zone, session_ref);

    if (reason == NGX_SOCKETIO_REASON_SERVER_NSP) {
        session->kicked = 1;
    }

    socket->reason = (uint8_t) reason;
    socket->time = (uint64_t) tp->sec * 1000 + tp->msec;

    if (socket->state == NGX_SOCKETIO_SOCKET_PENDING) {

        if (session->hooked) {
            ngx_socketio_socket_become_locked(zone, socket,
                                              NGX_SOCKETIO_SOCKET_ORPHAN);

        } else {
            ngx_socketio_socket_free_locked(zone, ref);
        }

        return;
    }

    if (socket->pass && socket->members) {
        /* connected and told so: it may be recovered */
        ((ngx_socketio_pass_t *) ngx_socketio_rec(zone, socket->pass))->time =
                                                                          now;
    }

    zone->sh->told = session_ref;
    ngx_socketio_socket_ended_locked(zone, socket);

    if (session->partial) {
        event = ngx_socketio_rec(zone, session->partial);

        if (event->socket == ref) {
            event->socket = 0;
        }
    }

    for (m = socket->members; m; m = member->socket_next) {
        member = ngx_socketio_rec(zone, m);
        ngx_socketio_member_hide_locked(zone, m);
    }

    if (session->eio.state == NGX_SOCKETIO_EIO_OPENED
        && session->eio.transport == NGX_SOCKETIO_EIO_WEBSOCKET
        && ngx_socketio_tell_locked(zone, session, NGX_SOCKETIO_LEFT, ref, 0)
           != NGX_OK)
    {
        /* its worker would go on sending to it */
        ngx_socketio_session_end_locked(zone, session_ref,
                                    NGX_SOCKETIO_REASON_TRANSPORT_ERROR, now);
    }

    /* what it owed comes before its disconnect, which is its last event */

    ngx_socketio_ack_gone_locked(zone, ref);

    if (session->hooked) {
        ngx_socketio_socket_entry_locked(zone, ref);

    } else {
        ngx_socketio_socket_done_locked(zone, ref);
    }
}


/* from here on its end goes on, whatever dies: not in the inbox yet */

void
ngx_socketio_socket_ended_locked(ngx_socketio_zone_t *zone,
    ngx_socketio_socket_t *socket)
{
    socket->mark = 0;
    ngx_socketio_order();
    ngx_socketio_socket_become_locked(zone, socket,
                                      NGX_SOCKETIO_SOCKET_ENDED);
    ngx_socketio_order();
}


void
ngx_socketio_socket_entry_locked(ngx_socketio_zone_t *zone,
    ngx_socketio_ref_t ref)
{
    ngx_socketio_socket_t  *socket;

    socket = ngx_socketio_rec(zone, ref);
    socket->end_seq = socket->seq;

    ngx_socketio_inbox_add_locked(zone, socket->session, ref, 0);

    socket->seq = socket->end_seq + 1;
}


void
ngx_socketio_socket_cut_locked(ngx_socketio_zone_t *zone,
    ngx_socketio_ref_t ref)
{
    ngx_socketio_ref_t      *p;
    ngx_socketio_socket_t   *socket;
    ngx_socketio_session_t  *session;

    socket = ngx_socketio_rec(zone, ref);
    session = ngx_socketio_rec(zone, socket->session);

    p = &session->sockets;

    while (*p != ref) {
        p = &((ngx_socketio_socket_t *) ngx_socketio_rec(zone, *p))->next;
    }

    *p = socket->next;
    session->nsockets--;

    socket->next = 0;
    socket->session = 0;

    zone->sh->stats.sockets--;
}


void
ngx_socketio_socket_free_locked(ngx_socketio_zone_t *zone,
    ngx_socketio_ref_t ref)
{
    ngx_socketio_ref_t      nsp;
    ngx_socketio_socket_t  *socket;

    socket = ngx_socketio_rec(zone, ref);
    nsp = socket->nsp;
    ngx_socketio_unused(socket);

    while (socket->members) {
        ngx_socketio_member_free_locked(zone, socket->members);
    }

    if (socket->session) {
        ngx_socketio_socket_cut_locked(zone, ref);
    }

    if (socket->pass) {
        ngx_socketio_pass_free_locked(zone, socket);
    }

    zone->sh->now.sockets[socket->state]--;

    ngx_socketio_bytes_free_locked(zone, socket->data);
    ngx_socketio_free_locked(zone, ref);
    ngx_socketio_room_unref_locked(zone, nsp);
}


/*
 * The truth and, for a websocket, a record with a number of its own in its
 * worker's mailbox, in one hold: one order with all emits.
 */

ngx_int_t
ngx_socketio_join_locked(ngx_socketio_zone_t *zone, ngx_socketio_ref_t ref,
    ngx_socketio_ref_t room)
{
    ngx_uint_t               websocket;
    ngx_socketio_ref_t       member;
    ngx_socketio_socket_t   *socket;
    ngx_socketio_session_t  *session;

    socket = ngx_socketio_rec(zone, ref);

    if (ngx_socketio_member_find_locked(zone, socket, room)) {
        return NGX_DECLINED;
    }

    session = ngx_socketio_rec(zone, socket->session);
    websocket = (session->eio.transport == NGX_SOCKETIO_EIO_WEBSOCKET);
    zone->sh->told = socket->session;

    member = ngx_socketio_member_add_locked(zone, ref, room, websocket);
    if (member == 0) {
        return NGX_ERROR;
    }

    if (websocket
        && ngx_socketio_tell_locked(zone, session, NGX_SOCKETIO_JOINED, ref,
                                    room)
           != NGX_OK)
    {
        ngx_socketio_member_free_locked(zone, member);
        return NGX_ERROR;
    }

    return NGX_OK;
}


ngx_int_t
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


ngx_int_t
ngx_socketio_leave_locked(ngx_socketio_zone_t *zone, ngx_socketio_ref_t ref,
    ngx_socketio_ref_t room)
{
    ngx_socketio_ref_t       member;
    ngx_socketio_socket_t   *socket;
    ngx_socketio_session_t  *session;

    socket = ngx_socketio_rec(zone, ref);

    member = ngx_socketio_member_find_locked(zone, socket, room);
    if (member == 0) {
        return NGX_DECLINED;
    }

    session = ngx_socketio_rec(zone, socket->session);
    zone->sh->told = socket->session;

    if (session->eio.transport == NGX_SOCKETIO_EIO_WEBSOCKET
        && ngx_socketio_tell_locked(zone, session, NGX_SOCKETIO_LEFT, ref,
                                    room)
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    ngx_socketio_member_free_locked(zone, member);

    return NGX_OK;
}


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
