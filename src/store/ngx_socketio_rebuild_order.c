
/*
 * Copyright (C) the ngx_http_socketio_module authors
 */


/* The order of lists that have one, and the wheel. */


#include "store/ngx_socketio_rebuild.h"


#define NGX_SOCKETIO_RUNS  32               /* lists of 2^32 are sorted */


/* which comes first; ties keep to the life that is older */

typedef ngx_int_t (*ngx_socketio_cmp_pt)(ngx_socketio_zone_t *zone,
    ngx_socketio_ref_t one, ngx_socketio_ref_t two);

typedef struct {
    size_t                     at;          /* of the link; 0: an entry's */
    ngx_socketio_cmp_pt        cmp;
} ngx_socketio_sort_t;


static void ngx_socketio_order_sessions_locked(ngx_socketio_zone_t *zone);
static void ngx_socketio_order_events_locked(ngx_socketio_zone_t *zone);
static void ngx_socketio_order_wheel_locked(ngx_socketio_zone_t *zone);
static void ngx_socketio_sort_locked(ngx_socketio_zone_t *zone,
    ngx_socketio_sort_t *sort, ngx_socketio_ref_t *head);
static ngx_socketio_ref_t ngx_socketio_merge_locked(
    ngx_socketio_zone_t *zone, ngx_socketio_sort_t *sort,
    ngx_socketio_ref_t one, ngx_socketio_ref_t two);
static ngx_socketio_ref_t *ngx_socketio_sort_link_locked(
    ngx_socketio_zone_t *zone, ngx_socketio_sort_t *sort,
    ngx_socketio_ref_t ref);
static ngx_socketio_ref_t ngx_socketio_backwards_locked(
    ngx_socketio_zone_t *zone, ngx_socketio_ref_t head, size_t at);
static ngx_int_t ngx_socketio_cmp_gen_locked(ngx_socketio_zone_t *zone,
    ngx_socketio_ref_t one, ngx_socketio_ref_t two);
static ngx_int_t ngx_socketio_cmp_newest_locked(ngx_socketio_zone_t *zone,
    ngx_socketio_ref_t one, ngx_socketio_ref_t two);
static ngx_int_t ngx_socketio_cmp_node_locked(ngx_socketio_zone_t *zone,
    ngx_socketio_ref_t one, ngx_socketio_ref_t two);
static ngx_int_t ngx_socketio_cmp_entry_locked(ngx_socketio_zone_t *zone,
    ngx_socketio_ref_t one, ngx_socketio_ref_t two);
static ngx_int_t ngx_socketio_cmp_answer_locked(ngx_socketio_zone_t *zone,
    ngx_socketio_ref_t one, ngx_socketio_ref_t two);
static ngx_int_t ngx_socketio_cmp_pass_locked(ngx_socketio_zone_t *zone,
    ngx_socketio_ref_t one, ngx_socketio_ref_t two);
static ngx_int_t ngx_socketio_cmp_key_locked(ngx_socketio_zone_t *zone,
    ngx_socketio_ref_t one, ngx_socketio_ref_t two);


static ngx_socketio_sort_t  ngx_socketio_sort_nodes = {
    offsetof(ngx_socketio_node_t, next), ngx_socketio_cmp_node_locked
};

static ngx_socketio_sort_t  ngx_socketio_sort_entries = {
    0, ngx_socketio_cmp_entry_locked
};

static ngx_socketio_sort_t  ngx_socketio_sort_sockets = {
    offsetof(ngx_socketio_socket_t, next), ngx_socketio_cmp_newest_locked
};

static ngx_socketio_sort_t  ngx_socketio_sort_members = {
    offsetof(ngx_socketio_member_t, socket_next),
    ngx_socketio_cmp_newest_locked
};

static ngx_socketio_sort_t  ngx_socketio_sort_awaited = {
    offsetof(ngx_socketio_event_t, next), ngx_socketio_cmp_newest_locked
};

