
/*
 * Copyright (C) the ngx_http_socketio_module authors
 */


/*
 * Signatures of hook requests: a backend knows by them that a request comes
 * from an nginx that shares its key, and when it was made.
 */


#ifndef _NGX_HTTP_SOCKETIO_SIGN_H_INCLUDED_
#define _NGX_HTTP_SOCKETIO_SIGN_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>


/* HMAC_CTX_new() came with OpenSSL 1.1.0 */

#if (NGX_OPENSSL && OPENSSL_VERSION_NUMBER >= 0x10100000L)
#define NGX_HTTP_SOCKETIO_SIGN         1
#else
#define NGX_HTTP_SOCKETIO_SIGN         0
#endif


#define NGX_HTTP_SOCKETIO_SIGN_KEYS    2
#define NGX_HTTP_SOCKETIO_SIGN_KEY     16   /* bytes at least */

/* "t=1795158358,v1=hex,v1=hex" */
#define NGX_HTTP_SOCKETIO_SIGN_LEN                                            \
    (sizeof("t=") + NGX_TIME_T_LEN                                            \
     + NGX_HTTP_SOCKETIO_SIGN_KEYS * (sizeof(",v1=") + 2 * 32))


/*
 * The signature of a body, made now, with each of the keys (ngx_str_t):
 * HMAC-SHA256 of the time, a dot and the body, which is only read.  value->data
 * has room for ..._SIGN_LEN.  NGX_OK; NGX_ERROR: no memory, which is logged.
 */
ngx_int_t ngx_http_socketio_sign(ngx_str_t *value, ngx_array_t *keys,
    ngx_chain_t *body, ngx_log_t *log);


#endif /* _NGX_HTTP_SOCKETIO_SIGN_H_INCLUDED_ */
