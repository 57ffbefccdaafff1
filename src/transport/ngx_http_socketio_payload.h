
/*
 * Copyright (C) the ngx_http_socketio_module authors
 */


#ifndef _NGX_HTTP_SOCKETIO_PAYLOAD_H_INCLUDED_
#define _NGX_HTTP_SOCKETIO_PAYLOAD_H_INCLUDED_


#include "delivery/ngx_socketio_worker.h"


/*
 * The body of a GET's answer, as taken->peer reads it.  The messages are
 * copied from their websocket frames to the pool and given back, also if it
 * fails.  *binary: it is application/octet-stream.  NGX_OK, NGX_ERROR.
 */
ngx_int_t ngx_http_socketio_payload(ngx_pool_t *pool,
    ngx_socketio_zone_t *zone, ngx_socketio_taken_t *taken,
    ngx_chain_t **out, ngx_uint_t *binary);
/* the same of one packet of ASCII text, which may be a part of *out */
ngx_int_t ngx_http_socketio_payload_text(ngx_pool_t *pool,
    ngx_socketio_peer_t *peer, ngx_str_t *text, ngx_chain_t **out);

/*
 * For payload and websocket files: the frames of a message, one after the
 * other, from *pos on.  NGX_OK; NGX_DONE: no more; NGX_ERROR: broken, which
 * only a zone that was emptied meanwhile explains.
 */
ngx_int_t ngx_http_socketio_frame_next(u_char **pos, u_char *last,
    ngx_str_t *payload, ngx_uint_t *binary);

/*
 * ngx_http_socketio_payload3.c: for revision 3.  Packets are gathered first,
 * since what they are decides on the form of all.
 */

typedef struct {
    u_char                    *data;        /* text: with its type */
    size_t                     len;
    unsigned                   binary:1;
} ngx_http_socketio_payload_packet_t;

ngx_int_t ngx_http_socketio_payload3_encode(ngx_pool_t *pool,
    ngx_socketio_peer_t *peer, ngx_array_t *packets, ngx_chain_t **out,
    ngx_uint_t *binary);
/* the frames of a message as packets, which point into it */
ngx_int_t ngx_http_socketio_payload3_message(ngx_array_t *packets, u_char *p,
    size_t len);
ngx_int_t ngx_http_socketio_payload3_packet(ngx_array_t *packets, u_char *p,
    size_t len, ngx_uint_t binary);
/* a payload of either revision as the argument of a callback */
ngx_int_t ngx_http_socketio_payload_jsonp(ngx_pool_t *pool,
    ngx_socketio_peer_t *peer, ngx_chain_t **out);


#endif /* _NGX_HTTP_SOCKETIO_PAYLOAD_H_INCLUDED_ */
