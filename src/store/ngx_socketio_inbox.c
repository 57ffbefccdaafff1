
/*
 * Copyright (C) the ngx_http_socketio_module authors
 */


#include "store/ngx_socketio_recovery.h"
#include "store/ngx_socketio_session.h"
#include "store/ngx_socketio_ack.h"
#include "store/ngx_socketio_slot.h"
#include "store/ngx_socketio_bytes.h"


#define NGX_SOCKETIO_HANDED_PAGES  64       /* a hold */


static ngx_socketio_session_t *ngx_socketio_owned_locked(
    ngx_socketio_zone_t *zone, ngx_socketio_id_t *id, uint32_t tenure);
static void ngx_socketio_entry_copy_locked(ngx_socketio_zone_t *zone,
    ngx_socketio_session_t *session, ngx_socketio_ref_t ref,
    ngx_socketio_entry_t *entry);
static void ngx_socketio_entry_remove_locked(ngx_socketio_zone_t *zone,
    ngx_socketio_session_t *session);


static ngx_socketio_session_t *
ngx_socketio_owned_locked(ngx_socketio_zone_t *zone, ngx_socketio_id_t *id,
    uint32_t tenure)
{
    ngx_socketio_session_t  *session;

    session = ngx_socketio_find_locked(zone, NGX_SOCKETIO_SESSION, id->ref,
                                       id->gen);

    if (session == NULL
        || session->owner != zone->slot
        || session->owner_gen != zone->slot_gen
        || session->tenure != tenure)
    {
        return NULL;
    }

    return session;
}


ngx_int_t
ngx_socketio_inbox_still_mine(ngx_socketio_zone_t *zone,
    ngx_socketio_id_t *id, uint32_t tenure)
{
    ngx_int_t  rc;

    ngx_socketio_zone_lock(zone);

    rc = ngx_socketio_owned_locked(zone, id, tenure) ? NGX_OK : NGX_DECLINED;

    ngx_socketio_zone_unlock(zone);

    return rc;
}


ngx_int_t
ngx_socketio_inbox_peek(ngx_socketio_zone_t *zone, ngx_socketio_id_t *id,
    uint32_t tenure, ngx_uint_t skip, ngx_socketio_entry_t *entries,
    ngx_uint_t *n)
{
    ngx_uint_t               i, max;
    ngx_socketio_ref_t       ref;
    ngx_socketio_session_t  *session;

    max = *n;
    *n = 0;

    ngx_socketio_zone_lock(zone);

    session = ngx_socketio_owned_locked(zone, id, tenure);

    if (session == NULL) {
        ngx_socketio_zone_unlock(zone);
        return NGX_DECLINED;
    }

    ref = session->inbox;

    for (i = 0; ref && i < skip + max; i++) {

        if (i >= skip) {
            ngx_socketio_entry_copy_locked(zone, session, ref, &entries[*n]);
            entries[*n].session = *id;
            (*n)++;
        }

        ref = *ngx_socketio_entry_link_locked(zone, ref);
    }

    ngx_socketio_zone_unlock(zone);

    return NGX_OK;
}


