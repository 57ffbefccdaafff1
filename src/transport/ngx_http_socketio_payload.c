
/*
 * Copyright (C) the ngx_http_socketio_module authors
 */


#include "transport/ngx_http_socketio_payload.h"
#include "store/ngx_socketio_bytes.h"
#include "proto/ngx_socketio_base64.h"
#include "proto/ngx_socketio_eio.h"
#include "proto/ngx_socketio_ws_frame.h"


/* small packets share a buffer */
#define NGX_HTTP_SOCKETIO_PAYLOAD_BLOCK  4000


typedef struct {
    ngx_pool_t     *pool;
    ngx_chain_t    *out;
    ngx_chain_t   **last;
    ngx_buf_t      *buf;        /* of the last link, if it may be added to */
    ngx_uint_t      any;        /* a packet is there: a separator comes next */
} ngx_http_socketio_payload_t;


static ngx_int_t ngx_http_socketio_payload_message(
    ngx_http_socketio_payload_t *pl, ngx_socketio_pin_t *pin);
static ngx_int_t ngx_http_socketio_payload_frames(
    ngx_http_socketio_payload_t *pl, u_char *p, u_char *last);
static ngx_int_t ngx_http_socketio_payload_adopt(
    ngx_http_socketio_payload_t *pl, u_char *p, u_char *last);
static u_char *ngx_http_socketio_payload_room(
    ngx_http_socketio_payload_t *pl, size_t len);
static ngx_int_t ngx_http_socketio_payload_packet(
    ngx_http_socketio_payload_t *pl, char *text, size_t len);
static ngx_buf_t *ngx_http_socketio_payload_link(
    ngx_http_socketio_payload_t *pl);


