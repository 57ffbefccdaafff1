
/*
 * Copyright (C) the ngx_http_socketio_module authors
 */


/* What websockets do to a session: probe, upgrade, end. */


#include "store/ngx_socketio_exchange.h"
#include "store/ngx_socketio_session.h"


static ngx_uint_t ngx_socketio_memberships_locked(ngx_socketio_zone_t *zone,
    ngx_socketio_session_t *session, ngx_socketio_upgrade_t *up,
    ngx_uint_t move);


ngx_int_t
ngx_socketio_probe(ngx_socketio_zone_t *zone, ngx_socketio_key_t *key,
    uint32_t handle, ngx_socketio_id_t *id, uint64_t now)
{
    ngx_int_t                rc;
    ngx_uint_t               actions;
    ngx_socketio_session_t  *session;

    ngx_socketio_zone_lock(zone);

    rc = ngx_socketio_known_locked(zone, key, id, &session, now);

    if (rc != NGX_OK) {
        goto done;
    }

    /* a lost probe's connection may not have been noticed yet */

    actions = ngx_socketio_session_step_locked(zone, id->ref,
                                      NGX_SOCKETIO_EIO_EV_PROBE_OPEN, now);

    if (actions & NGX_SOCKETIO_EIO_DROP) {
        rc = NGX_BUSY;
        goto done;
    }

    ngx_socketio_conn_note_locked(zone, session, NGX_SOCKETIO_CONN_WS, handle);
    rc = NGX_OK;

done:

    ngx_socketio_zone_unlock(zone);

    return rc;
}


ngx_int_t
ngx_socketio_probe_ping(ngx_socketio_zone_t *zone, ngx_socketio_id_t *id,
    uint32_t handle, uint64_t now)
{
    ngx_int_t                rc;
    ngx_uint_t               actions;
    ngx_socketio_session_t  *session;

    rc = NGX_DONE;

    ngx_socketio_zone_lock(zone);

    session = ngx_socketio_conn_session_locked(zone, id,
                                               NGX_SOCKETIO_CONN_WS, handle);
    if (session) {
        actions = ngx_socketio_session_step_locked(zone, id->ref,
                                      NGX_SOCKETIO_EIO_EV_PROBE_PING, now);

        rc = (actions & NGX_SOCKETIO_EIO_DROP) ? NGX_DONE : NGX_OK;
    }

    ngx_socketio_zone_unlock(zone);

    return rc;
}


ngx_int_t
ngx_socketio_upgrade(ngx_socketio_zone_t *zone, ngx_socketio_id_t *id,
    uint32_t handle, ngx_socketio_upgrade_t *up, uint64_t now)
{
    ngx_int_t                rc;
    ngx_uint_t               n, actions;
    ngx_socketio_session_t  *session;

    ngx_memzero(&up->taken, sizeof(ngx_socketio_taken_t));
    rc = NGX_DONE;

    ngx_socketio_zone_lock(zone);

    session = ngx_socketio_conn_session_locked(zone, id,
                                               NGX_SOCKETIO_CONN_WS, handle);
    if (session == NULL) {
        goto done;
    }

    n = ngx_socketio_memberships_locked(zone, session, NULL, 0);

    if (n > up->nmembers) {
        up->nmembers = n;
        rc = NGX_AGAIN;
        goto done;
    }

    actions = ngx_socketio_session_step_locked(zone, id->ref,
                                   NGX_SOCKETIO_EIO_EV_PROBE_UPGRADE, now);

    if (actions & NGX_SOCKETIO_EIO_DROP) {
        goto done;
    }

    up->taken.id = *id;
    ngx_socketio_take_outbox_locked(zone, session, &up->taken);
    ngx_socketio_peer_locked(session, &up->taken.peer);
    up->taken.ping = session->eio.ping;
    session->eio.ping = 0;

    ngx_socketio_memberships_locked(zone, session, up, 1);
    up->nmembers = n;

    session->from_seq = zone->sh->seq;
    up->from_seq = session->from_seq;
    up->beat = session->eio.beat;

    zone->slots[zone->slot].websockets++;

    /* the heartbeat is this worker's now */

    ngx_socketio_wheel_set_locked(zone, id->ref);

    rc = NGX_OK;

done:

    ngx_socketio_zone_unlock(zone);

    return rc;
}


static ngx_uint_t
ngx_socketio_memberships_locked(ngx_socketio_zone_t *zone,
    ngx_socketio_session_t *session, ngx_socketio_upgrade_t *up,
    ngx_uint_t move)
{
    ngx_uint_t                  n;
    ngx_socketio_ref_t          s, m;
    ngx_socketio_rec_t         *room;
    ngx_socketio_socket_t      *socket;
    ngx_socketio_member_t      *member;
    ngx_socketio_membership_t  *ms;

    n = 0;

    for (s = session->sockets; s; s = socket->next) {
        socket = ngx_socketio_rec(zone, s);

        if (socket->state != NGX_SOCKETIO_SOCKET_CONNECTED) {
            continue;
        }

        if (!move) {
            n += socket->nrooms;
            continue;
        }

        for (m = socket->members; m; m = member->socket_next) {
            member = ngx_socketio_rec(zone, m);
            room = ngx_socketio_rec(zone, member->room);

            ms = &up->members[n++];
            ms->socket = s;
            ms->room = member->room;
            ms->room_gen = room->gen;

            ngx_socketio_member_move_locked(zone, m);
        }
    }

    return n;
}


void
ngx_socketio_websocket_gone(ngx_socketio_zone_t *zone, ngx_socketio_id_t *id,
    uint32_t handle, ngx_socketio_eio_event_e event, uint64_t now)
{
    ngx_socketio_slot_t     *slot;
    ngx_socketio_session_t  *session;

    ngx_socketio_zone_lock(zone);

    session = ngx_socketio_conn_session_locked(zone, id,
                                               NGX_SOCKETIO_CONN_WS, handle);
    if (session) {
        session->conns[NGX_SOCKETIO_CONN_WS].gen = 0;

        if (session->eio.transport == NGX_SOCKETIO_EIO_WEBSOCKET) {
            slot = &zone->slots[zone->slot];
            slot->websockets -= (slot->websockets != 0);

        } else {
            event = NGX_SOCKETIO_EIO_EV_PROBE_LOST;
        }

        ngx_socketio_session_step_locked(zone, id->ref, event, now);
        ngx_socketio_session_release_locked(zone, id->ref);
    }

    ngx_socketio_zone_unlock(zone);
}


ngx_int_t
ngx_socketio_websocket_look(ngx_socketio_zone_t *zone, ngx_socketio_id_t *id,
    ngx_uint_t *reason)
{
    ngx_int_t                rc;
    ngx_socketio_session_t  *session;

    rc = NGX_DONE;
    *reason = NGX_SOCKETIO_REASON_NONE;

    ngx_socketio_zone_lock(zone);

    session = ngx_socketio_find_locked(zone, NGX_SOCKETIO_SESSION, id->ref,
                                       id->gen);
    if (session) {
        *reason = session->eio.reason;

        if (session->eio.state == NGX_SOCKETIO_EIO_OPENED) {
            rc = NGX_OK;
        }
    }

    ngx_socketio_zone_unlock(zone);

    return rc;
}
