
/*
 * Copyright (C) the ngx_http_socketio_module authors
 */


/*
 * What a websocket has to write: messages as they lie in the zone, or as they
 * were deflated for all who want that, and small frames of its own, all in one
 * queue and, if possible, in one writev().
 */


#include "transport/ngx_http_socketio_websocket.h"
#include "store/ngx_socketio_bytes.h"


#define NGX_HTTP_SOCKETIO_WS_LINKS  64      /* as many as nginx's iovecs */
#define NGX_HTTP_SOCKETIO_WS_SPARE  4096    /* entries kept by a worker */


static ngx_http_socketio_ws_out_t *ngx_http_socketio_ws_out(
    ngx_http_socketio_ws_t *ws);
static void ngx_http_socketio_ws_add(ngx_http_socketio_ws_t *ws,
    ngx_http_socketio_ws_out_t *out, size_t len);
static void ngx_http_socketio_ws_put(ngx_http_socketio_ws_t *ws,
    ngx_http_socketio_ws_out_t *out);
static void ngx_http_socketio_ws_spare_free(void *data);
static ngx_int_t ngx_http_socketio_ws_send(ngx_http_socketio_ws_t *ws);
static ngx_int_t ngx_http_socketio_ws_send_one(ngx_http_socketio_ws_t *ws);
static ngx_uint_t ngx_http_socketio_ws_links(ngx_http_socketio_ws_t *ws,
    ngx_chain_t *links, ngx_buf_t *bufs);
static ngx_int_t ngx_http_socketio_ws_sent(ngx_http_socketio_ws_t *ws,
    size_t n);
static ngx_int_t ngx_http_socketio_ws_span(ngx_http_socketio_ws_t *ws,
    ngx_http_socketio_ws_out_t *out);
static ngx_int_t ngx_http_socketio_ws_wait(ngx_http_socketio_ws_t *ws,
    ngx_uint_t progress);


static ngx_http_socketio_ws_out_t  *ngx_http_socketio_ws_spare;
static ngx_uint_t                   ngx_http_socketio_ws_nspare;
static ngx_pool_t                  *ngx_http_socketio_ws_spare_pool;


static ngx_http_socketio_ws_out_t *
ngx_http_socketio_ws_out(ngx_http_socketio_ws_t *ws)
{
    ngx_pool_cleanup_t          *cln;
    ngx_http_socketio_ws_out_t  *out;

    out = ngx_http_socketio_ws_spare;

    if (out) {
        ngx_http_socketio_ws_spare = out->link;
        ngx_http_socketio_ws_nspare--;

    } else {
        out = ngx_alloc(sizeof(ngx_http_socketio_ws_out_t),
                        ws->connection->log);
        if (out == NULL) {
            ws->error = 1;
            return NULL;
        }

        /* freed before the module is unloaded with the cycle's pool */

        if (ngx_http_socketio_ws_spare_pool != ngx_cycle->pool) {
            cln = ngx_pool_cleanup_add(ngx_cycle->pool, 0);

            if (cln) {
                cln->handler = ngx_http_socketio_ws_spare_free;
                ngx_http_socketio_ws_spare_pool = ngx_cycle->pool;
            }
        }
    }

    ngx_memzero(out, sizeof(ngx_http_socketio_ws_out_t));

    return out;
}


static void
ngx_http_socketio_ws_add(ngx_http_socketio_ws_t *ws,
    ngx_http_socketio_ws_out_t *out, size_t len)
{
    if (ws->out == NULL) {
        ws->out_last = &ws->out;
    }

    *ws->out_last = out;
    ws->out_last = &out->link;

    ws->out_n++;
    ws->out_bytes += len;
}


