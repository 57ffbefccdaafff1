
/*
 * Copyright (C) the ngx_http_socketio_module authors
 */


/* What transports do to a session: open, GET, POST, end. */


#include "store/ngx_socketio_exchange.h"
#include "store/ngx_socketio_session.h"
#include "store/ngx_socketio_budget.h"
#include "store/ngx_socketio_slot.h"
#include "store/ngx_socketio_bytes.h"


static void ngx_socketio_polling_end(ngx_socketio_zone_t *zone,
    ngx_socketio_id_t *id, ngx_uint_t which, uint32_t handle,
    ngx_socketio_eio_event_e event, uint64_t now);
static void ngx_socketio_take_locked(ngx_socketio_zone_t *zone,
    ngx_socketio_session_t *session, ngx_uint_t parked,
    ngx_socketio_taken_t *taken, uint64_t now);


ngx_int_t
ngx_socketio_open(ngx_socketio_zone_t *zone, ngx_socketio_open_t *open,
    ngx_socketio_id_t *id, uint64_t now)
{
    ngx_int_t                 rc;
    ngx_socketio_ref_t        ref;
    ngx_socketio_session_t   *session;
    ngx_socketio_eio_conf_t   conf;

    rc = NGX_ERROR;

    ngx_socketio_zone_lock(zone);

    if (open->sessions_max
        && zone->sh->stats.sessions >= open->sessions_max)
    {
        rc = NGX_BUSY;
        goto failed;
    }

    if (open->per_ip && ngx_socketio_address_full_locked(zone, open)) {
        rc = NGX_DECLINED;
        goto failed;
    }

    /* who is in comes first: messages, acks and pings take memory, too */

    if (zone->sh->free_pages < zone->sh->npages / NGX_SOCKETIO_RESERVE) {
        goto failed;
    }

    ref = ngx_socketio_alloc_locked(zone, NGX_SOCKETIO_SESSION);
    if (ref == 0) {
        goto failed;
    }

    session = ngx_socketio_rec(zone, ref);

    if (open->handshake.len) {
        session->handshake = ngx_socketio_bytes_alloc_locked(zone, ref,
                                                  open->handshake.len, NULL);
        if (session->handshake == 0) {
            ngx_socketio_free_locked(zone, ref);
            goto failed;
        }

        ngx_socketio_bytes_write(zone, session->handshake, &open->handshake,
                                 1);
    }

    if (ngx_socketio_budget_add_locked(zone, ref, open, now) != NGX_OK) {
        ngx_socketio_bytes_free_locked(zone, session->handshake);
        ngx_socketio_free_locked(zone, ref);
        goto failed;
    }

    conf.interval = open->interval;
    conf.timeout = open->timeout;
    ngx_socketio_eio_begin(&session->eio, &conf, open->key.revision,
                           open->transport, now);

    ngx_memcpy(session->sid, open->key.sid, NGX_SOCKETIO_SID);
    session->location = open->key.location;
    session->interval = (unsigned) open->interval;
    session->timeout = (unsigned) open->timeout;
    session->deadline = now + open->connect_timeout;
    session->outbox_max = (uint32_t) open->outbox_max;
    session->outbox_max_bytes = (uint32_t) open->outbox_max_bytes;
    session->inbox_max = (uint32_t) open->inbox_max;
    session->inbox_max_bytes = (uint32_t) open->inbox_max_bytes;
    session->hooked = open->hooked;
    session->raw = open->peer.raw;
    session->base64 = open->peer.base64;
    session->jsonp = open->peer.jsonp;
    session->handshake_len = (uint16_t) open->handshake.len;
    session->from_seq = zone->sh->seq;

    if (open->transport == NGX_SOCKETIO_EIO_WEBSOCKET) {
        ngx_socketio_conn_note_locked(zone, session, NGX_SOCKETIO_CONN_WS,
                                      open->handle);
        zone->slots[zone->slot].websockets++;
    }

    id->ref = ref;
    id->gen = session->rec.gen;

    ngx_socketio_used(session);
    ngx_socketio_sid_add_locked(zone, ref);
    zone->sh->stats.opened++;
    ngx_socketio_wheel_set_locked(zone, ref);

    rc = NGX_OK;

failed:

    if (rc == NGX_ERROR) {
        zone->sh->stats.full++;
    }

    ngx_socketio_zone_unlock(zone);

    return rc;
}


