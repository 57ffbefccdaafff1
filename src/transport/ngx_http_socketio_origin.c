
/*
 * Copyright (C) the ngx_http_socketio_module authors
 */


/*
 * Which pages may connect.  Whole origins are compared, never parts, and
 * nothing is made of the client's text: browsers write an origin in one way
 * only (RFC 6454, section 6.1).
 */


#include "transport/ngx_http_socketio_transport.h"


typedef struct {
    ngx_str_t    scheme;
    ngx_str_t    host;          /* with its port, unless the scheme's own */
} ngx_http_socketio_parsed_t;


static void ngx_http_socketio_origin_page(ngx_http_request_t *r,
    ngx_str_t *page);
static ngx_uint_t ngx_http_socketio_origin_elsewhere(ngx_http_request_t *r);
static void ngx_http_socketio_origin_parse(ngx_str_t *text,
    ngx_http_socketio_parsed_t *parsed);
static ngx_uint_t ngx_http_socketio_origin_same(ngx_http_request_t *r,
    ngx_http_socketio_parsed_t *parsed);
static ngx_uint_t ngx_http_socketio_origin_is(ngx_str_t *text,
    ngx_http_socketio_parsed_t *parsed, ngx_http_socketio_origin_t *origin);
static ngx_uint_t ngx_http_socketio_origin_below(ngx_str_t *host,
    ngx_str_t *wildcard);
static void ngx_http_socketio_origin_port(ngx_http_socketio_parsed_t *parsed,
    ngx_str_t *host);
static ngx_uint_t ngx_http_socketio_equal(ngx_str_t *a, ngx_str_t *b);
static ngx_int_t ngx_http_socketio_origin_cors(ngx_http_request_t *r,
    ngx_str_t *origin, ngx_uint_t credentials);


ngx_int_t
ngx_http_socketio_origin(ngx_http_request_t *r,
    ngx_http_socketio_loc_conf_t *conf, ngx_http_socketio_ctx_t *ctx,
    ngx_http_socketio_request_t *req)
{
    ngx_str_t                   *text, page;
    ngx_uint_t                   i, same, ours;
    ngx_http_socketio_parsed_t   parsed;
    ngx_http_socketio_origin_t  *origin;

    text = ngx_http_socketio_header(r, "origin", sizeof("origin") - 1);

    if (text == NULL) {

        if (req->peer.jsonp) {
            ngx_http_socketio_origin_page(r, &page);

        } else if (ngx_http_socketio_origin_elsewhere(r)) {
            ngx_str_set(&page, "");

        } else {
            return NGX_OK;
        }

        text = &page;
    }

    ngx_http_socketio_origin_parse(text, &parsed);

    ours = ngx_http_socketio_origin_same(r, &parsed);
    ctx->foreign = !ours;

    if (conf->origins == NULL) {
        return ours ? NGX_OK : NGX_DECLINED;
    }

    origin = conf->origins->elts;
    same = 0;

    for (i = 0; i < conf->origins->nelts; i++) {

        if (origin[i].any) {

            /*
             * Clients of revision 3 ask with credentials whether their page
             * wants that or not, and browsers take no "*" for an answer then.
             */

            return ngx_http_socketio_origin_cors(r, text,
                                       req->key.revision == 3
                                       && text != &page);
        }

        if (origin[i].same) {
            same = 1;
            continue;
        }

        if (ngx_http_socketio_origin_is(text, &parsed, &origin[i])) {
            ctx->listed = 1;
            return ngx_http_socketio_origin_cors(r, text, 1);
        }
    }

    return (same && ours) ? NGX_OK : NGX_DECLINED;
}


/*
 * Browsers send no Origin with what a page loads as a script, but its cookies,
 * and any page may do so.  Where the page is from is said by Referer then;
 * one that keeps it to itself is nobody's.
 */

static void
ngx_http_socketio_origin_page(ngx_http_request_t *r, ngx_str_t *page)
{
    u_char     *p, *last;
    ngx_str_t  *referer;

    ngx_str_set(page, "");

    referer = ngx_http_socketio_header(r, "referer", sizeof("referer") - 1);

    if (referer == NULL) {
        return;
    }

    last = referer->data + referer->len;
    p = ngx_strlchr(referer->data, last, ':');

    if (p == NULL || last - p < 3 || p[1] != '/' || p[2] != '/') {
        return;
    }

    p += 3;

    while (p < last && *p != '/' && *p != '?' && *p != '#') {
        p++;
    }

    page->data = referer->data;
    page->len = p - referer->data;
}


/*
 * Nor do they with an image, whose answer the page cannot read; but its
 * visitor's cookies would have opened a session, and of revision 3 a socket.
 * Browsers say so (Fetch Metadata, 2.3); clients ask in ways that have an
 * Origin.
 */

