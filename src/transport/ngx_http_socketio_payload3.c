
/*
 * Copyright (C) the ngx_http_socketio_module authors
 */


/*
 * Payloads of revision 3.  Clients 1.x and 2.x say the same in their queries,
 * but 1.x takes text payloads for UTF-8 encoded twice: so Socket.IO packets
 * are made ASCII, which is the same either way, and what cannot be made so
 * goes as a binary payload to whoever reads one (engine.io, 8).
 */


#include "transport/ngx_http_socketio_payload.h"
#include "proto/ngx_socketio_base64.h"
#include "proto/ngx_socketio_eio.h"
#include "proto/ngx_socketio_eio3.h"
#include "proto/ngx_socketio_jsonp.h"
#include "proto/ngx_socketio_utf8.h"


static ngx_int_t ngx_http_socketio_payload3_ascii(ngx_pool_t *pool,
    ngx_http_socketio_payload_packet_t *packet);
static size_t ngx_http_socketio_payload3_text(u_char *p,
    ngx_http_socketio_payload_packet_t *packet);
static size_t ngx_http_socketio_payload3_binary(u_char *p,
    ngx_http_socketio_payload_packet_t *packet);
static ngx_chain_t *ngx_http_socketio_payload3_chain(ngx_pool_t *pool,
    u_char *p, size_t len);


ngx_int_t
ngx_http_socketio_payload3_message(ngx_array_t *packets, u_char *p,
    size_t len)
{
    u_char      *last;
    ngx_int_t    rc;
    ngx_str_t    payload;
    ngx_uint_t   binary;

    last = p + len;

    for ( ;; ) {
        rc = ngx_http_socketio_frame_next(&p, last, &payload, &binary);

        if (rc != NGX_OK) {
            return (rc == NGX_DONE) ? NGX_OK : NGX_ERROR;
        }

        if (ngx_http_socketio_payload3_packet(packets, payload.data,
                                              payload.len, binary)
            != NGX_OK)
        {
            return NGX_ERROR;
        }
    }
}


ngx_int_t
ngx_http_socketio_payload3_packet(ngx_array_t *packets, u_char *p, size_t len,
    ngx_uint_t binary)
{
    ngx_http_socketio_payload_packet_t  *packet;

    packet = ngx_array_push(packets);
    if (packet == NULL) {
        return NGX_ERROR;
    }

    packet->data = p;
    packet->len = len;
    packet->binary = (binary != 0);

    return NGX_OK;
}


ngx_int_t
ngx_http_socketio_payload3_encode(ngx_pool_t *pool, ngx_socketio_peer_t *peer,
    ngx_array_t *packets, ngx_chain_t **out, ngx_uint_t *binary)
{
    u_char                              *p, *start;
    size_t                               len;
    ngx_uint_t                           i;
    size_t                             (*encode)(u_char *p,
                               ngx_http_socketio_payload_packet_t *packet);
    ngx_http_socketio_payload_packet_t  *packet;

    packet = packets->elts;
    encode = ngx_http_socketio_payload3_text;

    for (i = 0; i < packets->nelts; i++) {

        if (!peer->raw
            && ngx_http_socketio_payload3_ascii(pool, &packet[i]) != NGX_OK)
        {
            return NGX_ERROR;
        }

        if (!peer->base64
            && (packet[i].binary
                || ngx_socketio_utf8_ascii(packet[i].data,
                                           packet[i].data + packet[i].len)
                   != packet[i].data + packet[i].len))
        {
            encode = ngx_http_socketio_payload3_binary;
        }
    }

    len = 0;

    for (i = 0; i < packets->nelts; i++) {
        len += encode(NULL, &packet[i]);
    }

    start = ngx_palloc(pool, len);
    if (start == NULL) {
        return NGX_ERROR;
    }

    p = start;

    for (i = 0; i < packets->nelts; i++) {
        p += encode(p, &packet[i]);
    }

    *binary = (encode == ngx_http_socketio_payload3_binary);
    *out = ngx_http_socketio_payload3_chain(pool, start, len);

    return *out ? NGX_OK : NGX_ERROR;
}