static ngx_socketio_sort_t  ngx_socketio_sort_answers = {
    offsetof(ngx_socketio_event_t, next), ngx_socketio_cmp_answer_locked
};

static ngx_socketio_sort_t  ngx_socketio_sort_log = {
    offsetof(ngx_socketio_log_t, next), ngx_socketio_cmp_gen_locked
};

static ngx_socketio_sort_t  ngx_socketio_sort_lost = {
    offsetof(ngx_socketio_pass_t, next), ngx_socketio_cmp_pass_locked
};

static ngx_socketio_sort_t  ngx_socketio_sort_keys = {
    offsetof(ngx_socketio_keyed_t, next), ngx_socketio_cmp_key_locked
};


void
ngx_socketio_rebuild_order_locked(ngx_socketio_zone_t *zone)
{
    ngx_uint_t               i;
    ngx_socketio_slot_t     *slot;
    ngx_socketio_zone_sh_t  *sh;

    sh = zone->sh;

    ngx_socketio_order_sessions_locked(zone);
    ngx_socketio_order_events_locked(zone);

    for (i = 0; i < sh->nslots; i++) {
        slot = &zone->slots[i];

        ngx_socketio_sort_locked(zone, &ngx_socketio_sort_nodes,
                                 &slot->mailbox);
        slot->mailbox_tail = ngx_socketio_backwards_locked(zone,
                        slot->mailbox, offsetof(ngx_socketio_node_t, next));

        /* not a list that was kept, which a worker may be reading */

        if (slot->held && slot->held_tail == 0) {
            ngx_socketio_sort_locked(zone, &ngx_socketio_sort_nodes,
                                     &slot->held);
            slot->held_tail = ngx_socketio_backwards_locked(zone, slot->held,
                                       offsetof(ngx_socketio_node_t, next));
        }
    }

    ngx_socketio_sort_locked(zone, &ngx_socketio_sort_log, &sh->log);
    sh->log_tail = ngx_socketio_backwards_locked(zone, sh->log,
                                         offsetof(ngx_socketio_log_t, next));

    ngx_socketio_sort_locked(zone, &ngx_socketio_sort_lost, &sh->lost);
    sh->lost_tail = ngx_socketio_backwards_locked(zone, sh->lost,
                                        offsetof(ngx_socketio_pass_t, next));

    ngx_socketio_sort_locked(zone, &ngx_socketio_sort_keys, &sh->key);
    sh->key_tail = ngx_socketio_backwards_locked(zone, sh->key,
                                       offsetof(ngx_socketio_keyed_t, next));

    ngx_socketio_order_wheel_locked(zone);
}


static void
ngx_socketio_order_sessions_locked(ngx_socketio_zone_t *zone)
{
    ngx_socketio_ref_t       ref, last;
    ngx_socketio_socket_t   *socket;
    ngx_socketio_session_t  *session;

    ngx_socketio_rebuild_each(zone, NGX_SOCKETIO_SESSION, ref) {
        session = ngx_socketio_rec(zone, ref);

        ngx_socketio_sort_locked(zone, &ngx_socketio_sort_nodes,
                                 &session->outbox);
        session->outbox_tail = ngx_socketio_backwards_locked(zone,
                      session->outbox, offsetof(ngx_socketio_node_t, next));

        ngx_socketio_sort_locked(zone, &ngx_socketio_sort_sockets,
                                 &session->sockets);

        ngx_socketio_sort_locked(zone, &ngx_socketio_sort_entries,
                                 &session->inbox);

        for (last = session->inbox;
             last;
             last = *ngx_socketio_entry_link_locked(zone, last))
        {
            session->inbox_tail = last;
        }
    }

    ngx_socketio_rebuild_each(zone, NGX_SOCKETIO_SOCKET, ref) {
        socket = ngx_socketio_rec(zone, ref);

        ngx_socketio_sort_locked(zone, &ngx_socketio_sort_members,
                                 &socket->members);
        ngx_socketio_sort_locked(zone, &ngx_socketio_sort_awaited,
                                 &socket->awaited);
    }
}