static void
ngx_socketio_entry_copy_locked(ngx_socketio_zone_t *zone,
    ngx_socketio_session_t *session, ngx_socketio_ref_t ref,
    ngx_socketio_entry_t *entry)
{
    ngx_socketio_ack_t     *ack;
    ngx_socketio_room_t    *nsp;
    ngx_socketio_event_t   *event;
    ngx_socketio_socket_t  *socket;

    ngx_memzero(entry, sizeof(ngx_socketio_entry_t));
    entry->ref = ref;

    if (ngx_socketio_type(zone, ref) == NGX_SOCKETIO_SOCKET) {
        socket = ngx_socketio_rec(zone, ref);

        entry->type = NGX_SOCKETIO_ENTRY_DISCONNECT;
        entry->socket.ref = ref;
        entry->seq = socket->end_seq;
        entry->time = socket->time;
        entry->rooms = socket->members;
        entry->reason = socket->reason;

    } else {
        event = ngx_socketio_rec(zone, ref);
        socket = ngx_socketio_rec(zone, event->socket);

        entry->recovered =
                        (event->rec.kind == NGX_SOCKETIO_EVENT_RECOVERED);
        entry->type = (entry->recovered
                       || event->rec.kind == NGX_SOCKETIO_EVENT_CONNECT)
                      ? NGX_SOCKETIO_ENTRY_CONNECT
                      : NGX_SOCKETIO_ENTRY_EVENT;

        if (event->rec.kind >= NGX_SOCKETIO_EVENT_ACK) {
            ack = ngx_socketio_rec(zone, (ngx_socketio_ref_t) event->ack);

            entry->type = NGX_SOCKETIO_ENTRY_ACK;
            entry->token = ack->token;
            entry->token_len = ack->token_len;
            entry->outcome = event->rec.kind;

        } else {
            entry->ack = event->ack;
        }

        entry->socket.ref = event->socket;
        entry->seq = event->seq;
        entry->time = event->time;
        entry->body = event->body;
        entry->body_len = event->body_len;
        entry->attached = event->attached;
        entry->attached_len = event->attached_len;
        entry->attachments = event->attachments;
        entry->binary = (event->rec.kind == NGX_SOCKETIO_EVENT_BINARY);
    }

    nsp = ngx_socketio_rec(zone, socket->nsp);

    entry->socket.gen = socket->rec.gen;
    entry->nsp = nsp->name;
    entry->nsp_len = nsp->name_len;
    entry->data = socket->data;
    entry->data_len = socket->data_len;
    entry->handshake = session->handshake;
    entry->handshake_len = session->handshake_len;
    entry->location = session->location;
    entry->transport = session->eio.transport;
    ngx_socketio_peer_locked(session, &entry->peer);

    ngx_socketio_socket_text(entry->text, &entry->socket, socket->secret);
}


static void
ngx_socketio_entry_remove_locked(ngx_socketio_zone_t *zone,
    ngx_socketio_session_t *session)
{
    ngx_socketio_ref_t      ref;
    ngx_socketio_event_t   *event;
    ngx_socketio_socket_t  *socket;

    ref = session->inbox;
    session->inbox = *ngx_socketio_entry_link_locked(zone, ref);
    session->inbox_n--;
    zone->sh->now.inbox_n--;

    if (session->inbox == 0) {
        session->inbox_tail = 0;
    }

    if (ngx_socketio_type(zone, ref) == NGX_SOCKETIO_SOCKET) {
        ngx_socketio_socket_done_locked(zone, ref);
        return;
    }

    event = ngx_socketio_rec(zone, ref);
    session->inbox_bytes -= event->body_len + event->attached_len;
    zone->sh->now.inbox_bytes -= event->body_len + event->attached_len;

    if (event->rec.kind == NGX_SOCKETIO_EVENT_CONNECT) {
        socket = ngx_socketio_rec(zone, event->socket);

        if (socket->state != NGX_SOCKETIO_SOCKET_CONNECTED
            && socket->state != NGX_SOCKETIO_SOCKET_ENDED)
        {
            ngx_socketio_socket_free_locked(zone, event->socket);
        }
    }

    ngx_socketio_event_free_locked(zone, ref);
}


ngx_int_t
ngx_socketio_inbox_done(ngx_socketio_zone_t *zone, ngx_socketio_id_t *id,
    uint32_t tenure, ngx_uint_t n)
{
    ngx_int_t                rc;
    ngx_socketio_session_t  *session;

    ngx_socketio_zone_lock(zone);

    session = ngx_socketio_owned_locked(zone, id, tenure);

    if (session == NULL) {
        ngx_socketio_zone_unlock(zone);
        return NGX_DECLINED;
    }

    while (n-- && session->inbox) {
        ngx_socketio_entry_remove_locked(zone, session);
    }

    if (session->stuffed
        && session->inbox_n <= session->inbox_max / 2
        && session->inbox_bytes <= session->inbox_max_bytes / 2)
    {
        session->stuffed = 0;

        ngx_socketio_conn_bell_locked(zone, id->ref, NGX_SOCKETIO_CONN_POST);
        ngx_socketio_conn_bell_locked(zone, id->ref, NGX_SOCKETIO_CONN_WS);
    }

    rc = NGX_AGAIN;

    if (session->inbox == 0) {
        session->owner_gen = 0;
        ngx_socketio_session_release_locked(zone, id->ref);
        rc = NGX_OK;
    }

    ngx_socketio_zone_unlock(zone);

    return rc;
}


