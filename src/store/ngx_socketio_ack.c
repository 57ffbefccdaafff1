
/*
 * Copyright (C) the ngx_http_socketio_module authors
 */


/* What comes of the acks that clients owe, and who is told. */


#include "store/ngx_socketio_ack.h"
#include "store/ngx_socketio_session.h"
#include "store/ngx_socketio_slot.h"
#include "store/ngx_socketio_bytes.h"
#include "store/ngx_socketio_list.h"


#define NGX_SOCKETIO_ACK_BURY  16           /* acks in one hold */


static void ngx_socketio_ack_cut_locked(ngx_socketio_zone_t *zone,
    ngx_socketio_ref_t event);
static void ngx_socketio_ack_keep_locked(ngx_socketio_zone_t *zone,
    ngx_socketio_ref_t event);
static ngx_int_t ngx_socketio_ack_drop_locked(ngx_socketio_zone_t *zone,
    ngx_socketio_ref_t ack, ngx_uint_t n);
static void ngx_socketio_ack_release_locked(ngx_socketio_zone_t *zone,
    ngx_socketio_ref_t ack);


void
ngx_socketio_ack_undo_locked(ngx_socketio_zone_t *zone,
    ngx_socketio_ref_t ref)
{
    (void) ngx_socketio_ack_drop_locked(zone, ref, NGX_MAX_INT_T_VALUE);
}


ngx_socketio_ref_t
ngx_socketio_ack_find_locked(ngx_socketio_zone_t *zone,
    ngx_socketio_ref_t socket_ref, uint64_t number)
{
    ngx_socketio_ref_t      ref;
    ngx_socketio_ack_t     *ack;
    ngx_socketio_event_t   *event;
    ngx_socketio_socket_t  *socket;

    socket = ngx_socketio_rec(zone, socket_ref);

    for (ref = socket->awaited; ref; ref = event->next) {
        event = ngx_socketio_rec(zone, ref);
        ack = ngx_socketio_rec(zone, (ngx_socketio_ref_t) event->ack);

        if (ack->number == number) {
            return ref;
        }
    }

    return 0;
}


ngx_uint_t
ngx_socketio_ack_hooked_locked(ngx_socketio_zone_t *zone,
    ngx_socketio_ref_t ref)
{
    ngx_socketio_ack_t    *ack;
    ngx_socketio_event_t  *event;

    event = ngx_socketio_rec(zone, ref);
    ack = ngx_socketio_rec(zone, (ngx_socketio_ref_t) event->ack);

    return ack->token != 0;
}


void
ngx_socketio_ack_settle_locked(ngx_socketio_zone_t *zone,
    ngx_socketio_ref_t ref, ngx_uint_t kind)
{
    ngx_time_t             *tp;
    ngx_socketio_ref_t      ack_ref;
    ngx_socketio_ack_t     *ack;
    ngx_socketio_event_t   *event;
    ngx_socketio_socket_t  *socket;

    ngx_socketio_ack_cut_locked(zone, ref);

    event = ngx_socketio_rec(zone, ref);

    ack_ref = (ngx_socketio_ref_t) event->ack;
    ack = ngx_socketio_rec(zone, ack_ref);
    ack->received += (kind == NGX_SOCKETIO_EVENT_ACK);

    ngx_socketio_tally(zone, NGX_SOCKETIO_N_ANSWERED
                             + (kind - NGX_SOCKETIO_EVENT_ACK), 1);

    if (ack->token) {
        tp = ngx_timeofday();
        socket = ngx_socketio_rec(zone, event->socket);

        event->rec.kind = (uint8_t) kind;
        event->time = (uint64_t) tp->sec * 1000 + tp->msec;
        event->seq = socket->seq;
        zone->sh->stats.events++;

        ngx_socketio_inbox_add_locked(zone, event->session, ref,
                                      event->body_len + event->attached_len);

        socket->seq = event->seq + 1;

    } else if (kind == NGX_SOCKETIO_EVENT_ACK) {
        ngx_socketio_ack_keep_locked(zone, ref);

    } else {
        ngx_socketio_event_free_locked(zone, ref);
    }

    if (ack->awaited == 0 && !ack->sending) {
        ngx_socketio_ack_finish_locked(zone, ack_ref);
    }
}


/* off the lists of its socket and its ack */

