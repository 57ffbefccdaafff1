
/*
 * Copyright (C) the ngx_http_socketio_module authors
 */


/*
 * This worker process as the zone's hands: its slot, its eventfd, its tick,
 * and its connections.  Layers above register each parked GET, held POST and
 * websocket as a "local" and are called back when there is something to do.
 */


#ifndef _NGX_SOCKETIO_WORKER_H_INCLUDED_
#define _NGX_SOCKETIO_WORKER_H_INCLUDED_


#include "store/ngx_socketio_exchange.h"


typedef struct ngx_socketio_local_s  ngx_socketio_local_t;
typedef struct ngx_socketio_seat_s   ngx_socketio_seat_t;


/*
 * Other bytes for the same message, as some of the users of a pin need them:
 * made once by the worker, in its own memory, for all of them.  "kind" is the
 * user's.
 */

typedef struct ngx_socketio_variant_s  ngx_socketio_variant_t;

struct ngx_socketio_variant_s {
    ngx_socketio_variant_t    *next;
    uint64_t                   kind;
    size_t                     len;
    u_char                    *data;        /* lies behind this */
};


/*
 * A node of the held list whose message this worker writes.  It counts its
 * users here; when the last one lets go, the node is given back, in batches.
 * "bytes" may be read without the lock until then.
 */

typedef struct {
    ngx_socketio_zone_t       *zone;
    ngx_socketio_ref_t         node;
    ngx_socketio_ref_t         bytes;
    uint32_t                   len;
    uint32_t                   users;
    uint32_t                   epoch;
    uint32_t                   flags;       /* of the emit, NGX_SOCKETIO_... */
    u_char                    *data;        /* NULL: in more than one chunk */
    ngx_socketio_variant_t    *variants;
} ngx_socketio_pin_t;


typedef struct {
    /* rung for: look at the session (..._look()); may destroy the local */
    void                     (*look)(ngx_socketio_local_t *local);
    /*
     * Websockets: queue a message, in order; take a user of the pin if it is
     * kept.  Must neither write nor close now: flush() is called for it once,
     * after all messages of the burst.
     */
    void                     (*deliver)(ngx_socketio_local_t *local,
                                        ngx_socketio_pin_t *pin);
    /* may destroy the local */
    void                     (*flush)(ngx_socketio_local_t *local);
    /* the session is lost (zone emptied, worker overrun): end this
       connection now; destroys the local */
    void                     (*drop)(ngx_socketio_local_t *local);
    /* the worker shuts down: parked GETs are answered now; again for
       websockets when it is to hurry */
    void                     (*leave)(ngx_socketio_local_t *local);
} ngx_socketio_local_ops_t;


struct ngx_socketio_local_s {
    ngx_socketio_zone_t       *zone;
    ngx_socketio_local_ops_t  *ops;
    ngx_socketio_id_t          session;
    uint32_t                   handle;
    unsigned                   registered:1;
    unsigned                   flushing:1;
    uint64_t                   from_seq;    /* websocket: older are ignored */
    uint64_t                   mark;        /* seq of the last emit met */
    ngx_socketio_seat_t       *seats;       /* rooms of a websocket */
    ngx_queue_t                flush;
};


/* memfd and eventfds, once in the master; zones: of this configuration */
ngx_int_t ngx_socketio_worker_init_module(ngx_cycle_t *cycle);
/* K, the number of slots of a new zone; needs worker_processes */
ngx_uint_t ngx_socketio_worker_slots(ngx_cycle_t *cycle);
ngx_int_t ngx_socketio_worker_init(ngx_cycle_t *cycle,
    ngx_socketio_zone_t **zones, ngx_uint_t nzones);
void ngx_socketio_worker_exit(ngx_cycle_t *cycle);
/* NGX_DECLINED: no slot (yet): answer 503 */
ngx_int_t ngx_socketio_worker_ready(ngx_socketio_zone_t *zone);


/*
 * Gives the local a handle, to be named to ..._get() and kin.  Its session
 * must be set as soon as it is known.  NGX_ERROR: no memory.
 */
ngx_int_t ngx_socketio_local_add(ngx_socketio_local_t *local);
/* also takes it off all rooms */
void ngx_socketio_local_remove(ngx_socketio_local_t *local);
/* a websocket enters a room of the private index */
ngx_int_t ngx_socketio_local_seat(ngx_socketio_local_t *local,
    ngx_socketio_ref_t socket, ngx_socketio_ref_t room, uint32_t room_gen);
/*
 * Takes what others have emitted so far, and delivers it.  May destroy locals.
 * NGX_AGAIN: there is more of it than a turn may bring.
 */
ngx_int_t ngx_socketio_local_catch_up(ngx_socketio_local_t *local);
/* asks for flush() soon, as deliver() does by itself */
void ngx_socketio_local_flush_later(ngx_socketio_local_t *local);

/*
 * Pins the node and sets *node to the next one; NULL: no memory, this one has
 * been given back.
 */
ngx_socketio_pin_t *ngx_socketio_pin(ngx_socketio_zone_t *zone,
    ngx_socketio_ref_t *node);
void ngx_socketio_pin_release(ngx_socketio_pin_t *pin);
/* NULL: it has not been made */
ngx_socketio_variant_t *ngx_socketio_pin_variant(ngx_socketio_pin_t *pin,
    uint64_t kind);
/* memory for one, freed with the pin; NULL: none */
ngx_socketio_variant_t *ngx_socketio_pin_variant_add(ngx_socketio_pin_t *pin,
    uint64_t kind, size_t len);
/* gives back nodes [node, n), e.g. when an answer cannot be made */
void ngx_socketio_pin_none(ngx_socketio_zone_t *zone, ngx_socketio_ref_t node,
    ngx_uint_t n);


#endif /* _NGX_SOCKETIO_WORKER_H_INCLUDED_ */
