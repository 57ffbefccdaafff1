
/*
 * Copyright (C) the ngx_http_socketio_module authors
 */


/*
 * Who may publish or look: callers on this machine, bearers of a key, or
 * whoever came so far.
 */


#ifndef _NGX_HTTP_SOCKETIO_ACCESS_H_INCLUDED_
#define _NGX_HTTP_SOCKETIO_ACCESS_H_INCLUDED_


#include "ngx_http_socketio.h"


/*
 * NGX_OK, NGX_HTTP_UNAUTHORIZED (with its header), NGX_HTTP_FORBIDDEN or
 * NGX_ERROR.  "directive" is named in the log.
 */
ngx_int_t ngx_http_socketio_access(ngx_http_request_t *r, char *directive,
    ngx_array_t *bearers, ngx_uint_t open);


#endif /* _NGX_HTTP_SOCKETIO_ACCESS_H_INCLUDED_ */