static void
ngx_socketio_ack_cut_locked(ngx_socketio_zone_t *zone, ngx_socketio_ref_t ref)
{
    ngx_socketio_ref_t     *p;
    ngx_socketio_ack_t     *ack;
    ngx_socketio_event_t   *event, *other;
    ngx_socketio_socket_t  *socket;

    event = ngx_socketio_rec(zone, ref);
    ack = ngx_socketio_rec(zone, (ngx_socketio_ref_t) event->ack);
    socket = ngx_socketio_rec(zone, event->socket);

    p = &socket->awaited;

    while (*p != ref) {
        other = ngx_socketio_rec(zone, *p);
        p = &other->next;
    }

    *p = event->next;
    event->next = 0;
    socket->nawaited--;
    zone->sh->now.awaited--;

    ngx_socketio_list_cut_locked(zone, &ack->awaited, NULL, ref,
                                 offsetof(ngx_socketio_event_t, ack_next));
    event->ack_next = 0;
    event->ack_prev = 0;
}


/* for the worker that waits; its socket may go */

static void
ngx_socketio_ack_keep_locked(ngx_socketio_zone_t *zone, ngx_socketio_ref_t ref)
{
    ngx_socketio_ack_t    *ack;
    ngx_socketio_event_t  *event, *last;

    event = ngx_socketio_rec(zone, ref);
    ack = ngx_socketio_rec(zone, (ngx_socketio_ref_t) event->ack);

    /* whose session is 0 is an answer, the last one until it has an order */

    event->session = 0;
    ngx_socketio_order();

    event->socket = 0;
    event->order = 1;

    if (ack->answers_tail) {
        last = ngx_socketio_rec(zone, ack->answers_tail);
        event->order = last->order + 1;
        last->next = ref;

    } else {
        ack->answers = ref;
    }

    ack->answers_tail = ref;
}


/* nobody is left to answer */

void
ngx_socketio_ack_finish_locked(ngx_socketio_zone_t *zone,
    ngx_socketio_ref_t ref)
{
    ngx_socketio_ack_t  *ack;

    ack = ngx_socketio_rec(zone, ref);

    ngx_socketio_wheel_cut_locked(zone, ref);

    if (ack->token == 0) {
        ngx_socketio_bell_locked(zone, ack->conn.slot, ack->conn.gen, ref);

    } else if (ack->refs == 0) {
        ngx_socketio_ack_release_locked(zone, ref);
    }
}


/* turned round first: the oldest one by one would walk all others each time */

void
ngx_socketio_ack_gone_locked(ngx_socketio_zone_t *zone,
    ngx_socketio_ref_t ref)
{
    ngx_socketio_ref_t      next, oldest;
    ngx_socketio_event_t   *event;
    ngx_socketio_socket_t  *socket;

    socket = ngx_socketio_rec(zone, ref);

    for (oldest = 0, ref = socket->awaited; ref; ref = next) {
        event = ngx_socketio_rec(zone, ref);
        next = event->next;
        event->next = oldest;
        oldest = ref;
    }

    socket->awaited = oldest;

    while (socket->awaited) {
        ngx_socketio_ack_settle_locked(zone, socket->awaited,
                                       NGX_SOCKETIO_EVENT_ACK_GONE);
    }
}


ngx_int_t
ngx_socketio_ack_expire_locked(ngx_socketio_zone_t *zone,
    ngx_socketio_ref_t ref)
{
    uint32_t             gen;
    ngx_uint_t           i;
    ngx_socketio_ack_t  *ack;

    ack = ngx_socketio_rec(zone, ref);
    gen = ack->rec.gen;

    for (i = 0; i < NGX_SOCKETIO_ACK_HOLD; i++) {

        /* the last one may take it along */

        ack = ngx_socketio_find_locked(zone, NGX_SOCKETIO_ACK, ref, gen);

        if (ack == NULL || ack->awaited == 0) {
            return NGX_OK;
        }

        if (zone->nowned == NGX_SOCKETIO_OWNED) {
            break;
        }

        ngx_socketio_ack_settle_locked(zone, ack->awaited,
                                       NGX_SOCKETIO_EVENT_ACK_TIMEOUT);
    }

    return NGX_AGAIN;
}


void
ngx_socketio_ack_unref_locked(ngx_socketio_zone_t *zone,
    ngx_socketio_ref_t ref)
{
    ngx_socketio_ack_t  *ack;

    ack = ngx_socketio_rec(zone, ref);

    if (--ack->refs == 0 && ack->token && !ack->sending) {
        ngx_socketio_ack_release_locked(zone, ref);
    }
}


