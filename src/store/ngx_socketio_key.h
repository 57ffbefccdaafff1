
/*
 * Copyright (C) the ngx_http_socketio_module authors
 */


/*
 * Keys of commands: who repeats a command with its key, because its answer got
 * lost, is told what came of the first one.  A key is taken before its command
 * runs, so that of two at a time, in any workers, one runs; if its worker dies
 * it stays taken until its time is up.  They hang on one list in the order of
 * their deadlines, and of more than an eighth of the zone the oldest are
 * forgotten.
 */


#ifndef _NGX_SOCKETIO_KEY_H_INCLUDED_
#define _NGX_SOCKETIO_KEY_H_INCLUDED_


#include "store/ngx_socketio_room.h"


#define NGX_SOCKETIO_KEY_MSEC  60000        /* that it is remembered */


/* what a repetition is told */

typedef struct {
    u_char                     op[NGX_SOCKETIO_KEY_OP];     /* ends with 0 */
    uint32_t                   count;
} ngx_socketio_key_result_t;


/*
 * Of 1 to NGX_SOCKETIO_KEY_MAX bytes, for the command result->op.  A command
 * whose worker has died has run if that was an emit and it came to its end,
 * else it may be tried again.
 *
 * NGX_OK        it is new, and taken: *id is for one of the next two
 * NGX_DONE      its command ran: *result
 * NGX_DECLINED  its command is running
 * NGX_BUSY      the zone is full
 */
ngx_int_t ngx_socketio_key_take(ngx_socketio_zone_t *zone,
    ngx_socketio_name_t *key, ngx_socketio_id_t *id,
    ngx_socketio_key_result_t *result, uint64_t now);
/* its command ran */
void ngx_socketio_key_ran(ngx_socketio_zone_t *zone, ngx_socketio_id_t *id,
    ngx_socketio_key_result_t *result, uint64_t now);
/* ... or failed, and may be tried again */
void ngx_socketio_key_drop(ngx_socketio_zone_t *zone, ngx_socketio_id_t *id);

/* for store/: into the table, by its hash */
void ngx_socketio_key_link_locked(ngx_socketio_zone_t *zone,
    ngx_socketio_ref_t key);

/* forgets those whose time is up: called once in a while */
void ngx_socketio_key_expire(ngx_socketio_zone_t *zone, uint64_t now);


#endif /* _NGX_SOCKETIO_KEY_H_INCLUDED_ */
