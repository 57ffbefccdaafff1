
/*
 * Copyright (C) the ngx_http_socketio_module authors
 */


/* A zone found dirty: truths, links, free pages, then what was half done. */


#include "store/ngx_socketio_rebuild.h"
#include "store/ngx_socketio_recovery.h"
#include "store/ngx_socketio_ack.h"
#include "store/ngx_socketio_slot.h"
#include "store/ngx_socketio_message.h"
#include "store/ngx_socketio_status.h"


/*
 * Each 256 pages, of a reference: who waits for the lock must not take one
 * that rebuilds a large zone for one that has been stopped.
 */
#define NGX_SOCKETIO_SIGN  16


static void ngx_socketio_rebuild_pages_locked(ngx_socketio_zone_t *zone);
static void ngx_socketio_rebuild_page_locked(ngx_socketio_zone_t *zone,
    uint32_t page);
static void ngx_socketio_mend_loose_locked(ngx_socketio_zone_t *zone);
static void ngx_socketio_mend_acks_locked(ngx_socketio_zone_t *zone);
static void ngx_socketio_mend_conns_locked(ngx_socketio_zone_t *zone,
    ngx_socketio_ref_t session, uint64_t now);
static void ngx_socketio_mend_bare_locked(ngx_socketio_zone_t *zone,
    ngx_socketio_ref_t session, uint64_t now);
static void ngx_socketio_mend_session_locked(ngx_socketio_zone_t *zone,
    ngx_socketio_ref_t session, uint64_t now);
static void ngx_socketio_mend_sockets_locked(ngx_socketio_zone_t *zone,
    ngx_socketio_ref_t session, uint64_t now);
static void ngx_socketio_mend_socket_locked(ngx_socketio_zone_t *zone,
    ngx_socketio_session_t *session, ngx_socketio_ref_t socket, uint64_t now);
static ngx_uint_t ngx_socketio_mend_asked_locked(ngx_socketio_zone_t *zone,
    ngx_socketio_session_t *session, ngx_socketio_ref_t socket);
static void ngx_socketio_mend_told_locked(ngx_socketio_zone_t *zone,
    uint64_t now);
static void ngx_socketio_mend_owner_locked(ngx_socketio_zone_t *zone,
    ngx_socketio_ref_t session);


void
ngx_socketio_rebuild_locked(ngx_socketio_zone_t *zone)
{
    ngx_socketio_rebuild_truths_locked(zone);
    ngx_socketio_rebuild_links_locked(zone);
    ngx_socketio_rebuild_order_locked(zone);
    ngx_socketio_rebuild_pages_locked(zone);

    ngx_socketio_gauges_count_locked(zone, &zone->sh->now);
}


ngx_socketio_ref_t
ngx_socketio_rebuild_next_locked(ngx_socketio_zone_t *zone, ngx_uint_t type,
    ngx_socketio_ref_t after)
{
    ngx_uint_t          pages;
    ngx_socketio_ref_t  ref;

    pages = 0;
    ref = ngx_socketio_walk_locked(zone, type, after, &pages);

    if (ref >> NGX_SOCKETIO_SIGN != after >> NGX_SOCKETIO_SIGN) {
        zone->sh->holds++;
    }

    return ref;
}


void
ngx_socketio_rebuild_discard_locked(ngx_socketio_zone_t *zone, void *record)
{
    ngx_socketio_unused(record);
    zone->discarded++;
}


static void
ngx_socketio_rebuild_pages_locked(ngx_socketio_zone_t *zone)
{
    uint32_t                 page;
    ngx_socketio_page_t     *pg;
    ngx_socketio_zone_sh_t  *sh;

    sh = zone->sh;

    ngx_memzero(sh->partial, sizeof(sh->partial));
    ngx_memzero(sh->nfree, sizeof(sh->nfree));
    sh->free_page = 0;
    sh->free_pages = 0;

    for (page = sh->npages; page; page--) {
        pg = &zone->table[page - 1];
        pg->linked = 0;
        pg->used = 0;

        if (pg->type != NGX_SOCKETIO_FREE) {
            ngx_socketio_rebuild_page_locked(zone, page);
        }

        if (pg->used == 0) {
            pg->type = NGX_SOCKETIO_FREE;
            pg->next = sh->free_page;
            sh->free_page = page;
            sh->free_pages++;
        }
    }
}


