
/*
 * Copyright (C) the ngx_http_socketio_module authors
 */


#ifndef _NGX_HTTP_SOCKETIO_PAYLOAD_H_INCLUDED_
#define _NGX_HTTP_SOCKETIO_PAYLOAD_H_INCLUDED_


#include "delivery/ngx_socketio_worker.h"


/*
 * The body of a GET's answer, revision 4: packets with 0x1e between them.  The
 * messages are copied from their websocket frames to the pool and given back,
 * also if it fails.  NGX_OK, NGX_ERROR.
 */
ngx_int_t ngx_http_socketio_payload(ngx_pool_t *pool,
    ngx_socketio_zone_t *zone, ngx_socketio_taken_t *taken,
    ngx_chain_t **out);


#endif /* _NGX_HTTP_SOCKETIO_PAYLOAD_H_INCLUDED_ */
