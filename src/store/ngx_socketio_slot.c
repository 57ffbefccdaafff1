
/*
 * Copyright (C) the ngx_http_socketio_module authors
 */


#include "store/ngx_socketio_session.h"
#include "store/ngx_socketio_slot.h"
#include "store/ngx_socketio_ack.h"
#include "store/ngx_socketio_bytes.h"


static ngx_uint_t ngx_socketio_mailbox_max(ngx_socketio_zone_t *zone);
static void ngx_socketio_slot_inherit_locked(ngx_socketio_zone_t *zone);
static ngx_uint_t ngx_socketio_slot_oldest_locked(ngx_socketio_zone_t *zone);
static ngx_uint_t ngx_socketio_slot_holds_locked(ngx_socketio_zone_t *zone,
    ngx_socketio_ref_t node);


void
ngx_socketio_bell_locked(ngx_socketio_zone_t *zone, ngx_uint_t n,
    uint32_t gen, ngx_socketio_ref_t session)
{
    ngx_socketio_id_t    *id;
    ngx_socketio_slot_t  *slot;

    slot = &zone->slots[n];

    if (slot->gen != gen) {
        return;
    }

    if (slot->ring_head == slot->ring_tail && slot->mailbox == 0) {
        ngx_socketio_zone_ring_locked(zone, n);
    }

    if (slot->ring_tail - slot->ring_head == NGX_SOCKETIO_RING) {
        slot->all = 1;
        return;
    }

    ngx_socketio_tally(zone, NGX_SOCKETIO_N_BELLS, 1);

    id = &slot->ring[slot->ring_tail++ % NGX_SOCKETIO_RING];
    id->ref = session;
    id->gen = ((ngx_socketio_rec_t *) ngx_socketio_rec(zone, session))->gen;
}


/*
 * A worker that does not read is overrun: what it has not read is freed, and
 * when it comes back it closes its websockets and starts afresh.
 */

void
ngx_socketio_mailbox_put_locked(ngx_socketio_zone_t *zone, ngx_uint_t n,
    ngx_socketio_ref_t ref)
{
    ngx_socketio_node_t  *node;
    ngx_socketio_slot_t  *slot;

    slot = &zone->slots[n];

    if (slot->gen == 0 || slot->overrun) {
        ngx_socketio_node_free_locked(zone, ref);
        return;
    }

    if (slot->ring_head == slot->ring_tail && slot->mailbox == 0) {
        ngx_socketio_zone_ring_locked(zone, n);
    }

    node = ngx_socketio_rec(zone, ref);
    node->owner = (ngx_socketio_ref_t) n;
    ngx_socketio_used(node);

    ngx_socketio_nodes_add_locked(zone, &slot->mailbox, &slot->mailbox_tail,
                                  ref);

    if (++slot->mailbox_n > ngx_socketio_mailbox_max(zone)) {
        ngx_socketio_slot_overrun_locked(zone, slot);
    }
}


static ngx_uint_t
ngx_socketio_mailbox_max(ngx_socketio_zone_t *zone)
{
    ngx_uint_t  n;

    n = zone->sh->npages / 8
        * (NGX_SOCKETIO_PAGE / sizeof(ngx_socketio_node_t));

    return ngx_min(n, NGX_SOCKETIO_MAILBOX_MAX);
}


ngx_uint_t
ngx_socketio_behind(ngx_socketio_zone_t *zone, uint64_t now)
{
    ngx_uint_t                     i, max;
    volatile ngx_socketio_slot_t  *slot;

    max = ngx_socketio_mailbox_max(zone) / 2;

    for (i = 0; i < zone->sh->nslots; i++) {
        slot = &zone->slots[i];

        if (slot->mailbox_n > max
            && slot->gen
            && now < slot->tick + NGX_SOCKETIO_HEEDED)
        {
            ngx_socketio_tally(zone, NGX_SOCKETIO_N_WAITS, 1);
            return 1;
        }
    }

    return 0;
}


void
ngx_socketio_slot_overrun_locked(ngx_socketio_zone_t *zone,
    ngx_socketio_slot_t *slot)
{
    ngx_socketio_tally(zone, NGX_SOCKETIO_N_OVERRUN, 1);

    slot->overrun = 1;
    slot->mailbox_n = 0;

    ngx_socketio_nodes_free_locked(zone, &slot->mailbox, &slot->mailbox_tail);
}


