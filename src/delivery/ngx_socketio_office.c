
/*
 * Copyright (C) the ngx_http_socketio_module authors
 */


#include "delivery/ngx_socketio_office.h"
#include "store/ngx_socketio_inbox.h"


/*
 * One turn of the event loop: so many records, writes or bells; then other
 * events have their turn, so that a big room starves nobody.
 */

#define NGX_SOCKETIO_TURN_RECORDS  4096
#define NGX_SOCKETIO_TURN_WRITES   256


static void ngx_socketio_office_handler(ngx_event_t *ev);
static void ngx_socketio_office_take(ngx_socketio_office_t *office);
static ngx_int_t ngx_socketio_office_records(ngx_socketio_office_t *office);
static ngx_int_t ngx_socketio_office_record(ngx_socketio_office_t *office,
    ngx_socketio_ref_t *ref);
static ngx_uint_t ngx_socketio_office_to_room(ngx_socketio_office_t *office,
    ngx_socketio_node_t *node, ngx_socketio_ref_t *ref);
static ngx_int_t ngx_socketio_office_bells(ngx_socketio_office_t *office);
static void ngx_socketio_office_bell(ngx_socketio_office_t *office,
    ngx_socketio_id_t *id);
static void ngx_socketio_office_look_at_all(ngx_socketio_office_t *office);
static void ngx_socketio_office_drop(ngx_socketio_office_t *office,
    ngx_uint_t all);
static void ngx_socketio_office_hurry(ngx_socketio_office_t *office);
static ngx_int_t ngx_socketio_office_flush(ngx_socketio_office_t *office);
static void ngx_socketio_office_return(ngx_socketio_office_t *office);
static ngx_socketio_local_t *ngx_socketio_office_local(
    ngx_socketio_office_t *office, uint32_t handle, uint32_t gen);



ngx_socketio_office_t *
ngx_socketio_office_create(ngx_socketio_zone_t *zone)
{
    ngx_socketio_office_t  *office;

    office = ngx_calloc(sizeof(ngx_socketio_office_t), ngx_cycle->log);
    if (office == NULL) {
        return NULL;
    }

    office->zone = zone;
    office->event.handler = ngx_socketio_office_handler;
    office->event.data = office;
    office->event.log = ngx_cycle->log;

    ngx_queue_init(&office->flush);

    return office;
}


void
ngx_socketio_office_destroy(ngx_socketio_office_t *office)
{
    ngx_socketio_index_destroy(&office->index);

    if (office->event.posted) {
        ngx_delete_posted_event(&office->event);
    }

    if (office->handles) {
        ngx_free(office->handles);
        ngx_free(office->spare);
    }

    ngx_free(office);

    ngx_socketio_pins_destroy();
}


void
ngx_socketio_office_post(ngx_socketio_office_t *office)
{
    ngx_post_event(&office->event, &ngx_posted_events);
}


static void
ngx_socketio_office_handler(ngx_event_t *ev)
{
    ngx_socketio_office_run(ev->data);
}


void
ngx_socketio_office_run(ngx_socketio_office_t *office)
{
    ngx_int_t             more;
    ngx_socketio_zone_t  *zone;

    zone = office->zone;

    if (zone->emptied != (uint32_t) zone->sh->stats.emptied) {
        /* what was taken is no more */
        office->left = 0;
        office->bells = office->letters.nbells;
        ngx_socketio_office_take(office);

    } else if (office->left == 0
        && office->bells == office->letters.nbells
        && ngx_queue_empty(&office->flush))
    {
        ngx_socketio_office_take(office);
    }

    /* in the order of the mailbox, what was rung for behind it */

    more = ngx_socketio_office_records(office);

    if (more == NGX_OK) {
        more = ngx_socketio_office_bells(office);
    }

    if (ngx_socketio_office_flush(office) == NGX_AGAIN || more == NGX_AGAIN) {
        ngx_post_event(&office->event, &ngx_posted_next_events);
    }

    ngx_socketio_office_return(office);
}


static void
ngx_socketio_office_take(ngx_socketio_office_t *office)
{
    char                    *more;
    ngx_socketio_letters_t  *letters;

    letters = &office->letters;

    ngx_socketio_slot_take(office->zone, letters, ngx_current_msec);

    office->left = letters->n;
    office->bells = 0;

    if (letters->emptied) {
        ngx_log_error(NGX_LOG_CRIT, ngx_cycle->log, 0,
                      "zone \"%V\" was emptied: a worker died while it "
                      "changed it", &office->zone->shm_zone->shm.name);

        /* the nodes of before are no more */

        office->nback = 0;
        ngx_socketio_office_drop(office, 1);

    } else if (letters->overrun) {
        more = ngx_socketio_say(&office->zone->said[NGX_SOCKETIO_SAID_OVERRUN],
                                office->zone->counters);

        if (more) {
            ngx_log_error(NGX_LOG_ERR, ngx_cycle->log, 0,
                          "this worker did not read its mailbox in zone "
                          "\"%V\": it closes its websockets%s",
                          &office->zone->shm_zone->shm.name, more);
        }

        ngx_socketio_office_drop(office, 0);
    }

    if (letters->all) {
        ngx_socketio_office_look_at_all(office);
    }

    if (letters->hurry && !office->hurried) {
        ngx_socketio_office_hurry(office);
    }
}


