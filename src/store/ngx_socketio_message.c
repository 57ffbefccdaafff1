
/*
 * Copyright (C) the ngx_http_socketio_module authors
 */


#include "store/ngx_socketio_message.h"
#include "store/ngx_socketio_bytes.h"


static void ngx_socketio_message_free_locked(ngx_socketio_zone_t *zone,
    ngx_socketio_ref_t message);


ngx_socketio_ref_t
ngx_socketio_message_alloc_locked(ngx_socketio_zone_t *zone, size_t len)
{
    ngx_socketio_ref_t       ref;
    ngx_socketio_slot_t     *slot;
    ngx_socketio_message_t  *message;

    ref = ngx_socketio_alloc_locked(zone, NGX_SOCKETIO_MESSAGE);
    if (ref == 0) {
        return 0;
    }

    message = ngx_socketio_rec(zone, ref);

    message->bytes = ngx_socketio_bytes_alloc_locked(zone, ref, len, NULL);
    if (message->bytes == 0) {
        ngx_socketio_free_locked(zone, ref);
        return 0;
    }

    slot = &zone->slots[zone->slot];

    message->len = (uint32_t) len;
    message->owner = (uint32_t) zone->slot + 1;

    ngx_socketio_list_push_locked(zone, &slot->messages, ref,
                                  offsetof(ngx_socketio_message_t, next));
    ngx_socketio_used(message);

    return ref;
}


void
ngx_socketio_message_release_locked(ngx_socketio_zone_t *zone,
    ngx_socketio_ref_t ref)
{
    ngx_socketio_message_t  *message;

    message = ngx_socketio_rec(zone, ref);

    ngx_socketio_list_cut_locked(zone,
                                 &zone->slots[message->owner - 1].messages,
                                 NULL, ref,
                                 offsetof(ngx_socketio_message_t, next));
    message->owner = 0;

    if (message->nodes == 0) {
        ngx_socketio_message_free_locked(zone, ref);
    }
}


ngx_socketio_ref_t
ngx_socketio_message_make_lock(ngx_socketio_zone_t *zone, ngx_str_t *parts,
    ngx_uint_t n)
{
    size_t                   len;
    uint32_t                 gen;
    ngx_uint_t               i;
    ngx_socketio_ref_t       ref;
    ngx_socketio_message_t  *message;

    for (len = 0, i = 0; i < n; i++) {
        len += parts[i].len;
    }

    ngx_socketio_zone_lock(zone);

    ref = ngx_socketio_message_alloc_locked(zone, len);
    if (ref == 0) {
        return 0;
    }

    message = ngx_socketio_rec(zone, ref);

    if (len <= NGX_SOCKETIO_COPY_LOCKED) {
        ngx_socketio_bytes_write(zone, message->bytes, parts, n);
        return ref;
    }

    gen = message->rec.gen;

    ngx_socketio_zone_unlock(zone);

    ngx_socketio_bytes_write(zone, message->bytes, parts, n);

    ngx_socketio_zone_lock(zone);

    /* the zone may have been emptied meanwhile */

    return ngx_socketio_find_locked(zone, NGX_SOCKETIO_MESSAGE, ref, gen)
           ? ref : 0;
}


ngx_socketio_ref_t
ngx_socketio_message_try_lock(ngx_socketio_zone_t *zone, ngx_str_t *parts,
    ngx_uint_t n)
{
    ngx_socketio_ref_t  ref;

    ref = ngx_socketio_message_make_lock(zone, parts, n);

    if (ref == 0) {
        zone->sh->stats.full++;
        ngx_socketio_zone_unlock(zone);
    }

    return ref;
}


ngx_socketio_ref_t
ngx_socketio_message_strip_locked(ngx_socketio_zone_t *zone,
    ngx_socketio_ref_t ref, ngx_socketio_ref_t owner, ngx_socketio_ref_t *tail)
{
    ngx_socketio_ref_t       bytes;
    ngx_socketio_message_t  *message;

    message = ngx_socketio_rec(zone, ref);
    bytes = message->bytes;
    message->bytes = 0;

    *tail = ngx_socketio_bytes_own_locked(zone, bytes, owner);
    ngx_socketio_message_release_locked(zone, ref);

    return bytes;
}


