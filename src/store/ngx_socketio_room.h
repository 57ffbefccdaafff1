
/*
 * Copyright (C) the ngx_http_socketio_module authors
 */


/*
 * Rooms and namespaces, and who is in them.  A namespace is a room without
 * parent, its members are all its connected sockets; a room's parent is its
 * namespace.  A member is on the room's polling or websocket list, so that an
 * emit walks only the former; members of ended sockets are on neither, but
 * keep the room until the backend has heard of the end, or the socket cannot
 * be recovered any more.
 */


#ifndef _NGX_SOCKETIO_ROOM_H_INCLUDED_
#define _NGX_SOCKETIO_ROOM_H_INCLUDED_


#include "store/ngx_socketio_records.h"


#define NGX_SOCKETIO_HIDDEN  2              /* kind of a member: on no list */


typedef struct {
    ngx_str_t                  name;
    uint32_t                   hash;
} ngx_socketio_name_t;


/*
 * Secret, so that nobody can choose names that share a bucket.  Set once, in
 * the master, before the first name.
 */
extern uint64_t  ngx_socketio_name_seed;


/* to be called without the lock; the name is not copied */
void ngx_socketio_name_set(ngx_socketio_name_t *name, ngx_str_t *text);

/* 0: there is none */
ngx_socketio_ref_t ngx_socketio_room_find_locked(ngx_socketio_zone_t *zone,
    ngx_socketio_ref_t parent, ngx_socketio_name_t *name);
/* ... else made; the caller adds a reference or calls ..._drop_locked(); 0:
   the zone is full */
ngx_socketio_ref_t ngx_socketio_room_make_locked(ngx_socketio_zone_t *zone,
    ngx_socketio_ref_t parent, ngx_socketio_name_t *name);
/* into the table, by its parent and hash */
void ngx_socketio_room_link_locked(ngx_socketio_zone_t *zone,
    ngx_socketio_ref_t room);
void ngx_socketio_room_ref_locked(ngx_socketio_zone_t *zone,
    ngx_socketio_ref_t room);
void ngx_socketio_room_unref_locked(ngx_socketio_zone_t *zone,
    ngx_socketio_ref_t room);
/* frees it if nobody refers to it */
void ngx_socketio_room_drop_locked(ngx_socketio_zone_t *zone,
    ngx_socketio_ref_t room);

/* 0: not a member */
ngx_socketio_ref_t ngx_socketio_member_find_locked(ngx_socketio_zone_t *zone,
    ngx_socketio_socket_t *socket, ngx_socketio_ref_t room);
/* on list 0 (polling) or 1 (websocket); 0: the zone is full */
ngx_socketio_ref_t ngx_socketio_member_add_locked(ngx_socketio_zone_t *zone,
    ngx_socketio_ref_t socket, ngx_socketio_ref_t room, ngx_uint_t list);
/* off both lists; the record stays on its socket */
void ngx_socketio_member_hide_locked(ngx_socketio_zone_t *zone,
    ngx_socketio_ref_t member);
/* on a list again: 0 or 1 */
void ngx_socketio_member_show_locked(ngx_socketio_zone_t *zone,
    ngx_socketio_ref_t member, ngx_uint_t list);
void ngx_socketio_member_free_locked(ngx_socketio_zone_t *zone,
    ngx_socketio_ref_t member);
/* polling to websocket */
void ngx_socketio_member_move_locked(ngx_socketio_zone_t *zone,
    ngx_socketio_ref_t member);


#endif /* _NGX_SOCKETIO_ROOM_H_INCLUDED_ */