static void
ngx_socketio_rebuild_page_locked(ngx_socketio_zone_t *zone, uint32_t page)
{
    ngx_uint_t            i;
    ngx_socketio_rec_t   *rec;
    ngx_socketio_page_t  *pg;

    pg = &zone->table[page - 1];
    pg->free = NGX_SOCKETIO_LAST;
    i = NGX_SOCKETIO_PAGE / ngx_socketio_record_sizes[pg->type];

    while (i--) {
        rec = ngx_socketio_rec(zone, page << 8 | (uint32_t) i);

        if (rec->used) {
            pg->used++;
            continue;
        }

        rec->link = pg->free;
        pg->free = (uint16_t) i;
    }

    if (pg->used && pg->free != NGX_SOCKETIO_LAST) {
        zone->sh->nfree[pg->type] +=
                         NGX_SOCKETIO_PAGE / ngx_socketio_record_sizes[pg->type]
                         - pg->used;
        ngx_socketio_page_link_locked(zone, page);
    }
}


/*
 * All lists are good again: the ordinary functions do what is left.  Bells
 * of that hold, and of the one that had rung and not woken, may be lost: each
 * worker looks at all that it has.
 */

void
ngx_socketio_rebuild_mend_locked(ngx_socketio_zone_t *zone)
{
    uint64_t                 now;
    ngx_uint_t               i;
    ngx_socketio_ref_t       ref;
    ngx_socketio_slot_t     *slot;
    ngx_socketio_session_t  *session;

    now = ngx_current_msec;

    for (i = 0; i < zone->sh->nslots; i++) {
        slot = &zone->slots[i];
        slot->ring_head = slot->ring_tail = 0;
        slot->all = (slot->gen != 0);
    }

    ngx_socketio_mend_acks_locked(zone);

    ngx_socketio_rebuild_each(zone, NGX_SOCKETIO_SESSION, ref) {
        ngx_socketio_mend_conns_locked(zone, ref, now);
        ngx_socketio_mend_bare_locked(zone, ref, now);
    }

    session = ngx_socketio_used_locked(zone, NGX_SOCKETIO_SESSION,
                                       zone->sh->doubt);

    if (session && session->eio.state != NGX_SOCKETIO_EIO_CLOSED) {
        zone->ended++;
        ngx_socketio_session_end_locked(zone, zone->sh->doubt,
                                        NGX_SOCKETIO_REASON_TRANSPORT_ERROR,
                                        now);
    }

    ngx_socketio_rebuild_each(zone, NGX_SOCKETIO_SESSION, ref) {
        ngx_socketio_mend_session_locked(zone, ref, now);
    }

    ngx_socketio_mend_told_locked(zone, now);

    ngx_socketio_rebuild_each(zone, NGX_SOCKETIO_SESSION, ref) {
        ngx_socketio_mend_owner_locked(zone, ref);
    }

    ngx_socketio_mend_loose_locked(zone);
}


/* what nobody refers to, rooms after those that are below */

static void
ngx_socketio_mend_loose_locked(ngx_socketio_zone_t *zone)
{
    ngx_uint_t               below;
    ngx_socketio_ref_t       ref;
    ngx_socketio_room_t     *room;
    ngx_socketio_message_t  *message;

    ngx_socketio_rebuild_each(zone, NGX_SOCKETIO_MESSAGE, ref) {
        message = ngx_socketio_rec(zone, ref);

        if (message->nodes == 0 && message->owner == 0) {
            zone->discarded++;
            ngx_socketio_message_hold_locked(zone, ref);
            ngx_socketio_message_drop_locked(zone, ref);
        }
    }

    for (below = 2; below--; /* void */ ) {
        ngx_socketio_rebuild_each(zone, NGX_SOCKETIO_ROOM, ref) {
            room = ngx_socketio_rec(zone, ref);

            if (room->refs == 0 && (room->parent != 0) == below) {
                zone->discarded++;
                ngx_socketio_room_drop_locked(zone, ref);
            }
        }
    }
}


