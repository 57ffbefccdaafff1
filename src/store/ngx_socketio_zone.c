
/*
 * Copyright (C) the ngx_http_socketio_module authors
 */


#include "store/ngx_socketio_rebuild.h"


#define NGX_SOCKETIO_ATTEMPTS  2            /* to rebuild, then it is emptied */


static void ngx_socketio_zone_layout(ngx_socketio_zone_t *zone, size_t size);
static ngx_int_t ngx_socketio_zone_create(ngx_socketio_zone_t *zone,
    ngx_uint_t nslots);
static void ngx_socketio_zone_empty_locked(ngx_socketio_zone_t *zone);
static void ngx_socketio_zone_mend_locked(ngx_socketio_zone_t *zone);
static void ngx_socketio_zone_release(ngx_socketio_zone_t *zone);


uint16_t  ngx_socketio_record_sizes[NGX_SOCKETIO_TYPES] = {
    NGX_SOCKETIO_PAGE,
    sizeof(ngx_socketio_session_t),
    sizeof(ngx_socketio_socket_t),
    sizeof(ngx_socketio_room_t),
    sizeof(ngx_socketio_member_t),
    sizeof(ngx_socketio_node_t),
    sizeof(ngx_socketio_message_t),
    sizeof(ngx_socketio_event_t),
    sizeof(ngx_socketio_ack_t),
    sizeof(ngx_socketio_keyed_t),
    sizeof(ngx_socketio_pass_t),
    sizeof(ngx_socketio_log_t),
    sizeof(ngx_socketio_address_t),
    sizeof(ngx_socketio_budget_t),
    64, 128, 256, 512, 1024, 2048, 4096
};


ngx_int_t
ngx_socketio_zone_init(ngx_socketio_zone_t *zone, ngx_shm_zone_t *shm_zone,
    ngx_socketio_zone_t *old, ngx_uint_t nslots)
{
    zone->shm_zone = shm_zone;
    zone->shpool = (ngx_slab_pool_t *) shm_zone->shm.addr;
    zone->counters = &zone->none;

    if (old) {
        zone->sh = old->sh;
        zone->emptied = (uint32_t) old->sh->stats.emptied;

    } else if (shm_zone->shm.exists) {
        zone->sh = zone->shpool->data;

    } else {
        return ngx_socketio_zone_create(zone, nslots);
    }

    if (zone->sh == NULL || zone->sh->layout != NGX_SOCKETIO_LAYOUT) {
        ngx_log_error(NGX_LOG_EMERG, shm_zone->shm.log, 0,
                      "zone \"%V\" has the layout of another version of "
                      "this module: restart nginx", &shm_zone->shm.name);
        return NGX_ERROR;
    }

    ngx_socketio_zone_layout(zone, 0);

    return NGX_OK;
}


/*
 * The parts follow one another: header, slots, their counters, hashes, page
 * table, pages.
 */

static void
ngx_socketio_zone_layout(ngx_socketio_zone_t *zone, size_t size)
{
    u_char                  *p;
    size_t                   left;
    ngx_socketio_zone_sh_t  *sh;

    sh = zone->sh;
    p = (u_char *) sh + ngx_align(sizeof(ngx_socketio_zone_sh_t), 64);

    zone->slots = (ngx_socketio_slot_t *) p;
    p += sh->nslots * sizeof(ngx_socketio_slot_t);

    p = ngx_align_ptr(p, 64);
    zone->counts = p;
    p += sh->nslots * NGX_SOCKETIO_COUNTERS;

    zone->sids = (ngx_socketio_ref_t *) p;
    p += sh->nbuckets * sizeof(ngx_socketio_ref_t);

    zone->rooms = (ngx_socketio_ref_t *) p;
    p += sh->nbuckets * sizeof(ngx_socketio_ref_t);

    zone->keys = (ngx_socketio_ref_t *) p;
    p += sh->nbuckets * sizeof(ngx_socketio_ref_t);

    zone->addresses = (ngx_socketio_ref_t *) p;
    p += sh->nbuckets * sizeof(ngx_socketio_ref_t);

    p = ngx_align_ptr(p, 64);
    zone->table = (ngx_socketio_page_t *) p;

    if (size) {
        left = size - (p - (u_char *) sh);
        sh->npages = (left - NGX_SOCKETIO_PAGE)
                     / (NGX_SOCKETIO_PAGE + sizeof(ngx_socketio_page_t));
    }

    p += sh->npages * sizeof(ngx_socketio_page_t);
    zone->pages = ngx_align_ptr(p, NGX_SOCKETIO_PAGE);
}


