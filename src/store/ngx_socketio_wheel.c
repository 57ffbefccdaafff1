
/*
 * Copyright (C) the ngx_http_socketio_module authors
 */


/*
 * Deadlines of sessions and acks, in buckets of 10 ms, turned by whose tick
 * comes first.  What moves a deadline later only stores it: the record is
 * looked at, and put where it belongs, when its bucket comes up.  One that is
 * further away than the wheel is long comes by, and goes on.
 */


#include "store/ngx_socketio_session.h"
#include "store/ngx_socketio_ack.h"
#include "store/ngx_socketio_recovery.h"


#define NGX_SOCKETIO_WHEEL_HOLD  64         /* records */


/* where a record keeps its place on the wheel */

typedef struct {
    ngx_socketio_ref_t        *next;
    ngx_socketio_ref_t        *prev;
    uint16_t                  *bucket;      /* + 1; 0: in none */
} ngx_socketio_spoke_t;


static void ngx_socketio_wheel_spoke_locked(ngx_socketio_zone_t *zone,
    ngx_socketio_ref_t ref, ngx_socketio_spoke_t *spoke);
static uint64_t ngx_socketio_wheel_due_locked(ngx_socketio_zone_t *zone,
    ngx_socketio_ref_t ref);
static ngx_int_t ngx_socketio_wheel_ack_locked(ngx_socketio_zone_t *zone,
    ngx_socketio_ref_t ref, uint64_t now);
static void ngx_socketio_wheel_look_locked(ngx_socketio_zone_t *zone,
    ngx_socketio_ref_t ref, uint64_t now);


static void
ngx_socketio_wheel_spoke_locked(ngx_socketio_zone_t *zone,
    ngx_socketio_ref_t ref, ngx_socketio_spoke_t *spoke)
{
    ngx_socketio_ack_t      *ack;
    ngx_socketio_session_t  *session;

    if (ngx_socketio_type(zone, ref) == NGX_SOCKETIO_ACK) {
        ack = ngx_socketio_rec(zone, ref);
        spoke->next = &ack->wheel_next;
        spoke->prev = &ack->wheel_prev;
        spoke->bucket = &ack->wheel;
        return;
    }

    session = ngx_socketio_rec(zone, ref);
    spoke->next = &session->wheel_next;
    spoke->prev = &session->wheel_prev;
    spoke->bucket = &session->wheel;
}


/* 0: nothing is due, ever */

static uint64_t
ngx_socketio_wheel_due_locked(ngx_socketio_zone_t *zone,
    ngx_socketio_ref_t ref)
{
    ngx_socketio_session_t  *session;

    if (ngx_socketio_type(zone, ref) == NGX_SOCKETIO_ACK) {
        return ((ngx_socketio_ack_t *) ngx_socketio_rec(zone, ref))->deadline;
    }

    session = ngx_socketio_rec(zone, ref);

    if (session->eio.state == NGX_SOCKETIO_EIO_CLOSED) {
        /* at once: if nobody else waits for it, the wheel frees it */
        return 1;
    }

    if (session->eio.state == NGX_SOCKETIO_EIO_LINGERS
        || session->eio.transport == NGX_SOCKETIO_EIO_WEBSOCKET)
    {
        /* a websocket's heartbeat is its worker's */
        return session->deadline;
    }

    return (session->deadline && session->deadline < session->eio.beat.at)
           ? session->deadline : session->eio.beat.at;
}


void
ngx_socketio_wheel_set_locked(ngx_socketio_zone_t *zone,
    ngx_socketio_ref_t ref)
{
    uint64_t               due, at;
    ngx_uint_t             bucket;
    ngx_socketio_ref_t    *head;
    ngx_socketio_spoke_t   spoke, first;

    ngx_socketio_wheel_cut_locked(zone, ref);

    due = ngx_socketio_wheel_due_locked(zone, ref);

    if (due == 0) {
        return;
    }

    ngx_socketio_wheel_spoke_locked(zone, ref, &spoke);

    /* up to the next bucket: never looked at too early */

    at = due / NGX_SOCKETIO_WHEEL_MSEC + 1;

    if (at <= zone->sh->wheel_at) {
        at = zone->sh->wheel_at + 1;

    } else if (at >= zone->sh->wheel_at + NGX_SOCKETIO_WHEEL) {
        at = zone->sh->wheel_at + NGX_SOCKETIO_WHEEL - 1;
    }

    bucket = at % NGX_SOCKETIO_WHEEL;
    head = &zone->sh->wheel[bucket];

    *spoke.bucket = (uint16_t) (bucket + 1);
    *spoke.prev = 0;
    *spoke.next = *head;

    if (*head) {
        ngx_socketio_wheel_spoke_locked(zone, *head, &first);
        *first.prev = ref;
    }

    *head = ref;
    zone->sh->wheel_map[bucket / 64] |= (uint64_t) 1 << (bucket % 64);

    if (at * NGX_SOCKETIO_WHEEL_MSEC < zone->tick) {
        /* the worker has set its timer for later */
        zone->tick = at * NGX_SOCKETIO_WHEEL_MSEC;
        zone->earlier = 1;
    }
}