ngx_int_t
ngx_socketio_inbox_pass_on(ngx_socketio_zone_t *zone, ngx_socketio_id_t *id,
    uint32_t tenure)
{
    ngx_int_t                rc;
    ngx_uint_t               slot;
    ngx_socketio_session_t  *session;

    rc = NGX_OK;

    ngx_socketio_zone_lock(zone);

    session = ngx_socketio_owned_locked(zone, id, tenure);

    if (session) {
        slot = ngx_socketio_slot_other_locked(zone);

        if (slot == zone->sh->nslots) {
            rc = NGX_DECLINED;

        } else {
            ngx_socketio_inbox_hand_locked(zone, id->ref, slot);
        }
    }

    ngx_socketio_zone_unlock(zone);

    return rc;
}


/*
 * Without a bell, which would be heard at once, again and again: "all" has it
 * found as if that had been lost.
 */

void
ngx_socketio_inbox_later(ngx_socketio_zone_t *zone, ngx_socketio_id_t *id,
    uint32_t tenure)
{
    ngx_socketio_session_t  *session;

    ngx_socketio_zone_lock(zone);

    session = ngx_socketio_owned_locked(zone, id, tenure);

    if (session) {
        session->handed = 1;
        zone->slots[zone->slot].all = 1;
    }

    ngx_socketio_zone_unlock(zone);
}


ngx_int_t
ngx_socketio_inbox_handed(ngx_socketio_zone_t *zone,
    ngx_socketio_ref_t *cursor, ngx_socketio_id_t *id, uint32_t *tenure)
{
    ngx_int_t                rc;
    ngx_uint_t               pages;
    ngx_socketio_session_t  *session;

    rc = NGX_AGAIN;
    pages = NGX_SOCKETIO_HANDED_PAGES;

    ngx_socketio_zone_lock(zone);

    for ( ;; ) {
        *cursor = ngx_socketio_walk_locked(zone, NGX_SOCKETIO_SESSION,
                                           *cursor, &pages);
        if (*cursor == 0) {
            rc = NGX_DONE;
            break;
        }

        session = ngx_socketio_rec(zone, *cursor);

        if (session->rec.used
            && session->handed
            && session->owner == zone->slot
            && session->owner_gen == zone->slot_gen)
        {
            session->handed = 0;
            id->ref = *cursor;
            id->gen = session->rec.gen;
            *tenure = session->tenure;
            rc = NGX_OK;
            break;
        }

        if (pages == 0) {
            break;
        }
    }

    ngx_socketio_zone_unlock(zone);

    return rc;
}


ngx_socketio_ref_t
ngx_socketio_entry_room(ngx_socketio_zone_t *zone, ngx_socketio_ref_t ref,
    u_char *p, size_t size, size_t *len)
{
    ngx_socketio_ref_t      next;
    ngx_socketio_room_t    *room;
    ngx_socketio_member_t  *member;

    *len = 0;
    next = 0;

    ngx_socketio_zone_lock(zone);

    if (ref && ngx_socketio_type(zone, ref) == NGX_SOCKETIO_MEMBER) {
        member = ngx_socketio_rec(zone, ref);

        if (member->rec.used) {
            room = ngx_socketio_rec(zone, member->room);
            next = member->socket_next;

            /* the namespace itself is no room of the backend's */

            if (room->parent) {
                *len = ngx_socketio_bytes_read(zone, room->name, p,
                                            ngx_min(size, room->name_len));
            }
        }
    }

    ngx_socketio_zone_unlock(zone);

    return next;
}
