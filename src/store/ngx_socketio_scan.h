
/*
 * Copyright (C) the ngx_http_socketio_module authors
 */


/*
 * The sockets of a target, each once, over as many holds as that takes.  It is
 * not a snapshot: who comes, goes, joins or leaves meanwhile may be met or not.
 *
 * A hold goes on behind the member where the last one stopped, so that all of
 * them together look at each member about once; if that member is gone, from
 * the head of its list, past those that it has met.
 */


#ifndef _NGX_SOCKETIO_SCAN_H_INCLUDED_
#define _NGX_SOCKETIO_SCAN_H_INCLUDED_


#include "store/ngx_socketio_emit.h"


#define NGX_SOCKETIO_SCAN_HOLD  256         /* sockets, or others' records */
#define NGX_SOCKETIO_SCAN_LOOK  1024        /* with those that it has met */


/* A set of references, in the worker's memory; zeroed at first. */

typedef struct {
    ngx_socketio_ref_t        *refs;
    ngx_uint_t                 n;
    ngx_uint_t                 size;        /* a power of two */
} ngx_socketio_refs_t;


typedef struct {
    ngx_socketio_zone_t       *zone;
    ngx_socketio_target_t     *target;      /* the caller's, must stay */
    ngx_socketio_refs_t        met;         /* excepted ones, too */
    uint64_t                   epoch;
    uint64_t                   rebuilt;     /* lists were made anew since */
    uint32_t                   stamp;       /* younger records came meanwhile */

    ngx_uint_t                 word;        /* excepts, then whom it is for */
    ngx_uint_t                 part;        /* of the word: its socket, then
                                               list 0 and 1 of its room */
    ngx_socketio_id_t          last;        /* member that was looked at */
    ngx_socketio_id_t          next;        /* ... the one behind it */

    /* in a hold */
    ngx_socketio_ref_t         nsp;
    ngx_socketio_ref_t         room;
    ngx_socketio_ref_t         at;          /* member to look at */
    ngx_uint_t                 nmet;
    ngx_uint_t                 nlooks;

    uint64_t                   steps;       /* members looked at, of all */
    unsigned                   begun:1;     /* "last" and "next" are set */
    unsigned                   done:1;
} ngx_socketio_scan_t;


void ngx_socketio_scan_init(ngx_socketio_scan_t *scan,
    ngx_socketio_zone_t *zone, ngx_socketio_target_t *target);
/* may be called for one that is zeroed */
void ngx_socketio_scan_free(ngx_socketio_scan_t *scan);

/*
 * A hold: ..._ready() before it, without the lock, then begin, next until it
 * is 0 or the caller has enough, end.  The socket that ..._next_locked()
 * returns may be ended by the caller, and its session with it.
 */

/* memory for one hold; NGX_OK, NGX_ERROR */
ngx_int_t ngx_socketio_scan_ready(ngx_socketio_scan_t *scan);
void ngx_socketio_scan_begin_locked(ngx_socketio_scan_t *scan);
ngx_socketio_ref_t ngx_socketio_scan_next_locked(ngx_socketio_scan_t *scan);
/* NGX_AGAIN: another hold is needed; NGX_OK: there are no more */
ngx_int_t ngx_socketio_scan_end_locked(ngx_socketio_scan_t *scan);

/*
 * Adds to *count the sockets that one hold meets; rooms alone are not walked,
 * they know it.  NGX_OK, NGX_AGAIN: call it again; NGX_ERROR: no memory.
 */
ngx_int_t ngx_socketio_count(ngx_socketio_scan_t *scan, ngx_uint_t *count);

/*
 * ngx_socketio_select() in steps of a hold each: zeroed, then filled in as
 * that has its arguments, all of which must stay, and freed with its scan.
 * NGX_AGAIN: call it again; NGX_OK, NGX_ERROR: that was the last, or all that
 * could be done.
 */

typedef struct {
    ngx_socketio_scan_t        scan;
    ngx_socketio_do_e          what;
    ngx_socketio_name_t       *rooms;
    ngx_uint_t                 nrooms;
    ngx_uint_t                 rooms_max;
    ngx_str_t                  frames;
    ngx_uint_t                 n;           /* sockets so far */

    ngx_socketio_zone_t       *zone;
    ngx_socketio_ref_t         message;
    uint64_t                   now;
    unsigned                   full:1;
} ngx_socketio_selector_t;

ngx_int_t ngx_socketio_select_step(ngx_socketio_selector_t *s);

/* room for NGX_SOCKETIO_SCAN_HOLD more, without the lock; NGX_ERROR: none */
ngx_int_t ngx_socketio_refs_ready(ngx_socketio_refs_t *set);
/* 1: it is new */
ngx_uint_t ngx_socketio_refs_add(ngx_socketio_refs_t *set,
    ngx_socketio_ref_t ref);
void ngx_socketio_refs_free(ngx_socketio_refs_t *set);


#endif /* _NGX_SOCKETIO_SCAN_H_INCLUDED_ */
