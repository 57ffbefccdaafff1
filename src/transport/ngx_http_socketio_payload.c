
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
    ngx_array_t    *packets;    /* revision 3: they are gathered here */
} ngx_http_socketio_payload_t;


static ngx_int_t ngx_http_socketio_payload_control(
    ngx_http_socketio_payload_t *pl, ngx_socketio_taken_t *taken);
static ngx_int_t ngx_http_socketio_payload_message(
    ngx_http_socketio_payload_t *pl, ngx_socketio_pin_t *pin);
static ngx_int_t ngx_http_socketio_payload_frames(
    ngx_http_socketio_payload_t *pl, u_char *p, u_char *last);
static ngx_int_t ngx_http_socketio_payload_adopt(
    ngx_http_socketio_payload_t *pl, u_char *p, u_char *last);
static u_char *ngx_http_socketio_payload_room(
    ngx_http_socketio_payload_t *pl, size_t len);
static ngx_int_t ngx_http_socketio_payload_packet(
    ngx_http_socketio_payload_t *pl, char *text);
static ngx_buf_t *ngx_http_socketio_payload_link(
    ngx_http_socketio_payload_t *pl);


ngx_int_t
ngx_http_socketio_payload(ngx_pool_t *pool, ngx_socketio_zone_t *zone,
    ngx_socketio_taken_t *taken, ngx_chain_t **out, ngx_uint_t *binary)
{
    ngx_int_t                     rc;
    ngx_uint_t                    i;
    ngx_array_t                   packets;
    ngx_socketio_ref_t            node;
    ngx_socketio_pin_t           *pin;
    ngx_http_socketio_payload_t   pl;

    ngx_memzero(&pl, sizeof(ngx_http_socketio_payload_t));

    pl.pool = pool;
    pl.last = &pl.out;
    *binary = 0;

    if (taken->peer.revision == 3
        && ngx_array_init(&packets, pool, taken->n + 2,
                          sizeof(ngx_http_socketio_payload_packet_t))
           == NGX_OK)
    {
        pl.packets = &packets;
    }

    node = taken->nodes;
    rc = (taken->peer.revision == 3 && pl.packets == NULL) ? NGX_ERROR
                                                           : NGX_OK;

    for (i = 0; i < taken->n; i++) {

        pin = (rc == NGX_OK) ? ngx_socketio_pin(zone, &node) : NULL;

        if (pin == NULL) {
            /* one that cannot be pinned is given back already */
            ngx_socketio_pin_none(zone, node, taken->n - i - (rc == NGX_OK));
            return NGX_ERROR;
        }

        rc = ngx_http_socketio_payload_message(&pl, pin);

        ngx_socketio_pin_release(pin);
    }

    if (rc != NGX_OK
        || ngx_http_socketio_payload_control(&pl, taken) != NGX_OK)
    {
        return NGX_ERROR;
    }

    *out = pl.out;

    if (pl.packets
        && ngx_http_socketio_payload3_encode(pool, &taken->peer, pl.packets,
                                             out, binary)
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    return ngx_http_socketio_payload_jsonp(pool, &taken->peer, out);
}


/* the packets without a message, behind those with one */

static ngx_int_t
ngx_http_socketio_payload_control(ngx_http_socketio_payload_t *pl,
    ngx_socketio_taken_t *taken)
{
    switch (taken->answer) {

    case NGX_SOCKETIO_EIO_SEND:

        if (taken->ping) {
            return ngx_http_socketio_payload_packet(pl,
                                 taken->peer.revision == 3 ? "3" : "2");
        }

        if (taken->n) {
            return NGX_OK;
        }

        /* cannot be, but an empty payload is no payload */

        return ngx_http_socketio_payload_packet(pl, "6");

    case NGX_SOCKETIO_EIO_SEND_CLOSE:
        return ngx_http_socketio_payload_packet(pl, "1");

    case NGX_SOCKETIO_EIO_SEND_NOOP_CLOSE:

        if (ngx_http_socketio_payload_packet(pl, "6") != NGX_OK) {
            return NGX_ERROR;
        }

        return ngx_http_socketio_payload_packet(pl, "1");

    default: /* NGX_SOCKETIO_EIO_SEND_NOOP */
        return ngx_http_socketio_payload_packet(pl, "6");
    }
}


ngx_int_t
ngx_http_socketio_payload_text(ngx_pool_t *pool, ngx_socketio_peer_t *peer,
    ngx_str_t *text, ngx_chain_t **out)
{
    u_char                       *p;
    ngx_uint_t                    binary;
    ngx_array_t                   packets;
    ngx_http_socketio_payload_t   pl;

    if (peer->revision == 3) {

        if (ngx_array_init(&packets, pool, 1,
                           sizeof(ngx_http_socketio_payload_packet_t))
            != NGX_OK
            || ngx_http_socketio_payload3_packet(&packets, text->data,
                                                 text->len, 0)
               != NGX_OK
            || ngx_http_socketio_payload3_encode(pool, peer, &packets, out,
                                                 &binary)
               != NGX_OK)
        {
            return NGX_ERROR;
        }

    } else {
        ngx_memzero(&pl, sizeof(ngx_http_socketio_payload_t));

        pl.pool = pool;
        pl.last = &pl.out;

        p = ngx_http_socketio_payload_room(&pl, text->len);
        if (p == NULL) {
            return NGX_ERROR;
        }

        ngx_memcpy(p, text->data, text->len);

        *out = pl.out;
    }

    return ngx_http_socketio_payload_jsonp(pool, peer, out);
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

    if (pin->data && pl->packets == NULL) {
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

    if (pl->packets) {
        return ngx_http_socketio_payload3_message(pl->packets, p, pin->len);
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
    u_char      *dst;
    size_t       len;
    ngx_int_t    rc;
    ngx_str_t    payload;
    ngx_uint_t   binary;

    for ( ;; ) {
        rc = ngx_http_socketio_frame_next(&p, last, &payload, &binary);

        if (rc != NGX_OK) {
            return (rc == NGX_DONE) ? NGX_OK : NGX_ERROR;
        }

        len = binary ? 1 + ngx_socketio_base64_encoded_length(payload.len)
                     : payload.len;

        dst = ngx_http_socketio_payload_room(pl, len);
        if (dst == NULL) {
            return NGX_ERROR;
        }

        if (binary) {
            *dst++ = 'b';
            ngx_socketio_base64_encode(dst, payload.data, payload.len);

        } else {
            ngx_memcpy(dst, payload.data, payload.len);
        }
    }
}


ngx_int_t
ngx_http_socketio_frame_next(u_char **pos, u_char *last, ngx_str_t *payload,
    ngx_uint_t *binary)
{
    ngx_socketio_ws_frame_t  f;

    if (*pos == last) {
        return NGX_DONE;
    }

    ngx_memzero(&f, sizeof(ngx_socketio_ws_frame_t));

    if (ngx_socketio_ws_frame_parse(&f, pos, last) != NGX_OK
        || f.length > (uint64_t) (last - *pos))
    {
        return NGX_ERROR;
    }

    payload->data = *pos;
    payload->len = (size_t) f.length;

    *binary = (f.opcode == NGX_SOCKETIO_WS_BINARY);
    *pos += payload->len;

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


/* one of a type alone */

static ngx_int_t
ngx_http_socketio_payload_packet(ngx_http_socketio_payload_t *pl, char *text)
{
    u_char  *p;

    if (pl->packets) {
        return ngx_http_socketio_payload3_packet(pl->packets, (u_char *) text,
                                                 1, 0);
    }

    p = ngx_http_socketio_payload_room(pl, 1);
    if (p == NULL) {
        return NGX_ERROR;
    }

    *p = *text;

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
