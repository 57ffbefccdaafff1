
/*
 * Copyright (C) the ngx_http_socketio_module authors
 */


/*
 * What this worker keeps for a zone: its connections' handles, its index, the
 * records it is working on.  Shared by the files of delivery/ only.
 */


#ifndef _NGX_SOCKETIO_OFFICE_H_INCLUDED_
#define _NGX_SOCKETIO_OFFICE_H_INCLUDED_


#include <ngx_event.h>

#include "delivery/ngx_socketio_index.h"
#include "store/ngx_socketio_slot.h"


#define NGX_SOCKETIO_BACK  64               /* nodes given back in one hold */


typedef struct {
    ngx_socketio_zone_t       *zone;
    ngx_socketio_index_t       index;

    ngx_socketio_local_t     **handles;
    ngx_uint_t                 nhandles;
    uint32_t                  *spare;       /* stack of free handles */
    ngx_uint_t                 nspare;

    ngx_socketio_letters_t     letters;     /* being worked on */
    ngx_uint_t                 left;        /* records */
    ngx_uint_t                 bells;       /* next bell */
    ngx_queue_t                flush;       /* locals */
    ngx_uint_t                 hurried;     /* it knows that it is to */

    ngx_socketio_ref_t         back[NGX_SOCKETIO_BACK];
    ngx_uint_t                 nback;

    ngx_socketio_grave_t       graves[NGX_SOCKETIO_SLOTS_MAX];
    /* ms: since when a slot's tick was seen too old; 0: it is not */
    uint64_t                   silent[NGX_SOCKETIO_SLOTS_MAX];

    ngx_event_t                event;       /* there is something to do */
} ngx_socketio_office_t;


/* NULL: no memory */
ngx_socketio_office_t *ngx_socketio_office_create(ngx_socketio_zone_t *zone);
/* at the worker's exit, when its connections have gone */
void ngx_socketio_office_destroy(ngx_socketio_office_t *office);
/* takes the mailbox and works; the rest follows in later turns of the loop */
void ngx_socketio_office_run(ngx_socketio_office_t *office);
void ngx_socketio_office_post(ngx_socketio_office_t *office);
/*
 * A node that is done with.  Until it is really returned, with others, it
 * stays linked: its ->next may still be followed.
 */
void ngx_socketio_office_give_back(ngx_socketio_office_t *office,
    ngx_socketio_ref_t node);
void ngx_socketio_pins_destroy(void);
/* the worker shuts down */
void ngx_socketio_office_leave(ngx_socketio_office_t *office);


#endif /* _NGX_SOCKETIO_OFFICE_H_INCLUDED_ */