static void
ngx_socketio_message_free_locked(ngx_socketio_zone_t *zone,
    ngx_socketio_ref_t ref)
{
    ngx_socketio_message_t  *message;

    message = ngx_socketio_rec(zone, ref);
    ngx_socketio_unused(message);

    ngx_socketio_bytes_free_locked(zone, message->bytes);
    ngx_socketio_free_locked(zone, ref);
}


void
ngx_socketio_message_hold_locked(ngx_socketio_zone_t *zone,
    ngx_socketio_ref_t ref)
{
    ((ngx_socketio_message_t *) ngx_socketio_rec(zone, ref))->nodes++;
}


void
ngx_socketio_message_drop_locked(ngx_socketio_zone_t *zone,
    ngx_socketio_ref_t ref)
{
    ngx_socketio_message_t  *message;

    message = ngx_socketio_rec(zone, ref);

    if (--message->nodes == 0 && message->owner == 0) {
        ngx_socketio_message_free_locked(zone, ref);
    }
}


ngx_socketio_ref_t
ngx_socketio_node_alloc_locked(ngx_socketio_zone_t *zone,
    ngx_socketio_ref_t message, ngx_uint_t kind)
{
    ngx_socketio_ref_t    ref;
    ngx_socketio_node_t  *node;

    ref = ngx_socketio_alloc_locked(zone, NGX_SOCKETIO_NODE);
    if (ref == 0) {
        return 0;
    }

    node = ngx_socketio_rec(zone, ref);
    node->rec.kind = (uint8_t) kind;
    node->rec.link = 0;
    node->message = message;

    if (message) {
        ngx_socketio_message_hold_locked(zone, message);
    }

    return ref;
}


void
ngx_socketio_node_free_locked(ngx_socketio_zone_t *zone,
    ngx_socketio_ref_t ref)
{
    ngx_socketio_node_t  *node;

    node = ngx_socketio_rec(zone, ref);
    ngx_socketio_unused(node);

    if (node->message) {
        ngx_socketio_message_drop_locked(zone, node->message);
    }

    ngx_socketio_free_locked(zone, ref);
}


void
ngx_socketio_nodes_free_locked(ngx_socketio_zone_t *zone,
    ngx_socketio_ref_t *head, ngx_socketio_ref_t *tail)
{
    ngx_socketio_ref_t    ref, next;
    ngx_socketio_node_t  *node;

    for (ref = *head; ref; ref = next) {
        node = ngx_socketio_rec(zone, ref);
        next = node->next;
        ngx_socketio_node_free_locked(zone, ref);
    }

    *head = 0;
    *tail = 0;
}


void
ngx_socketio_nodes_move_locked(ngx_socketio_zone_t *zone,
    ngx_socketio_ref_t *head, ngx_socketio_ref_t *tail,
    ngx_socketio_ref_t *to, ngx_socketio_ref_t *to_tail,
    ngx_socketio_ref_t owner)
{
    ngx_socketio_ref_t    ref;
    ngx_socketio_node_t  *node;

    if (*head == 0) {
        return;
    }

    node = ngx_socketio_rec(zone, *head);

    if (node->owner != owner) {
        for (ref = *head; ref; ref = node->next) {
            node = ngx_socketio_rec(zone, ref);
            node->rec.link |= NGX_SOCKETIO_HELD;
            ngx_socketio_order();
            node->owner = owner;
        }

        node = ngx_socketio_rec(zone, *head);
    }

    node->prev = *to_tail;

    if (*to_tail) {
        node = ngx_socketio_rec(zone, *to_tail);
        node->next = *head;

    } else {
        *to = *head;
    }

    *to_tail = *tail;
    *head = 0;
    *tail = 0;
}