ngx_int_t
ngx_http_socketio_payload(ngx_pool_t *pool, ngx_socketio_zone_t *zone,
    ngx_socketio_taken_t *taken, ngx_chain_t **out)
{
    ngx_int_t                     rc;
    ngx_uint_t                    i;
    ngx_socketio_ref_t            node;
    ngx_socketio_pin_t           *pin;
    ngx_http_socketio_payload_t   pl;

    ngx_memzero(&pl, sizeof(ngx_http_socketio_payload_t));

    pl.pool = pool;
    pl.last = &pl.out;

    switch (taken->answer) {

    case NGX_SOCKETIO_EIO_SEND:
        break;

    case NGX_SOCKETIO_EIO_SEND_CLOSE:
        rc = ngx_http_socketio_payload_packet(&pl, "1", 1);
        *out = pl.out;
        return rc;

    case NGX_SOCKETIO_EIO_SEND_NOOP_CLOSE:
        rc = ngx_http_socketio_payload_packet(&pl, "6\x1e" "1", 3);
        *out = pl.out;
        return rc;

    default: /* NGX_SOCKETIO_EIO_SEND_NOOP */
        rc = ngx_http_socketio_payload_packet(&pl, "6", 1);
        *out = pl.out;
        return rc;
    }

    node = taken->nodes;

    for (i = 0; i < taken->n; i++) {

        pin = ngx_socketio_pin(zone, &node);

        if (pin == NULL) {
            ngx_socketio_pin_none(zone, node, taken->n - i - 1);
            return NGX_ERROR;
        }

        rc = ngx_http_socketio_payload_message(&pl, pin);

        ngx_socketio_pin_release(pin);

        if (rc != NGX_OK) {
            if (i + 1 < taken->n) {
                ngx_socketio_pin_none(zone, node, taken->n - i - 1);
            }

            return NGX_ERROR;
        }
    }

    if (taken->ping
        && ngx_http_socketio_payload_packet(&pl, "2", 1) != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (pl.out == NULL) {
        /* cannot be, but an empty payload is no payload */
        rc = ngx_http_socketio_payload_packet(&pl, "6", 1);
        *out = pl.out;
        return rc;
    }

    *out = pl.out;

    return NGX_OK;
}


/*
 * A message in one piece is read where it is.  Otherwise it is collected, and
 * if it is just one text frame the collected bytes go out themselves.
 */

static ngx_int_t
ngx_http_socketio_payload_message(ngx_http_socketio_payload_t *pl,
    ngx_socketio_pin_t *pin)
{
    u_char                  *p, *pos, *last;
    ngx_int_t                rc;
    ngx_socketio_ws_frame_t  f;

    if (pin->data) {
        return ngx_http_socketio_payload_frames(pl, pin->data,
                                                pin->data + pin->len);
    }

    p = ngx_palloc(pl->pool, pin->len);
    if (p == NULL) {
        return NGX_ERROR;
    }

    if (ngx_socketio_bytes_read(pin->zone, pin->bytes, p, pin->len)
        != pin->len)
    {
        return NGX_ERROR;
    }

    ngx_memzero(&f, sizeof(ngx_socketio_ws_frame_t));

    pos = p;
    last = p + pin->len;

    if (ngx_socketio_ws_frame_parse(&f, &pos, last) == NGX_OK
        && f.opcode == NGX_SOCKETIO_WS_TEXT
        && f.length == (uint64_t) (last - pos))
    {
        return ngx_http_socketio_payload_adopt(pl, pos, last);
    }

    rc = ngx_http_socketio_payload_frames(pl, p, last);

    (void) ngx_pfree(pl->pool, p);

    return rc;
}


/* the payload of a frame, whose header is free to hold the separator */

static ngx_int_t
ngx_http_socketio_payload_adopt(ngx_http_socketio_payload_t *pl, u_char *p,
    u_char *last)
{
    ngx_buf_t  *b;

    b = ngx_http_socketio_payload_link(pl);
    if (b == NULL) {
        return NGX_ERROR;
    }

    pl->buf = NULL;

    if (pl->any) {
        *--p = NGX_SOCKETIO_EIO_SEPARATOR;
    }

    pl->any = 1;

    b->temporary = 1;
    b->pos = p;
    b->last = last;

    return NGX_OK;
}


/* a text frame is a packet as it is, a binary one becomes "b", base64 */

static ngx_int_t
ngx_http_socketio_payload_frames(ngx_http_socketio_payload_t *pl, u_char *p,
    u_char *last)
{
    u_char                   *dst;
    size_t                    len;
    ngx_socketio_ws_frame_t   f;

    while (p < last) {
        ngx_memzero(&f, sizeof(ngx_socketio_ws_frame_t));

        if (ngx_socketio_ws_frame_parse(&f, &p, last) != NGX_OK
            || f.length > (uint64_t) (last - p))
        {
            return NGX_ERROR;
        }

        len = (size_t) f.length;

        if (f.opcode == NGX_SOCKETIO_WS_BINARY) {
            dst = ngx_http_socketio_payload_room(pl,
                              1 + ngx_socketio_base64_encoded_length(len));
            if (dst == NULL) {
                return NGX_ERROR;
            }

            *dst++ = 'b';
            ngx_socketio_base64_encode(dst, p, len);

        } else {
            dst = ngx_http_socketio_payload_room(pl, len);
            if (dst == NULL) {
                return NGX_ERROR;
            }

            ngx_memcpy(dst, p, len);
        }

        p += len;
    }

    return NGX_OK;
}


/* memory for a packet of this length, a separator before it */

static u_char *
ngx_http_socketio_payload_room(ngx_http_socketio_payload_t *pl, size_t len)
{
    u_char     *p;
    size_t      size;
    ngx_buf_t  *b;

    b = pl->buf;
    len += pl->any;

    if (b == NULL || (size_t) (b->end - b->last) < len) {

        size = ngx_max(len, NGX_HTTP_SOCKETIO_PAYLOAD_BLOCK);

        /* the first one has it exactly: most answers are one packet */

        if (pl->out == NULL) {
            size = len;
        }

        p = ngx_palloc(pl->pool, size);
        if (p == NULL) {
            return NULL;
        }

        b = ngx_http_socketio_payload_link(pl);
        if (b == NULL) {
            return NULL;
        }

        b->temporary = 1;
        b->start = p;
        b->pos = p;
        b->last = p;
        b->end = p + size;

        pl->buf = b;
    }

    p = b->last;
    b->last += len;

    if (pl->any) {
        *p++ = NGX_SOCKETIO_EIO_SEPARATOR;
    }

    pl->any = 1;

    return p;
}


static ngx_int_t
ngx_http_socketio_payload_packet(ngx_http_socketio_payload_t *pl, char *text,
    size_t len)
{
    u_char  *p;

    p = ngx_http_socketio_payload_room(pl, len);
    if (p == NULL) {
        return NGX_ERROR;
    }

    ngx_memcpy(p, text, len);

    return NGX_OK;
}


static ngx_buf_t *
ngx_http_socketio_payload_link(ngx_http_socketio_payload_t *pl)
{
    ngx_chain_t  *cl;

    cl = ngx_alloc_chain_link(pl->pool);
    if (cl == NULL) {
        return NULL;
    }

    cl->buf = ngx_calloc_buf(pl->pool);
    if (cl->buf == NULL) {
        return NULL;
    }

    cl->next = NULL;

    *pl->last = cl;
    pl->last = &cl->next;

    return cl->buf;
}
