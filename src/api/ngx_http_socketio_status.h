
/*
 * Copyright (C) the ngx_http_socketio_module authors
 */


/*
 * The status of a zone, for people and programs (JSON), and for Prometheus.
 */


#ifndef _NGX_HTTP_SOCKETIO_STATUS_H_INCLUDED_
#define _NGX_HTTP_SOCKETIO_STATUS_H_INCLUDED_


#include "ngx_http_socketio.h"


/* content handler of locations with "socketio_status" */
ngx_int_t ngx_http_socketio_status_handler(ngx_http_request_t *r);


#endif /* _NGX_HTTP_SOCKETIO_STATUS_H_INCLUDED_ */
