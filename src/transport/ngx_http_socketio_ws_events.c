
/*
 * Copyright (C) the ngx_http_socketio_module authors
 */


/*
 * What happens to a connected websocket: the socket, the clock, the worker's
 * calls, and its end.
 */


#include "transport/ngx_http_socketio_websocket.h"


static void ngx_http_socketio_ws_shutdown(ngx_http_socketio_ws_t *ws);
static void ngx_http_socketio_ws_time(ngx_http_socketio_ws_t *ws);
static ngx_uint_t ngx_http_socketio_ws_late(ngx_http_socketio_ws_t *ws,
    uint64_t now);
static void ngx_http_socketio_ws_beat(ngx_http_socketio_ws_t *ws);
static void ngx_http_socketio_ws_arm(ngx_http_socketio_ws_t *ws);
static ngx_uint_t ngx_http_socketio_ws_over(ngx_http_socketio_ws_t *ws);
static void ngx_http_socketio_ws_too_slow(ngx_http_socketio_ws_t *ws);
static void ngx_http_socketio_ws_half_close(ngx_http_socketio_ws_t *ws);
static ngx_int_t ngx_http_socketio_ws_close_notify(ngx_connection_t *c);
static void ngx_http_socketio_ws_destroy(ngx_http_socketio_ws_t *ws);
static void ngx_http_socketio_ws_log(ngx_http_socketio_ws_t *ws);

static void ngx_http_socketio_ws_look(ngx_socketio_local_t *local);
static void ngx_http_socketio_ws_deliver(ngx_socketio_local_t *local,
    ngx_socketio_pin_t *pin);
static void ngx_http_socketio_ws_flush(ngx_socketio_local_t *local);
static void ngx_http_socketio_ws_drop(ngx_socketio_local_t *local);
static void ngx_http_socketio_ws_leave(ngx_socketio_local_t *local);


ngx_socketio_local_ops_t  ngx_http_socketio_ws_ops = {
    ngx_http_socketio_ws_look,
    ngx_http_socketio_ws_deliver,
    ngx_http_socketio_ws_flush,
    ngx_http_socketio_ws_drop,
    ngx_http_socketio_ws_leave
};


void
ngx_http_socketio_ws_read_handler(ngx_event_t *rev)
{
    ngx_connection_t        *c;
    ngx_http_socketio_ws_t  *ws;

    c = rev->data;
    ws = c->data;

    if (c->close) {
        ngx_http_socketio_ws_shutdown(ws);

    } else if (rev->timedout) {
        rev->timedout = 0;
        ngx_http_socketio_ws_time(ws);

    } else {
        ngx_http_socketio_ws_read(ws);
    }

    ngx_http_socketio_ws_settle(ws);
}


void
ngx_http_socketio_ws_write_handler(ngx_event_t *wev)
{
    ngx_connection_t        *c;
    ngx_http_socketio_ws_t  *ws;

    c = wev->data;
    ws = c->data;

    if (wev->timedout) {
        ngx_log_error(NGX_LOG_INFO, c->log, NGX_ETIMEDOUT,
                      "client timed out");
        wev->timedout = 0;
        c->timedout = 1;
        ws->error = 1;
    }

    ngx_http_socketio_ws_settle(ws);
}


/*
 * nginx calls for all idle connections: when the worker begins to shut down,
 * and again, with c->error, at worker_shutdown_timeout.
 */

static void
ngx_http_socketio_ws_shutdown(ngx_http_socketio_ws_t *ws)
{
    ngx_connection_t  *c;

    c = ws->connection;

    if (!c->error) {
        /* it is served until it ends, by this worker */
        c->close = 0;
        return;
    }

    if (!ws->closing && !ws->away) {
        ngx_http_socketio_ws_close_frame(ws,
                                         NGX_SOCKETIO_WS_CLOSE_GOING_AWAY);
    }

    ws->away = ws->established;
    ngx_http_socketio_ws_part(ws, NGX_SOCKETIO_EIO_EV_WS_CLOSE);
    ws->closing = 1;

    (void) ngx_http_socketio_ws_write(ws);

    ws->error = 1;
}


