
/*
 * Copyright (C) the ngx_http_socketio_module authors
 */


/*
 * Reading from a websocket.  Bytes are read into memory of the worker and
 * parsed there; a connection keeps only what is incomplete, or may not be
 * handed on now.
 */


#include "transport/ngx_http_socketio_websocket.h"


#define NGX_HTTP_SOCKETIO_WS_SCRATCH  65536
#define NGX_HTTP_SOCKETIO_WS_READS    16    /* then others have their turn */

/* or when so much was inflated, which few bytes may have been */
#define NGX_HTTP_SOCKETIO_WS_TURN                                             \
    (NGX_HTTP_SOCKETIO_WS_READS * NGX_HTTP_SOCKETIO_WS_SCRATCH)


static void ngx_http_socketio_ws_pause(ngx_http_socketio_ws_t *ws);
static void ngx_http_socketio_ws_eof(ngx_http_socketio_ws_t *ws, ssize_t n);
static void ngx_http_socketio_ws_parse(ngx_http_socketio_ws_t *ws,
    u_char *pos, u_char *last);
static ngx_int_t ngx_http_socketio_ws_keep(ngx_http_socketio_ws_t *ws,
    ngx_socketio_ws_message_t *parser, u_char *pos, u_char *last);
static ngx_int_t ngx_http_socketio_ws_event(ngx_http_socketio_ws_t *ws,
    ngx_socketio_ws_event_t *ev);
static ngx_int_t ngx_http_socketio_ws_ping(ngx_http_socketio_ws_t *ws,
    ngx_socketio_ws_event_t *ev);
static ngx_int_t ngx_http_socketio_ws_pinged(ngx_http_socketio_ws_t *ws,
    size_t cost);
static void ngx_http_socketio_ws_peer_close(ngx_http_socketio_ws_t *ws,
    ngx_uint_t code);


static u_char  ngx_http_socketio_ws_scratch[NGX_HTTP_SOCKETIO_WS_SCRATCH];
static size_t  ngx_http_socketio_ws_turn;       /* bytes inflated in it */


ngx_http_socketio_ws_in_t *
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

    if (n == 0 && ws->away) {
        ngx_http_socketio_ws_close(ws, 0, NGX_SOCKETIO_EIO_EV_WS_CLOSE);
    }

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

        if (in->pinged) {
            rc = ngx_http_socketio_ws_pinged(ws, in->cost);

        } else {
            rc = ngx_http_socketio_ws_pay(ws, in->cost);

            if (rc == NGX_OK) {
                rc = ngx_http_socketio_ws_packet(ws, in->opcode, in->data,
                                                 in->len);
            }
        }

        if (rc == NGX_AGAIN) {
            in->held = 1;
            return;
        }

        if (!in->pinged) {
            ngx_http_socketio_ws_data_free(in);
        }

        in->pinged = 0;
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

    if (in->due == 0 && !in->held && !ngx_socketio_ws_message_idle(parser)) {
        in->due = ngx_http_socketio_ws_now() + ws->conf->message_timeout;
    }

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
    case NGX_SOCKETIO_WS_PONG:
        return ngx_http_socketio_ws_ping(ws, ev);

    case NGX_SOCKETIO_WS_CLOSE:

        if (ev->last) {
            ngx_http_socketio_ws_peer_close(ws, ev->code);
        }

        return NGX_OK;

    default:

        if (ev->last && ws->in) {
            /* another one has its own time */
            ws->in->due = 0;
        }

        return ngx_http_socketio_ws_data(ws, ev, &ngx_http_socketio_ws_turn);
    }
}


/*
 * A ping, and a pong, which nobody has asked for: it is counted, too.  NGX_OK;
 * NGX_AGAIN: it is held.
 */

static ngx_int_t
ngx_http_socketio_ws_ping(ngx_http_socketio_ws_t *ws,
    ngx_socketio_ws_event_t *ev)
{
    ngx_http_socketio_ws_in_t  *in;

    if (ws->closing || (ev->opcode == NGX_SOCKETIO_WS_PONG && !ws->limited)) {
        return NGX_OK;
    }

    if (ev->first && ev->last && !ws->limited) {
        ngx_http_socketio_ws_frame(ws, NGX_SOCKETIO_WS_PONG, ev->data.data,
                                   ev->data.len);
        return NGX_OK;
    }

    in = ngx_http_socketio_ws_in(ws);
    if (in == NULL) {
        return NGX_OK;
    }

    if (ev->first) {
        in->nping = 0;
    }

    ngx_memcpy(in->ping + in->nping, ev->data.data, ev->data.len);
    in->nping += ev->data.len;

    if (!ev->last) {
        return NGX_OK;
    }

    in->pong = (ev->opcode == NGX_SOCKETIO_WS_PONG);

    if (ngx_http_socketio_ws_pinged(ws, in->nping
                                        + NGX_HTTP_SOCKETIO_WS_OVERHEAD)
        == NGX_AGAIN)
    {
        in->pinged = 1;
        in->held = 1;
        return NGX_AGAIN;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_socketio_ws_pinged(ngx_http_socketio_ws_t *ws, size_t cost)
{
    ngx_http_socketio_ws_in_t  *in;

    in = ws->in;

    if (ngx_http_socketio_ws_pay(ws, cost) == NGX_AGAIN) {
        return NGX_AGAIN;
    }

    if (!in->pong && !ws->closing && !ws->finish) {
        ngx_http_socketio_ws_frame(ws, NGX_SOCKETIO_WS_PONG, in->ping,
                                   in->nping);
    }

    return NGX_OK;
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


void
ngx_http_socketio_ws_fail(ngx_http_socketio_ws_t *ws,
    ngx_socketio_ws_event_t *ev)
{
    ngx_log_error(NGX_LOG_INFO, ws->connection->log, 0,
                  "client broke the websocket protocol: %s", ev->error);

    ngx_http_socketio_ws_close(ws, ev->code, NGX_SOCKETIO_EIO_EV_WS_ERROR);
}
