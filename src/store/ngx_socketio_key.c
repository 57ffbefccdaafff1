
/*
 * Copyright (C) the ngx_http_socketio_module authors
 */


#include "store/ngx_socketio_key.h"
#include "store/ngx_socketio_list.h"


#define NGX_SOCKETIO_KEY_USE    4           /* forgotten when one is taken */
#define NGX_SOCKETIO_KEY_HOLD   64          /* ... in one hold of the tick */
#define NGX_SOCKETIO_KEY_HOLDS  64

/* those that one page has */
#define NGX_SOCKETIO_KEY_PAGE                                                 \
    (NGX_SOCKETIO_PAGE / sizeof(ngx_socketio_keyed_t))


static ngx_socketio_ref_t ngx_socketio_key_find_locked(
    ngx_socketio_zone_t *zone, ngx_socketio_name_t *key);
static ngx_uint_t ngx_socketio_key_left_locked(ngx_socketio_zone_t *zone,
    ngx_socketio_keyed_t *keyed);
static ngx_socketio_ref_t ngx_socketio_key_make_locked(
    ngx_socketio_zone_t *zone, ngx_socketio_name_t *key, u_char *op,
    uint64_t now);
static void ngx_socketio_key_append_locked(ngx_socketio_zone_t *zone,
    ngx_socketio_ref_t ref, uint64_t now);
static void ngx_socketio_key_unlink_locked(ngx_socketio_zone_t *zone,
    ngx_socketio_ref_t ref);
static void ngx_socketio_key_free_locked(ngx_socketio_zone_t *zone,
    ngx_socketio_ref_t ref);
static ngx_uint_t ngx_socketio_key_purge_locked(ngx_socketio_zone_t *zone,
    uint64_t now, ngx_uint_t max);


ngx_int_t
ngx_socketio_key_take(ngx_socketio_zone_t *zone, ngx_socketio_name_t *key,
    ngx_socketio_id_t *id, ngx_socketio_key_result_t *result, uint64_t now)
{
    ngx_int_t              rc;
    ngx_socketio_ref_t     ref;
    ngx_socketio_keyed_t  *keyed;

    ngx_socketio_zone_lock(zone);

    (void) ngx_socketio_key_purge_locked(zone, now, NGX_SOCKETIO_KEY_USE);

    ref = ngx_socketio_key_find_locked(zone, key);

    if (ref) {
        keyed = ngx_socketio_rec(zone, ref);

        /* those behind the few above wait for the tick: time is up though */

        if (keyed->deadline <= now
            || (keyed->rec.kind == NGX_SOCKETIO_KEY_RUNS
                && ngx_socketio_key_left_locked(zone, keyed)))
        {
            ngx_socketio_key_free_locked(zone, ref);
            ref = 0;
        }
    }

    if (ref == 0) {
        ref = ngx_socketio_key_make_locked(zone, key, result->op, now);
        rc = NGX_BUSY;

        if (ref) {
            keyed = ngx_socketio_rec(zone, ref);
            id->ref = ref;
            id->gen = keyed->rec.gen;
            rc = NGX_OK;
        }

    } else if (keyed->rec.kind != NGX_SOCKETIO_KEY_RAN
               && !ngx_socketio_key_left_locked(zone, keyed))
    {
        rc = NGX_DECLINED;

    } else {
        ngx_memcpy(result->op, keyed->op, NGX_SOCKETIO_KEY_OP);
        result->count = keyed->count;
        rc = NGX_DONE;
    }

    ngx_socketio_zone_unlock(zone);

    return rc;
}


void
ngx_socketio_key_ran(ngx_socketio_zone_t *zone, ngx_socketio_id_t *id,
    ngx_socketio_key_result_t *result, uint64_t now)
{
    ngx_socketio_keyed_t  *keyed;

    ngx_socketio_zone_lock(zone);

    keyed = ngx_socketio_find_locked(zone, NGX_SOCKETIO_KEY, id->ref,
                                     id->gen);
    if (keyed) {
        ngx_memcpy(keyed->op, result->op, NGX_SOCKETIO_KEY_OP);
        keyed->count = result->count;
        ngx_socketio_order();
        keyed->rec.kind = NGX_SOCKETIO_KEY_RAN;

        /* its time begins anew, at the end of those that have the most */

        ngx_socketio_key_unlink_locked(zone, id->ref);
        ngx_socketio_key_append_locked(zone, id->ref, now);
    }

    ngx_socketio_zone_unlock(zone);
}


void
ngx_socketio_key_drop(ngx_socketio_zone_t *zone, ngx_socketio_id_t *id)
{
    ngx_socketio_zone_lock(zone);

    if (ngx_socketio_find_locked(zone, NGX_SOCKETIO_KEY, id->ref, id->gen)) {
        ngx_socketio_key_free_locked(zone, id->ref);
    }

    ngx_socketio_zone_unlock(zone);
}


void
ngx_socketio_key_expire(ngx_socketio_zone_t *zone, uint64_t now)
{
    ngx_uint_t  i, n;

    for (i = 0; i < NGX_SOCKETIO_KEY_HOLDS; i++) {

        /* mostly there are none, which needs no lock */

        if (*(volatile uint32_t *) &zone->sh->nkeys == 0) {
            return;
        }

        ngx_socketio_zone_lock(zone);
        n = ngx_socketio_key_purge_locked(zone, now, NGX_SOCKETIO_KEY_HOLD);
        ngx_socketio_zone_unlock(zone);

        if (n < NGX_SOCKETIO_KEY_HOLD) {
            return;
        }
    }
}


