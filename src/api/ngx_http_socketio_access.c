
/*
 * Copyright (C) the ngx_http_socketio_module authors
 */


#include "api/ngx_http_socketio_access.h"
#include "client/ngx_http_socketio_header.h"

#include <nginx.h>


static char *ngx_http_socketio_access_refuse(ngx_http_request_t *r);
static ngx_uint_t ngx_http_socketio_access_local(struct sockaddr *sockaddr);
static ngx_uint_t ngx_http_socketio_access_claimed(ngx_http_request_t *r);
static ngx_uint_t ngx_http_socketio_access_host(ngx_http_request_t *r);
static ngx_uint_t ngx_http_socketio_access_domain(ngx_str_t *host);
static ngx_uint_t ngx_http_socketio_access_named(ngx_str_t *host,
    ngx_str_t *name);
static ngx_uint_t ngx_http_socketio_access_bearer(ngx_http_request_t *r,
    ngx_array_t *bearers);
static ngx_uint_t ngx_http_socketio_access_equal(ngx_str_t *given,
    ngx_str_t *key);


static ngx_str_t  ngx_http_socketio_access_scheme = ngx_string("Bearer");


ngx_int_t
ngx_http_socketio_access(ngx_http_request_t *r, char *directive,
    ngx_array_t *bearers, ngx_uint_t open)
{
    char             *why;
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

    why = ngx_http_socketio_access_refuse(r);

    if (why) {
        ngx_log_error(NGX_LOG_INFO, r->connection->log, 0,
                      "refused by \"%s\": %s", directive, why);
        return NGX_HTTP_FORBIDDEN;
    }

    return NGX_OK;
}


/* NULL: it is a program on this machine, and no web page in its browser */

static char *
ngx_http_socketio_access_refuse(ngx_http_request_t *r)
{
    if (!ngx_http_socketio_access_local(r->connection->sockaddr)) {
        return "not from this machine";
    }

    if (ngx_http_socketio_access_claimed(r)) {
        return "its address is what a header says";
    }

    /* a web page may make its visitor's browser send a POST to loopback */

    if (ngx_http_socketio_header(r, "origin", sizeof("origin") - 1) != NULL) {
        return "has an \"Origin\" header";
    }

#if (NGX_HAVE_UNIX_DOMAIN)
    if (r->connection->sockaddr->sa_family == AF_UNIX) {
        return NULL;
    }
#endif

    return ngx_http_socketio_access_host(r)
           ? NULL : "its \"Host\" is a domain that is not in \"server_name\"";
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


/*
 * With realip whoever is believed may say that it is loopback, or pass on what
 * a client says.
 */

static ngx_uint_t
ngx_http_socketio_access_claimed(ngx_http_request_t *r)
{
    ngx_str_t                  *text;
    ngx_uint_t                  key;
    ngx_http_variable_value_t  *value;

    static ngx_str_t  name = ngx_string("realip_remote_addr");

    key = ngx_hash_key(name.data, name.len);
    value = ngx_http_get_variable(r, &name, key);

    if (value == NULL || value->not_found || !value->valid) {
        return 0;
    }

    text = &r->connection->addr_text;

    return value->len != text->len
           || ngx_memcmp(value->data, text->data, text->len) != 0;
}


/*
 * A page may have its own name resolve to 127.0.0.1 ("DNS rebinding"): its
 * requests are of one origin then, and a GET has no Origin.  But their Host is
 * that name.  Browsers send none without Host.
 */

static ngx_uint_t
ngx_http_socketio_access_host(ngx_http_request_t *r)
{
    ngx_str_t                     *host;
    ngx_uint_t                     i;
    ngx_http_server_name_t        *name;
    ngx_http_socketio_loc_conf_t  *conf;

    host = &r->headers_in.server;

    if (host->len == 0 || !ngx_http_socketio_access_domain(host)) {
        return 1;
    }

    conf = ngx_http_get_module_loc_conf(r, ngx_http_socketio_module);
    name = conf->names->elts;

    for (i = 0; i < conf->names->nelts; i++) {

#if (NGX_PCRE)
        if (name[i].regex) {
            if (ngx_regex_exec(name[i].regex->regex, host, NULL, 0) >= 0) {
                return 1;
            }

            continue;
        }
#endif

        if (ngx_http_socketio_access_named(host, &name[i].name)) {
            return 1;
        }
    }

    return 0;
}


/*
 * What a stranger could own: no address, as no domain ends with a number (RFC
 * 1123, 2.1), nor a name of the network here, such as "localhost".
 */

static ngx_uint_t
ngx_http_socketio_access_domain(ngx_str_t *host)
{
    u_char      *p, *last;
    ngx_uint_t   dot, other;

    dot = 0;
    other = 0;
    last = host->data + host->len;

    if (host->data[0] == '[') {
        return 0;
    }

    for (p = host->data; p < last; p++) {
        if (*p == '.') {
            dot = 1;

        } else if (*p < '0' || *p > '9') {
            other = 1;
        }
    }

    return dot && other;
}


/* "name", ".name", "*.name" or "name.*" of server_name, in lower case */

static ngx_uint_t
ngx_http_socketio_access_named(ngx_str_t *host, ngx_str_t *name)
{
    size_t   len;
    u_char  *p;

    p = name->data;
    len = name->len;

    if (len > 2 && p[0] == '*' && p[1] == '.') {
        p++;
        len--;

        return host->len > len
               && ngx_memcmp(host->data + host->len - len, p, len) == 0;
    }

    if (len > 1 && p[0] == '.') {
        return (host->len >= len
                && ngx_memcmp(host->data + host->len - len, p, len) == 0)
               || (host->len == len - 1
                   && ngx_memcmp(host->data, p + 1, len - 1) == 0);
    }

    if (len > 2 && p[len - 1] == '*' && p[len - 2] == '.') {
        return host->len >= len
               && ngx_memcmp(host->data, p, len - 1) == 0;
    }

    return len && host->len == len && ngx_memcmp(host->data, p, len) == 0;
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
