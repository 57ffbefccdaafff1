
/*
 * Copyright (C) the ngx_http_socketio_module authors
 */


/* What a worker leaves that is dead, or has stood still, goes to others. */


#include "store/ngx_socketio_session.h"
#include "store/ngx_socketio_slot.h"
#include "store/ngx_socketio_ack.h"


#define NGX_SOCKETIO_BURY_PAGES  16         /* a hold: 300 sessions */
#define NGX_SOCKETIO_BURY_NODES  512


static ngx_int_t ngx_socketio_bury_sessions_locked(ngx_socketio_zone_t *zone,
    ngx_uint_t slot, ngx_socketio_ref_t *cursor, uint64_t now);
static void ngx_socketio_bury_session_locked(ngx_socketio_zone_t *zone,
    ngx_uint_t slot, ngx_socketio_ref_t ref, uint64_t now);
static ngx_int_t ngx_socketio_bury_lists_locked(ngx_socketio_zone_t *zone,
    ngx_socketio_slot_t *slot);
static void ngx_socketio_slot_counts_locked(ngx_socketio_zone_t *zone,
    ngx_uint_t n);


ngx_int_t
ngx_socketio_slot_bury(ngx_socketio_zone_t *zone, ngx_uint_t n,
    ngx_socketio_grave_t *grave, uint64_t now)
{
    ngx_int_t             rc;
    ngx_socketio_slot_t  *slot;

    ngx_socketio_zone_lock(zone);

    slot = &zone->slots[n];

    /* two may be at it: what one has buried may be claimed again already */

    if (grave->gen == 0) {
        grave->gen = slot->gen;
    }

    if (slot->gen == 0 || slot->gen != grave->gen) {
        ngx_socketio_zone_unlock(zone);
        return NGX_OK;
    }

    slot->exiting = 1;

    rc = NGX_OK;

    if (grave->cursor != (ngx_socketio_ref_t) -1) {
        rc = ngx_socketio_bury_sessions_locked(zone, n, &grave->cursor, now);
    }

    if (rc == NGX_OK) {
        grave->cursor = (ngx_socketio_ref_t) -1;
        rc = ngx_socketio_bury_lists_locked(zone, slot);
    }

    if (rc == NGX_OK) {
        slot->gen = 0;
        slot->websockets = 0;
        ngx_socketio_slot_counts_locked(zone, n);
    }

    ngx_socketio_zone_unlock(zone);

    return rc;
}


/* kept, so that sums never go back; of gauges nothing is left */

static void
ngx_socketio_slot_counts_locked(ngx_socketio_zone_t *zone, ngx_uint_t n)
{
    ngx_uint_t                i;
    ngx_socketio_counters_t  *counters;

    counters = ngx_socketio_slot_counters(zone, n);

    for (i = 0; i < NGX_SOCKETIO_N_GAUGES; i++) {
        zone->sh->retired.n[i] += counters->n[i];
    }

    ngx_memzero(counters, sizeof(ngx_socketio_counters_t));
}


ngx_int_t
ngx_socketio_slot_rob(ngx_socketio_zone_t *zone, ngx_uint_t n,
    ngx_socketio_grave_t *grave, uint64_t now)
{
    ngx_int_t             rc;
    ngx_socketio_slot_t  *slot;

    rc = NGX_OK;

    ngx_socketio_zone_lock(zone);

    slot = &zone->slots[n];

    if (slot->gen != grave->gen
        || slot->robbed
        || now < slot->tick + NGX_SOCKETIO_STALE)
    {
        goto done;
    }

    if (!slot->overrun) {
        ngx_socketio_slot_overrun_locked(zone, slot);
    }

    rc = ngx_socketio_bury_sessions_locked(zone, n, &grave->cursor, now);

    if (rc == NGX_OK) {
        slot->robbed = 1;
        slot->websockets = 0;
    }

done:

    ngx_socketio_zone_unlock(zone);

    return rc;
}


static ngx_int_t
ngx_socketio_bury_sessions_locked(ngx_socketio_zone_t *zone, ngx_uint_t n,
    ngx_socketio_ref_t *cursor, uint64_t now)
{
    ngx_uint_t           pages;
    ngx_socketio_rec_t  *rec;

    pages = NGX_SOCKETIO_BURY_PAGES;

    for ( ;; ) {
        *cursor = ngx_socketio_walk_locked(zone, NGX_SOCKETIO_SESSION,
                                           *cursor, &pages);
        if (*cursor == 0) {
            return NGX_OK;
        }

        rec = ngx_socketio_rec(zone, *cursor);

        if (rec->used) {
            ngx_socketio_bury_session_locked(zone, n, *cursor, now);
        }

        if (pages == 0 || zone->nowned == NGX_SOCKETIO_OWNED) {
            return NGX_AGAIN;
        }
    }
}


static void
ngx_socketio_bury_session_locked(ngx_socketio_zone_t *zone, ngx_uint_t n,
    ngx_socketio_ref_t ref, uint64_t now)
{
    uint32_t                 gen;
    ngx_uint_t               i;
    ngx_socketio_conn_t     *conn;
    ngx_socketio_session_t  *session;

    static ngx_socketio_eio_event_e  events[] = {
        NGX_SOCKETIO_EIO_EV_GET_GONE,
        NGX_SOCKETIO_EIO_EV_POST_GONE,
        NGX_SOCKETIO_EIO_EV_WS_CLOSE
    };

    gen = zone->slots[n].gen;
    session = ngx_socketio_rec(zone, ref);

    for (i = 0; i < NGX_SOCKETIO_CONNS; i++) {
        conn = &session->conns[i];

        if (conn->slot != n || conn->gen != gen) {
            continue;
        }

        conn->gen = 0;

        if (i == NGX_SOCKETIO_CONN_WS
            && session->eio.transport == NGX_SOCKETIO_EIO_POLLING)
        {
            ngx_socketio_session_step_locked(zone, ref,
                                     NGX_SOCKETIO_EIO_EV_PROBE_LOST, now);
            continue;
        }

        if (i == NGX_SOCKETIO_CONN_WS && zone->slots[n].websockets) {
            zone->slots[n].websockets--;
        }

        ngx_socketio_session_step_locked(zone, ref, events[i], now);
    }

    if (session->owner == n && session->owner_gen == gen) {
        session->owner_gen = 0;

        /* not to this worker again, if it buries itself */

        if (session->inbox
            && (gen != zone->slot_gen
                || ngx_socketio_slot_other_locked(zone) < zone->sh->nslots))
        {
            ngx_socketio_inbox_own_locked(zone, ref);
        }
    }

    ngx_socketio_session_release_locked(zone, ref);
}


static ngx_int_t
ngx_socketio_bury_lists_locked(ngx_socketio_zone_t *zone,
    ngx_socketio_slot_t *slot)
{
    ngx_uint_t          i;
    ngx_socketio_ref_t  ref;

    ngx_socketio_mailbox_hold_locked(zone, slot);

    for (i = 0; slot->held; i++) {
        if (i == NGX_SOCKETIO_BURY_NODES) {
            return NGX_AGAIN;
        }

        ref = slot->held;
        ngx_socketio_nodes_cut_locked(zone, &slot->held, &slot->held_tail,
                                      ref);
        ngx_socketio_node_free_locked(zone, ref);
    }

    while (slot->messages) {
        ngx_socketio_message_release_locked(zone, slot->messages);
    }

    return ngx_socketio_ack_bury_locked(zone, slot);
}