/*
 * An emit that had not asked all, or a publisher's that was being forgotten:
 * as if it had asked nobody, unless some of it is on its way to a backend.
 */

static void
ngx_socketio_mend_acks_locked(ngx_socketio_zone_t *zone)
{
    ngx_uint_t             n;
    ngx_socketio_ref_t     ref, e;
    ngx_socketio_ack_t    *ack;
    ngx_socketio_event_t  *event;

    ngx_socketio_rebuild_each(zone, NGX_SOCKETIO_ACK, ref) {
        ack = ngx_socketio_rec(zone, ref);

        if (!ack->sending && (ack->refs || ack->token == 0)) {
            continue;
        }

        for (n = 0, e = ack->awaited; e; e = event->ack_next) {
            event = ngx_socketio_rec(zone, e);
            n++;
        }

        if (ack->token == 0 || n == ack->refs) {
            ngx_socketio_ack_undo_locked(zone, ref);
            continue;
        }

        ack->sending = 0;
        ngx_socketio_wheel_set_locked(zone, ref);
    }
}


/*
 * A connection that the machine knows and nobody has, or the other way round:
 * its worker is the dead one.
 */

static void
ngx_socketio_mend_conns_locked(ngx_socketio_zone_t *zone,
    ngx_socketio_ref_t ref, uint64_t now)
{
    ngx_uint_t                   i, has[NGX_SOCKETIO_CONNS];
    ngx_socketio_conn_t         *conn;
    ngx_socketio_session_t      *session;
    ngx_socketio_eio_event_e     event;
    ngx_socketio_eio_session_t  *eio;

    static ngx_socketio_eio_event_e  events[] = {
        NGX_SOCKETIO_EIO_EV_GET_GONE,
        NGX_SOCKETIO_EIO_EV_POST_GONE,
        NGX_SOCKETIO_EIO_EV_WS_CLOSE
    };

    session = ngx_socketio_rec(zone, ref);
    eio = &session->eio;

    has[NGX_SOCKETIO_CONN_GET] = eio->get;
    has[NGX_SOCKETIO_CONN_POST] = eio->post;
    has[NGX_SOCKETIO_CONN_WS] = eio->probe
                         || eio->transport == NGX_SOCKETIO_EIO_WEBSOCKET;

    for (i = 0; i < NGX_SOCKETIO_CONNS; i++) {
        conn = &session->conns[i];

        if (conn->gen && zone->slots[conn->slot].gen != conn->gen) {
            conn->gen = 0;
        }
    }

    if (eio->state == NGX_SOCKETIO_EIO_CLOSED) {

        /* nobody will come to say that these have ended */

        eio->get &= (session->conns[NGX_SOCKETIO_CONN_GET].gen != 0);
        eio->post &= (session->conns[NGX_SOCKETIO_CONN_POST].gen != 0);

        if (session->conns[NGX_SOCKETIO_CONN_WS].gen == 0) {
            eio->probe = NGX_SOCKETIO_EIO_NO_PROBE;
        }
    }

    for (i = 0; i < NGX_SOCKETIO_CONNS; i++) {
        conn = &session->conns[i];

        if (eio->state == NGX_SOCKETIO_EIO_CLOSED
            || (has[i] != 0) == (conn->gen != 0))
        {
            continue;
        }

        if (conn->gen) {
            conn->gen = 0;
            continue;
        }

        event = events[i];

        if (i == NGX_SOCKETIO_CONN_WS
            && eio->transport == NGX_SOCKETIO_EIO_POLLING)
        {
            event = NGX_SOCKETIO_EIO_EV_PROBE_LOST;
        }

        zone->ended++;
        ngx_socketio_session_step_locked(zone, ref, event, now);
    }
}