static void
ngx_http_socketio_ws_put(ngx_http_socketio_ws_t *ws,
    ngx_http_socketio_ws_out_t *out)
{
    if (out->pin) {
        ngx_socketio_pin_release(out->pin);
    }

    if (out->data) {
        ngx_free(out->data);
    }

    if (ws->pong == out) {
        ws->pong = NULL;
    }

    if (ngx_http_socketio_ws_nspare >= NGX_HTTP_SOCKETIO_WS_SPARE) {
        ngx_free(out);
        return;
    }

    out->link = ngx_http_socketio_ws_spare;
    ngx_http_socketio_ws_spare = out;
    ngx_http_socketio_ws_nspare++;
}


static void
ngx_http_socketio_ws_spare_free(void *data)
{
    ngx_http_socketio_ws_out_t  *out;

    while (ngx_http_socketio_ws_spare) {
        out = ngx_http_socketio_ws_spare;
        ngx_http_socketio_ws_spare = out->link;
        ngx_free(out);
    }

    ngx_http_socketio_ws_nspare = 0;
}


void
ngx_http_socketio_ws_frame(ngx_http_socketio_ws_t *ws, ngx_uint_t opcode,
    u_char *p, size_t len)
{
    u_char                      *frame;
    size_t                       size;
    ngx_http_socketio_ws_out_t  *out;

    if (ws->away) {
        /* nothing goes behind our Close */
        return;
    }

    opcode |= NGX_SOCKETIO_WS_FIN;
    size = ngx_socketio_ws_frame_header(NULL, opcode, len) + len;

    out = ngx_http_socketio_ws_out(ws);
    if (out == NULL) {
        return;
    }

    frame = out->small;

    if (size > sizeof(out->small)) {
        frame = ngx_alloc(size, ws->connection->log);
        if (frame == NULL) {
            ngx_http_socketio_ws_put(ws, out);
            ws->error = 1;
            return;
        }

        out->data = frame;
    }

    out->pos = frame;
    frame += ngx_socketio_ws_frame_header(frame, opcode, len);

    if (len) {
        frame = ngx_cpymem(frame, p, len);
    }

    out->last = frame;

    if (opcode == (NGX_SOCKETIO_WS_PONG|NGX_SOCKETIO_WS_FIN)) {

        /*
         * RFC 6455, section 5.5.3: the latest ping alone may be answered, so
         * that a peer who pings and does not read costs no memory
         */

        if (ws->pong) {
            ws->out_bytes += size;
            ws->out_bytes -= ws->pong->last - ws->pong->pos;

            if (ws->pong->data) {
                ngx_free(ws->pong->data);
            }

            ws->pong->data = out->data;
            ngx_memcpy(ws->pong->small, out->small, sizeof(out->small));
            ws->pong->pos = out->data ? out->data : ws->pong->small;
            ws->pong->last = ws->pong->pos + size;

            out->data = NULL;
            ngx_http_socketio_ws_put(ws, out);
            return;
        }

        ws->pong = out;
    }

    ngx_http_socketio_ws_add(ws, out, size);
}


void
ngx_http_socketio_ws_close_frame(ngx_http_socketio_ws_t *ws, ngx_uint_t code)
{
    u_char  payload[2];

    if (code == 0 || code == NGX_SOCKETIO_WS_CLOSE_NO_STATUS) {
        ngx_http_socketio_ws_frame(ws, NGX_SOCKETIO_WS_CLOSE, NULL, 0);
        return;
    }

    payload[0] = (u_char) (code >> 8);
    payload[1] = (u_char) code;

    ngx_http_socketio_ws_frame(ws, NGX_SOCKETIO_WS_CLOSE, payload, 2);
}


