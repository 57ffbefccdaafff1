
/*
 * Copyright (C) the ngx_http_socketio_module authors
 */


/*
 * Reading from a websocket.  Bytes are read into memory of the worker and
 * parsed there; a connection keeps only what is incomplete, or may not be
 * handed on now.
 */


#include "transport/ngx_http_socketio_websocket.h"
#include "proto/ngx_socketio_base64.h"


#define NGX_HTTP_SOCKETIO_WS_SCRATCH  65536
#define NGX_HTTP_SOCKETIO_WS_READS    16    /* then others have their turn */

/* or when so much was inflated, which few bytes may have been */
#define NGX_HTTP_SOCKETIO_WS_TURN                                             \
    (NGX_HTTP_SOCKETIO_WS_READS * NGX_HTTP_SOCKETIO_WS_SCRATCH)


static ngx_http_socketio_ws_in_t *ngx_http_socketio_ws_in(
    ngx_http_socketio_ws_t *ws);
static void ngx_http_socketio_ws_pause(ngx_http_socketio_ws_t *ws);
static void ngx_http_socketio_ws_eof(ngx_http_socketio_ws_t *ws, ssize_t n);
static void ngx_http_socketio_ws_parse(ngx_http_socketio_ws_t *ws,
    u_char *pos, u_char *last);
static ngx_int_t ngx_http_socketio_ws_keep(ngx_http_socketio_ws_t *ws,
    ngx_socketio_ws_message_t *parser, u_char *pos, u_char *last);
static ngx_int_t ngx_http_socketio_ws_event(ngx_http_socketio_ws_t *ws,
    ngx_socketio_ws_event_t *ev);
static ngx_int_t ngx_http_socketio_ws_data(ngx_http_socketio_ws_t *ws,
    ngx_socketio_ws_event_t *ev);
static ngx_int_t ngx_http_socketio_ws_whole(ngx_http_socketio_ws_t *ws,
    ngx_uint_t opcode, u_char *p, size_t len);
static ngx_int_t ngx_http_socketio_ws_base64(ngx_http_socketio_ws_t *ws,
    u_char **text, size_t *len);
static ngx_int_t ngx_http_socketio_ws_hold(ngx_http_socketio_ws_t *ws,
    ngx_uint_t opcode, u_char *p, size_t len);
static ngx_int_t ngx_http_socketio_ws_collect(ngx_http_socketio_ws_t *ws,
    ngx_socketio_ws_event_t *ev);
static ngx_int_t ngx_http_socketio_ws_grow(ngx_http_socketio_ws_t *ws,
    size_t size);
static void ngx_http_socketio_ws_data_free(ngx_http_socketio_ws_in_t *in);
static void ngx_http_socketio_ws_ping(ngx_http_socketio_ws_t *ws,
    ngx_socketio_ws_event_t *ev);
static void ngx_http_socketio_ws_peer_close(ngx_http_socketio_ws_t *ws,
    ngx_uint_t code);
static void ngx_http_socketio_ws_fail(ngx_http_socketio_ws_t *ws,
    ngx_socketio_ws_event_t *ev);


static u_char  ngx_http_socketio_ws_scratch[NGX_HTTP_SOCKETIO_WS_SCRATCH];
static size_t  ngx_http_socketio_ws_turn;       /* bytes inflated in it */


static ngx_http_socketio_ws_in_t *
ngx_http_socketio_ws_in(ngx_http_socketio_ws_t *ws)
{
    if (ws->in == NULL) {
        ws->in = ngx_calloc(sizeof(ngx_http_socketio_ws_in_t),
                            ws->connection->log);
        if (ws->in == NULL) {
            ws->error = 1;
        }
    }

    return ws->in;
}


void
ngx_http_socketio_ws_in_free(ngx_http_socketio_ws_t *ws)
{
    ngx_http_socketio_ws_in_t  *in;

    in = ws->in;

    if (in == NULL) {
        return;
    }

    ngx_http_socketio_ws_data_free(in);

    if (in->rest) {
        ngx_free(in->rest);
    }

    ngx_free(in);
    ws->in = NULL;
}