static void
ngx_socketio_order_events_locked(ngx_socketio_zone_t *zone)
{
    uint32_t               order;
    ngx_socketio_ref_t     ref, e;
    ngx_socketio_ack_t    *ack;
    ngx_socketio_event_t  *event;

    ngx_socketio_rebuild_each(zone, NGX_SOCKETIO_ACK, ref) {
        ack = ngx_socketio_rec(zone, ref);

        ngx_socketio_sort_locked(zone, &ngx_socketio_sort_answers,
                                 &ack->answers);

        for (order = 0, e = ack->answers; e; e = event->next) {
            event = ngx_socketio_rec(zone, e);

            if (event->order == 0) {
                /* it had just come */
                event->order = order + 1;
            }

            order = event->order;
            ack->answers_tail = e;
        }
    }
}


static void
ngx_socketio_order_wheel_locked(ngx_socketio_zone_t *zone)
{
    ngx_socketio_ref_t   ref;
    ngx_socketio_ack_t  *ack;

    ngx_socketio_rebuild_each(zone, NGX_SOCKETIO_SESSION, ref) {
        ngx_socketio_wheel_set_locked(zone, ref);
    }

    ngx_socketio_rebuild_each(zone, NGX_SOCKETIO_ACK, ref) {
        ack = ngx_socketio_rec(zone, ref);

        if (ack->awaited && !ack->sending) {
            ngx_socketio_wheel_set_locked(zone, ref);
        }
    }
}


/* by merging, from runs of one on: in place, and as many steps as it takes */

static void
ngx_socketio_sort_locked(ngx_socketio_zone_t *zone,
    ngx_socketio_sort_t *sort, ngx_socketio_ref_t *head)
{
    ngx_uint_t           i, n;
    ngx_socketio_ref_t   ref, next, *link, runs[NGX_SOCKETIO_RUNS];

    if (*head == 0 || *ngx_socketio_sort_link_locked(zone, sort, *head) == 0) {
        return;
    }

    n = 0;

    for (ref = *head; ref; ref = next) {
        link = ngx_socketio_sort_link_locked(zone, sort, ref);
        next = *link;
        *link = 0;

        for (i = 0; i < n && runs[i]; i++) {
            ref = ngx_socketio_merge_locked(zone, sort, runs[i], ref);
            runs[i] = 0;
        }

        if (i == n) {
            n++;
        }

        runs[i] = ref;
    }

    for (ref = 0, i = 0; i < n; i++) {
        if (runs[i]) {
            ref = ngx_socketio_merge_locked(zone, sort, runs[i], ref);
        }
    }

    *head = ref;
}


static ngx_socketio_ref_t
ngx_socketio_merge_locked(ngx_socketio_zone_t *zone,
    ngx_socketio_sort_t *sort, ngx_socketio_ref_t one, ngx_socketio_ref_t two)
{
    ngx_socketio_ref_t   head, *link;
    ngx_socketio_cmp_pt  cmp;

    cmp = sort->cmp;
    link = &head;

    while (one && two) {

        if (cmp(zone, one, two) <= 0) {
            *link = one;
            link = ngx_socketio_sort_link_locked(zone, sort, one);
            one = *link;

        } else {
            *link = two;
            link = ngx_socketio_sort_link_locked(zone, sort, two);
            two = *link;
        }
    }

    *link = one ? one : two;

    return head;
}


static ngx_socketio_ref_t *
ngx_socketio_sort_link_locked(ngx_socketio_zone_t *zone,
    ngx_socketio_sort_t *sort, ngx_socketio_ref_t ref)
{
    if (sort->at == 0) {
        return ngx_socketio_entry_link_locked(zone, ref);
    }

    return (ngx_socketio_ref_t *) ((u_char *) ngx_socketio_rec(zone, ref)
                                   + sort->at);
}


/* "prev", which is behind "next", along a list; returns its last */