/*
 * The session goes on until the peer has answered: what it has sent before it
 * hears of this is not lost.  Nothing may be written behind a Close; what is
 * emitted from now on is what recovery is for.
 */

void
ngx_http_socketio_ws_go_away(ngx_http_socketio_ws_t *ws)
{
    ngx_http_socketio_ws_close_frame(ws, NGX_SOCKETIO_WS_CLOSE_GOING_AWAY);

    ws->away = 1;
    ws->beat.at = ngx_http_socketio_ws_now() + NGX_HTTP_SOCKETIO_WS_CLOSING;

    ngx_http_socketio_ws_settle(ws);
}


static void
ngx_http_socketio_ws_time(ngx_http_socketio_ws_t *ws)
{
    uint64_t  now;

    now = ngx_http_socketio_ws_now();

    if (ngx_http_socketio_ws_late(ws, now)) {
        return;
    }

    if (!ws->closing && !ws->finish && !ws->away && ws->established) {
        ngx_http_socketio_ws_beat(ws);

    } else if (now >= ws->beat.at) {

        if (ws->closing || ws->finish || ws->away) {
            ws->connection->timedout = 1;
            ws->error = 1;
            return;
        }

        ngx_http_socketio_ws_close(ws, 0, NGX_SOCKETIO_EIO_EV_PROBE_LOST);
    }

    if (ws->in && ws->in->held) {
        ngx_http_socketio_ws_resume(ws);
    }
}


/* 1: a message, or a frame, has begun and not ended: it is being closed */

static ngx_uint_t
ngx_http_socketio_ws_late(ngx_http_socketio_ws_t *ws, uint64_t now)
{
    uint64_t  grace;

    if (ws->in == NULL || ws->in->due == 0 || now < ws->in->due
        || ws->closing || ws->finish || ws->away)
    {
        return 0;
    }

    grace = ngx_socketio_eio_grace(ws->in->due, now,
                                   ws->conf->message_timeout);
    if (grace) {
        ws->in->due = now + grace;
        return 0;
    }

    ngx_log_error(NGX_LOG_INFO, ws->connection->log, NGX_ETIMEDOUT,
                  "client timed out: its message is longer on its way than "
                  "\"socketio_message_timeout\"");

    ngx_socketio_tally(ws->local.zone, NGX_SOCKETIO_N_UNFINISHED, 1);

    ngx_http_socketio_ws_close(ws, NGX_SOCKETIO_WS_CLOSE_POLICY,
                               ws->established
                               ? NGX_SOCKETIO_EIO_EV_WS_ERROR
                               : NGX_SOCKETIO_EIO_EV_PROBE_LOST);

    return 1;
}


static void
ngx_http_socketio_ws_beat(ngx_http_socketio_ws_t *ws)
{
    ngx_int_t                rc;
    uint64_t                 now;
    ngx_socketio_eio_conf_t  conf;

    now = ngx_http_socketio_ws_now();

    conf.interval = ws->conf->ping_interval;
    conf.timeout = ws->conf->ping_timeout;

    rc = ngx_socketio_eio_beat(&ws->beat, &conf, now);

    if (rc == NGX_AGAIN) {
        ngx_http_socketio_ws_frame(ws, NGX_SOCKETIO_WS_TEXT, (u_char *) "2",
                                   1);
        return;
    }

    if (rc != NGX_DONE) {
        return;
    }

    if (ws->in && ws->in->held) {
        /* the pong may wait behind what we do not take */
        ws->beat.at = now + conf.timeout;
        return;
    }

    ngx_log_error(NGX_LOG_INFO, ws->connection->log, 0,
                  "client timed out: no %s",
                  ws->beat.revision == 3 ? "ping" : "pong");

    ngx_socketio_end(ws->local.zone, &ws->local.session,
                     NGX_SOCKETIO_REASON_PING_TIMEOUT, now);

    ngx_http_socketio_ws_close(ws, 0, NGX_SOCKETIO_EIO_EV_WS_ERROR);
}