static ngx_int_t
ngx_http_socketio_payload3_ascii(ngx_pool_t *pool,
    ngx_http_socketio_payload_packet_t *packet)
{
    u_char  *p;
    size_t   len;

    if (packet->binary
        || ngx_socketio_utf8_ascii(packet->data, packet->data + packet->len)
           == packet->data + packet->len)
    {
        return NGX_OK;
    }

    len = ngx_socketio_eio3_ascii(NULL, packet->data, packet->len);

    p = ngx_pnalloc(pool, len);
    if (p == NULL) {
        return NGX_ERROR;
    }

    packet->len = ngx_socketio_eio3_ascii(p, packet->data, packet->len);
    packet->data = p;

    return NGX_OK;
}


static size_t
ngx_http_socketio_payload3_text(u_char *p,
    ngx_http_socketio_payload_packet_t *packet)
{
    size_t  n, len;

    if (!packet->binary) {
        len = ngx_socketio_utf8_units(packet->data,
                                      packet->data + packet->len);
        n = ngx_socketio_eio3_text_header(p, len);

        if (p) {
            ngx_memcpy(p + n, packet->data, packet->len);
        }

        return n + packet->len;
    }

    len = 2 + ngx_socketio_base64_encoded_length(packet->len);
    n = ngx_socketio_eio3_text_header(p, len);

    if (p) {
        p += n;
        *p++ = 'b';
        *p++ = '0' + NGX_SOCKETIO_EIO_MESSAGE;
        ngx_socketio_base64_encode(p, packet->data, packet->len);
    }

    return n + len;
}


static size_t
ngx_http_socketio_payload3_binary(u_char *p,
    ngx_http_socketio_payload_packet_t *packet)
{
    size_t  n, len;

    len = packet->len + packet->binary;
    n = ngx_socketio_eio3_binary_header(p, packet->binary, len);

    if (p) {
        p += n;

        if (packet->binary) {
            *p++ = NGX_SOCKETIO_EIO_MESSAGE;
        }

        if (packet->len) {
            ngx_memcpy(p, packet->data, packet->len);
        }
    }

    return n + len;
}


static ngx_chain_t *
ngx_http_socketio_payload3_chain(ngx_pool_t *pool, u_char *p, size_t len)
{
    ngx_chain_t  *cl;

    cl = ngx_alloc_chain_link(pool);
    if (cl == NULL) {
        return NULL;
    }

    cl->buf = ngx_calloc_buf(pool);
    if (cl->buf == NULL) {
        return NULL;
    }

    cl->next = NULL;
    cl->buf->temporary = 1;
    cl->buf->pos = p;
    cl->buf->last = p + len;

    return cl;
}


ngx_int_t
ngx_http_socketio_payload_jsonp(ngx_pool_t *pool, ngx_socketio_peer_t *peer,
    ngx_chain_t **out)
{
    u_char       *p, *start;
    size_t        len;
    uint32_t      state, j;
    ngx_chain_t  *cl;

    if (peer->jsonp == 0) {
        return NGX_OK;
    }

    j = ngx_socketio_peer_index(peer->jsonp);

    state = 0;
    len = ngx_socketio_jsonp_start(NULL, j);

    for (cl = *out; cl; cl = cl->next) {
        len += ngx_socketio_jsonp_escape(NULL, &state, cl->buf->pos,
                                         cl->buf->last - cl->buf->pos);
    }

    len += ngx_socketio_jsonp_end(NULL, &state);

    start = ngx_palloc(pool, len);
    if (start == NULL) {
        return NGX_ERROR;
    }

    state = 0;
    p = start + ngx_socketio_jsonp_start(start, j);

    for (cl = *out; cl; cl = cl->next) {
        p += ngx_socketio_jsonp_escape(p, &state, cl->buf->pos,
                                       cl->buf->last - cl->buf->pos);
    }

    p += ngx_socketio_jsonp_end(p, &state);

    *out = ngx_http_socketio_payload3_chain(pool, start, p - start);

    return *out ? NGX_OK : NGX_ERROR;
}
