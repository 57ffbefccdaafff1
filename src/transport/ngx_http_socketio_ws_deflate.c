
/*
 * Copyright (C) the ngx_http_socketio_module authors
 */


/*
 * permessage-deflate on websockets.  A websocket has one bit of it: zlib's
 * streams are the worker's, what is inflated lies there until it has been
 * handed on, and what is deflated belongs to the pin of its message, for all
 * websockets that were promised the same window.
 */


#include "transport/ngx_http_socketio_websocket.h"
#include "client/ngx_http_socketio_header.h"
#include "proto/ngx_socketio_utf8.h"
#include "proto/ngx_socketio_ws_deflate.h"
#include "store/ngx_socketio_bytes.h"


#define NGX_HTTP_SOCKETIO_WS_INFLATED  65536    /* most messages are less */


/* frames of a message in one piece or in chunks of the zone: what is left */

typedef struct {
    ngx_socketio_zone_t        *zone;
    ngx_socketio_ref_t          next;
    u_char                     *pos;
    u_char                     *last;
    size_t                      left;       /* pos .. last included */
} ngx_http_socketio_ws_source_t;


static ngx_int_t ngx_http_socketio_ws_inflate_to(size_t max,
    ngx_str_t *message);
static u_char *ngx_http_socketio_ws_inflate_room(u_char *p, size_t len,
    size_t size);
static ngx_socketio_variant_t *ngx_http_socketio_ws_deflated_add(
    ngx_http_socketio_ws_t *ws, ngx_socketio_pin_t *pin,
    ngx_socketio_variant_t *variant, uint64_t kind);
static u_char *ngx_http_socketio_ws_deflate(ngx_socketio_ws_deflate_t *d,
    ngx_http_socketio_ws_source_t *src, size_t threshold, u_char *out);
static u_char *ngx_http_socketio_ws_deflate_frame(
    ngx_socketio_ws_deflate_t *d, ngx_http_socketio_ws_source_t *src,
    size_t threshold, u_char *out);
static ngx_int_t ngx_http_socketio_ws_deflate_payload(
    ngx_socketio_ws_deflate_t *d, ngx_http_socketio_ws_source_t *src,
    size_t len, u_char *out, size_t *n);
static void ngx_http_socketio_ws_source(ngx_http_socketio_ws_source_t *src,
    ngx_socketio_pin_t *pin, ngx_socketio_variant_t *variant);
static ngx_int_t ngx_http_socketio_ws_source_frame(
    ngx_http_socketio_ws_source_t *src, ngx_socketio_ws_frame_t *f);
static u_char *ngx_http_socketio_ws_source_take(
    ngx_http_socketio_ws_source_t *src, size_t max, size_t *len);
static ngx_int_t ngx_http_socketio_ws_streams_keep(void);
static void ngx_http_socketio_ws_streams_free(void *data);


static ngx_socketio_ws_inflate_t  ngx_http_socketio_ws_inflate_stream;
static ngx_socketio_ws_deflate_t
    ngx_http_socketio_ws_deflate_streams[NGX_SOCKETIO_WS_WINDOW_MAX + 1];
static ngx_pool_t  *ngx_http_socketio_ws_streams_pool;

static u_char   ngx_http_socketio_ws_inflate_buf[NGX_HTTP_SOCKETIO_WS_INFLATED];
static u_char  *ngx_http_socketio_ws_inflate_big;


ngx_int_t
ngx_http_socketio_ws_negotiate(ngx_http_request_t *r,
    ngx_http_socketio_loc_conf_t *conf, ngx_str_t *answer)
{
    ngx_int_t  rc;
    ngx_str_t  offers;

    static ngx_str_t  name = ngx_string("sec-websocket-extensions");

    ngx_str_null(answer);

    if (!conf->deflate) {
        return NGX_OK;
    }

    rc = ngx_http_socketio_header_joined(r, &name, &offers);

    if (rc != NGX_OK) {
        return rc == NGX_ERROR ? NGX_ERROR : NGX_OK;
    }

    answer->data = ngx_pnalloc(r->pool, NGX_SOCKETIO_WS_DEFLATE_ANSWER);
    if (answer->data == NULL) {
        return NGX_ERROR;
    }

    rc = ngx_socketio_ws_deflate_negotiate(&offers, conf->deflate_window,
                                           answer);

    return rc == NGX_ERROR ? NGX_DECLINED : NGX_OK;
}