static ngx_uint_t
ngx_http_socketio_origin_elsewhere(ngx_http_request_t *r)
{
    ngx_str_t  *site;

    static ngx_str_t  cross = ngx_string("cross-site");
    static ngx_str_t  same = ngx_string("same-site");

    site = ngx_http_socketio_header(r, "sec-fetch-site",
                                    sizeof("sec-fetch-site") - 1);

    return site && (ngx_http_socketio_equal(site, &cross)
                    || ngx_http_socketio_equal(site, &same));
}


static void
ngx_http_socketio_origin_parse(ngx_str_t *text,
    ngx_http_socketio_parsed_t *parsed)
{
    size_t  i;

    ngx_memzero(parsed, sizeof(ngx_http_socketio_parsed_t));

    for (i = 0; i + 3 < text->len; i++) {

        if (ngx_strncmp(&text->data[i], "://", 3) == 0) {
            parsed->scheme.len = i;
            parsed->scheme.data = text->data;
            parsed->host.len = text->len - i - 3;
            parsed->host.data = &text->data[i + 3];

            ngx_http_socketio_origin_port(parsed, &parsed->host);
            return;
        }
    }
}


/* "http://host:80" is written without the port; a Host header need not be */

static void
ngx_http_socketio_origin_port(ngx_http_socketio_parsed_t *parsed,
    ngx_str_t *host)
{
    ngx_str_t  http = ngx_string("http");
    ngx_str_t  https = ngx_string("https");

    if (host->len > 3
        && ngx_strncmp(host->data + host->len - 3, ":80", 3) == 0
        && ngx_http_socketio_equal(&parsed->scheme, &http))
    {
        host->len -= 3;

    } else if (host->len > 4
               && ngx_strncmp(host->data + host->len - 4, ":443", 4) == 0
               && ngx_http_socketio_equal(&parsed->scheme, &https))
    {
        host->len -= 4;
    }
}


static ngx_uint_t
ngx_http_socketio_equal(ngx_str_t *a, ngx_str_t *b)
{
    return a->len == b->len
           && ngx_strncasecmp(a->data, b->data, a->len) == 0;
}


static ngx_uint_t
ngx_http_socketio_origin_same(ngx_http_request_t *r,
    ngx_http_socketio_parsed_t *parsed)
{
    ngx_str_t  host;

    if (parsed->host.len == 0 || r->headers_in.host == NULL) {
        return 0;
    }

    host = r->headers_in.host->value;

    ngx_http_socketio_origin_port(parsed, &host);

    return ngx_http_socketio_equal(&host, &parsed->host);
}


static ngx_uint_t
ngx_http_socketio_origin_is(ngx_str_t *text,
    ngx_http_socketio_parsed_t *parsed, ngx_http_socketio_origin_t *origin)
{
    if (origin->scheme.len == 0) {
        return text->len == origin->host.len
               && ngx_memcmp(text->data, origin->host.data, text->len) == 0;
    }

    if (!ngx_http_socketio_equal(&parsed->scheme, &origin->scheme)) {
        return 0;
    }

    if (origin->wildcard) {
        return ngx_http_socketio_origin_below(&parsed->host, &origin->host);
    }

    return ngx_http_socketio_equal(&parsed->host, &origin->host);
}


/* "*.app.example": one or more labels before it, and nothing but labels */

static ngx_uint_t
ngx_http_socketio_origin_below(ngx_str_t *host, ngx_str_t *wildcard)
{
    u_char     ch;
    size_t     i, n;
    ngx_str_t  tail, suffix;

    suffix.len = wildcard->len - 1;
    suffix.data = wildcard->data + 1;

    if (host->len <= suffix.len) {
        return 0;
    }

    n = host->len - suffix.len;

    tail.len = suffix.len;
    tail.data = host->data + n;

    if (!ngx_http_socketio_equal(&tail, &suffix)) {
        return 0;
    }

    for (i = 0; i < n; i++) {
        ch = ngx_tolower(host->data[i]);

        if ((ch < 'a' || ch > 'z') && (ch < '0' || ch > '9')
            && ch != '-' && ch != '_' && ch != '.')
        {
            return 0;
        }
    }

    return 1;
}


/*
 * These stay with the request, whatever its answer will be: without them a
 * page cannot read errors either.
 */

static ngx_int_t
ngx_http_socketio_origin_cors(ngx_http_request_t *r, ngx_str_t *origin,
    ngx_uint_t credentials)
{
    ngx_str_t  value;

    if (!credentials) {
        ngx_str_set(&value, "*");
        return ngx_http_socketio_add_header(r, "Access-Control-Allow-Origin",
                                            &value);
    }

    if (ngx_http_socketio_add_header(r, "Access-Control-Allow-Origin", origin)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    ngx_str_set(&value, "true");

    if (ngx_http_socketio_add_header(r, "Access-Control-Allow-Credentials",
                                     &value)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    ngx_str_set(&value, "Origin");

    return ngx_http_socketio_add_header(r, "Vary", &value);
}
