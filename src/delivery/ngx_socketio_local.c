
/*
 * Copyright (C) the ngx_http_socketio_module authors
 */


/*
 * What the layers above hold of this worker: handles for their connections,
 * and pins on the messages that they write.
 */


#include "delivery/ngx_socketio_office.h"
#include "store/ngx_socketio_bytes.h"


static ngx_socketio_pin_t  *ngx_socketio_free_pins;


ngx_int_t
ngx_socketio_local_add(ngx_socketio_local_t *local)
{
    uint32_t                *spare;
    ngx_uint_t               i, n;
    ngx_socketio_local_t   **handles;
    ngx_socketio_office_t   *office;

    office = local->zone->data;

    if (office->nspare == 0) {

        n = office->nhandles ? office->nhandles * 2 : 64;

        handles = ngx_calloc(n * sizeof(ngx_socketio_local_t *),
                             ngx_cycle->log);
        spare = ngx_alloc(n * sizeof(uint32_t), ngx_cycle->log);

        if (handles == NULL || spare == NULL) {
            if (handles) {
                ngx_free(handles);
            }

            if (spare) {
                ngx_free(spare);
            }

            return NGX_ERROR;
        }

        if (office->handles) {
            ngx_memcpy(handles, office->handles,
                       office->nhandles * sizeof(ngx_socketio_local_t *));
            ngx_free(office->handles);
            ngx_free(office->spare);
        }

        for (i = n; i > office->nhandles; i--) {
            spare[office->nspare++] = (uint32_t) (i - 1);
        }

        office->handles = handles;
        office->spare = spare;
        office->nhandles = n;
    }

    local->handle = office->spare[--office->nspare];
    local->registered = 1;
    local->flushing = 0;
    local->seats = NULL;
    local->mark = 0;

    office->handles[local->handle] = local;

    return NGX_OK;
}


void
ngx_socketio_local_remove(ngx_socketio_local_t *local)
{
    ngx_socketio_office_t  *office;

    if (!local->registered) {
        return;
    }

    office = local->zone->data;

    ngx_socketio_unseat(&office->index, local, 0, 0);

    if (local->flushing) {
        ngx_queue_remove(&local->flush);
        local->flushing = 0;
    }

    office->handles[local->handle] = NULL;
    office->spare[office->nspare++] = local->handle;
    local->registered = 0;
}


ngx_int_t
ngx_socketio_local_seat(ngx_socketio_local_t *local,
    ngx_socketio_ref_t socket, ngx_socketio_ref_t room, uint32_t room_gen)
{
    ngx_socketio_office_t  *office;

    office = local->zone->data;

    return ngx_socketio_seat(&office->index, local, socket, room, room_gen);
}


ngx_int_t
ngx_socketio_local_catch_up(ngx_socketio_local_t *local)
{
    ngx_socketio_office_t  *office;

    office = local->zone->data;

    /* the first may only end a turn begun earlier */

    ngx_socketio_office_run(office);
    ngx_socketio_office_run(office);

    return (office->left == 0 && ngx_queue_empty(&office->flush)) ? NGX_OK
                                                                  : NGX_AGAIN;
}


void
ngx_socketio_local_flush_later(ngx_socketio_local_t *local)
{
    ngx_socketio_office_t  *office;

    if (local->flushing) {
        return;
    }

    office = local->zone->data;

    local->flushing = 1;
    ngx_queue_insert_tail(&office->flush, &local->flush);
    ngx_socketio_office_post(office);
}


ngx_socketio_pin_t *
ngx_socketio_pin(ngx_socketio_zone_t *zone, ngx_socketio_ref_t *ref)
{
    size_t                   len;
    ngx_socketio_ref_t       next;
    ngx_socketio_pin_t      *pin;
    ngx_socketio_node_t     *node;
    ngx_socketio_message_t  *message;

    node = ngx_socketio_rec(zone, *ref);
    pin = ngx_socketio_free_pins;

    if (pin) {
        ngx_socketio_free_pins = (ngx_socketio_pin_t *) pin->data;

    } else {
        pin = ngx_alloc(sizeof(ngx_socketio_pin_t), ngx_cycle->log);

        if (pin == NULL) {
            ngx_socketio_office_give_back(zone->data, *ref);
            *ref = node->next;
            return NULL;
        }
    }

    message = ngx_socketio_rec(zone, node->message);

    pin->zone = zone;
    pin->node = *ref;
    pin->bytes = message->bytes;
    pin->len = message->len;
    pin->users = 1;
    pin->epoch = zone->emptied;
    pin->flags = node->rec.link;
    pin->variants = NULL;
    pin->data = ngx_socketio_bytes_span(zone, pin->bytes, &len, &next);

    if (len != pin->len) {
        pin->data = NULL;
    }

    *ref = node->next;

    return pin;
}


void
ngx_socketio_pin_release(ngx_socketio_pin_t *pin)
{
    ngx_socketio_variant_t  *variant;

    if (--pin->users) {
        return;
    }

    while (pin->variants) {
        variant = pin->variants;
        pin->variants = variant->next;
        ngx_free(variant);
    }

    if (pin->epoch == pin->zone->emptied) {
        ngx_socketio_office_give_back(pin->zone->data, pin->node);
    }

    pin->data = (u_char *) ngx_socketio_free_pins;
    ngx_socketio_free_pins = pin;
}


ngx_socketio_variant_t *
ngx_socketio_pin_variant(ngx_socketio_pin_t *pin, uint64_t kind)
{
    ngx_socketio_variant_t  *variant;

    for (variant = pin->variants; variant; variant = variant->next) {
        if (variant->kind == kind) {
            break;
        }
    }

    return variant;
}


ngx_socketio_variant_t *
ngx_socketio_pin_variant_add(ngx_socketio_pin_t *pin, uint64_t kind,
    size_t len)
{
    ngx_socketio_variant_t  *variant;

    variant = ngx_alloc(sizeof(ngx_socketio_variant_t) + len, ngx_cycle->log);
    if (variant == NULL) {
        return NULL;
    }

    variant->kind = kind;
    variant->len = len;
    variant->data = (u_char *) (variant + 1);

    variant->next = pin->variants;
    pin->variants = variant;

    return variant;
}


void
ngx_socketio_pin_none(ngx_socketio_zone_t *zone, ngx_socketio_ref_t ref,
    ngx_uint_t n)
{
    ngx_socketio_node_t  *node;

    while (n--) {
        node = ngx_socketio_rec(zone, ref);
        ngx_socketio_office_give_back(zone->data, ref);
        ref = node->next;
    }
}


void
ngx_socketio_pins_destroy(void)
{
    ngx_socketio_pin_t  *pin;

    while (ngx_socketio_free_pins) {
        pin = ngx_socketio_free_pins;
        ngx_socketio_free_pins = (ngx_socketio_pin_t *) pin->data;
        ngx_free(pin);
    }
}
