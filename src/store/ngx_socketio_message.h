
/*
 * Copyright (C) the ngx_http_socketio_module authors
 */


/*
 * Messages, and the nodes that hold them: in an outbox, in a slot's mailbox
 * or on its held list.  A message lives while a node holds it, or a worker
 * fills it.
 */


#ifndef _NGX_SOCKETIO_MESSAGE_H_INCLUDED_
#define _NGX_SOCKETIO_MESSAGE_H_INCLUDED_


#include "store/ngx_socketio_list.h"


/*
 * Held list of this worker's slot: its own to read without the lock, since
 * nobody else takes nodes off it while its process lives.
 */

/* 0: the zone is full; filled by this slot until ..._release_locked() */
ngx_socketio_ref_t ngx_socketio_message_alloc_locked(
    ngx_socketio_zone_t *zone, size_t len);
void ngx_socketio_message_release_locked(ngx_socketio_zone_t *zone,
    ngx_socketio_ref_t message);
/*
 * A message of these parts, one after the other; a large one is filled
 * without the lock, which is held on return in any case.  Also the way to
 * have a large byte chain filled: see ..._strip_locked().
 */
ngx_socketio_ref_t ngx_socketio_message_make_lock(ngx_socketio_zone_t *zone,
    ngx_str_t *parts, ngx_uint_t n);
/* the same for who can do nothing without it: 0 is counted, and unlocked */
ngx_socketio_ref_t ngx_socketio_message_try_lock(ngx_socketio_zone_t *zone,
    ngx_str_t *parts, ngx_uint_t n);
/* the message is no more, its bytes are the new owner's */
ngx_socketio_ref_t ngx_socketio_message_strip_locked(
    ngx_socketio_zone_t *zone, ngx_socketio_ref_t message,
    ngx_socketio_ref_t owner, ngx_socketio_ref_t *tail);

/* as a node does; the last one to drop it frees it */
void ngx_socketio_message_hold_locked(ngx_socketio_zone_t *zone,
    ngx_socketio_ref_t message);
void ngx_socketio_message_drop_locked(ngx_socketio_zone_t *zone,
    ngx_socketio_ref_t message);

/*
 * 0: the zone is full.  Who has filled it in, with owner and number, marks it
 * used, and then links it.
 */
ngx_socketio_ref_t ngx_socketio_node_alloc_locked(ngx_socketio_zone_t *zone,
    ngx_socketio_ref_t message, ngx_uint_t kind);
void ngx_socketio_node_free_locked(ngx_socketio_zone_t *zone,
    ngx_socketio_ref_t node);
void ngx_socketio_nodes_free_locked(ngx_socketio_zone_t *zone,
    ngx_socketio_ref_t *head, ngx_socketio_ref_t *tail);

#define ngx_socketio_nodes_add_locked(zone, head, tail, node)                 \
    ngx_socketio_list_add_locked(zone, head, tail, node,                      \
                                 offsetof(ngx_socketio_node_t, next))
#define ngx_socketio_nodes_cut_locked(zone, head, tail, node)                 \
    ngx_socketio_list_cut_locked(zone, head, tail, node,                      \
                                 offsetof(ngx_socketio_node_t, next))
/* all of one list to the end of a held list; the nodes get that owner */
void ngx_socketio_nodes_move_locked(ngx_socketio_zone_t *zone,
    ngx_socketio_ref_t *head, ngx_socketio_ref_t *tail,
    ngx_socketio_ref_t *to, ngx_socketio_ref_t *to_tail,
    ngx_socketio_ref_t owner);


#endif /* _NGX_SOCKETIO_MESSAGE_H_INCLUDED_ */
