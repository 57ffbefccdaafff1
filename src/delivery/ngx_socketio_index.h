
/*
 * Copyright (C) the ngx_http_socketio_module authors
 */


/*
 * The private index of a worker: which of its websockets are in which room.
 * It follows the records of the mailbox, so that a fan-out needs no lock.
 */


#ifndef _NGX_SOCKETIO_INDEX_H_INCLUDED_
#define _NGX_SOCKETIO_INDEX_H_INCLUDED_


#include "delivery/ngx_socketio_worker.h"


typedef struct ngx_socketio_desk_s  ngx_socketio_desk_t;


struct ngx_socketio_seat_s {
    ngx_queue_t                queue;       /* of the desk */
    ngx_socketio_local_t      *local;
    ngx_socketio_seat_t       *next;        /* of the local */
    ngx_socketio_desk_t       *desk;
    ngx_socketio_ref_t         socket;
};


struct ngx_socketio_desk_s {                /* a room */
    ngx_socketio_desk_t       *next;        /* of the bucket */
    ngx_queue_t                seats;
    ngx_socketio_ref_t         room;
    uint32_t                   gen;
};


typedef struct {
    ngx_socketio_desk_t      **buckets;
    ngx_uint_t                 nbuckets;
    ngx_uint_t                 ndesks;
} ngx_socketio_index_t;


void ngx_socketio_index_destroy(ngx_socketio_index_t *index);
/* NULL: none of this worker's websockets is in there */
ngx_socketio_desk_t *ngx_socketio_desk(ngx_socketio_index_t *index,
    ngx_socketio_ref_t room, uint32_t gen);
/* NGX_OK, also if it sits there; NGX_ERROR: no memory */
ngx_int_t ngx_socketio_seat(ngx_socketio_index_t *index,
    ngx_socketio_local_t *local, ngx_socketio_ref_t socket,
    ngx_socketio_ref_t room, uint32_t gen);
/* room 0: all of the socket's; socket 0: all of the local's */
void ngx_socketio_unseat(ngx_socketio_index_t *index,
    ngx_socketio_local_t *local, ngx_socketio_ref_t socket,
    ngx_socketio_ref_t room);


#endif /* _NGX_SOCKETIO_INDEX_H_INCLUDED_ */