void
ngx_http_socketio_ws_part(ngx_http_socketio_ws_t *ws,
    ngx_socketio_eio_event_e event)
{
    ngx_uint_t  reason;

    if (ws->noted) {
        ws->noted = 0;

        if (ws->away) {
            ngx_socketio_end(ws->local.zone, &ws->local.session,
                             NGX_SOCKETIO_REASON_SHUTDOWN,
                             ngx_http_socketio_ws_now());
        }

        if (ngx_socketio_websocket_look(ws->local.zone, &ws->local.session,
                                        &reason)
            == NGX_OK
            && ws->established)
        {
            reason = (event == NGX_SOCKETIO_EIO_EV_WS_CLOSE)
                     ? NGX_SOCKETIO_REASON_TRANSPORT_CLOSE
                     : NGX_SOCKETIO_REASON_TRANSPORT_ERROR;
        }

        ws->reason = (unsigned) reason;

        ngx_socketio_websocket_gone(ws->local.zone, &ws->local.session,
                                    ws->local.handle, event,
                                    ngx_http_socketio_ws_now());
    }

    if (ws->local.registered) {
        ngx_socketio_local_remove(&ws->local);
    }
}


void
ngx_http_socketio_ws_close(ngx_http_socketio_ws_t *ws, ngx_uint_t code,
    ngx_socketio_eio_event_e event)
{
    if (ws->closing || ws->finish) {
        return;
    }

    ngx_http_socketio_ws_part(ws, event);

    if (!ws->away) {
        ngx_http_socketio_ws_close_frame(ws, code);
    }

    ws->closing = 1;
    ws->beat.at = ngx_http_socketio_ws_now() + NGX_HTTP_SOCKETIO_WS_CLOSING;

    if (ws->in && ws->in->held) {
        /* discard it and read on: the echo comes behind it */
        ngx_http_socketio_ws_resume(ws);
    }
}


void
ngx_http_socketio_ws_settle(ngx_http_socketio_ws_t *ws)
{
    ngx_int_t  rc;

    if (ws->error) {
        ngx_http_socketio_ws_destroy(ws);
        return;
    }

    rc = ngx_http_socketio_ws_write(ws);

    if (rc == NGX_ERROR || ws->error) {
        ngx_http_socketio_ws_destroy(ws);
        return;
    }

    if (ws->slow || (rc == NGX_AGAIN && ngx_http_socketio_ws_over(ws))) {
        ngx_http_socketio_ws_too_slow(ws);
        return;
    }

    if (rc == NGX_OK) {

        if (ws->finish) {
            ngx_http_socketio_ws_destroy(ws);
            return;
        }

        if (ws->deaf && !ws->shut) {
            ngx_http_socketio_ws_half_close(ws);
        }
    }

    ngx_http_socketio_ws_arm(ws);
}


/* One timer: set late, looked at early, since activity just stores times. */

static void
ngx_http_socketio_ws_arm(ngx_http_socketio_ws_t *ws)
{
    uint64_t      at, now, again;
    ngx_event_t  *rev;

    rev = ws->connection->read;
    now = ngx_http_socketio_ws_now();
    at = ws->beat.at;

    if (ws->in && ws->in->held) {
        again = ws->in->cost ? ws->in->until
                             : now + NGX_HTTP_SOCKETIO_WS_RETRY;
        at = ngx_min(at, again);
    }

    if (ws->in && ws->in->due
        && !ws->closing && !ws->finish && !ws->away)
    {
        at = ngx_min(at, ws->in->due);
    }

    if (rev->timer_set) {

        if ((uint64_t) rev->timer.key <= at) {
            return;
        }

        ngx_del_timer(rev);
    }

    ngx_add_timer(rev, at > now ? (ngx_msec_t) (at - now) : 1);
}


