
/*
 * Copyright (C) the ngx_http_socketio_module authors
 */


#include "store/ngx_socketio_budget.h"
#include "store/ngx_socketio_session.h"


/* ms: more than any bucket needs to fill up, and no product overflows */
#define NGX_SOCKETIO_BUDGET_LONG  86400000


static ngx_socketio_ref_t *ngx_socketio_address_bucket_locked(
    ngx_socketio_zone_t *zone, uint32_t hash);
static ngx_socketio_ref_t ngx_socketio_address_find_locked(
    ngx_socketio_zone_t *zone, ngx_socketio_name_t *name);
static ngx_socketio_ref_t ngx_socketio_address_make_locked(
    ngx_socketio_zone_t *zone, ngx_socketio_name_t *name);
static void ngx_socketio_address_leave_locked(ngx_socketio_zone_t *zone,
    ngx_socketio_ref_t ref);
static void ngx_socketio_budget_fill(ngx_socketio_budget_t *budget,
    uint64_t now);
static ngx_msec_t ngx_socketio_budget_wait(ngx_socketio_budget_t *budget);


static ngx_socketio_ref_t *
ngx_socketio_address_bucket_locked(ngx_socketio_zone_t *zone, uint32_t hash)
{
    return &zone->addresses[hash & (zone->sh->nbuckets - 1)];
}


static ngx_socketio_ref_t
ngx_socketio_address_find_locked(ngx_socketio_zone_t *zone,
    ngx_socketio_name_t *name)
{
    ngx_socketio_ref_t       ref;
    ngx_socketio_address_t  *address;

    ref = *ngx_socketio_address_bucket_locked(zone, name->hash);

    for ( /* void */ ; ref; ref = address->hash_next) {
        address = ngx_socketio_rec(zone, ref);

        if (address->hash == name->hash
            && address->len == name->name.len
            && ngx_memcmp(address->address, name->name.data, address->len)
               == 0)
        {
            return ref;
        }
    }

    return 0;
}


ngx_uint_t
ngx_socketio_address_full_locked(ngx_socketio_zone_t *zone,
    ngx_socketio_open_t *open)
{
    ngx_socketio_ref_t       ref;
    ngx_socketio_address_t  *address;

    ref = ngx_socketio_address_find_locked(zone, &open->address);

    if (ref == 0) {
        return 0;
    }

    address = ngx_socketio_rec(zone, ref);

    return address->n >= open->per_ip;
}


/* 0: the zone is full */

static ngx_socketio_ref_t
ngx_socketio_address_make_locked(ngx_socketio_zone_t *zone,
    ngx_socketio_name_t *name)
{
    ngx_socketio_ref_t       ref, *bucket;
    ngx_socketio_address_t  *address;

    ref = ngx_socketio_address_find_locked(zone, name);
    if (ref) {
        return ref;
    }

    ref = ngx_socketio_alloc_locked(zone, NGX_SOCKETIO_ADDRESS);
    if (ref == 0) {
        return 0;
    }

    address = ngx_socketio_rec(zone, ref);

    address->hash = name->hash;
    address->len = (uint8_t) ngx_min(name->name.len, NGX_SOCKETIO_ADDRESS_MAX);
    ngx_memcpy(address->address, name->name.data, address->len);

    bucket = ngx_socketio_address_bucket_locked(zone, name->hash);
    address->hash_next = *bucket;
    *bucket = ref;

    ngx_socketio_used(address);

    return ref;
}


static void
ngx_socketio_address_leave_locked(ngx_socketio_zone_t *zone,
    ngx_socketio_ref_t ref)
{
    ngx_socketio_ref_t      *p;
    ngx_socketio_address_t  *address, *other;

    address = ngx_socketio_rec(zone, ref);

    if (--address->n) {
        return;
    }

    p = ngx_socketio_address_bucket_locked(zone, address->hash);

    while (*p != ref) {
        other = ngx_socketio_rec(zone, *p);
        p = &other->hash_next;
    }

    *p = address->hash_next;

    ngx_socketio_free_locked(zone, ref);
}


