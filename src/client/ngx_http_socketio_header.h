
/*
 * Copyright (C) the ngx_http_socketio_module authors
 */


/* Headers of a client's request, and of the answer to it. */


#ifndef _NGX_HTTP_SOCKETIO_HEADER_H_INCLUDED_
#define _NGX_HTTP_SOCKETIO_HEADER_H_INCLUDED_


#include "ngx_http_socketio.h"


/* names of the request's headers are given in lower case */

/* the value of the first one; NULL: there is none */
ngx_str_t *ngx_http_socketio_header(ngx_http_request_t *r, char *name,
    size_t len);
/* all of this name as one; NGX_OK, NGX_DECLINED: none, NGX_ERROR: no memory */
ngx_int_t ngx_http_socketio_header_joined(ngx_http_request_t *r,
    ngx_str_t *name, ngx_str_t *value);

/* adds one to the answer; neither string is copied; NULL: no memory */
ngx_table_elt_t *ngx_http_socketio_header_add(ngx_http_request_t *r,
    char *name, ngx_str_t *value);


#endif /* _NGX_HTTP_SOCKETIO_HEADER_H_INCLUDED_ */