void
ngx_socketio_wheel_cut_locked(ngx_socketio_zone_t *zone,
    ngx_socketio_ref_t ref)
{
    ngx_uint_t            bucket;
    ngx_socketio_spoke_t  spoke, other;

    ngx_socketio_wheel_spoke_locked(zone, ref, &spoke);

    if (*spoke.bucket == 0) {
        return;
    }

    bucket = *spoke.bucket - 1;
    *spoke.bucket = 0;

    if (*spoke.prev) {
        ngx_socketio_wheel_spoke_locked(zone, *spoke.prev, &other);
        *other.next = *spoke.next;

    } else {
        zone->sh->wheel[bucket] = *spoke.next;
    }

    if (*spoke.next) {
        ngx_socketio_wheel_spoke_locked(zone, *spoke.next, &other);
        *other.prev = *spoke.prev;
    }

    if (zone->sh->wheel[bucket] == 0) {
        zone->sh->wheel_map[bucket / 64] &= ~((uint64_t) 1 << (bucket % 64));
    }
}


void
ngx_socketio_wheel_turn(ngx_socketio_zone_t *zone, uint64_t now)
{
    uint64_t                 at;
    ngx_uint_t               n;
    ngx_socketio_ref_t       ref;
    ngx_socketio_zone_sh_t  *sh;

    sh = zone->sh;
    at = now / NGX_SOCKETIO_WHEEL_MSEC;

    while (*(volatile uint64_t *) &sh->wheel_at < at) {

        ngx_socketio_zone_lock(zone);

        if (sh->wheel_at == 0 || at - sh->wheel_at > NGX_SOCKETIO_WHEEL) {
            /* the first turn, or all workers slept for long */
            sh->wheel_at = at - ngx_min(at, NGX_SOCKETIO_WHEEL);
        }

        for (n = 0; n < NGX_SOCKETIO_WHEEL_HOLD; n++) {

            while (sh->wheel_at < at
                   && sh->wheel[(sh->wheel_at + 1) % NGX_SOCKETIO_WHEEL] == 0)
            {
                sh->wheel_at++;
            }

            if (sh->wheel_at >= at || zone->nowned == NGX_SOCKETIO_OWNED) {
                break;
            }

            ref = sh->wheel[(sh->wheel_at + 1) % NGX_SOCKETIO_WHEEL];

            if (ngx_socketio_type(zone, ref) == NGX_SOCKETIO_ACK) {
                if (ngx_socketio_wheel_ack_locked(zone, ref, now)
                    == NGX_AGAIN)
                {
                    break;
                }

                continue;
            }

            ngx_socketio_wheel_cut_locked(zone, ref);
            ngx_socketio_wheel_look_locked(zone, ref, now);
        }

        ngx_socketio_zone_unlock(zone);
    }

    ngx_socketio_recovery_turn(zone, now);
}


/* NGX_AGAIN: it stays where it is, for another hold */

static ngx_int_t
ngx_socketio_wheel_ack_locked(ngx_socketio_zone_t *zone,
    ngx_socketio_ref_t ref, uint64_t now)
{
    if (now < ngx_socketio_wheel_due_locked(zone, ref)) {
        ngx_socketio_wheel_set_locked(zone, ref);
        return NGX_OK;
    }

    return ngx_socketio_ack_expire_locked(zone, ref);
}


static void
ngx_socketio_wheel_look_locked(ngx_socketio_zone_t *zone,
    ngx_socketio_ref_t ref, uint64_t now)
{
    uint64_t                 grace;
    ngx_uint_t               over;
    ngx_socketio_session_t  *session;

    session = ngx_socketio_rec(zone, ref);

    if (session->eio.state == NGX_SOCKETIO_EIO_CLOSED) {
        ngx_socketio_session_release_locked(zone, ref);
        return;
    }

    over = (session->deadline && now >= session->deadline);

    if (over) {
        grace = ngx_socketio_eio_grace(session->deadline, now,
                                       session->timeout);
        session->deadline = grace ? now + grace : 0;
        over = (grace == 0);
    }

    if (over && session->lacking) {
        ngx_socketio_tally(zone, NGX_SOCKETIO_N_UNFINISHED, 1);

        ngx_socketio_session_step_locked(zone, ref,
                                         NGX_SOCKETIO_EIO_EV_BAD_PACKET, now);

    } else if (over) {

        /* never joined a namespace, or never came for its close packet */

        ngx_socketio_session_end_locked(zone, ref,
                                   NGX_SOCKETIO_REASON_FORCED_SERVER, now);
    } else {
        ngx_socketio_session_step_locked(zone, ref,
                                         NGX_SOCKETIO_EIO_EV_TIME, now);
    }

    ngx_socketio_wheel_set_locked(zone, ref);
}


ngx_msec_t
ngx_socketio_wheel_next(ngx_socketio_zone_t *zone, uint64_t now)
{
    uint64_t    at;
    ngx_uint_t  i, bucket;

    at = zone->sh->wheel_at;

    for (i = 1; i < 1000 / NGX_SOCKETIO_WHEEL_MSEC; i++) {
        bucket = (at + i) % NGX_SOCKETIO_WHEEL;

        if (zone->sh->wheel_map[bucket / 64]
            & (uint64_t) 1 << (bucket % 64))
        {
            at = (at + i) * NGX_SOCKETIO_WHEEL_MSEC;
            return (at > now) ? (ngx_msec_t) (at - now) : 1;
        }
    }

    return 1000;
}
