
/*
 * Copyright (C) the ngx_http_socketio_module authors
 */


/*
 * Messages from a websocket: gathered until they are whole, inflated, handed
 * on, and held while nobody takes them.
 */


#include "transport/ngx_http_socketio_websocket.h"
#include "proto/ngx_socketio_base64.h"


static ngx_int_t ngx_http_socketio_ws_whole(ngx_http_socketio_ws_t *ws,
    ngx_uint_t opcode, u_char *p, size_t len, size_t cost);
static ngx_int_t ngx_http_socketio_ws_base64(ngx_http_socketio_ws_t *ws,
    u_char **text, size_t *len);
static ngx_int_t ngx_http_socketio_ws_hold(ngx_http_socketio_ws_t *ws,
    ngx_uint_t opcode, u_char *p, size_t len);
static ngx_int_t ngx_http_socketio_ws_collect(ngx_http_socketio_ws_t *ws,
    ngx_socketio_ws_event_t *ev);
static ngx_int_t ngx_http_socketio_ws_grow(ngx_http_socketio_ws_t *ws,
    size_t size);


ngx_int_t
ngx_http_socketio_ws_data(ngx_http_socketio_ws_t *ws,
    ngx_socketio_ws_event_t *ev, size_t *inflated)
{
    ngx_int_t                   rc;
    ngx_str_t                   message;
    ngx_http_socketio_ws_in_t  *in;

    if (ws->closing) {
        return NGX_OK;
    }

    in = NULL;
    message = ev->data;

    if (!ev->first || !ev->last) {

        if (ngx_http_socketio_ws_collect(ws, ev) != NGX_OK) {
            ws->error = 1;
            return NGX_ERROR;
        }

        if (!ev->last) {
            return NGX_OK;
        }

        in = ws->in;
        message.data = in->data;
        message.len = in->len;
    }

    rc = ev->compressed ? ngx_http_socketio_ws_inflate(ws, ev, &message)
                        : NGX_OK;

    if (ev->compressed) {
        *inflated += message.len;
    }

    if (rc == NGX_OK) {
        rc = ngx_http_socketio_ws_whole(ws, ev->opcode, message.data,
                               message.len,
                               message.len + ev->fragments
                                             * NGX_HTTP_SOCKETIO_WS_OVERHEAD);

    } else if (rc == NGX_DECLINED) {
        ngx_http_socketio_ws_fail(ws, ev);
        rc = NGX_OK;
    }

    if (ev->compressed) {
        ngx_http_socketio_ws_inflated();
    }

    if (in && rc != NGX_AGAIN) {
        ngx_http_socketio_ws_data_free(in);
    }

    return rc;
}


static ngx_int_t
ngx_http_socketio_ws_whole(ngx_http_socketio_ws_t *ws, ngx_uint_t opcode,
    u_char *p, size_t len, size_t cost)
{
    ws->packets_in++;
    ws->bytes_in += len;
    ngx_socketio_tally(ws->local.zone, NGX_SOCKETIO_N_WS_PACKETS, 1);
    ngx_socketio_tally(ws->local.zone, NGX_SOCKETIO_N_WS_BYTES, len);

    if (ws->established
        && opcode == NGX_SOCKETIO_WS_TEXT
        && ngx_http_socketio_ws_base64(ws, &p, &len) == NGX_OK)
    {
        opcode = NGX_SOCKETIO_WS_BINARY;
    }

    if (ngx_http_socketio_ws_pay(ws, cost) == NGX_AGAIN
        || ngx_http_socketio_ws_packet(ws, opcode, p, len) == NGX_AGAIN)
    {
        return ngx_http_socketio_ws_hold(ws, opcode, p, len);
    }

    return NGX_OK;
}


/*
 * "b...": the payload that a binary frame would have had, in place; once,
 * since it may be offered again.  NGX_OK, NGX_DECLINED: it is none.
 */

static ngx_int_t
ngx_http_socketio_ws_base64(ngx_http_socketio_ws_t *ws, u_char **text,
    size_t *len)
{
    u_char      *p, *last;
    size_t       n;
    ngx_uint_t   typed;

    p = *text;
    last = p + *len;
    typed = (ws->beat.revision == 3);

    if (*len < 1 + typed || *p != 'b') {
        return NGX_DECLINED;
    }

    p++;

    if (typed) {

        if (*p < '0' || *p > '6') {
            return NGX_DECLINED;
        }

        *p -= '0';
    }

    (void) ngx_socketio_base64_decode(p + typed, &n, p + typed, last);

    *text = p;
    *len = n + typed;

    return NGX_OK;
}


static ngx_int_t
ngx_http_socketio_ws_hold(ngx_http_socketio_ws_t *ws, ngx_uint_t opcode,
    u_char *p, size_t len)
{
    ngx_http_socketio_ws_in_t  *in;

    in = ngx_http_socketio_ws_in(ws);
    if (in == NULL) {
        return NGX_ERROR;
    }

    if (in->size < len && ngx_http_socketio_ws_grow(ws, len) != NGX_OK) {
        ws->error = 1;
        return NGX_ERROR;
    }

    if (len) {
        /* it may lie there already */
        ngx_memmove(in->data, p, len);
    }

    in->len = len;
    in->opcode = opcode;
    in->held = 1;

    return NGX_AGAIN;
}


static ngx_int_t
ngx_http_socketio_ws_collect(ngx_http_socketio_ws_t *ws,
    ngx_socketio_ws_event_t *ev)
{
    size_t                      size;
    ngx_http_socketio_ws_in_t  *in;

    in = ngx_http_socketio_ws_in(ws);
    if (in == NULL) {
        return NGX_ERROR;
    }

    if (ev->first) {
        ngx_http_socketio_ws_data_free(in);
    }

    if (ev->size > in->size) {
        size = ev->size;

        if (!ev->fin) {
            size = ngx_max(size, ngx_min(2 * in->size,
                                         ws->conf->max_payload));
        }

        if (ngx_http_socketio_ws_grow(ws, size) != NGX_OK) {
            return NGX_ERROR;
        }
    }

    if (in->data != NULL && ev->data.len) {
        ngx_memcpy(in->data + in->len, ev->data.data, ev->data.len);
        in->len += ev->data.len;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_socketio_ws_grow(ngx_http_socketio_ws_t *ws, size_t size)
{
    u_char                     *p;
    ngx_http_socketio_ws_in_t  *in;

    in = ws->in;

    p = ngx_alloc(size, ws->connection->log);
    if (p == NULL) {
        return NGX_ERROR;
    }

    if (in->data) {
        ngx_memcpy(p, in->data, in->len);
        ngx_free(in->data);
    }

    in->data = p;
    in->size = size;

    return NGX_OK;
}


void
ngx_http_socketio_ws_data_free(ngx_http_socketio_ws_in_t *in)
{
    if (in->data) {
        ngx_free(in->data);
    }

    in->data = NULL;
    in->len = 0;
    in->size = 0;
}