static ngx_int_t
ngx_socketio_zone_create(ngx_socketio_zone_t *zone, ngx_uint_t nslots)
{
    size_t                   size;
    ngx_slab_pool_t         *shpool;
    ngx_socketio_zone_sh_t  *sh;

    shpool = zone->shpool;
    shpool->log_nomem = 0;

    /* the slab's only use: all that it has, as one block */

    size = (size_t) shpool->pfree * ngx_pagesize;
    sh = NULL;

    while (size > 16 * NGX_SOCKETIO_PAGE) {
        sh = ngx_slab_alloc(shpool, size);
        if (sh) {
            break;
        }

        size -= ngx_pagesize;
    }

    if (sh == NULL) {
        return NGX_ERROR;
    }

    ngx_memzero(sh, sizeof(ngx_socketio_zone_sh_t));

    sh->layout = NGX_SOCKETIO_LAYOUT;
    sh->nslots = nslots;
    sh->boot = (uint32_t) ngx_random() ^ (uint32_t) ngx_time();
    sh->stamp = 0;

    /* about one session or room in 2 KB */

    for (sh->nbuckets = 64; sh->nbuckets < size / 2048; sh->nbuckets <<= 1) {
        /* void */
    }

    if (size < nslots * (sizeof(ngx_socketio_slot_t) + NGX_SOCKETIO_COUNTERS)
               + 4 * sh->nbuckets * sizeof(ngx_socketio_ref_t)
               + 32 * NGX_SOCKETIO_PAGE)
    {
        ngx_log_error(NGX_LOG_EMERG, zone->shm_zone->shm.log, 0,
                      "zone \"%V\" is too small for %ui worker slots",
                      &zone->shm_zone->shm.name, nslots);
        return NGX_ERROR;
    }

    zone->sh = sh;
    ngx_socketio_zone_layout(zone, size);

    ngx_memzero(zone->slots, nslots * sizeof(ngx_socketio_slot_t));
    ngx_memzero(zone->counts, nslots * NGX_SOCKETIO_COUNTERS);
    ngx_socketio_zone_empty_locked(zone);
    sh->stats.emptied = 0;

    shpool->data = sh;

    return NGX_OK;
}


/*
 * Generations go on, so that no reference from before finds a record; slots
 * keep their claims: their workers find their connections gone.
 */

static void
ngx_socketio_zone_empty_locked(ngx_socketio_zone_t *zone)
{
    uint32_t                 i;
    uint64_t                 emptied;
    ngx_socketio_slot_t     *slot;
    ngx_socketio_zone_sh_t  *sh;

    sh = zone->sh;

    ngx_memzero(zone->sids, sh->nbuckets * sizeof(ngx_socketio_ref_t));
    ngx_memzero(zone->rooms, sh->nbuckets * sizeof(ngx_socketio_ref_t));
    ngx_memzero(zone->keys, sh->nbuckets * sizeof(ngx_socketio_ref_t));
    ngx_memzero(zone->addresses, sh->nbuckets * sizeof(ngx_socketio_ref_t));
    ngx_memzero(zone->table, sh->npages * sizeof(ngx_socketio_page_t));
    ngx_memzero(sh->partial, sizeof(sh->partial));
    ngx_memzero(sh->nfree, sizeof(sh->nfree));
    ngx_memzero(sh->wheel, sizeof(sh->wheel));
    ngx_memzero(sh->wheel_map, sizeof(sh->wheel_map));

    sh->log = sh->log_tail = sh->log_n = sh->log_gap = 0;
    sh->log_bytes = 0;
    sh->lost = sh->lost_tail = 0;

    for (i = 0; i < sh->npages; i++) {
        zone->table[i].next = (i + 1 < sh->npages) ? i + 2 : 0;
    }

    sh->free_page = 1;
    sh->free_pages = sh->npages;

    sh->key = sh->key_tail = 0;
    sh->nkeys = 0;

    for (i = 0; i < sh->nslots; i++) {
        slot = &zone->slots[i];
        slot->websockets = 0;
        slot->mailbox = slot->mailbox_tail = slot->mailbox_n = 0;
        slot->held = slot->held_tail = 0;
        ngx_socketio_slot_counters(zone, i)->n[NGX_SOCKETIO_N_HELD] = 0;
        slot->taken = 0;
        slot->messages = 0;
        slot->acks = 0;
        slot->ring_head = slot->ring_tail = 0;
        slot->all = 0;
        slot->overrun = 0;
        slot->robbed = 0;
    }

    /* a backend sees another node: nobody will tell it who was on this one */

    sh->boot = sh->boot * 0x9e3779b1 + 1;

    emptied = sh->stats.emptied + 1;
    sh->stats.sessions = 0;
    sh->stats.sockets = 0;
    sh->stats.rooms = 0;
    sh->stats.emptied = emptied;
    ngx_memzero(&sh->now, sizeof(ngx_socketio_gauges_t));
}