static ngx_socketio_ref_t
ngx_socketio_backwards_locked(ngx_socketio_zone_t *zone,
    ngx_socketio_ref_t ref, size_t at)
{
    ngx_socketio_ref_t  prev, *link;

    for (prev = 0; ref; ref = link[0]) {
        link = (ngx_socketio_ref_t *) ((u_char *) ngx_socketio_rec(zone, ref)
                                       + at);
        link[1] = prev;
        prev = ref;
    }

    return prev;
}


static ngx_int_t
ngx_socketio_cmp_gen_locked(ngx_socketio_zone_t *zone,
    ngx_socketio_ref_t one, ngx_socketio_ref_t two)
{
    ngx_socketio_rec_t  *a, *b;

    a = ngx_socketio_rec(zone, one);
    b = ngx_socketio_rec(zone, two);

    /* they are given one after the other, and pass by 0 */

    return (int32_t) (a->gen - b->gen);
}


static ngx_int_t
ngx_socketio_cmp_newest_locked(ngx_socketio_zone_t *zone,
    ngx_socketio_ref_t one, ngx_socketio_ref_t two)
{
    return ngx_socketio_cmp_gen_locked(zone, two, one);
}


/* of one emit, what is for a room comes behind what says who is not meant */

static ngx_int_t
ngx_socketio_cmp_node_locked(ngx_socketio_zone_t *zone,
    ngx_socketio_ref_t one, ngx_socketio_ref_t two)
{
    ngx_socketio_node_t  *a, *b;

    a = ngx_socketio_rec(zone, one);
    b = ngx_socketio_rec(zone, two);

    if (a->seq != b->seq) {
        return (a->seq < b->seq) ? -1 : 1;
    }

    if ((a->rec.kind == NGX_SOCKETIO_TO_ROOM)
        != (b->rec.kind == NGX_SOCKETIO_TO_ROOM))
    {
        return (b->rec.kind == NGX_SOCKETIO_TO_ROOM) ? -1 : 1;
    }

    return ngx_socketio_cmp_gen_locked(zone, one, two);
}


static ngx_int_t
ngx_socketio_cmp_entry_locked(ngx_socketio_zone_t *zone,
    ngx_socketio_ref_t one, ngx_socketio_ref_t two)
{
    return (int32_t) (ngx_socketio_entry_order_locked(zone, one)
                      - ngx_socketio_entry_order_locked(zone, two));
}


static ngx_int_t
ngx_socketio_cmp_answer_locked(ngx_socketio_zone_t *zone,
    ngx_socketio_ref_t one, ngx_socketio_ref_t two)
{
    ngx_socketio_event_t  *a, *b;

    a = ngx_socketio_rec(zone, one);
    b = ngx_socketio_rec(zone, two);

    if ((a->order == 0) != (b->order == 0)) {
        return a->order ? -1 : 1;
    }

    return (int32_t) (a->order - b->order);
}


static ngx_int_t
ngx_socketio_cmp_pass_locked(ngx_socketio_zone_t *zone,
    ngx_socketio_ref_t one, ngx_socketio_ref_t two)
{
    ngx_socketio_pass_t  *a, *b;

    a = ngx_socketio_rec(zone, one);
    b = ngx_socketio_rec(zone, two);

    if (a->time != b->time) {
        return (a->time < b->time) ? -1 : 1;
    }

    return ngx_socketio_cmp_gen_locked(zone, one, two);
}


static ngx_int_t
ngx_socketio_cmp_key_locked(ngx_socketio_zone_t *zone,
    ngx_socketio_ref_t one, ngx_socketio_ref_t two)
{
    ngx_socketio_keyed_t  *a, *b;

    a = ngx_socketio_rec(zone, one);
    b = ngx_socketio_rec(zone, two);

    if (a->deadline != b->deadline) {
        return (a->deadline < b->deadline) ? -1 : 1;
    }

    return ngx_socketio_cmp_gen_locked(zone, one, two);
}
