
/*
 * Copyright (C) the ngx_http_socketio_module authors
 */


#include "api/ngx_http_socketio_access.h"
#include "client/ngx_http_socketio_header.h"

#include <nginx.h>


static ngx_uint_t ngx_http_socketio_access_local(struct sockaddr *sockaddr);
static ngx_uint_t ngx_http_socketio_access_bearer(ngx_http_request_t *r,
    ngx_array_t *bearers);
static ngx_uint_t ngx_http_socketio_access_equal(ngx_str_t *given,
    ngx_str_t *key);


static ngx_str_t  ngx_http_socketio_access_scheme = ngx_string("Bearer");


ngx_int_t
ngx_http_socketio_access(ngx_http_request_t *r, char *directive,
    ngx_array_t *bearers, ngx_uint_t open)
{
    ngx_table_elt_t  *h;

    if (bearers != NULL && bearers->nelts) {

        if (ngx_http_socketio_access_bearer(r, bearers)) {
            return NGX_OK;
        }

        ngx_log_error(NGX_LOG_INFO, r->connection->log, 0,
                      "refused by \"%s\": no valid bearer", directive);

        h = ngx_http_socketio_header_add(r, "WWW-Authenticate",
                                         &ngx_http_socketio_access_scheme);
        if (h == NULL) {
            return NGX_ERROR;
        }

        r->headers_out.www_authenticate = h;

        return NGX_HTTP_UNAUTHORIZED;
    }

    if (open) {
        return NGX_OK;
    }

    if (!ngx_http_socketio_access_local(r->connection->sockaddr)) {
        ngx_log_error(NGX_LOG_INFO, r->connection->log, 0,
                      "refused by \"%s\": not from this machine", directive);
        return NGX_HTTP_FORBIDDEN;
    }

    /* a web page may make its visitor's browser send a POST to loopback */

    if (ngx_http_socketio_header(r, "origin", sizeof("origin") - 1) != NULL) {
        ngx_log_error(NGX_LOG_INFO, r->connection->log, 0,
                      "refused by \"%s\": has an \"Origin\" header",
                      directive);
        return NGX_HTTP_FORBIDDEN;
    }

    return NGX_OK;
}


static ngx_uint_t
ngx_http_socketio_access_local(struct sockaddr *sockaddr)
{
    struct sockaddr_in   *sin;
#if (NGX_HAVE_INET6)
    u_char               *p;
    struct sockaddr_in6  *sin6;
#endif

    switch (sockaddr->sa_family) {

    case AF_INET:
        sin = (struct sockaddr_in *) sockaddr;
        return (ntohl(sin->sin_addr.s_addr) >> 24) == 127;

#if (NGX_HAVE_INET6)
    case AF_INET6:
        sin6 = (struct sockaddr_in6 *) sockaddr;

        if (IN6_IS_ADDR_V4MAPPED(&sin6->sin6_addr)) {
            p = sin6->sin6_addr.s6_addr;
            return p[12] == 127;
        }

        return IN6_IS_ADDR_LOOPBACK(&sin6->sin6_addr) ? 1 : 0;
#endif

#if (NGX_HAVE_UNIX_DOMAIN)
    case AF_UNIX:
        return 1;
#endif

    default:
        return 0;
    }
}


static ngx_uint_t
ngx_http_socketio_access_bearer(ngx_http_request_t *r, ngx_array_t *bearers)
{
    ngx_str_t    given, *key;
    ngx_uint_t   i, ok;

    if (r->headers_in.authorization == NULL) {
        return 0;
    }

    given = r->headers_in.authorization->value;

    if (given.len < sizeof("Bearer ") - 1
        || ngx_strncasecmp(given.data, (u_char *) "Bearer ",
                           sizeof("Bearer ") - 1)
           != 0)
    {
        return 0;
    }

    given.data += sizeof("Bearer ") - 1;
    given.len -= sizeof("Bearer ") - 1;

    while (given.len && given.data[0] == ' ') {
        given.data++;
        given.len--;
    }

    key = bearers->elts;
    ok = 0;

    for (i = 0; i < bearers->nelts; i++) {
        ok |= ngx_http_socketio_access_equal(&given, &key[i]);
    }

    return ok;
}


/*
 * What was given alone decides how long this takes: each of its bytes meets
 * one of the key, from the front again where that ends, and nothing branches
 * on what either holds, nor divides by a length.  So time tells neither where
 * they differ nor how long the key is; and the caller asks for all keys,
 * whichever it was.
 */

static ngx_uint_t
ngx_http_socketio_access_equal(ngx_str_t *given, ngx_str_t *key)
{
    size_t           i, k;
    volatile size_t  differ;

    if (key->len == 0) {
        return 0;
    }

    differ = given->len ^ key->len;

    for (i = 0, k = 0; i < given->len; i++) {
        differ |= given->data[i] ^ key->data[k++];
        k &= (size_t) 0 - (k != key->len);
    }

    return differ == 0;
}