static ngx_socketio_ref_t
ngx_socketio_key_find_locked(ngx_socketio_zone_t *zone,
    ngx_socketio_name_t *key)
{
    ngx_socketio_ref_t     ref;
    ngx_socketio_keyed_t  *keyed;

    ref = zone->keys[key->hash & (zone->sh->nbuckets - 1)];

    for ( /* void */ ; ref; ref = keyed->hash_next) {
        keyed = ngx_socketio_rec(zone, ref);

        if (keyed->hash == key->hash
            && keyed->len == key->name.len
            && ngx_memcmp(keyed->key, key->name.data, key->name.len) == 0)
        {
            return ref;
        }
    }

    return 0;
}


/* who ran its command has died */

static ngx_uint_t
ngx_socketio_key_left_locked(ngx_socketio_zone_t *zone,
    ngx_socketio_keyed_t *keyed)
{
    return zone->slots[keyed->rec.link].gen != keyed->slot_gen;
}


/* 0: the zone is full, and no other key can make room */

static ngx_socketio_ref_t
ngx_socketio_key_make_locked(ngx_socketio_zone_t *zone,
    ngx_socketio_name_t *key, u_char *op, uint64_t now)
{
    ngx_socketio_ref_t      ref;
    ngx_socketio_keyed_t   *keyed;
    ngx_socketio_zone_sh_t *sh;

    sh = zone->sh;
    ref = 0;

    if (sh->nkeys < ngx_max(sh->npages / 8, 1) * NGX_SOCKETIO_KEY_PAGE) {
        ref = ngx_socketio_alloc_locked(zone, NGX_SOCKETIO_KEY);
    }

    if (ref == 0) {

        if (sh->key == 0) {
            sh->stats.full++;
            return 0;
        }

        ngx_socketio_key_free_locked(zone, sh->key);
        sh->stats.forgotten++;

        /* on the page of the one before, or on a free page */
        ref = ngx_socketio_alloc_locked(zone, NGX_SOCKETIO_KEY);
    }

    keyed = ngx_socketio_rec(zone, ref);

    keyed->rec.kind = NGX_SOCKETIO_KEY_RUNS;
    keyed->rec.link = (uint16_t) zone->slot;
    keyed->slot_gen = zone->slot_gen;
    ngx_memcpy(keyed->op, op, NGX_SOCKETIO_KEY_OP);
    keyed->hash = key->hash;
    keyed->len = (uint8_t) key->name.len;
    ngx_memcpy(keyed->key, key->name.data, key->name.len);

    ngx_socketio_key_link_locked(zone, ref);
    ngx_socketio_key_append_locked(zone, ref, now);
    sh->nkeys++;

    ngx_socketio_used(keyed);

    return ref;
}


void
ngx_socketio_key_link_locked(ngx_socketio_zone_t *zone,
    ngx_socketio_ref_t ref)
{
    ngx_socketio_ref_t    *bucket;
    ngx_socketio_keyed_t  *keyed;

    keyed = ngx_socketio_rec(zone, ref);
    bucket = &zone->keys[keyed->hash & (zone->sh->nbuckets - 1)];

    keyed->hash_next = *bucket;
    *bucket = ref;
}


static void
ngx_socketio_key_append_locked(ngx_socketio_zone_t *zone,
    ngx_socketio_ref_t ref, uint64_t now)
{
    ngx_socketio_keyed_t    *keyed, *last;
    ngx_socketio_zone_sh_t  *sh;

    sh = zone->sh;
    keyed = ngx_socketio_rec(zone, ref);

    keyed->deadline = now + NGX_SOCKETIO_KEY_MSEC;

    if (sh->key_tail) {
        /* clocks of workers differ by little, and the list is in order */
        last = ngx_socketio_rec(zone, sh->key_tail);
        keyed->deadline = ngx_max(keyed->deadline, last->deadline);
    }

    ngx_socketio_list_add_locked(zone, &sh->key, &sh->key_tail, ref,
                                 offsetof(ngx_socketio_keyed_t, next));
}


static void
ngx_socketio_key_unlink_locked(ngx_socketio_zone_t *zone,
    ngx_socketio_ref_t ref)
{
    ngx_socketio_list_cut_locked(zone, &zone->sh->key, &zone->sh->key_tail,
                                 ref, offsetof(ngx_socketio_keyed_t, next));
}


static void
ngx_socketio_key_free_locked(ngx_socketio_zone_t *zone,
    ngx_socketio_ref_t ref)
{
    ngx_socketio_ref_t    *p;
    ngx_socketio_keyed_t  *keyed;

    keyed = ngx_socketio_rec(zone, ref);
    p = &zone->keys[keyed->hash & (zone->sh->nbuckets - 1)];

    while (*p != ref) {
        p = &((ngx_socketio_keyed_t *) ngx_socketio_rec(zone, *p))->hash_next;
    }

    *p = keyed->hash_next;

    ngx_socketio_key_unlink_locked(zone, ref);
    zone->sh->nkeys--;

    ngx_socketio_free_locked(zone, ref);
}


/* returns how many there were, "max" at the most */

static ngx_uint_t
ngx_socketio_key_purge_locked(ngx_socketio_zone_t *zone, uint64_t now,
    ngx_uint_t max)
{
    ngx_uint_t             n;
    ngx_socketio_keyed_t  *keyed;

    for (n = 0; n < max && zone->sh->key; n++) {
        keyed = ngx_socketio_rec(zone, zone->sh->key);

        if (keyed->deadline > now) {
            break;
        }

        ngx_socketio_key_free_locked(zone, zone->sh->key);
    }

    return n;
}