ngx_uint_t
ngx_socketio_slot_other_locked(ngx_socketio_zone_t *zone)
{
    ngx_uint_t            i, n, nslots, late;
    ngx_socketio_slot_t  *slot;

    nslots = zone->sh->nslots;
    late = nslots;

    for (i = 1; i <= nslots; i++) {
        n = (zone->slot + i) % nslots;
        slot = &zone->slots[n];

        if (slot->gen == 0 || slot->exiting || slot->gen == zone->slot_gen) {
            continue;
        }

        if (!slot->overrun) {
            return n;
        }

        late = n;
    }

    return late;
}


ngx_int_t
ngx_socketio_slot_claim(ngx_socketio_zone_t *zone, ngx_uint_t n)
{
    ngx_socketio_slot_t  *slot;

    ngx_socketio_zone_lock(zone);

    slot = &zone->slots[n];

    if (slot->gen) {
        ngx_socketio_zone_unlock(zone);
        return NGX_BUSY;
    }

    ngx_memzero(slot, sizeof(ngx_socketio_slot_t));

    if (++zone->sh->stamp == 0) {
        zone->sh->stamp = 1;
    }

    slot->gen = zone->sh->stamp;
    slot->tick = ngx_current_msec;
    slot->pid = (uint64_t) ngx_pid;

    zone->slot = n;
    zone->slot_gen = slot->gen;
    zone->counters = ngx_socketio_slot_counters(zone, n);
    *zone->counters = zone->none;
    ngx_memzero(&zone->none, sizeof(ngx_socketio_counters_t));
    zone->emptied = (uint32_t) zone->sh->stats.emptied;

    if (ngx_socketio_slot_other_locked(zone) == zone->sh->nslots) {
        ngx_socketio_slot_inherit_locked(zone);
    }

    ngx_socketio_zone_unlock(zone);

    return NGX_OK;
}


/* inboxes that were left when no other worker was there to take them */

static void
ngx_socketio_slot_inherit_locked(ngx_socketio_zone_t *zone)
{
    ngx_uint_t               pages;
    ngx_socketio_ref_t       ref;
    ngx_socketio_session_t  *session;

    pages = 0;
    ref = 0;

    for ( ;; ) {
        ref = ngx_socketio_walk_locked(zone, NGX_SOCKETIO_SESSION, ref,
                                       &pages);
        if (ref == 0) {
            return;
        }

        session = ngx_socketio_rec(zone, ref);

        if (session->inbox && session->owner_gen == 0) {
            ngx_socketio_inbox_hand_locked(zone, ref, zone->slot);
        }
    }
}


void
ngx_socketio_slot_leave(ngx_socketio_zone_t *zone)
{
    ngx_int_t             rc;
    ngx_socketio_grave_t  grave;

    ngx_socketio_slot_exiting(zone);

    ngx_memzero(&grave, sizeof(ngx_socketio_grave_t));

    do {
        rc = ngx_socketio_slot_bury(zone, zone->slot, &grave,
                                    ngx_current_msec);
    } while (rc == NGX_AGAIN);

    zone->slot_gen = 0;
    zone->counters = &zone->none;
}


void
ngx_socketio_slot_exiting(ngx_socketio_zone_t *zone)
{
    ngx_socketio_zone_lock(zone);
    zone->slots[zone->slot].exiting = 1;
    ngx_socketio_zone_unlock(zone);
}


ngx_uint_t
ngx_socketio_slot_make_room(ngx_socketio_zone_t *zone, ngx_uint_t n)
{
    ngx_uint_t            i, told, coming;
    ngx_socketio_slot_t  *slot;

    told = 0;
    coming = 0;

    ngx_socketio_zone_lock(zone);

    for (i = 0; i < zone->sh->nslots; i++) {
        slot = &zone->slots[i];
        coming += (slot->gen == 0 || slot->hurry);
    }

    n = n ? n : coming + 1;

    for ( /* void */ ; coming < n; coming++) {
        i = ngx_socketio_slot_oldest_locked(zone);

        if (i == zone->sh->nslots) {
            break;
        }

        zone->slots[i].hurry = 1;
        ngx_socketio_zone_ring_locked(zone, i);
        told++;
    }

    ngx_socketio_zone_unlock(zone);

    return told;
}


