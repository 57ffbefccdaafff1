
/*
 * Copyright (C) the ngx_http_socketio_module authors
 */


/*
 * Doubly linked lists of records of one type.  "at" is where such a record has
 * its two references, next and behind it prev; tail is NULL for a list that
 * nobody adds to at its end.  With the lock held.
 */


#ifndef _NGX_SOCKETIO_LIST_H_INCLUDED_
#define _NGX_SOCKETIO_LIST_H_INCLUDED_


#include "store/ngx_socketio_records.h"


/* at the beginning, of a list without tail */
void ngx_socketio_list_push_locked(ngx_socketio_zone_t *zone,
    ngx_socketio_ref_t *head, ngx_socketio_ref_t ref, size_t at);
/* at the end */
void ngx_socketio_list_add_locked(ngx_socketio_zone_t *zone,
    ngx_socketio_ref_t *head, ngx_socketio_ref_t *tail,
    ngx_socketio_ref_t ref, size_t at);
/* its own references stay as they are */
void ngx_socketio_list_cut_locked(ngx_socketio_zone_t *zone,
    ngx_socketio_ref_t *head, ngx_socketio_ref_t *tail,
    ngx_socketio_ref_t ref, size_t at);


#endif /* _NGX_SOCKETIO_LIST_H_INCLUDED_ */