static void
ngx_socketio_ack_release_locked(ngx_socketio_zone_t *zone,
    ngx_socketio_ref_t ref)
{
    ngx_socketio_ack_t  *ack;

    ack = ngx_socketio_rec(zone, ref);

    ngx_socketio_wheel_cut_locked(zone, ref);
    ngx_socketio_unused(ack);
    ngx_socketio_bytes_free_locked(zone, ack->token);

    if (ack->token == 0) {
        ngx_socketio_list_cut_locked(zone, &zone->slots[ack->conn.slot].acks,
                                     NULL, ref,
                                     offsetof(ngx_socketio_ack_t, next));
    }

    ngx_socketio_free_locked(zone, ref);
}


/* with n of its events at the most; NGX_AGAIN: it has more */

static ngx_int_t
ngx_socketio_ack_drop_locked(ngx_socketio_zone_t *zone,
    ngx_socketio_ref_t ref, ngx_uint_t n)
{
    ngx_socketio_ref_t     event_ref;
    ngx_socketio_ack_t    *ack;
    ngx_socketio_event_t  *event;

    ack = ngx_socketio_rec(zone, ref);
    ack->sending = 1;
    ngx_socketio_wheel_cut_locked(zone, ref);

    while (ack->awaited || ack->answers) {

        if (n-- == 0) {
            return NGX_AGAIN;
        }

        event_ref = ack->awaited;

        if (event_ref) {
            ngx_socketio_ack_cut_locked(zone, event_ref);

        } else {
            event_ref = ack->answers;
            event = ngx_socketio_rec(zone, event_ref);
            ack->answers = event->next;
        }

        ngx_socketio_event_free_locked(zone, event_ref);
    }

    ngx_socketio_ack_release_locked(zone, ref);

    return NGX_OK;
}


ngx_int_t
ngx_socketio_ack_bury_locked(ngx_socketio_zone_t *zone,
    ngx_socketio_slot_t *slot)
{
    ngx_uint_t  n;

    for (n = 0; slot->acks; n++) {
        if (n == NGX_SOCKETIO_ACK_BURY
            || ngx_socketio_ack_drop_locked(zone, slot->acks,
                                            NGX_SOCKETIO_ACK_HOLD)
               == NGX_AGAIN)
        {
            return NGX_AGAIN;
        }
    }

    return NGX_OK;
}


ngx_int_t
ngx_socketio_ack_look(ngx_socketio_zone_t *zone, ngx_socketio_id_t *id,
    ngx_socketio_acks_t *acks)
{
    ngx_int_t            rc;
    ngx_socketio_ack_t  *ack;

    rc = NGX_DECLINED;

    ngx_socketio_zone_lock(zone);

    ack = ngx_socketio_find_locked(zone, NGX_SOCKETIO_ACK, id->ref, id->gen);

    if (ack) {
        rc = ack->awaited ? NGX_AGAIN : NGX_OK;
        acks->expected = ack->expected;
        acks->received = ack->received;
        acks->first = ack->answers;
    }

    ngx_socketio_zone_unlock(zone);

    return rc;
}


ngx_int_t
ngx_socketio_ack_answer(ngx_socketio_zone_t *zone, ngx_socketio_id_t *id,
    ngx_socketio_ref_t ref, ngx_socketio_answer_t *answer)
{
    ngx_int_t              rc;
    ngx_socketio_event_t  *event;

    rc = NGX_DECLINED;

    ngx_socketio_zone_lock(zone);

    if (ngx_socketio_find_locked(zone, NGX_SOCKETIO_ACK, id->ref, id->gen)) {
        event = ngx_socketio_rec(zone, ref);

        answer->body = event->body;
        answer->body_len = event->body_len;
        answer->attached = event->attached;
        answer->attached_len = event->attached_len;
        answer->attachments = event->attachments;
        answer->next = event->next;

        rc = NGX_OK;
    }

    ngx_socketio_zone_unlock(zone);

    return rc;
}


void
ngx_socketio_ack_free(ngx_socketio_zone_t *zone, ngx_socketio_id_t *id)
{
    ngx_int_t  rc;

    do {
        rc = NGX_OK;

        ngx_socketio_zone_lock(zone);

        if (ngx_socketio_find_locked(zone, NGX_SOCKETIO_ACK, id->ref, id->gen))
        {
            rc = ngx_socketio_ack_drop_locked(zone, id->ref,
                                              NGX_SOCKETIO_ACK_HOLD);
        }

        ngx_socketio_zone_unlock(zone);

    } while (rc == NGX_AGAIN);
}