ngx_int_t
ngx_http_socketio_ws_inflate(ngx_http_socketio_ws_t *ws,
    ngx_socketio_ws_event_t *ev, ngx_str_t *message)
{
    u_char                     *p;
    uint32_t                    utf8;
    ngx_int_t                   rc;
    ngx_socketio_ws_inflate_t  *inf;

    inf = &ngx_http_socketio_ws_inflate_stream;

    if (!inf->ready
        && (ngx_http_socketio_ws_streams_keep() != NGX_OK
            || ngx_socketio_ws_inflate_init(inf) != NGX_OK))
    {
        ws->error = 1;
        return NGX_ERROR;
    }

    ngx_socketio_ws_inflate_begin(inf, message, ws->conf->max_payload);

    rc = ngx_http_socketio_ws_inflate_to(ws->conf->max_payload, message);

    switch (rc) {

    case NGX_OK:
        break;

    case NGX_DECLINED:
        ev->code = NGX_SOCKETIO_WS_CLOSE_INVALID_DATA;
        ev->error = "message cannot be inflated";
        return NGX_DECLINED;

    case NGX_ABORT:
        ev->code = NGX_SOCKETIO_WS_CLOSE_TOO_BIG;
        ev->error = "message too big when inflated";
        return NGX_DECLINED;

    default:
        ws->error = 1;
        return NGX_ERROR;
    }

    if (ev->opcode != NGX_SOCKETIO_WS_TEXT) {
        return NGX_OK;
    }

    p = message->data;
    utf8 = 0;

    if (ngx_socketio_utf8_check(&utf8, p, p + message->len) != NGX_OK || utf8)
    {
        ev->code = NGX_SOCKETIO_WS_CLOSE_INVALID_DATA;
        ev->error = "inflated text is not UTF-8";
        return NGX_DECLINED;
    }

    return NGX_OK;
}


/* return codes of ngx_socketio_ws_inflate(), without NGX_AGAIN */

static ngx_int_t
ngx_http_socketio_ws_inflate_to(size_t max, ngx_str_t *message)
{
    u_char     *p, *pos;
    size_t      size;
    ngx_int_t   rc;

    p = ngx_http_socketio_ws_inflate_buf;
    size = NGX_HTTP_SOCKETIO_WS_INFLATED;
    pos = p;

    for ( ;; ) {
        rc = ngx_socketio_ws_inflate(&ngx_http_socketio_ws_inflate_stream,
                                     &pos, p + size);

        if (rc != NGX_AGAIN) {
            message->data = p;
            message->len = pos - p;
            return rc;
        }

        size = ngx_min(4 * size, max);

        pos = ngx_http_socketio_ws_inflate_room(p, pos - p, size);
        if (pos == NULL) {
            return NGX_ERROR;
        }

        p = ngx_http_socketio_ws_inflate_big;
    }
}


/* more of it, with what is there; returns where that ends */

static u_char *
ngx_http_socketio_ws_inflate_room(u_char *p, size_t len, size_t size)
{
    u_char  *big, *last;

    big = ngx_alloc(size, ngx_cycle->log);
    if (big == NULL) {
        return NULL;
    }

    last = ngx_cpymem(big, p, len);

    ngx_http_socketio_ws_inflated();
    ngx_http_socketio_ws_inflate_big = big;

    return last;
}


void
ngx_http_socketio_ws_inflated(void)
{
    if (ngx_http_socketio_ws_inflate_big) {
        ngx_free(ngx_http_socketio_ws_inflate_big);
        ngx_http_socketio_ws_inflate_big = NULL;
    }
}


/*
 * Its kind is all that the bytes depend on, since locations of a zone may
 * differ in it, beside the kind of what is deflated, which is one byte.
 */