/*
 * A socket that its namespace does not have hears of nothing, and a polling
 * session without a heartbeat would be there for ever.
 */

static void
ngx_socketio_mend_bare_locked(ngx_socketio_zone_t *zone,
    ngx_socketio_ref_t session_ref, uint64_t now)
{
    ngx_uint_t               bare;
    ngx_socketio_ref_t       ref;
    ngx_socketio_socket_t   *socket;
    ngx_socketio_session_t  *session;

    session = ngx_socketio_rec(zone, session_ref);

    if (session->eio.state != NGX_SOCKETIO_EIO_OPENED) {
        return;
    }

    bare = (session->eio.transport == NGX_SOCKETIO_EIO_POLLING
            && session->eio.beat.at == 0);

    for (ref = session->sockets; ref; ref = socket->next) {
        socket = ngx_socketio_rec(zone, ref);
        bare |= (socket->state == NGX_SOCKETIO_SOCKET_CONNECTED
                 && socket->members == 0);
    }

    if (bare) {
        zone->ended++;
        ngx_socketio_session_end_locked(zone, session_ref,
                                        NGX_SOCKETIO_REASON_TRANSPORT_ERROR,
                                        now);
    }
}


/* an end that was begun is finished */

static void
ngx_socketio_mend_session_locked(ngx_socketio_zone_t *zone,
    ngx_socketio_ref_t ref, uint64_t now)
{
    ngx_socketio_session_t  *session;

    session = ngx_socketio_rec(zone, ref);

    if (session->eio.state != NGX_SOCKETIO_EIO_OPENED && session->partial) {
        ngx_socketio_event_free_locked(zone, session->partial);
        session->partial = 0;
    }

    ngx_socketio_mend_sockets_locked(zone, ref, now);

    if (session->lacking && session->partial == 0) {
        session->lacking = 0;
        session->deadline = 0;
    }

    if (session->eio.state == NGX_SOCKETIO_EIO_LINGERS
        && (session->deadline == 0
            || session->deadline > now + NGX_SOCKETIO_LINGER))
    {
        session->deadline = now + NGX_SOCKETIO_LINGER;
    }

    if (session->eio.state == NGX_SOCKETIO_EIO_CLOSED) {
        session->deadline = 0;
    }

    ngx_socketio_wheel_set_locked(zone, ref);
}


static void
ngx_socketio_mend_sockets_locked(ngx_socketio_zone_t *zone,
    ngx_socketio_ref_t session_ref, uint64_t now)
{
    ngx_socketio_ref_t       ref, next;
    ngx_socketio_socket_t   *socket;
    ngx_socketio_session_t  *session;

    session = ngx_socketio_rec(zone, session_ref);

    for (ref = session->sockets; ref; ref = next) {
        socket = ngx_socketio_rec(zone, ref);
        next = socket->next;

        ngx_socketio_mend_socket_locked(zone, session, ref, now);
    }
}


static void
ngx_socketio_mend_socket_locked(ngx_socketio_zone_t *zone,
    ngx_socketio_session_t *session, ngx_socketio_ref_t ref, uint64_t now)
{
    ngx_socketio_socket_t  *socket;

    socket = ngx_socketio_rec(zone, ref);

    switch (socket->state) {

    case NGX_SOCKETIO_SOCKET_ENDED:

        if (!session->hooked) {
            ngx_socketio_ack_gone_locked(zone, ref);
            ngx_socketio_socket_done_locked(zone, ref);

        } else if (socket->mark == 0) {
            ngx_socketio_ack_gone_locked(zone, ref);
            ngx_socketio_socket_entry_locked(zone, ref);
        }

        return;

    case NGX_SOCKETIO_SOCKET_CONNECTED:
        break;

    default:

        /* nobody will answer a connect that did not get into the inbox */

        if (session->hooked
            && !ngx_socketio_mend_asked_locked(zone, session, ref))
        {
            zone->discarded++;
            ngx_socketio_socket_free_locked(zone, ref);
            return;
        }
    }

    if (session->eio.state != NGX_SOCKETIO_EIO_OPENED) {
        ngx_socketio_socket_end_locked(zone, ref, session->eio.reason, now);
    }
}


