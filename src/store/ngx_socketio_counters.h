
/*
 * Copyright (C) the ngx_http_socketio_module authors
 */


/*
 * What is counted for the status page.
 *
 * Counters belong to a slot, each to cache lines of its own: the worker alone
 * writes them, with a plain add, and needs no lock.  Readers sum them up; those
 * of a slot that is buried are added to the zone's in the same hold, so that a
 * sum never goes back.  A process without a slot counts in its own memory, and
 * takes that along to the next one.
 *
 * Gauges of the zone tell what is there now.  They change under the lock, with
 * the records, and ngx_socketio_gauges_count() says what they must be.
 */


#ifndef _NGX_SOCKETIO_COUNTERS_H_INCLUDED_
#define _NGX_SOCKETIO_COUNTERS_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>


#define NGX_SOCKETIO_LATENCIES      14      /* 1, 2, 5 ... 10000 ms, more */
#define NGX_SOCKETIO_SIZES          11      /* 1, 2, 5 ... 1000 events, more */
#define NGX_SOCKETIO_PUBLISH_CODES  12      /* of errors, the last: others */


/* of two that have a transport in their name polling comes first */

enum {
    /* entries for the backend, by type */
    NGX_SOCKETIO_N_CONNECT = 0,
    NGX_SOCKETIO_N_EVENT,
    NGX_SOCKETIO_N_ACK,
    NGX_SOCKETIO_N_DISCONNECT,
    NGX_SOCKETIO_N_OPEN,
    NGX_SOCKETIO_N_MESSAGE,
    NGX_SOCKETIO_N_CLOSE,
    NGX_SOCKETIO_N_EVENT_BYTES,

    /* from clients: Engine.IO packets, payload bytes */
    NGX_SOCKETIO_N_PACKETS,
    NGX_SOCKETIO_N_WS_PACKETS,
    NGX_SOCKETIO_N_BYTES,
    NGX_SOCKETIO_N_WS_BYTES,

    /* to clients: messages, bytes of payload or frames */
    NGX_SOCKETIO_N_DELIVERED,
    NGX_SOCKETIO_N_WS_DELIVERED,
    NGX_SOCKETIO_N_SENT,
    NGX_SOCKETIO_N_WS_SENT,
    NGX_SOCKETIO_N_VOLATILE,                /* not given to somebody */

    NGX_SOCKETIO_N_WAKES,                   /* of other workers */
    NGX_SOCKETIO_N_BELLS,
    NGX_SOCKETIO_N_WAITS,                   /* for workers that are behind */
    NGX_SOCKETIO_N_OVERRUN,                 /* mailboxes */

    /* of emits that ask for acks, by what came of it */
    NGX_SOCKETIO_N_ASKED,
    NGX_SOCKETIO_N_ANSWERED,
    NGX_SOCKETIO_N_ACK_TIMEOUT,
    NGX_SOCKETIO_N_ACK_GONE,

    /* requests refused, by the code of Engine.IO, then others */
    NGX_SOCKETIO_N_REFUSED,
    NGX_SOCKETIO_N_REFUSED_LIMIT = NGX_SOCKETIO_N_REFUSED + 6,
    NGX_SOCKETIO_N_REFUSED_FULL,
    NGX_SOCKETIO_N_REFUSED_SLOT,
    NGX_SOCKETIO_N_REFUSED_ADDRESS,

    NGX_SOCKETIO_N_PAUSED,                  /* by rate=, bytes= */
    NGX_SOCKETIO_N_UNFINISHED,              /* socketio_message_timeout */

    /* requests to hooks, by what came of it */
    NGX_SOCKETIO_N_HOOK_OK,
    NGX_SOCKETIO_N_HOOK_3XX,
    NGX_SOCKETIO_N_HOOK_4XX,
    NGX_SOCKETIO_N_HOOK_5XX,
    NGX_SOCKETIO_N_HOOK_TIMEOUT,
    NGX_SOCKETIO_N_HOOK_UNAVAILABLE,        /* nobody answered */
    NGX_SOCKETIO_N_HOOK_INCOMPLETE,         /* or too large, or not HTTP */

    NGX_SOCKETIO_N_HOOK_RETRIES,
    NGX_SOCKETIO_N_HOOK_INVALID,            /* commands */
    NGX_SOCKETIO_N_HOOK_FAILED,             /* batches given up */
    NGX_SOCKETIO_N_HOOK_LOST,               /* events of these */
    NGX_SOCKETIO_N_LATENCY,
    NGX_SOCKETIO_N_LATENCY_SUM = NGX_SOCKETIO_N_LATENCY  /* ms */
                                 + NGX_SOCKETIO_LATENCIES,
    NGX_SOCKETIO_N_SIZE,
    NGX_SOCKETIO_N_SIZE_SUM = NGX_SOCKETIO_N_SIZE + NGX_SOCKETIO_SIZES,

    NGX_SOCKETIO_N_PUBLISH,                 /* requests */
    NGX_SOCKETIO_N_PUBLISHED,               /* commands, also failed ones */
    NGX_SOCKETIO_N_PUBLISH_ERRORS,          /* those, by code */

    NGX_SOCKETIO_N_UNSAID = NGX_SOCKETIO_N_PUBLISH_ERRORS
                            + NGX_SOCKETIO_PUBLISH_CODES, /* lines left out of
                                                             the log */

    NGX_SOCKETIO_N_GAUGES,                  /* of a worker: not kept */
    NGX_SOCKETIO_N_IN_FLIGHT = NGX_SOCKETIO_N_GAUGES,
    NGX_SOCKETIO_N_HELD,                    /* nodes */
    NGX_SOCKETIO_N_LAST
};


typedef struct {
    uint64_t                   n[NGX_SOCKETIO_N_LAST];
} ngx_socketio_counters_t;


#define NGX_SOCKETIO_COUNTERS                                                 \
    ngx_align(sizeof(ngx_socketio_counters_t), 64)


#define ngx_socketio_tally(zone, what, by)                                    \
    ((zone)->counters->n[(what)] += (by))

/* the same of one for each transport */
#define ngx_socketio_tally_by(zone, what, transport, by)                      \
    ngx_socketio_tally(zone, (what) + ((transport) != 0), by)


/* 1, 2, 5, 10 ...: the first of n buckets that value is not above */

static ngx_inline ngx_uint_t
ngx_socketio_bucket(uint64_t value, ngx_uint_t n)
{
    uint64_t    bound;
    ngx_uint_t  i;

    for (i = 0, bound = 1; i < n - 1; i++) {

        if (value <= bound) {
            break;
        }

        bound = (i % 3 == 1) ? bound / 2 * 5 : bound * 2;
    }

    return i;
}


#endif /* _NGX_SOCKETIO_COUNTERS_H_INCLUDED_ */