static ngx_uint_t
ngx_http_socketio_ws_over(ngx_http_socketio_ws_t *ws)
{
    return ws->out_n > ws->conf->send_packets
           || (ws->out_n > 1 && ws->out_bytes > ws->conf->send_bytes);
}


/* a Close frame would wait behind all that the client does not read */

static void
ngx_http_socketio_ws_too_slow(ngx_http_socketio_ws_t *ws)
{
    ngx_log_error(NGX_LOG_INFO, ws->connection->log, 0,
                  "client is too slow: %uD packets, %uz bytes wait",
                  ws->out_n, ws->out_bytes);

    if (ws->noted) {
        (void) ngx_atomic_fetch_add(
                         (ngx_atomic_t *) &ws->local.zone->sh->stats.slow, 1);
    }

    ws->connection->error = 1;

    ngx_http_socketio_ws_destroy(ws);
}


/*
 * RFC 6455, section 7.1.1: both Closes are there, or ours is, because of bytes
 * that are no frames, among which the peer's could not be recognized.  But the
 * end of its stream can, and it comes if its user learns that ours has.
 */

static void
ngx_http_socketio_ws_half_close(ngx_http_socketio_ws_t *ws)
{
    ngx_connection_t  *c;

    c = ws->connection;
    ws->shut = 1;

    if (ngx_http_socketio_ws_close_notify(c) != NGX_OK) {
        return;
    }

    if (ngx_shutdown_socket(c->fd, NGX_WRITE_SHUTDOWN) == -1) {
        ngx_connection_error(c, ngx_socket_errno,
                             ngx_shutdown_socket_n " failed");
    }
}


/*
 * With TLS: what is read from now on is not decrypted any more.  NGX_AGAIN: not
 * now, so the peer has to find out by itself.
 */

static ngx_int_t
ngx_http_socketio_ws_close_notify(ngx_connection_t *c)
{
    ngx_int_t  rc;

    rc = NGX_OK;

#if (NGX_SSL)

    if (c->ssl) {
        c->ssl->shutdown_without_free = 1;

        rc = ngx_ssl_shutdown(c);
    }

    if (rc == NGX_AGAIN) {
        /* it would go on without us */
        c->ssl->shutdown_without_free = 0;
        c->read->handler = ngx_http_socketio_ws_read_handler;
        c->write->handler = ngx_http_socketio_ws_write_handler;
    }

#endif

    return rc;
}


static void
ngx_http_socketio_ws_destroy(ngx_http_socketio_ws_t *ws)
{
    ngx_connection_t  *c;

    c = ws->connection;

    ngx_http_socketio_ws_part(ws, NGX_SOCKETIO_EIO_EV_WS_ERROR);
    ngx_http_socketio_ws_log(ws);
    ngx_http_socketio_ws_free(ws);

    c->log->action = "closing websocket";
    c->data = NULL;

    ngx_http_close_connection(c);
}


void
ngx_http_socketio_ws_free(ngx_http_socketio_ws_t *ws)
{
    ngx_http_socketio_ws_undrain(ws);
    ngx_http_socketio_ws_out_free(ws);
    ngx_http_socketio_ws_in_free(ws);

    ngx_free(ws);
}


/* The request is gone long since: another one stands in for the log. */