void
ngx_http_socketio_ws_read(ngx_http_socketio_ws_t *ws)
{
    u_char            *p;
    ssize_t            n;
    ngx_uint_t         i;
    ngx_event_t       *rev;
    ngx_connection_t  *c;

    c = ws->connection;
    rev = c->read;
    p = ngx_http_socketio_ws_scratch;

    ngx_http_socketio_ws_turn = 0;

    for (i = 0; i < NGX_HTTP_SOCKETIO_WS_READS; i++) {

        if (ws->error) {
            return;
        }

        if (ws->finish || (ws->in && ws->in->held)) {
            ngx_http_socketio_ws_pause(ws);
            return;
        }

        if (ngx_http_socketio_ws_turn >= NGX_HTTP_SOCKETIO_WS_TURN) {
            break;
        }

        if (ws->in && ws->in->rest && !ws->deaf) {
            /* the turn before this one ended in it */
            ngx_http_socketio_ws_parse(ws, ws->in->pos, ws->in->last);
            continue;
        }

        n = c->recv(c, p, NGX_HTTP_SOCKETIO_WS_SCRATCH);

        if (n == NGX_AGAIN) {

            if (ngx_handle_read_event(rev, 0) != NGX_OK) {
                ws->error = 1;
            }

            return;
        }

        if (n == NGX_ERROR || n == 0) {
            ngx_http_socketio_ws_eof(ws, n);
            return;
        }

        ngx_http_socketio_ws_parse(ws, p, p + n);
    }

    ngx_post_event(rev, &ngx_posted_next_events);
}


/* epoll has told us, and will not do so again; others would */

static void
ngx_http_socketio_ws_pause(ngx_http_socketio_ws_t *ws)
{
    ngx_event_t  *rev;

    rev = ws->connection->read;

    if ((ngx_event_flags & NGX_USE_LEVEL_EVENT)
        && rev->active
        && ngx_del_event(rev, NGX_READ_EVENT, 0) != NGX_OK)
    {
        ws->error = 1;
    }
}


static void
ngx_http_socketio_ws_eof(ngx_http_socketio_ws_t *ws, ssize_t n)
{
    ngx_connection_t  *c;

    c = ws->connection;

    if (n == 0 && ws->closing && !ws->shut && (ws->out || c->buffered)) {
        /* who has said all may still listen: our Close is on its way */
        ws->finish = 1;
        ngx_http_socketio_ws_pause(ws);
        return;
    }

    ngx_http_socketio_ws_part(ws, n == 0 ? NGX_SOCKETIO_EIO_EV_WS_CLOSE
                                         : NGX_SOCKETIO_EIO_EV_WS_ERROR);

    if (n != 0) {
        c->error = 1;
    }

    ws->error = 1;
}


void
ngx_http_socketio_ws_resume(ngx_http_socketio_ws_t *ws)
{
    ngx_int_t                   rc;
    ngx_http_socketio_ws_in_t  *in;

    in = ws->in;

    if (in && in->held) {
        in->held = 0;

        rc = ngx_http_socketio_ws_packet(ws, in->opcode, in->data, in->len);

        if (rc == NGX_AGAIN) {
            in->held = 1;
            return;
        }

        ngx_http_socketio_ws_data_free(in);
    }

    if (in && in->rest) {
        ngx_http_socketio_ws_parse(ws, in->pos, in->last);
    }

    ngx_http_socketio_ws_read(ws);
}


ngx_int_t
ngx_http_socketio_ws_rest(ngx_http_socketio_ws_t *ws, u_char *p, u_char *last)
{
    ngx_http_socketio_ws_in_t  *in;

    if (p == last) {
        return NGX_OK;
    }

    in = ngx_http_socketio_ws_in(ws);
    if (in == NULL) {
        return NGX_ERROR;
    }

    in->rest = ngx_alloc(last - p, ws->connection->log);
    if (in->rest == NULL) {
        ws->error = 1;
        return NGX_ERROR;
    }

    in->pos = in->rest;
    in->last = ngx_cpymem(in->rest, p, last - p);

    return NGX_OK;
}


/* Takes all there is: what must wait is kept. */

static void
ngx_http_socketio_ws_parse(ngx_http_socketio_ws_t *ws, u_char *pos,
    u_char *last)
{
    ngx_int_t                  rc;
    ngx_socketio_ws_event_t    ev;
    ngx_socketio_ws_limits_t   limits;
    ngx_socketio_ws_message_t  parser;

    if (ws->deaf) {
        return;
    }

    if (ws->in) {
        parser = ws->in->parser;

    } else {
        ngx_memzero(&parser, sizeof(ngx_socketio_ws_message_t));
    }

    limits.max_payload = ws->conf->max_payload;
    limits.max_fragments = NGX_HTTP_SOCKETIO_WS_FRAGMENTS;
    limits.rsv1 = ws->deflate;

    for ( ;; ) {
        rc = ngx_socketio_ws_message_next(&parser, &limits, &pos, last, &ev);

        if (rc == NGX_AGAIN) {
            break;
        }

        if (rc != NGX_OK) {

            if (rc == NGX_ERROR) {
                ngx_http_socketio_ws_fail(ws, &ev);
            }

            ws->deaf = 1;
            return;
        }

        rc = ngx_http_socketio_ws_event(ws, &ev);

        if (ws->error || ws->deaf) {
            return;
        }

        if (rc == NGX_AGAIN
            || ngx_http_socketio_ws_turn >= NGX_HTTP_SOCKETIO_WS_TURN)
        {
            break;
        }
    }

    if (ngx_http_socketio_ws_keep(ws, &parser, pos, last) != NGX_OK) {
        ws->error = 1;
    }
}


