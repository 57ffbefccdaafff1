
/*
 * Copyright (C) the ngx_http_socketio_module authors
 */


/*
 * Looking at the sockets of a target, and at the rooms that they are in.
 *
 * Nothing of what is looked at belongs to who looks, so it is copied with the
 * lock held: NGX_SOCKETIO_FETCH_BYTES a hold, which takes less time than the
 * 256 sockets that they are of.  Only a socket in very many rooms has more.
 */


#ifndef _NGX_SOCKETIO_FETCH_H_INCLUDED_
#define _NGX_SOCKETIO_FETCH_H_INCLUDED_


#include "store/ngx_socketio_scan.h"


#define NGX_SOCKETIO_FETCH_HANDSHAKE  0x01
#define NGX_SOCKETIO_FETCH_DATA       0x02
#define NGX_SOCKETIO_FETCH_ROOMS      0x04

#define NGX_SOCKETIO_FETCH_BYTES      8192


/* the strings lie in the buffer of the fetch until its next hold */

typedef struct {
    ngx_socketio_id_t          socket;
    u_char                     secret[NGX_SOCKETIO_SECRET];
    ngx_str_t                  handshake;   /* JSON members */
    ngx_str_t                  data;        /* JSON; empty: none */
    ngx_str_t                  rooms;       /* see ngx_socketio_fetch_name() */
} ngx_socketio_found_t;


typedef struct {
    ngx_socketio_scan_t        scan;
    ngx_uint_t                 fields;      /* NGX_SOCKETIO_FETCH_... */

    ngx_socketio_id_t          pending;     /* met, but not looked at */
    size_t                     need;        /* bytes of its own */
    ngx_socketio_refs_t        met;         /* rooms */
    ngx_socketio_ref_t         cursor;      /* of all rooms */

    u_char                    *buf;
    size_t                     size;
    size_t                     len;
    ngx_uint_t                 nlooks;      /* at members, in this hold */

    ngx_uint_t                 n;           /* of the last hold */
    ngx_socketio_found_t       found[NGX_SOCKETIO_SCAN_HOLD + 1];
} ngx_socketio_fetch_t;


void ngx_socketio_fetch_init(ngx_socketio_fetch_t *fetch,
    ngx_socketio_zone_t *zone, ngx_socketio_target_t *target,
    ngx_uint_t fields);
void ngx_socketio_fetch_free(ngx_socketio_fetch_t *fetch);

/*
 * One hold.  Sockets: fetch->found, n of them.  Rooms: their names in
 * fetch->buf, of fetch->len, each once; a room that a socket alone is in, and
 * that has the name of the socket's id, is not one.  NGX_OK: that was all;
 * NGX_AGAIN: call it again; NGX_ERROR: no memory.
 */
ngx_int_t ngx_socketio_fetch_sockets(ngx_socketio_fetch_t *fetch);
ngx_int_t ngx_socketio_fetch_rooms(ngx_socketio_fetch_t *fetch);

/* the next of the names at *p; NGX_DONE: there is none */
ngx_int_t ngx_socketio_fetch_name(u_char **p, u_char *last, ngx_str_t *name);


#endif /* _NGX_SOCKETIO_FETCH_H_INCLUDED_ */
