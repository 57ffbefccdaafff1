
/*
 * Copyright (C) the ngx_http_socketio_module authors
 */


/*
 * What a session may use: how many there may be of an address, how much each
 * may send.  The record exists only where such limits are on, and lives as
 * long as the session's.
 */


#ifndef _NGX_SOCKETIO_BUDGET_H_INCLUDED_
#define _NGX_SOCKETIO_BUDGET_H_INCLUDED_


#include "store/ngx_socketio_exchange.h"


/*
 * Before a packet of so many bytes is handed on: one event, and its bytes.
 * "timeout" is what attachments that are still to come have from now on.
 *
 * NGX_OK        it is charged, or there is nothing to charge it to
 * NGX_AGAIN     nothing has happened: offer it again in *wait ms
 * NGX_DECLINED  the session is gone
 */
ngx_int_t ngx_socketio_spend(ngx_socketio_zone_t *zone, ngx_socketio_id_t *id,
    size_t bytes, ngx_msec_t timeout, ngx_msec_t *wait, uint64_t now);


/* for store/: 1: another session of this address would be too many */
ngx_uint_t ngx_socketio_address_full_locked(ngx_socketio_zone_t *zone,
    ngx_socketio_open_t *open);
/*
 * For store/: the budget of a new session, if it needs one.  NGX_OK; NGX_BUSY:
 * the zone is full, nothing has happened.
 */
ngx_int_t ngx_socketio_budget_add_locked(ngx_socketio_zone_t *zone,
    ngx_socketio_ref_t session, ngx_socketio_open_t *open, uint64_t now);
/* 0: nothing to do */
void ngx_socketio_budget_free_locked(ngx_socketio_zone_t *zone,
    ngx_socketio_ref_t budget);


#endif /* _NGX_SOCKETIO_BUDGET_H_INCLUDED_ */
