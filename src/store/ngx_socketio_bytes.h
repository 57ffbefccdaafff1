
/*
 * Copyright (C) the ngx_http_socketio_module authors
 */


/*
 * Byte strings in the zone: chains of chunks of 64 bytes to a page, each with
 * its owner and position.  The chain's reference is its first chunk; its
 * length is the owner's to remember.
 */


#ifndef _NGX_SOCKETIO_BYTES_H_INCLUDED_
#define _NGX_SOCKETIO_BYTES_H_INCLUDED_


#include "store/ngx_socketio_zone.h"


/* Up to this many bytes may be copied with the lock held. */
#define NGX_SOCKETIO_COPY_LOCKED  256


typedef struct {
    uint8_t                    used;
    uint8_t                    unused;
    uint16_t                   len;
    ngx_socketio_ref_t         owner;
    ngx_socketio_ref_t         next;
    uint32_t                   pos;         /* offset in the string */
} ngx_socketio_chunk_t;


/* 0: the zone is full, nothing was taken; len must not be 0 */
ngx_socketio_ref_t ngx_socketio_bytes_alloc_locked(ngx_socketio_zone_t *zone,
    ngx_socketio_ref_t owner, size_t len, ngx_socketio_ref_t *tail);
void ngx_socketio_bytes_free_locked(ngx_socketio_zone_t *zone,
    ngx_socketio_ref_t bytes);
/* names another record as owner; returns the last chunk */
ngx_socketio_ref_t ngx_socketio_bytes_own_locked(ngx_socketio_zone_t *zone,
    ngx_socketio_ref_t bytes, ngx_socketio_ref_t owner);

/*
 * These need no lock as long as the caller's record keeps the chain: nobody
 * else changes it.  A chain freed meanwhile (its owner was robbed) is read as
 * rubbish, but never beyond the zone or for ever.
 */
void ngx_socketio_bytes_write(ngx_socketio_zone_t *zone,
    ngx_socketio_ref_t bytes, ngx_str_t *parts, ngx_uint_t n);
/* returns how much of len there was */
size_t ngx_socketio_bytes_read(ngx_socketio_zone_t *zone,
    ngx_socketio_ref_t bytes, u_char *p, size_t len);
ngx_int_t ngx_socketio_bytes_equal(ngx_socketio_zone_t *zone,
    ngx_socketio_ref_t bytes, u_char *p, size_t len);
/* the chunk's own bytes; sets *next, 0 at the end */
u_char *ngx_socketio_bytes_span(ngx_socketio_zone_t *zone,
    ngx_socketio_ref_t chunk, size_t *len, ngx_socketio_ref_t *next);


#endif /* _NGX_SOCKETIO_BYTES_H_INCLUDED_ */