ngx_int_t
ngx_socketio_known(ngx_socketio_zone_t *zone, ngx_socketio_key_t *key)
{
    ngx_int_t                rc;
    ngx_socketio_id_t        id;
    ngx_socketio_session_t  *session;

    ngx_socketio_zone_lock(zone);

    rc = ngx_socketio_known_locked(zone, key, &id, &session, 0);

    ngx_socketio_zone_unlock(zone);

    return rc;
}


ngx_int_t
ngx_socketio_known_locked(ngx_socketio_zone_t *zone, ngx_socketio_key_t *key,
    ngx_socketio_id_t *id, ngx_socketio_session_t **psession, uint64_t now)
{
    ngx_socketio_session_t  *session;

    session = ngx_socketio_sid_find_locked(zone, key->sid, &id->ref);

    if (session == NULL || session->location != key->location) {
        return NGX_DECLINED;
    }

    /* the wheel is up to a bucket late: who comes sooner is too late, too */

    ngx_socketio_session_step_locked(zone, id->ref, NGX_SOCKETIO_EIO_EV_TIME,
                                     now);

    if (session->eio.state == NGX_SOCKETIO_EIO_CLOSED) {
        return NGX_DECLINED;
    }

    if (session->eio.beat.revision != key->revision) {
        return NGX_ABORT;
    }

    id->gen = session->rec.gen;
    *psession = session;

    return NGX_OK;
}


ngx_int_t
ngx_socketio_get(ngx_socketio_zone_t *zone, ngx_socketio_key_t *key,
    uint32_t handle, ngx_socketio_taken_t *taken, uint64_t now)
{
    ngx_int_t                rc;
    ngx_socketio_session_t  *session;

    ngx_memzero(taken, sizeof(ngx_socketio_taken_t));

    ngx_socketio_zone_lock(zone);

    rc = ngx_socketio_known_locked(zone, key, &taken->id, &session, now);

    if (rc != NGX_OK) {
        ngx_socketio_zone_unlock(zone);
        return rc;
    }

    ngx_socketio_peer_locked(session, &taken->peer);

    taken->actions = ngx_socketio_session_step_locked(zone, taken->id.ref,
                            session->outbox ? NGX_SOCKETIO_EIO_EV_GET_PENDING
                                            : NGX_SOCKETIO_EIO_EV_GET,
                            now);

    if (taken->actions & (NGX_SOCKETIO_EIO_PARK|NGX_SOCKETIO_EIO_PARK_SHORT)) {
        ngx_socketio_conn_note_locked(zone, session, NGX_SOCKETIO_CONN_GET,
                                      handle);

    } else if (taken->actions & NGX_SOCKETIO_EIO_ANSWER) {
        ngx_socketio_take_locked(zone, session, 0, taken, now);
    }

    ngx_socketio_zone_unlock(zone);

    return NGX_OK;
}


ngx_int_t
ngx_socketio_get_look(ngx_socketio_zone_t *zone, ngx_socketio_id_t *id,
    uint32_t handle, ngx_uint_t noop, ngx_socketio_taken_t *taken,
    uint64_t now)
{
    ngx_int_t                rc;
    ngx_socketio_session_t  *session;

    ngx_memzero(taken, sizeof(ngx_socketio_taken_t));
    taken->id = *id;
    rc = NGX_DECLINED;

    ngx_socketio_zone_lock(zone);

    session = ngx_socketio_conn_session_locked(zone, id,
                                               NGX_SOCKETIO_CONN_GET, handle);
    if (session == NULL) {
        goto done;
    }

    ngx_socketio_take_locked(zone, session, 1, taken, now);

    if (taken->answer == NGX_SOCKETIO_EIO_STAY) {

        if (!noop) {
            rc = NGX_AGAIN;
            goto done;
        }

        session->eio.get = 0;
        taken->answer = NGX_SOCKETIO_EIO_SEND_NOOP;
    }

    session->conns[NGX_SOCKETIO_CONN_GET].gen = 0;
    ngx_socketio_session_release_locked(zone, id->ref);

    rc = NGX_OK;

done:

    ngx_socketio_zone_unlock(zone);

    return rc;
}


