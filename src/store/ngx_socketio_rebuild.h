
/*
 * Copyright (C) the ngx_http_socketio_module authors
 */


/*
 * The zone made anew from its records, after a worker died in a hold.  Three
 * steps, of which the first two change nothing in a zone that is whole:
 *
 *   truths   records that cannot be: of no owner, half made or half freed
 *   links    lists, hashes, counts, references, the wheel, free pages
 *   mend     what the dead hold had begun goes forward or back
 *
 * The rules that make it possible are under "The dirty word" in
 * src/README.md.  All with the lock held; no link is trusted, no loop is
 * without bounds, and the time is that of a walk over all records.
 */


#ifndef _NGX_SOCKETIO_REBUILD_H_INCLUDED_
#define _NGX_SOCKETIO_REBUILD_H_INCLUDED_


#include "store/ngx_socketio_session.h"


/* what a worker leaves that dies in the middle: all of it, for the next one */
#define ngx_socketio_rebuild_each(zone, type, ref)                            \
    for (ref = ngx_socketio_rebuild_next_locked(zone, type, 0);               \
         ref;                                                                 \
         ref = ngx_socketio_rebuild_next_locked(zone, type, ref))


/* truths and links */
void ngx_socketio_rebuild_locked(ngx_socketio_zone_t *zone);
void ngx_socketio_rebuild_mend_locked(ngx_socketio_zone_t *zone);

/* for each other */
void ngx_socketio_rebuild_truths_locked(ngx_socketio_zone_t *zone);
void ngx_socketio_rebuild_links_locked(ngx_socketio_zone_t *zone);
void ngx_socketio_rebuild_order_locked(ngx_socketio_zone_t *zone);

/* truths: records of these types, NGX_OK: it is good */
ngx_int_t ngx_socketio_truth_ack_locked(ngx_socketio_zone_t *zone,
    ngx_socketio_ref_t ref);
ngx_int_t ngx_socketio_truth_event_locked(ngx_socketio_zone_t *zone,
    ngx_socketio_ref_t ref);
/* a session that has lost something is ended */
void ngx_socketio_truth_break_locked(ngx_socketio_zone_t *zone,
    ngx_socketio_ref_t session);
/* chains of bytes, then the chunks that are in none */
ngx_int_t ngx_socketio_chain_locked(ngx_socketio_zone_t *zone,
    ngx_socketio_ref_t ref, ngx_socketio_ref_t owner, size_t *len,
    ngx_socketio_ref_t *last);
ngx_int_t ngx_socketio_chain_of_locked(ngx_socketio_zone_t *zone,
    ngx_socketio_ref_t ref, ngx_socketio_ref_t owner, size_t len);
void ngx_socketio_chain_leave_locked(ngx_socketio_zone_t *zone,
    ngx_socketio_ref_t ref, ngx_uint_t n);
void ngx_socketio_truths_chunks_locked(ngx_socketio_zone_t *zone);

/* the used record behind this one; 0: the first, or there are no more */
ngx_socketio_ref_t ngx_socketio_rebuild_next_locked(
    ngx_socketio_zone_t *zone, ngx_uint_t type, ngx_socketio_ref_t after);
/* it is no record any more; nothing is linked yet */
void ngx_socketio_rebuild_discard_locked(ngx_socketio_zone_t *zone,
    void *record);

#if (NGX_SOCKETIO_REBUILD)

/*
 * -DNGX_SOCKETIO_REBUILD=n: at each n-th unlock of a process the zone is
 * rebuilt, which must change nothing, else the process aborts.
 */
void ngx_socketio_rebuild_check_locked(ngx_socketio_zone_t *zone);

#endif

/*
 * For tests: what matters of a zone, in one number.  Two zones that differ in
 * an order or a count that anybody could notice have different ones.
 */
uint64_t ngx_socketio_digest_locked(ngx_socketio_zone_t *zone);


#endif /* _NGX_SOCKETIO_REBUILD_H_INCLUDED_ */
