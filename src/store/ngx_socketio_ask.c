
/*
 * Copyright (C) the ngx_http_socketio_module authors
 */


/* Whom an emit asks for an ack, in the hold in which they get its packet. */


#include "store/ngx_socketio_ack.h"
#include "store/ngx_socketio_session.h"
#include "store/ngx_socketio_bytes.h"
#include "store/ngx_socketio_list.h"


/* that a socket may owe: it is one more for a moment, and has 16 bits */

#define NGX_SOCKETIO_ACK_OWED  65534


static ngx_int_t ngx_socketio_ack_target_locked(ngx_socketio_zone_t *zone,
    ngx_socketio_ask_t *ask, ngx_socketio_target_t *target,
    ngx_socketio_ref_t nsp);
static ngx_int_t ngx_socketio_ack_room_locked(ngx_socketio_zone_t *zone,
    ngx_socketio_ask_t *ask, ngx_socketio_ref_t room, uint64_t mark);
static ngx_int_t ngx_socketio_ack_await_locked(ngx_socketio_zone_t *zone,
    ngx_socketio_ask_t *ask, ngx_socketio_ref_t socket, uint64_t mark);
static void ngx_socketio_ack_oldest_locked(ngx_socketio_zone_t *zone,
    ngx_socketio_socket_t *socket);


uint64_t
ngx_socketio_ack_number(ngx_socketio_zone_t *zone)
{
    return (uint64_t) ngx_atomic_fetch_add(&zone->sh->acks, 1);
}


ngx_int_t
ngx_socketio_ack_open_locked(ngx_socketio_zone_t *zone,
    ngx_socketio_ask_t *ask, ngx_socketio_target_t *target,
    ngx_socketio_ref_t nsp, uint64_t now)
{
    ngx_socketio_ref_t    ref, token;
    ngx_socketio_ack_t   *ack;
    ngx_socketio_slot_t  *slot;

    ref = ngx_socketio_alloc_locked(zone, NGX_SOCKETIO_ACK);
    if (ref == 0) {
        return NGX_ERROR;
    }

    token = 0;

    if (ask->token.len) {
        token = ngx_socketio_bytes_alloc_locked(zone, ref, ask->token.len,
                                                NULL);
        if (token == 0) {
            ngx_socketio_free_locked(zone, ref);
            return NGX_ERROR;
        }

        ngx_socketio_bytes_write(zone, token, &ask->token, 1);
    }

    ack = ngx_socketio_rec(zone, ref);

    ack->token = token;
    ack->token_len = (uint16_t) ask->token.len;
    ack->number = ask->number;
    ack->deadline = now + ask->timeout;
    ack->sending = 1;

    if (token == 0) {
        slot = &zone->slots[zone->slot];

        ack->conn.slot = (uint16_t) zone->slot;
        ack->conn.gen = zone->slot_gen;
        ack->conn.handle = ask->handle;

        ngx_socketio_list_push_locked(zone, &slot->acks, ref,
                                      offsetof(ngx_socketio_ack_t, next));
    }

    ngx_socketio_used(ack);

    ask->id.ref = ref;
    ask->id.gen = ack->rec.gen;

    if (ngx_socketio_ack_target_locked(zone, ask, target, nsp) != NGX_OK) {
        ngx_socketio_ack_undo_locked(zone, ref);
        return NGX_ERROR;
    }

    return NGX_OK;
}


/* as ngx_socketio_emit() goes about it: each socket once, excepts first */