/* 1: its connect is in the inbox */

static ngx_uint_t
ngx_socketio_mend_asked_locked(ngx_socketio_zone_t *zone,
    ngx_socketio_session_t *session, ngx_socketio_ref_t socket)
{
    ngx_socketio_ref_t     ref;
    ngx_socketio_event_t  *event;

    for (ref = session->inbox;
         ref;
         ref = *ngx_socketio_entry_link_locked(zone, ref))
    {
        if (ngx_socketio_type(zone, ref) == NGX_SOCKETIO_SOCKET) {
            continue;
        }

        event = ngx_socketio_rec(zone, ref);

        if (event->socket == socket
            && event->rec.kind == NGX_SOCKETIO_EVENT_CONNECT)
        {
            return 1;
        }
    }

    return 0;
}


/*
 * The private index of a websocket's worker follows records that it is sent;
 * of the last one that was changed it is told all anew, since one of join and
 * record may be there without the other.
 */

static void
ngx_socketio_mend_told_locked(ngx_socketio_zone_t *zone, uint64_t now)
{
    ngx_int_t                rc;
    ngx_socketio_ref_t       ref, m, session_ref;
    ngx_socketio_socket_t   *socket;
    ngx_socketio_member_t   *member;
    ngx_socketio_session_t  *session;

    session_ref = zone->sh->told;
    session = ngx_socketio_used_locked(zone, NGX_SOCKETIO_SESSION,
                                       session_ref);

    if (session == NULL
        || session->eio.state != NGX_SOCKETIO_EIO_OPENED
        || session->eio.transport != NGX_SOCKETIO_EIO_WEBSOCKET)
    {
        return;
    }

    rc = NGX_OK;

    for (ref = session->sockets; ref && rc == NGX_OK; ref = socket->next) {
        socket = ngx_socketio_rec(zone, ref);

        rc = ngx_socketio_tell_locked(zone, session, NGX_SOCKETIO_LEFT, ref,
                                      0);

        if (socket->state != NGX_SOCKETIO_SOCKET_CONNECTED) {
            continue;
        }

        for (m = socket->members;
             m && rc == NGX_OK;
             m = member->socket_next)
        {
            member = ngx_socketio_rec(zone, m);
            rc = ngx_socketio_tell_locked(zone, session,
                                          NGX_SOCKETIO_JOINED, ref,
                                          member->room);
        }
    }

    if (rc != NGX_OK) {
        zone->ended++;
        ngx_socketio_session_end_locked(zone, session_ref,
                                        NGX_SOCKETIO_REASON_TRANSPORT_ERROR,
                                        now);
    }
}


static void
ngx_socketio_mend_owner_locked(ngx_socketio_zone_t *zone,
    ngx_socketio_ref_t ref)
{
    ngx_socketio_slot_t     *slot;
    ngx_socketio_session_t  *session;

    session = ngx_socketio_rec(zone, ref);
    slot = &zone->slots[session->owner];

    if (session->inbox
        && session->owner_gen
        && slot->gen == session->owner_gen)
    {
        return;
    }

    session->owner_gen = 0;

    /* who leaves, and has nobody to leave it to, must not take it back */

    if (session->inbox
        && (ngx_socketio_slot_other_locked(zone) < zone->sh->nslots
            || !zone->slots[zone->slot].exiting))
    {
        ngx_socketio_inbox_own_locked(zone, ref);
    }
}