static void
ngx_http_socketio_ws_log(ngx_http_socketio_ws_t *ws)
{
    ngx_connection_t         *c;
    ngx_http_request_t       *r;
    ngx_http_socketio_ctx_t  *ctx;

    c = ws->connection;
    c->data = ws->hc;

    r = ngx_http_create_request(c);
    if (r == NULL) {
        return;
    }

#if (NGX_STAT_STUB)
    (void) ngx_atomic_fetch_add(ngx_stat_requests, -1);
#endif

    c->requests--;

    r->main_conf = ws->conf->ctx->main_conf;
    r->srv_conf = ws->conf->ctx->srv_conf;
    r->loc_conf = ws->loc_conf;

    r->start_sec = ws->start_sec;
    r->start_msec = ws->start_msec;
    r->request_line = ws->line;
    r->method = NGX_HTTP_GET;
    ngx_str_set(&r->method_name, "GET");
    ngx_str_set(&r->http_protocol, "HTTP/1.1");
    r->http_version = NGX_HTTP_VERSION_11;
    r->headers_out.status = NGX_HTTP_SWITCHING_PROTOCOLS;
    r->header_sent = 1;

    ctx = ngx_http_socketio_ctx(r);

    if (ctx) {
        ngx_str_set(&ctx->transport, "websocket");
        if (ws->beat.revision == 3) {
            ngx_str_set(&ctx->eio, "3");

        } else {
            ngx_str_set(&ctx->eio, "4");
        }

        ctx->packets_in = ws->packets_in;
        ctx->packets_out = ws->packets_out;
        ctx->bytes_in = ws->bytes_in;

        ctx->reason = ws->raw ? *ngx_socketio_eio_reason(ws->reason)
                              : *ngx_socketio_reason(ws->reason);
    }

    ngx_http_free_request(r, 0);
}


static void
ngx_http_socketio_ws_look(ngx_socketio_local_t *local)
{
    ngx_uint_t               reason;
    ngx_http_socketio_ws_t  *ws;

    ws = (ngx_http_socketio_ws_t *) local;

    if (!ws->detached) {
        /* it looks for itself when it is */
        return;
    }

    if (ngx_socketio_websocket_look(local->zone, &local->session, &reason)
        == NGX_DONE)
    {
        ngx_http_socketio_ws_close(ws, 0, NGX_SOCKETIO_EIO_EV_WS_CLOSE);

    } else if (ws->in && ws->in->held) {
        ngx_http_socketio_ws_resume(ws);
    }

    ngx_http_socketio_ws_settle(ws);
}


/*
 * Limits are for output that waits for the client: a burst is queued as it
 * comes, and judged by ..._settle() when the socket has taken its part.
 */

static void
ngx_http_socketio_ws_deliver(ngx_socketio_local_t *local,
    ngx_socketio_pin_t *pin)
{
    ngx_http_socketio_ws_t  *ws;

    ws = (ngx_http_socketio_ws_t *) local;

    if (ws->closing || ws->finish || ws->away || ws->slow || ws->error) {
        return;
    }

    if (ws->out && ngx_http_socketio_ws_blocked(ws)) {

        if (pin->flags & NGX_SOCKETIO_VOLATILE) {
            /* it cannot be written now (socket.io, 4) */
            ngx_socketio_tally(local->zone, NGX_SOCKETIO_N_VOLATILE, 1);
            return;
        }

        if (ws->out_n >= ws->conf->send_packets
            || ws->out_bytes + pin->len > ws->conf->send_bytes)
        {
            ws->slow = 1;
            return;
        }
    }

    pin->users++;
    ngx_http_socketio_ws_pin(ws, pin);
}


static void
ngx_http_socketio_ws_flush(ngx_socketio_local_t *local)
{
    ngx_http_socketio_ws_t  *ws;

    ws = (ngx_http_socketio_ws_t *) local;

    if (ws->detached) {
        ngx_http_socketio_ws_settle(ws);
    }
}


static void
ngx_http_socketio_ws_drop(ngx_socketio_local_t *local)
{
    ngx_http_socketio_ws_t  *ws;

    ws = (ngx_http_socketio_ws_t *) local;

    ws->error = 1;
    ws->connection->error = 1;

    ngx_http_socketio_ws_part(ws, NGX_SOCKETIO_EIO_EV_WS_ERROR);

    if (ws->detached) {
        ngx_http_socketio_ws_settle(ws);
    }
}


static void
ngx_http_socketio_ws_leave(ngx_socketio_local_t *local)
{
    ngx_http_socketio_ws_drain((ngx_http_socketio_ws_t *) local);
}