void
ngx_http_socketio_ws_pin(ngx_http_socketio_ws_t *ws, ngx_socketio_pin_t *pin)
{
    size_t                       len;
    ngx_socketio_variant_t      *variant;
    ngx_http_socketio_ws_out_t  *out;

    if (pin->len == 0) {
        ngx_socketio_pin_release(pin);
        return;
    }

    out = ngx_http_socketio_ws_out(ws);
    if (out == NULL) {
        ngx_socketio_pin_release(pin);
        return;
    }

    ws->packets_out++;
    ngx_socketio_tally(ws->local.zone, NGX_SOCKETIO_N_WS_DELIVERED, 1);

    out->pin = pin;
    len = pin->len;

    if (ngx_http_socketio_ws_variant(ws, pin, &variant) != NGX_OK) {
        ngx_http_socketio_ws_put(ws, out);
        ws->error = 1;
        return;
    }

    if (ws->deflate) {
        variant = ngx_http_socketio_ws_deflated(ws, pin, variant);
    }

    if (variant) {
        out->pos = variant->data;
        out->last = variant->data + variant->len;
        len = variant->len;

    } else if (pin->data) {
        out->pos = pin->data;
        out->last = pin->data + pin->len;

    } else {
        out->next = pin->bytes;
        out->left = pin->len;
    }

    ngx_http_socketio_ws_add(ws, out, len);
}


ngx_int_t
ngx_http_socketio_ws_write(ngx_http_socketio_ws_t *ws)
{
    off_t              sent;
    ngx_int_t          rc;
    ngx_connection_t  *c;

    c = ws->connection;

    if (ws->out == NULL && !c->buffered) {
        return NGX_OK;
    }

    sent = c->sent;

    while (c->write->ready) {

        if (ws->out && ws->out->link == NULL && ws->out->left == 0
#if (NGX_SSL)
            && c->ssl == NULL
#endif
           )
        {
            rc = ngx_http_socketio_ws_send_one(ws);

        } else {
            rc = ngx_http_socketio_ws_send(ws);
        }

        if (rc == NGX_ERROR || ws->error) {
            c->error = 1;
            return NGX_ERROR;
        }

        if (rc == NGX_AGAIN || (ws->out == NULL && !c->buffered)) {
            break;
        }
    }

    ngx_socketio_tally(ws->local.zone, NGX_SOCKETIO_N_WS_SENT,
                       c->sent - sent);

    if (ws->out || c->buffered) {
        return ngx_http_socketio_ws_wait(ws, c->sent != sent);
    }

    if (c->write->timer_set) {
        ngx_del_timer(c->write);
    }

#if (NGX_SSL)
    if (c->ssl) {
        ngx_ssl_free_buffer(c);
    }
#endif

    return NGX_OK;
}


static ngx_int_t
ngx_http_socketio_ws_send_one(ngx_http_socketio_ws_t *ws)
{
    ssize_t                      n;
    ngx_connection_t            *c;
    ngx_http_socketio_ws_out_t  *out;

    c = ws->connection;
    out = ws->out;

    n = c->send(c, out->pos, out->last - out->pos);

    if (n == NGX_AGAIN || n == NGX_ERROR) {
        return n;
    }

    return ngx_http_socketio_ws_sent(ws, n);
}


/* NGX_AGAIN: the socket took less than it was given */

static ngx_int_t
ngx_http_socketio_ws_send(ngx_http_socketio_ws_t *ws)
{
    size_t             n;
    ngx_uint_t         i, nlinks;
    ngx_buf_t          bufs[NGX_HTTP_SOCKETIO_WS_LINKS];
    ngx_chain_t        links[NGX_HTTP_SOCKETIO_WS_LINKS], *rest;
    ngx_connection_t  *c;

    c = ws->connection;

    nlinks = ngx_http_socketio_ws_links(ws, links, bufs);

    /* without links: what TLS has buffered */

    rest = c->send_chain(c, nlinks ? links : NULL, 0);

    if (rest == NGX_CHAIN_ERROR) {
        return NGX_ERROR;
    }

    n = 0;

    for (i = 0; i < nlinks; i++) {
        n += bufs[i].pos - bufs[i].start;
    }

    if (ngx_http_socketio_ws_sent(ws, n) != NGX_OK) {
        return NGX_ERROR;
    }

    return (rest || c->buffered) ? NGX_AGAIN : NGX_OK;
}