void
ngx_socketio_get_gone(ngx_socketio_zone_t *zone, ngx_socketio_id_t *id,
    uint32_t handle, uint64_t now)
{
    ngx_socketio_polling_end(zone, id, NGX_SOCKETIO_CONN_GET, handle,
                             NGX_SOCKETIO_EIO_EV_GET_GONE, now);
}


/* the session and its GET or POST part */

static void
ngx_socketio_polling_end(ngx_socketio_zone_t *zone, ngx_socketio_id_t *id,
    ngx_uint_t which, uint32_t handle, ngx_socketio_eio_event_e event,
    uint64_t now)
{
    ngx_socketio_session_t  *session;

    ngx_socketio_zone_lock(zone);

    session = ngx_socketio_conn_session_locked(zone, id, which, handle);

    if (session) {
        session->conns[which].gen = 0;
        ngx_socketio_session_step_locked(zone, id->ref, event, now);
        ngx_socketio_session_release_locked(zone, id->ref);
    }

    ngx_socketio_zone_unlock(zone);
}


static void
ngx_socketio_take_locked(ngx_socketio_zone_t *zone,
    ngx_socketio_session_t *session, ngx_uint_t parked,
    ngx_socketio_taken_t *taken, uint64_t now)
{
    ngx_socketio_eio_session_t  eio;

    eio = session->eio;
    taken->answer = ngx_socketio_eio_answer(&eio, session->outbox != 0,
                                            parked, &taken->ping);
    ngx_socketio_session_eio_locked(session, &eio);

    switch (taken->answer) {

    case NGX_SOCKETIO_EIO_SEND:
        ngx_socketio_take_outbox_locked(zone, session, taken);
        break;

    case NGX_SOCKETIO_EIO_SEND_CLOSE:
    case NGX_SOCKETIO_EIO_SEND_NOOP_CLOSE:

        if (session->eio.state == NGX_SOCKETIO_EIO_LINGERS) {
            ngx_socketio_session_end_locked(zone, taken->id.ref,
                                            session->eio.reason, now);

            if (!parked) {
                ngx_socketio_session_release_locked(zone, taken->id.ref);
            }
        }

        break;

    default:
        break;
    }
}


void
ngx_socketio_take_outbox_locked(ngx_socketio_zone_t *zone,
    ngx_socketio_session_t *session, ngx_socketio_taken_t *taken)
{
    ngx_socketio_slot_t  *slot;

    slot = &zone->slots[zone->slot];

    taken->nodes = session->outbox;
    taken->n = session->outbox_n;

    /* it must not go on with a part of them gone */

    zone->sh->doubt = taken->id.ref;
    ngx_socketio_order();

    ngx_socketio_nodes_move_locked(zone, &session->outbox,
                                   &session->outbox_tail, &slot->held,
                                   &slot->held_tail,
                                   (ngx_socketio_ref_t) zone->slot);
    ngx_socketio_tally(zone, NGX_SOCKETIO_N_HELD, taken->n);
    ngx_socketio_outbox_emptied_locked(zone, session);

    ngx_socketio_order();
    zone->sh->doubt = 0;
}