static ngx_int_t
ngx_socketio_ack_target_locked(ngx_socketio_zone_t *zone,
    ngx_socketio_ask_t *ask, ngx_socketio_target_t *target,
    ngx_socketio_ref_t nsp)
{
    uint64_t             mark;
    ngx_uint_t           i;
    ngx_socketio_ref_t   ref;

    mark = ++zone->sh->seq;

    ngx_socketio_target_except_locked(zone, target, nsp, mark);

    if (target->all) {
        return ngx_socketio_ack_room_locked(zone, ask, nsp, mark);
    }

    for (i = 0; i < target->nin; i++) {
        ref = ngx_socketio_word_socket_locked(zone, nsp, &target->in[i]);

        if (ref
            && ngx_socketio_ack_await_locked(zone, ask, ref, mark) != NGX_OK)
        {
            return NGX_ERROR;
        }

        ref = ngx_socketio_word_room_locked(zone, nsp, &target->in[i]);

        if (ref && ngx_socketio_ack_room_locked(zone, ask, ref, mark) != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


static ngx_int_t
ngx_socketio_ack_room_locked(ngx_socketio_zone_t *zone,
    ngx_socketio_ask_t *ask, ngx_socketio_ref_t ref, uint64_t mark)
{
    ngx_uint_t              list;
    ngx_socketio_ref_t      m;
    ngx_socketio_room_t    *room;
    ngx_socketio_member_t  *member;

    room = ngx_socketio_rec(zone, ref);

    for (list = 0; list < 2; list++) {
        for (m = room->list[list]; m; m = member->next) {
            member = ngx_socketio_rec(zone, m);

            if (ngx_socketio_ack_await_locked(zone, ask, member->socket, mark)
                != NGX_OK)
            {
                return NGX_ERROR;
            }
        }
    }

    return NGX_OK;
}


static ngx_int_t
ngx_socketio_ack_await_locked(ngx_socketio_zone_t *zone,
    ngx_socketio_ask_t *ask, ngx_socketio_ref_t socket_ref, uint64_t mark)
{
    ngx_socketio_ref_t       ref;
    ngx_socketio_ack_t      *ack;
    ngx_socketio_event_t    *event;
    ngx_socketio_socket_t   *socket;
    ngx_socketio_session_t  *session;

    socket = ngx_socketio_rec(zone, socket_ref);

    if (socket->mark == mark) {
        return NGX_OK;
    }

    socket->mark = mark;

    ack = ngx_socketio_rec(zone, ask->id.ref);
    session = ngx_socketio_rec(zone, socket->session);

    if (ack->token && !session->hooked) {
        /* no backend is there to hear of it */
        return NGX_OK;
    }

    ref = ngx_socketio_alloc_locked(zone, NGX_SOCKETIO_EVENT);
    if (ref == 0) {
        return NGX_ERROR;
    }

    event = ngx_socketio_rec(zone, ref);

    event->rec.kind = NGX_SOCKETIO_EVENT_ACK;
    event->session = socket->session;
    event->socket = socket_ref;
    event->ack = ask->id.ref;

    event->next = socket->awaited;
    socket->awaited = ref;
    socket->nawaited++;
    zone->sh->now.awaited++;
    ngx_socketio_tally(zone, NGX_SOCKETIO_N_ASKED, 1);

    ngx_socketio_list_push_locked(zone, &ack->awaited, ref,
                                  offsetof(ngx_socketio_event_t, ack_next));
    ack->refs++;
    ack->expected++;

    ngx_socketio_used(event);

    return NGX_OK;
}


/* of those that a socket owes, of which there is at least one: given up */

static void
ngx_socketio_ack_oldest_locked(ngx_socketio_zone_t *zone,
    ngx_socketio_socket_t *socket)
{
    ngx_socketio_ref_t     ref;
    ngx_socketio_event_t  *event;

    ref = socket->awaited;
    event = ngx_socketio_rec(zone, ref);

    while (event->next) {
        ref = event->next;
        event = ngx_socketio_rec(zone, ref);
    }

    ngx_socketio_ack_settle_locked(zone, ref, NGX_SOCKETIO_EVENT_ACK_TIMEOUT);
}


/* only now is anybody given up for it: until here it could fail */

void
ngx_socketio_ack_sent_locked(ngx_socketio_zone_t *zone,
    ngx_socketio_ask_t *ask)
{
    ngx_uint_t              max;
    ngx_socketio_ref_t      ref;
    ngx_socketio_ack_t     *ack;
    ngx_socketio_event_t   *event;
    ngx_socketio_socket_t  *socket;

    ack = ngx_socketio_rec(zone, ask->id.ref);
    max = ngx_max(ngx_min(ask->max, NGX_SOCKETIO_ACK_OWED), 1);

    for (ref = ack->awaited; ref; ref = event->ack_next) {
        event = ngx_socketio_rec(zone, ref);
        socket = ngx_socketio_rec(zone, event->socket);

        while (socket->nawaited > max) {
            ngx_socketio_ack_oldest_locked(zone, socket);
        }
    }

    ref = ask->id.ref;
    ack->sending = 0;

    if (ack->awaited) {
        ngx_socketio_wheel_set_locked(zone, ref);
        return;
    }

    ngx_socketio_ack_finish_locked(zone, ref);
}