ngx_socketio_variant_t *
ngx_http_socketio_ws_deflated(ngx_http_socketio_ws_t *ws,
    ngx_socketio_pin_t *pin, ngx_socketio_variant_t *variant)
{
    uint64_t                 kind;
    ngx_socketio_variant_t  *deflated;

    if ((pin->flags & NGX_SOCKETIO_PLAIN)
        || (variant ? variant->len : pin->len) <= ws->conf->deflate_threshold)
    {
        /* headers are counted here, so no payload reaches it */
        return variant;
    }

    kind = (uint64_t) ws->conf->deflate_threshold << 16
           | ws->conf->deflate_window << 8
           | (variant ? variant->kind : 0);

    deflated = ngx_socketio_pin_variant(pin, kind);

    if (deflated == NULL) {
        deflated = ngx_http_socketio_ws_deflated_add(ws, pin, variant, kind);
    }

    return (deflated && deflated->len) ? deflated : variant;
}


/* of length 0: nothing got smaller; NULL: no memory, or the zone was emptied */

static ngx_socketio_variant_t *
ngx_http_socketio_ws_deflated_add(ngx_http_socketio_ws_t *ws,
    ngx_socketio_pin_t *pin, ngx_socketio_variant_t *variant, uint64_t kind)
{
    u_char                         *out, *last;
    size_t                          size, len;
    ngx_socketio_variant_t         *deflated;
    ngx_socketio_ws_deflate_t      *d;
    ngx_http_socketio_ws_source_t   src;

    d = &ngx_http_socketio_ws_deflate_streams[ws->conf->deflate_window];

    if (!d->ready
        && (ngx_http_socketio_ws_streams_keep() != NGX_OK
            || ngx_socketio_ws_deflate_init(d, ws->conf->deflate_window)
               != NGX_OK))
    {
        return NULL;
    }

    ngx_http_socketio_ws_source(&src, pin, variant);

    size = src.left;

    out = ngx_alloc(size + NGX_SOCKETIO_WS_DEFLATE_SLACK, ngx_cycle->log);
    if (out == NULL) {
        return NULL;
    }

    last = ngx_http_socketio_ws_deflate(d, &src, ws->conf->deflate_threshold,
                                        out);
    if (last == NULL) {
        ngx_free(out);
        return NULL;
    }

    len = last - out;

    if (len == size) {
        len = 0;
    }

    deflated = ngx_socketio_pin_variant_add(pin, kind, len);

    if (deflated && len) {
        ngx_memcpy(deflated->data, out, len);
    }

    ngx_free(out);

    return deflated;
}


/* all frames; returns the end of what they have become, NULL: they are none */

static u_char *
ngx_http_socketio_ws_deflate(ngx_socketio_ws_deflate_t *d,
    ngx_http_socketio_ws_source_t *src, size_t threshold, u_char *out)
{
    while (out && src->left) {
        out = ngx_http_socketio_ws_deflate_frame(d, src, threshold, out);
    }

    return out;
}


/* A frame becomes no longer than it was; NULL: it is none. */

static u_char *
ngx_http_socketio_ws_deflate_frame(ngx_socketio_ws_deflate_t *d,
    ngx_http_socketio_ws_source_t *src, size_t threshold, u_char *out)
{
    u_char                         *p, *payload;
    size_t                          len, n;
    ngx_uint_t                      opcode;
    ngx_socketio_ws_frame_t         f;
    ngx_http_socketio_ws_source_t   begin;

    if (ngx_http_socketio_ws_source_frame(src, &f) != NGX_OK) {
        return NULL;
    }

    begin = *src;
    len = (size_t) f.length;
    opcode = f.opcode | NGX_SOCKETIO_WS_FIN;

    payload = out + ngx_socketio_ws_frame_header(NULL, opcode, len);

    if (len >= threshold
        && ngx_http_socketio_ws_deflate_payload(d, src, len, payload, &n)
           == NGX_OK)
    {
        opcode |= NGX_SOCKETIO_WS_RSV1;
        out += ngx_socketio_ws_frame_header(out, opcode, n);

        /* a shorter one may have a shorter header */
        ngx_memmove(out, payload, n);

        return out + n;
    }

    *src = begin;
    out += ngx_socketio_ws_frame_header(out, opcode, len);

    for ( /* void */ ; len; len -= n) {

        p = ngx_http_socketio_ws_source_take(src, len, &n);
        if (p == NULL) {
            return NULL;
        }

        out = ngx_cpymem(out, p, n);
    }

    return out;
}