ngx_int_t
ngx_socketio_post(ngx_socketio_zone_t *zone, ngx_socketio_key_t *key,
    uint32_t handle, ngx_socketio_taken_t *taken, uint64_t now)
{
    ngx_int_t                rc;
    ngx_socketio_session_t  *session;

    ngx_memzero(taken, sizeof(ngx_socketio_taken_t));

    ngx_socketio_zone_lock(zone);

    rc = ngx_socketio_known_locked(zone, key, &taken->id, &session, now);

    if (rc != NGX_OK) {
        ngx_socketio_zone_unlock(zone);
        return rc;
    }

    ngx_socketio_peer_locked(session, &taken->peer);

    taken->actions = ngx_socketio_session_step_locked(zone, taken->id.ref,
                                            NGX_SOCKETIO_EIO_EV_POST, now);

    if (taken->actions & NGX_SOCKETIO_EIO_ACCEPT) {
        ngx_socketio_conn_note_locked(zone, session, NGX_SOCKETIO_CONN_POST,
                                      handle);
    }

    ngx_socketio_zone_unlock(zone);

    return NGX_OK;
}


void
ngx_socketio_post_end(ngx_socketio_zone_t *zone, ngx_socketio_id_t *id,
    uint32_t handle, ngx_socketio_eio_event_e event, uint64_t now)
{
    ngx_socketio_polling_end(zone, id, NGX_SOCKETIO_CONN_POST, handle, event,
                             now);
}


ngx_int_t
ngx_socketio_packet(ngx_socketio_zone_t *zone, ngx_socketio_id_t *id,
    ngx_socketio_eio_event_e event, uint64_t now)
{
    ngx_int_t                rc;
    ngx_socketio_session_t  *session;

    rc = NGX_DONE;

    ngx_socketio_zone_lock(zone);

    session = ngx_socketio_find_locked(zone, NGX_SOCKETIO_SESSION, id->ref,
                                       id->gen);
    if (session) {
        ngx_socketio_session_step_locked(zone, id->ref, event, now);

        rc = (session->eio.state == NGX_SOCKETIO_EIO_OPENED) ? NGX_OK
                                                             : NGX_DONE;
    }

    ngx_socketio_zone_unlock(zone);

    return rc;
}


void
ngx_socketio_end(ngx_socketio_zone_t *zone, ngx_socketio_id_t *id,
    ngx_uint_t reason, uint64_t now)
{
    ngx_socketio_zone_lock(zone);

    if (ngx_socketio_find_locked(zone, NGX_SOCKETIO_SESSION, id->ref, id->gen))
    {
        ngx_socketio_session_end_locked(zone, id->ref, reason, now);
        ngx_socketio_session_release_locked(zone, id->ref);
    }

    ngx_socketio_zone_unlock(zone);
}


ngx_int_t
ngx_socketio_mine(ngx_socketio_zone_t *zone, ngx_socketio_id_t *id,
    int64_t *handles, uint32_t *tenure)
{
    ngx_int_t                rc;
    ngx_uint_t               i;
    ngx_socketio_ack_t      *ack;
    ngx_socketio_conn_t     *conn;
    ngx_socketio_session_t  *session;

    rc = NGX_DECLINED;
    *tenure = 0;

    ngx_socketio_zone_lock(zone);

    ack = ngx_socketio_find_locked(zone, NGX_SOCKETIO_ACK, id->ref, id->gen);

    if (ack) {
        rc = NGX_OK;

        for (i = 0; i < NGX_SOCKETIO_CONNS; i++) {
            handles[i] = -1;
        }

        handles[0] = (int64_t) ack->conn.handle;
    }

    session = ngx_socketio_find_locked(zone, NGX_SOCKETIO_SESSION, id->ref,
                                       id->gen);
    if (session) {
        rc = NGX_OK;

        for (i = 0; i < NGX_SOCKETIO_CONNS; i++) {
            conn = &session->conns[i];
            handles[i] = (conn->gen == zone->slot_gen
                          && conn->slot == zone->slot)
                         ? (int64_t) conn->handle : -1;
        }

        if (session->handed
            && session->owner_gen == zone->slot_gen
            && session->owner == zone->slot)
        {
            session->handed = 0;
            *tenure = session->tenure;
        }
    }

    ngx_socketio_zone_unlock(zone);

    return rc;
}