void
ngx_socketio_zone_lock(ngx_socketio_zone_t *zone)
{
    ngx_socketio_mutex_lock(zone);

    if (zone->sh->dirty) {
        ngx_socketio_zone_mend_locked(zone);
    }

    zone->sh->told = 0;
    zone->sh->dirty = 1;
    ngx_memory_barrier();
}


/* That too may be cut short: then somebody else begins it again, but twice. */

static void
ngx_socketio_zone_mend_locked(ngx_socketio_zone_t *zone)
{
    ngx_uint_t               i;
    struct timeval           begin, end;
    ngx_socketio_zone_sh_t  *sh;

    sh = zone->sh;
    ngx_gettimeofday(&begin);

    if (sh->attempts++ < NGX_SOCKETIO_ATTEMPTS) {
        zone->discarded = 0;
        zone->ended = 0;

        ngx_socketio_rebuild_locked(zone);
        ngx_socketio_rebuild_mend_locked(zone);

        sh->stats.rebuilt++;
        zone->rebuilt = 1;

    } else {
        ngx_socketio_zone_empty_locked(zone);
    }

    sh->attempts = 0;
    sh->doubt = 0;
    sh->told = 0;
    sh->emitting = 0;

    /* whoever should have been woken in that hold was not */

    for (i = 0; i < sh->nslots; i++) {
        ngx_socketio_zone_ring_locked(zone, i);
    }

    ngx_gettimeofday(&end);
    zone->usec = (end.tv_sec - begin.tv_sec) * 1000000
                 + (end.tv_usec - begin.tv_usec);
}


static void
ngx_socketio_zone_release(ngx_socketio_zone_t *zone)
{
#if (NGX_SOCKETIO_REBUILD)
    static ngx_uint_t  n;

    if (++n % NGX_SOCKETIO_REBUILD == 0) {
        ngx_socketio_rebuild_check_locked(zone);
    }
#endif

    ngx_memory_barrier();
    *(volatile uint32_t *) &zone->sh->dirty = 0;

    ngx_shmtx_unlock(&zone->shpool->mutex);

    if (zone->rebuilt) {
        zone->rebuilt = 0;

        ngx_log_error(NGX_LOG_ERR, ngx_cycle->log, 0,
                      "zone \"%V\" was rebuilt in %ui us: a worker died while "
                      "it changed it; %ui records freed, %ui sessions closed",
                      &zone->shm_zone->shm.name, zone->usec, zone->discarded,
                      zone->ended);
    }
}


void
ngx_socketio_zone_unlock(ngx_socketio_zone_t *zone)
{
    uint32_t           tenures[NGX_SOCKETIO_OWNED];
    uint64_t           bits, wakes[NGX_SOCKETIO_SLOTS_MAX / 64];
    ngx_uint_t         i, earlier, nowned;
    ngx_socketio_id_t  owned[NGX_SOCKETIO_OWNED];

    earlier = zone->earlier;
    zone->earlier = 0;
    nowned = zone->nowned;

    if (zone->nwakes == 0 && nowned == 0) {
        ngx_socketio_zone_release(zone);

        if (earlier) {
            zone->early(zone);
        }

        return;
    }

    /* the callbacks may lock again: take what is theirs first */

    ngx_memcpy(wakes, zone->wakes, sizeof(wakes));
    ngx_memzero(zone->wakes, sizeof(wakes));
    zone->nwakes = 0;

    ngx_memcpy(owned, zone->owned, nowned * sizeof(ngx_socketio_id_t));
    ngx_memcpy(tenures, zone->tenures, nowned * sizeof(uint32_t));
    zone->nowned = 0;

    ngx_socketio_zone_release(zone);

    if (earlier) {
        zone->early(zone);
    }

    for (i = 0; i < NGX_SOCKETIO_SLOTS_MAX / 64; i++) {
        for (bits = wakes[i]; bits; bits &= bits - 1) {
            zone->wake(zone, i * 64 + __builtin_ctzll(bits));
        }
    }

    for (i = 0; i < nowned; i++) {
        zone->inbox(zone, &owned[i], tenures[i]);
    }
}


void
ngx_socketio_zone_ring_locked(ngx_socketio_zone_t *zone, ngx_uint_t slot)
{
    zone->wakes[slot / 64] |= (uint64_t) 1 << (slot % 64);
    zone->nwakes++;
}


void
ngx_socketio_zone_full(ngx_socketio_zone_t *zone, ngx_log_t *log, char *what)
{
    char  *more;

    more = ngx_socketio_say(&zone->said[NGX_SOCKETIO_SAID_FULL],
                            zone->counters);

    if (more) {
        ngx_log_error(NGX_LOG_ERR, log, 0,
                      "zone \"%V\" is full: %s refused; make it bigger in "
                      "\"socketio_zone\"%s",
                      &zone->shm_zone->shm.name, what, more);
    }
}