ngx_int_t
ngx_socketio_budget_add_locked(ngx_socketio_zone_t *zone,
    ngx_socketio_ref_t session_ref, ngx_socketio_open_t *open, uint64_t now)
{
    ngx_socketio_ref_t       ref, address_ref;
    ngx_socketio_budget_t   *budget;
    ngx_socketio_address_t  *address;
    ngx_socketio_session_t  *session;

    if (open->per_ip == 0 && open->rate == 0 && open->bytes_rate == 0) {
        return NGX_OK;
    }

    ref = ngx_socketio_alloc_locked(zone, NGX_SOCKETIO_BUDGET);
    if (ref == 0) {
        return NGX_BUSY;
    }

    budget = ngx_socketio_rec(zone, ref);

    if (open->per_ip) {
        address_ref = ngx_socketio_address_make_locked(zone, &open->address);

        if (address_ref == 0) {
            ngx_socketio_free_locked(zone, ref);
            return NGX_BUSY;
        }

        address = ngx_socketio_rec(zone, address_ref);
        address->n++;

        budget->address = address_ref;
    }

    budget->session = session_ref;
    budget->at = now;
    budget->rate = (uint32_t) open->rate;
    budget->burst = (uint32_t) open->burst;
    budget->bytes_rate = (uint32_t) open->bytes_rate;
    budget->events = (int64_t) open->burst * NGX_SOCKETIO_BUDGET_EVENT;
    budget->bytes = (int64_t) open->bytes_rate * NGX_SOCKETIO_BUDGET_BYTE;

    session = ngx_socketio_rec(zone, session_ref);
    session->budget = ref;
    session->limited = (open->rate != 0 || open->bytes_rate != 0);

    ngx_socketio_used(budget);

    return NGX_OK;
}


void
ngx_socketio_budget_free_locked(ngx_socketio_zone_t *zone,
    ngx_socketio_ref_t ref)
{
    ngx_socketio_budget_t  *budget;

    if (ref == 0) {
        return;
    }

    budget = ngx_socketio_rec(zone, ref);
    ngx_socketio_unused(budget);

    if (budget->address) {
        ngx_socketio_address_leave_locked(zone, budget->address);
    }

    ngx_socketio_free_locked(zone, ref);
}


ngx_int_t
ngx_socketio_spend(ngx_socketio_zone_t *zone, ngx_socketio_id_t *id,
    size_t bytes, ngx_msec_t timeout, ngx_msec_t *wait, uint64_t now)
{
    ngx_int_t                rc;
    ngx_socketio_budget_t   *budget;
    ngx_socketio_session_t  *session;

    ngx_socketio_zone_lock(zone);

    session = ngx_socketio_find_locked(zone, NGX_SOCKETIO_SESSION, id->ref,
                                       id->gen);

    if (session == NULL || session->eio.state != NGX_SOCKETIO_EIO_OPENED) {
        ngx_socketio_zone_unlock(zone);
        return NGX_DECLINED;
    }

    rc = NGX_OK;

    if (session->limited) {
        budget = ngx_socketio_rec(zone, session->budget);

        ngx_socketio_budget_fill(budget, now);

        *wait = ngx_socketio_budget_wait(budget);

        if (*wait) {
            ngx_socketio_tally(zone, NGX_SOCKETIO_N_PAUSED, !budget->paused);
            budget->paused = 1;

            /* what it is not allowed to send cannot be late */

            ngx_socketio_heard_locked(session, now);
            session->eio.beat.extended = 0;

            if (session->lacking) {
                session->deadline = now + *wait + timeout;
            }

            rc = NGX_AGAIN;

        } else {
            budget->paused = 0;

            if (budget->rate) {
                budget->events -= NGX_SOCKETIO_BUDGET_EVENT;
            }

            if (budget->bytes_rate) {
                budget->bytes -= (int64_t) bytes * NGX_SOCKETIO_BUDGET_BYTE;
            }
        }
    }

    ngx_socketio_zone_unlock(zone);

    return rc;
}


static void
ngx_socketio_budget_fill(ngx_socketio_budget_t *budget, uint64_t now)
{
    int64_t   max;
    uint64_t  ms;

    /* clocks of workers are read at different times */

    if (now <= budget->at) {
        return;
    }

    ms = ngx_min(now - budget->at, NGX_SOCKETIO_BUDGET_LONG);
    budget->at = now;

    max = (int64_t) budget->burst * NGX_SOCKETIO_BUDGET_EVENT;
    budget->events = ngx_min(budget->events + (int64_t) (ms * budget->rate),
                             max);

    max = (int64_t) budget->bytes_rate * NGX_SOCKETIO_BUDGET_BYTE;
    budget->bytes = ngx_min(budget->bytes
                            + (int64_t) (ms * budget->bytes_rate), max);
}


/*
 * ms until a packet may be charged; 0: now.  It needs an event; as to bytes,
 * being out of debt is enough, since one may be larger than the bucket.
 */

static ngx_msec_t
ngx_socketio_budget_wait(ngx_socketio_budget_t *budget)
{
    ngx_msec_t  wait, bytes;

    wait = 0;

    if (budget->rate && budget->events < NGX_SOCKETIO_BUDGET_EVENT) {
        wait = (ngx_msec_t) (NGX_SOCKETIO_BUDGET_EVENT - budget->events
                             + budget->rate - 1)
               / budget->rate;
    }

    if (budget->bytes_rate && budget->bytes <= 0) {
        bytes = (ngx_msec_t) (-budget->bytes) / budget->bytes_rate + 1;
        wait = ngx_max(wait, bytes);
    }

    return wait;
}