static ngx_int_t
ngx_http_socketio_ws_deflate_payload(ngx_socketio_ws_deflate_t *d,
    ngx_http_socketio_ws_source_t *src, size_t len, u_char *out, size_t *n)
{
    u_char  *p;
    size_t   size;

    ngx_socketio_ws_deflate_begin(d, out, len);

    for ( /* void */ ; len; len -= size) {

        p = ngx_http_socketio_ws_source_take(src, len, &size);

        if (p == NULL
            || ngx_socketio_ws_deflate_add(d, p, size) != NGX_OK)
        {
            return NGX_DECLINED;
        }
    }

    return ngx_socketio_ws_deflate_finish(d, n);
}


static void
ngx_http_socketio_ws_source(ngx_http_socketio_ws_source_t *src,
    ngx_socketio_pin_t *pin, ngx_socketio_variant_t *variant)
{
    src->zone = pin->zone;
    src->left = variant ? variant->len : pin->len;
    src->pos = variant ? variant->data : pin->data;

    if (src->pos) {
        src->next = 0;
        src->last = src->pos + src->left;

    } else {
        src->next = pin->bytes;
        src->last = NULL;
    }
}


/* a header, of a whole message as all are that we make */

static ngx_int_t
ngx_http_socketio_ws_source_frame(ngx_http_socketio_ws_source_t *src,
    ngx_socketio_ws_frame_t *f)
{
    u_char     *p;
    size_t      n;
    ngx_int_t   rc;

    ngx_memzero(f, sizeof(ngx_socketio_ws_frame_t));

    do {
        p = ngx_http_socketio_ws_source_take(src, 1, &n);
        if (p == NULL) {
            return NGX_ERROR;
        }

        rc = ngx_socketio_ws_frame_parse(f, &p, p + 1);

    } while (rc == NGX_AGAIN);

    if (rc != NGX_OK || !f->fin || f->length > src->left) {
        return NGX_ERROR;
    }

    return NGX_OK;
}


/* up to "max" bytes that lie together; NULL: there are no more */

static u_char *
ngx_http_socketio_ws_source_take(ngx_http_socketio_ws_source_t *src,
    size_t max, size_t *len)
{
    u_char  *p;
    size_t   size;

    if (src->left == 0) {
        return NULL;
    }

    if (src->pos == src->last) {

        if (src->next == 0) {
            return NULL;
        }

        p = ngx_socketio_bytes_span(src->zone, src->next, &size, &src->next);

        size = ngx_min(size, src->left);
        if (size == 0) {
            return NULL;
        }

        src->pos = p;
        src->last = p + size;
    }

    p = src->pos;
    size = ngx_min((size_t) (src->last - p), max);

    src->pos += size;
    src->left -= size;
    *len = size;

    return p;
}


/* all that are ready are freed before the module is unloaded with that pool */

static ngx_int_t
ngx_http_socketio_ws_streams_keep(void)
{
    ngx_pool_cleanup_t  *cln;

    if (ngx_http_socketio_ws_streams_pool == ngx_cycle->pool) {
        return NGX_OK;
    }

    cln = ngx_pool_cleanup_add(ngx_cycle->pool, 0);
    if (cln == NULL) {
        return NGX_ERROR;
    }

    cln->handler = ngx_http_socketio_ws_streams_free;
    ngx_http_socketio_ws_streams_pool = ngx_cycle->pool;

    return NGX_OK;
}


static void
ngx_http_socketio_ws_streams_free(void *data)
{
    ngx_uint_t  i;

    ngx_socketio_ws_inflate_end(&ngx_http_socketio_ws_inflate_stream);

    for (i = 0; i <= NGX_SOCKETIO_WS_WINDOW_MAX; i++) {
        ngx_socketio_ws_deflate_end(&ngx_http_socketio_ws_deflate_streams[i]);
    }

    ngx_http_socketio_ws_streams_pool = NULL;
}