/* its websockets are told once more that the worker leaves */

static void
ngx_socketio_office_hurry(ngx_socketio_office_t *office)
{
    ngx_uint_t             i;
    ngx_socketio_local_t  *local;

    ngx_log_error(NGX_LOG_NOTICE, ngx_cycle->log, 0,
                  "new workers need the slot of this one: it closes its "
                  "websockets");

    office->hurried = 1;
    office->zone->hurry(office->zone);

    for (i = 0; i < office->nhandles; i++) {
        local = office->handles[i];

        if (local && local->ops->deliver) {
            local->ops->leave(local);
        }
    }
}


static ngx_int_t
ngx_socketio_office_records(ngx_socketio_office_t *office)
{
    ngx_uint_t  n;

    n = 0;

    while (office->left) {

        if (n >= NGX_SOCKETIO_TURN_RECORDS) {
            return NGX_AGAIN;
        }

        n += ngx_socketio_office_record(office, &office->letters.nodes);
        office->left--;
    }

    return NGX_OK;
}


/* returns how many deliveries it was; *ref becomes the next record */

static ngx_int_t
ngx_socketio_office_record(ngx_socketio_office_t *office,
    ngx_socketio_ref_t *ref)
{
    ngx_queue_t           *q;
    ngx_socketio_pin_t    *pin;
    ngx_socketio_desk_t   *desk;
    ngx_socketio_node_t   *node;
    ngx_socketio_seat_t   *seat;
    ngx_socketio_local_t  *local;

    node = ngx_socketio_rec(office->zone, *ref);

    if (node->rec.kind == NGX_SOCKETIO_TO_ROOM) {
        return ngx_socketio_office_to_room(office, node, ref);
    }

    if (node->rec.kind == NGX_SOCKETIO_NOT_ROOM) {
        desk = ngx_socketio_desk(&office->index, node->room, node->room_gen);

        if (desk) {
            for (q = ngx_queue_head(&desk->seats);
                 q != ngx_queue_sentinel(&desk->seats);
                 q = ngx_queue_next(q))
            {
                seat = ngx_queue_data(q, ngx_socketio_seat_t, queue);
                seat->local->mark = node->seq;
            }
        }

        goto done;
    }

    local = ngx_socketio_office_local(office, node->conn, node->session_gen);

    if (local == NULL || node->seq <= local->from_seq) {
        goto done;
    }

    switch (node->rec.kind) {

    case NGX_SOCKETIO_TO_SOCKET:
        local->mark = node->seq;
        pin = ngx_socketio_pin(office->zone, ref);

        if (pin) {
            local->ops->deliver(local, pin);
            ngx_socketio_local_flush_later(local);
            ngx_socketio_pin_release(pin);
            return 1;
        }

        ngx_socketio_end(office->zone, &local->session,
                         NGX_SOCKETIO_REASON_TRANSPORT_ERROR,
                         ngx_current_msec);
        return 1;

    case NGX_SOCKETIO_NOT_SOCKET:
        local->mark = node->seq;
        break;

    case NGX_SOCKETIO_JOINED:
        if (ngx_socketio_seat(&office->index, local, node->socket, node->room,
                              node->room_gen)
            != NGX_OK)
        {
            ngx_socketio_end(office->zone, &local->session,
                             NGX_SOCKETIO_REASON_TRANSPORT_ERROR,
                             ngx_current_msec);
        }

        break;

    case NGX_SOCKETIO_LEFT:
        ngx_socketio_unseat(&office->index, local, node->socket, node->room);
        break;
    }

done:

    node = ngx_socketio_rec(office->zone, *ref);
    ngx_socketio_office_give_back(office, *ref);
    *ref = node->next;

    return 1;
}


static ngx_uint_t
ngx_socketio_office_to_room(ngx_socketio_office_t *office,
    ngx_socketio_node_t *node, ngx_socketio_ref_t *ref)
{
    ngx_uint_t             n;
    ngx_queue_t           *q;
    ngx_socketio_pin_t    *pin;
    ngx_socketio_desk_t   *desk;
    ngx_socketio_seat_t   *seat;
    ngx_socketio_local_t  *local;

    desk = ngx_socketio_desk(&office->index, node->room, node->room_gen);

    if (desk == NULL) {
        ngx_socketio_office_give_back(office, *ref);
        *ref = node->next;
        return 1;
    }

    pin = ngx_socketio_pin(office->zone, ref);
    n = 1;

    for (q = ngx_queue_head(&desk->seats);
         q != ngx_queue_sentinel(&desk->seats);
         q = ngx_queue_next(q))
    {
        seat = ngx_queue_data(q, ngx_socketio_seat_t, queue);
        local = seat->local;

        if (node->seq <= local->from_seq || local->mark == node->seq) {
            continue;
        }

        local->mark = node->seq;

        if (pin == NULL) {
            ngx_socketio_end(office->zone, &local->session,
                             NGX_SOCKETIO_REASON_TRANSPORT_ERROR,
                             ngx_current_msec);
            continue;
        }

        local->ops->deliver(local, pin);
        ngx_socketio_local_flush_later(local);
        n++;
    }

    if (pin) {
        ngx_socketio_pin_release(pin);
    }

    return n;
}