static ngx_int_t
ngx_http_socketio_ws_keep(ngx_http_socketio_ws_t *ws,
    ngx_socketio_ws_message_t *parser, u_char *pos, u_char *last)
{
    ngx_http_socketio_ws_in_t  *in;

    if (ngx_socketio_ws_message_idle(parser)
        && pos == last
        && (ws->in == NULL || !ws->in->held))
    {
        ngx_http_socketio_ws_in_free(ws);
        return NGX_OK;
    }

    in = ngx_http_socketio_ws_in(ws);
    if (in == NULL) {
        return NGX_ERROR;
    }

    in->parser = *parser;

    if (in->rest == NULL) {
        return ngx_http_socketio_ws_rest(ws, pos, last);
    }

    /* it was what had been kept that was parsed */

    in->pos = pos;

    if (pos == last) {
        ngx_free(in->rest);
        in->rest = NULL;
    }

    return NGX_OK;
}


/* NGX_AGAIN: a message is held, parse no further */

static ngx_int_t
ngx_http_socketio_ws_event(ngx_http_socketio_ws_t *ws,
    ngx_socketio_ws_event_t *ev)
{
    switch (ev->opcode) {

    case NGX_SOCKETIO_WS_PING:
        ngx_http_socketio_ws_ping(ws, ev);
        return NGX_OK;

    case NGX_SOCKETIO_WS_PONG:
        return NGX_OK;

    case NGX_SOCKETIO_WS_CLOSE:

        if (ev->last) {
            ngx_http_socketio_ws_peer_close(ws, ev->code);
        }

        return NGX_OK;

    default:
        return ngx_http_socketio_ws_data(ws, ev);
    }
}


static ngx_int_t
ngx_http_socketio_ws_data(ngx_http_socketio_ws_t *ws,
    ngx_socketio_ws_event_t *ev)
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
        ngx_http_socketio_ws_turn += message.len;
    }

    if (rc == NGX_OK) {
        rc = ngx_http_socketio_ws_whole(ws, ev->opcode, message.data,
                                        message.len);

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
    u_char *p, size_t len)
{
    if (ws->established
        && opcode == NGX_SOCKETIO_WS_TEXT
        && ngx_http_socketio_ws_base64(ws, &p, &len) == NGX_OK)
    {
        opcode = NGX_SOCKETIO_WS_BINARY;
    }

    if (ngx_http_socketio_ws_packet(ws, opcode, p, len) == NGX_AGAIN) {
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

    if (ev->data.len) {
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


static void
ngx_http_socketio_ws_data_free(ngx_http_socketio_ws_in_t *in)
{
    if (in->data) {
        ngx_free(in->data);
    }

    in->data = NULL;
    in->len = 0;
    in->size = 0;
}


static void
ngx_http_socketio_ws_ping(ngx_http_socketio_ws_t *ws,
    ngx_socketio_ws_event_t *ev)
{
    ngx_http_socketio_ws_in_t  *in;

    if (ws->closing) {
        return;
    }

    if (ev->first && ev->last) {
        ngx_http_socketio_ws_frame(ws, NGX_SOCKETIO_WS_PONG, ev->data.data,
                                   ev->data.len);
        return;
    }

    in = ngx_http_socketio_ws_in(ws);
    if (in == NULL) {
        return;
    }

    if (ev->first) {
        in->nping = 0;
    }

    ngx_memcpy(in->ping + in->nping, ev->data.data, ev->data.len);
    in->nping += ev->data.len;

    if (ev->last) {
        ngx_http_socketio_ws_frame(ws, NGX_SOCKETIO_WS_PONG, in->ping,
                                   in->nping);
    }
}


/*
 * RFC 6455, section 5.5.1: an echo ends it, else it is echoed.  What the peer
 * sends nevertheless is read and discarded (section 1.4): a socket closed with
 * unread bytes is reset, and our Close might be lost.
 */

static void
ngx_http_socketio_ws_peer_close(ngx_http_socketio_ws_t *ws, ngx_uint_t code)
{
    if (!ws->closing) {
        ngx_http_socketio_ws_close(ws, code, NGX_SOCKETIO_EIO_EV_WS_CLOSE);
    }

    ws->deaf = 1;
}


static void
ngx_http_socketio_ws_fail(ngx_http_socketio_ws_t *ws,
    ngx_socketio_ws_event_t *ev)
{
    ngx_log_error(NGX_LOG_INFO, ws->connection->log, 0,
                  "client broke the websocket protocol: %s", ev->error);

    ngx_http_socketio_ws_close(ws, ev->code, NGX_SOCKETIO_EIO_EV_WS_ERROR);
}
