
/*
 * Copyright (C) the ngx_http_socketio_module authors
 */


/*
 * The publish API: commands in the body of a POST.
 */


#ifndef _NGX_HTTP_SOCKETIO_PUBLISH_H_INCLUDED_
#define _NGX_HTTP_SOCKETIO_PUBLISH_H_INCLUDED_


#include "ngx_http_socketio.h"


/* content handler of locations with "socketio_publish" */
ngx_int_t ngx_http_socketio_publish_handler(ngx_http_request_t *r);


/* codes of errors, as they are counted: NGX_SOCKETIO_N_PUBLISH_ERRORS + i */
extern char  *ngx_http_socketio_publish_codes[];


#endif /* _NGX_HTTP_SOCKETIO_PUBLISH_H_INCLUDED_ */
