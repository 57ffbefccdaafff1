
/*
 * Copyright (C) the ngx_http_socketio_module authors
 */


#ifndef _NGX_HTTP_SOCKETIO_FORM_H_INCLUDED_
#define _NGX_HTTP_SOCKETIO_FORM_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>


/*
 * Walks over a query: *pos starts as its beginning, *dst as memory for as
 * many bytes; both advance.  Key and value are decoded as forms are.  "raw" is
 * the value as it stands in the query.  NGX_OK, NGX_DONE.
 */
ngx_int_t ngx_http_socketio_form_next(u_char **pos, u_char *last,
    u_char **dst, ngx_str_t *key, ngx_str_t *value, ngx_str_t *raw);

/* more names are not told to backends */
#define NGX_HTTP_SOCKETIO_FORM_PAIRS  64


typedef struct {
    ngx_str_t    name;
    ngx_str_t    value;
} ngx_http_socketio_form_pair_t;

/*
 * A query as a backend is told of it: decoded, UTF-8, and of equal names the
 * last one alone.  "pairs" has room for NGX_HTTP_SOCKETIO_FORM_PAIRS, *n are
 * there; *cut is set if there were more.  NGX_OK; NGX_ERROR: no memory.
 */
ngx_int_t ngx_http_socketio_form_pairs(ngx_pool_t *pool, ngx_str_t *query,
    ngx_http_socketio_form_pair_t *pairs, ngx_uint_t *n, ngx_uint_t *cut);

/*
 * What is not UTF-8 in p..last becomes U+FFFD, as TextDecoder does it.  The
 * result is in pool unless nothing had to be replaced.  NGX_OK, NGX_ERROR.
 */
ngx_int_t ngx_http_socketio_utf8(ngx_pool_t *pool, u_char **p, u_char **last);


#endif /* _NGX_HTTP_SOCKETIO_FORM_H_INCLUDED_ */
