
/*
 * Copyright (C) the ngx_http_socketio_module authors
 */


#ifndef _NGX_HTTP_SOCKETIO_TRANSPORT_H_INCLUDED_
#define _NGX_HTTP_SOCKETIO_TRANSPORT_H_INCLUDED_


#include "client/ngx_http_socketio_client.h"
#include "delivery/ngx_socketio_worker.h"
#include "proto/ngx_socketio_eio.h"


/* what the query of a request says; strings are decoded, in r->pool */

typedef struct {
    ngx_uint_t                      transport;  /* NGX_HTTP_SOCKETIO_... */
    unsigned                        has_sid:1;
    unsigned                        sid_ok:1;   /* of the sid's grammar */
    u_char                          sid[NGX_SOCKETIO_SID];
} ngx_http_socketio_request_t;


/* the content handler of a "socketio" location */
ngx_int_t ngx_http_socketio_handler(ngx_http_request_t *r);

/* a JSON error, or for websockets a plain one; returns what a handler may */
ngx_int_t ngx_http_socketio_error(ngx_http_request_t *r, ngx_uint_t code,
    char *context);
/* an empty answer with this status and no content type */
ngx_int_t ngx_http_socketio_empty(ngx_http_request_t *r, ngx_uint_t status);

/*
 * A new session: fills in open from the configuration and the request's
 * handshake, with a new sid.  NGX_OK, NGX_ERROR.
 */
ngx_int_t ngx_http_socketio_handshake(ngx_http_request_t *r,
    ngx_http_socketio_loc_conf_t *conf, ngx_uint_t transport,
    ngx_socketio_open_t *open);
/* the open packet; sid_text is the caller's, NGX_SOCKETIO_SID_TEXT bytes */
void ngx_http_socketio_open_packet(ngx_http_socketio_loc_conf_t *conf,
    ngx_uint_t transport, u_char *sid, u_char *sid_text,
    ngx_socketio_eio_open_t *packet);

ngx_int_t ngx_http_socketio_polling_open(ngx_http_request_t *r,
    ngx_http_socketio_loc_conf_t *conf);
ngx_int_t ngx_http_socketio_polling_get(ngx_http_request_t *r,
    ngx_http_socketio_loc_conf_t *conf, u_char *sid);
ngx_int_t ngx_http_socketio_polling_post(ngx_http_request_t *r,
    ngx_http_socketio_loc_conf_t *conf, u_char *sid);

/* sid: NULL for a new session */
ngx_int_t ngx_http_socketio_websocket(ngx_http_request_t *r,
    ngx_http_socketio_loc_conf_t *conf, u_char *sid);


#endif /* _NGX_HTTP_SOCKETIO_TRANSPORT_H_INCLUDED_ */