static ngx_uint_t
ngx_http_socketio_ws_links(ngx_http_socketio_ws_t *ws, ngx_chain_t *links,
    ngx_buf_t *bufs)
{
    size_t                       size, left;
    u_char                      *pos, *last;
    ngx_uint_t                   n;
    ngx_socketio_ref_t           next;
    ngx_http_socketio_ws_out_t  *out;

    n = 0;

    for (out = ws->out; out; out = out->link) {

        pos = out->pos;
        last = out->last;
        next = out->next;
        left = out->left;

        for ( ;; ) {

            if (pos != last) {

                if (n == NGX_HTTP_SOCKETIO_WS_LINKS) {
                    goto done;
                }

                ngx_memzero(&bufs[n], sizeof(ngx_buf_t));
                bufs[n].start = pos;
                bufs[n].pos = pos;
                bufs[n].last = last;
                bufs[n].memory = 1;

                links[n].buf = &bufs[n];
                links[n].next = &links[n + 1];
                n++;
            }

            if (left == 0 || next == 0) {
                break;
            }

            pos = ngx_socketio_bytes_span(out->pin->zone, next, &size, &next);
            size = ngx_min(size, left);

            if (size == 0) {
                break;
            }

            last = pos + size;
            left -= size;
        }

        if (left) {
            /* the zone was emptied; a message cut short ends it all */
            ws->error = 1;
            break;
        }
    }

done:

    if (n) {
        links[n - 1].next = NULL;
        bufs[n - 1].flush = 1;
    }

    return n;
}


/* takes n bytes off the queue */

static ngx_int_t
ngx_http_socketio_ws_sent(ngx_http_socketio_ws_t *ws, size_t n)
{
    size_t                       size;
    ngx_http_socketio_ws_out_t  *out;

    ws->out_bytes -= n;

    while (ws->out) {
        out = ws->out;

        if (out->pos == out->last && out->left) {

            if (n == 0) {
                return NGX_OK;
            }

            if (ngx_http_socketio_ws_span(ws, out) != NGX_OK) {
                return NGX_ERROR;
            }
        }

        size = out->last - out->pos;

        if (n < size) {

            if (n && ws->pong == out) {
                ws->pong = NULL;
            }

            out->pos += n;
            return NGX_OK;
        }

        n -= size;
        out->pos = out->last;

        if (out->left == 0) {
            ws->out = out->link;
            ws->out_n--;
            ngx_http_socketio_ws_put(ws, out);
        }
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_socketio_ws_span(ngx_http_socketio_ws_t *ws,
    ngx_http_socketio_ws_out_t *out)
{
    size_t  size;

    if (out->next == 0) {
        return NGX_ERROR;
    }

    out->pos = ngx_socketio_bytes_span(out->pin->zone, out->next, &size,
                                       &out->next);
    size = ngx_min(size, out->left);

    if (size == 0) {
        out->last = out->pos;
        return NGX_ERROR;
    }

    out->last = out->pos + size;
    out->left -= (uint32_t) size;

    return NGX_OK;
}


static ngx_int_t
ngx_http_socketio_ws_wait(ngx_http_socketio_ws_t *ws, ngx_uint_t progress)
{
    ngx_event_t               *wev;
    ngx_http_core_loc_conf_t  *clcf;

    wev = ws->connection->write;
    clcf = ws->loc_conf[ngx_http_core_module.ctx_index];

    if (progress && wev->timer_set) {
        ngx_del_timer(wev);
    }

    if (!wev->timer_set) {
        ngx_add_timer(wev, clcf->send_timeout);
    }

    if (ngx_handle_write_event(wev, 0) != NGX_OK) {
        return NGX_ERROR;
    }

    return NGX_AGAIN;
}


void
ngx_http_socketio_ws_out_free(ngx_http_socketio_ws_t *ws)
{
    ngx_http_socketio_ws_out_t  *out;

    while (ws->out) {
        out = ws->out;
        ws->out = out->link;
        ngx_http_socketio_ws_put(ws, out);
    }

    ws->out_n = 0;
    ws->out_bytes = 0;
}