static ngx_int_t
ngx_socketio_office_bells(ngx_socketio_office_t *office)
{
    ngx_uint_t  n;

    for (n = 0; office->bells < office->letters.nbells; n++) {
        ngx_socketio_office_bell(office,
                                 &office->letters.bells[office->bells++]);
    }

    return NGX_OK;
}


static void
ngx_socketio_office_bell(ngx_socketio_office_t *office,
    ngx_socketio_id_t *id)
{
    int64_t                handles[NGX_SOCKETIO_CONNS];
    uint32_t               tenure;
    ngx_uint_t             i;
    ngx_socketio_local_t  *local;

    if (ngx_socketio_mine(office->zone, id, handles, &tenure) != NGX_OK) {
        return;
    }

    for (i = 0; i < NGX_SOCKETIO_CONNS; i++) {

        if (handles[i] < 0) {
            continue;
        }

        local = ngx_socketio_office_local(office, (uint32_t) handles[i],
                                          id->gen);
        if (local) {
            local->ops->look(local);
        }
    }

    if (tenure) {
        office->zone->inbox(office->zone, id, tenure);
    }
}


static void
ngx_socketio_office_look_at_all(ngx_socketio_office_t *office)
{
    uint32_t               tenure;
    ngx_int_t              rc;
    ngx_uint_t             i;
    ngx_socketio_id_t      id;
    ngx_socketio_ref_t     cursor;
    ngx_socketio_local_t  *local;

    for (i = 0; i < office->nhandles; i++) {
        local = office->handles[i];

        if (local && local->session.ref) {
            local->ops->look(local);
        }
    }

    cursor = 0;

    do {
        rc = ngx_socketio_inbox_handed(office->zone, &cursor, &id, &tenure);

        if (rc == NGX_OK) {
            office->zone->inbox(office->zone, &id, tenure);
        }
    } while (rc != NGX_DONE);
}


/* the websockets, or all connections, whose sessions are lost */

static void
ngx_socketio_office_drop(ngx_socketio_office_t *office, ngx_uint_t all)
{
    ngx_uint_t             i;
    ngx_socketio_local_t  *local;

    for (i = 0; i < office->nhandles; i++) {
        local = office->handles[i];

        if (local == NULL || (!all && local->ops->deliver == NULL)) {
            continue;
        }

        ngx_socketio_end(office->zone, &local->session,
                         NGX_SOCKETIO_REASON_TRANSPORT_ERROR,
                         ngx_current_msec);
        local->ops->drop(local);
    }
}


static ngx_int_t
ngx_socketio_office_flush(ngx_socketio_office_t *office)
{
    ngx_uint_t             n;
    ngx_queue_t           *q;
    ngx_socketio_local_t  *local;

    for (n = 0; !ngx_queue_empty(&office->flush); n++) {

        if (n == NGX_SOCKETIO_TURN_WRITES) {
            return NGX_AGAIN;
        }

        q = ngx_queue_head(&office->flush);
        ngx_queue_remove(q);

        local = ngx_queue_data(q, ngx_socketio_local_t, flush);
        local->flushing = 0;
        local->ops->flush(local);
    }

    return NGX_OK;
}


void
ngx_socketio_office_leave(ngx_socketio_office_t *office)
{
    ngx_uint_t             i;
    ngx_socketio_local_t  *local;

    ngx_socketio_slot_exiting(office->zone);
    office->zone->leave(office->zone);

    for (i = 0; i < office->nhandles; i++) {
        local = office->handles[i];

        if (local && local->ops->leave) {
            local->ops->leave(local);
        }
    }

    ngx_socketio_office_post(office);
}


static ngx_socketio_local_t *
ngx_socketio_office_local(ngx_socketio_office_t *office, uint32_t handle,
    uint32_t gen)
{
    ngx_socketio_local_t  *local;

    if (handle >= office->nhandles) {
        return NULL;
    }

    local = office->handles[handle];

    return (local && local->session.gen == gen) ? local : NULL;
}


void
ngx_socketio_office_give_back(ngx_socketio_office_t *office,
    ngx_socketio_ref_t node)
{
    if (office->nback == NGX_SOCKETIO_BACK) {
        ngx_socketio_office_return(office);
    }

    if (office->nback == 0) {
        ngx_socketio_office_post(office);
    }

    office->back[office->nback++] = node;
}


static void
ngx_socketio_office_return(ngx_socketio_office_t *office)
{
    ngx_uint_t  n;

    n = office->nback;

    if (n) {
        office->nback = 0;
        ngx_socketio_slot_give_back(office->zone, office->back, n);
    }
}
