
/*
 * Copyright (C) the ngx_http_socketio_module authors
 */


#ifndef _NGX_SOCKETIO_STATUS_H_INCLUDED_
#define _NGX_SOCKETIO_STATUS_H_INCLUDED_


#include "store/ngx_socketio_records.h"


typedef struct {
    uint64_t                   slot;
    uint64_t                   pid;
    uint64_t                   generation;
    uint64_t                   exiting;
    uint64_t                   age;         /* ms since its last tick */
    uint64_t                   lag;         /* ms that this one was late */
    uint64_t                   websockets;
    uint64_t                   mailbox;     /* nodes */
    uint64_t                   held;
    uint64_t                   in_flight;   /* calls of hooks */
} ngx_socketio_status_worker_t;


/* what there is to be seen of a zone, all of one moment */

typedef struct {
    ngx_socketio_stats_t       stats;
    ngx_socketio_gauges_t      now;
    ngx_socketio_counters_t    counters;    /* all workers', also dead ones' */
    uint64_t                   polling;     /* sessions */
    uint64_t                   websockets;
    uint64_t                   mailboxes;   /* nodes */
    uint64_t                   nworkers;
    uint64_t                   exiting;     /* of them */
    uint64_t                   keys;
    uint64_t                   logged;      /* messages, for recovery */
    uint64_t                   logged_bytes;
    uint64_t                   bytes;
    uint64_t                   free;        /* ... of whole pages */
} ngx_socketio_status_t;


/*
 * "workers" has room for all slots of the zone, status->nworkers of which are
 * filled in.  One hold, as long as there are workers.
 */
void ngx_socketio_status(ngx_socketio_zone_t *zone,
    ngx_socketio_status_t *status, ngx_socketio_status_worker_t *workers,
    uint64_t now);

/*
 * What zone->sh->now must be by the records; walks all of them.  With the lock
 * held.
 */
void ngx_socketio_gauges_count_locked(ngx_socketio_zone_t *zone,
    ngx_socketio_gauges_t *now);


#endif /* _NGX_SOCKETIO_STATUS_H_INCLUDED_ */