/* of those that are shutting down, at their ease; nslots: none is */

static ngx_uint_t
ngx_socketio_slot_oldest_locked(ngx_socketio_zone_t *zone)
{
    ngx_uint_t            i, oldest;
    ngx_socketio_slot_t  *slot;

    oldest = zone->sh->nslots;

    for (i = 0; i < zone->sh->nslots; i++) {
        slot = &zone->slots[i];

        if (slot->gen == 0 || !slot->exiting || slot->hurry) {
            continue;
        }

        /* generations may have wrapped */

        if (oldest == zone->sh->nslots
            || (int32_t) (slot->gen - zone->slots[oldest].gen) < 0)
        {
            oldest = i;
        }
    }

    return oldest;
}


void
ngx_socketio_slot_take(ngx_socketio_zone_t *zone,
    ngx_socketio_letters_t *letters, uint64_t now)
{
    uint32_t              emptied;
    ngx_socketio_slot_t  *slot;

    letters->nbells = 0;

    ngx_socketio_zone_lock(zone);

    slot = &zone->slots[zone->slot];
    slot->tick = now;
    slot->lag = zone->lag;

    emptied = (uint32_t) zone->sh->stats.emptied;
    letters->emptied = (emptied != zone->emptied);
    zone->emptied = emptied;

    if (letters->emptied) {

        /* taken before this worker knew: it will not give them back */

        ngx_socketio_nodes_free_locked(zone, &slot->held, &slot->held_tail);
        zone->counters->n[NGX_SOCKETIO_N_HELD] = 0;
    }

    letters->hurry = slot->hurry;
    letters->overrun = slot->overrun;
    letters->all = slot->all || slot->robbed;
    slot->overrun = 0;
    slot->robbed = 0;
    slot->all = 0;

    letters->nodes = slot->mailbox;
    letters->n = slot->mailbox_n;
    ngx_socketio_tally(zone, NGX_SOCKETIO_N_HELD, letters->n);

    ngx_socketio_mailbox_hold_locked(zone, slot);

    while (slot->ring_head != slot->ring_tail) {
        letters->bells[letters->nbells++] =
                           slot->ring[slot->ring_head++ % NGX_SOCKETIO_RING];
    }

    ngx_socketio_zone_unlock(zone);
}


/* all of the mailbox to the held list */

void
ngx_socketio_mailbox_hold_locked(ngx_socketio_zone_t *zone,
    ngx_socketio_slot_t *slot)
{
    slot->taken = zone->sh->seq;
    slot->mailbox_n = 0;

    ngx_socketio_nodes_move_locked(zone, &slot->mailbox, &slot->mailbox_tail,
                                   &slot->held, &slot->held_tail,
                                   (ngx_socketio_ref_t) (slot - zone->slots));
}


/* what was garbage when the zone was rebuilt is no more */

static ngx_uint_t
ngx_socketio_slot_holds_locked(ngx_socketio_zone_t *zone,
    ngx_socketio_ref_t ref)
{
    ngx_socketio_node_t  *node;

    node = ngx_socketio_used_locked(zone, NGX_SOCKETIO_NODE, ref);

    return node && node->owner == (ngx_socketio_ref_t) zone->slot
           && ngx_socketio_node_held(&zone->slots[zone->slot], node);
}


void
ngx_socketio_slot_give_back(ngx_socketio_zone_t *zone,
    ngx_socketio_ref_t *nodes, ngx_uint_t n)
{
    ngx_uint_t            i;
    ngx_socketio_slot_t  *slot;

    ngx_socketio_zone_lock(zone);

    /* an emptied zone has none of them any more */

    if (zone->emptied == (uint32_t) zone->sh->stats.emptied) {

        slot = &zone->slots[zone->slot];
        ngx_socketio_tally(zone, NGX_SOCKETIO_N_HELD, -(uint64_t) n);

        for (i = 0; i < n; i++) {
            if (!ngx_socketio_slot_holds_locked(zone, nodes[i])) {
                continue;
            }

            ngx_socketio_nodes_cut_locked(zone, &slot->held, &slot->held_tail,
                                          nodes[i]);
            ngx_socketio_node_free_locked(zone, nodes[i]);
        }
    }

    ngx_socketio_zone_unlock(zone);
}
