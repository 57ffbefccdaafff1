
/*
 * Copyright (C) the ngx_http_socketio_module authors
 */


/*
 * The opening handshake of a websocket, and how it leaves its request: 101,
 * then, when the content phase has let go, the request is freed and the
 * connection goes on alone.
 */


#include "transport/ngx_http_socketio_websocket.h"
#include "proto/ngx_socketio_base64.h"
#include "proto/ngx_socketio_ws_handshake.h"
#include <ngx_sha1.h>


#define NGX_HTTP_SOCKETIO_WS_ACCEPT  28     /* base64 of a SHA-1 */
#define NGX_HTTP_SOCKETIO_WS_OPEN    512    /* more than an open packet has */


typedef struct {
    ngx_event_t                     event;
    ngx_http_request_t             *request;
    ngx_http_socketio_ws_t         *ws;
} ngx_http_socketio_ws_detach_t;


static ngx_int_t ngx_http_socketio_ws_check(ngx_http_request_t *r,
    ngx_str_t *key, char **context);
static ngx_int_t ngx_http_socketio_ws_header(ngx_http_request_t *r,
    char *name, ngx_str_t *value);
static ngx_http_socketio_ws_t *ngx_http_socketio_ws_create(
    ngx_http_request_t *r, ngx_http_socketio_loc_conf_t *conf);
static ngx_int_t ngx_http_socketio_ws_open(ngx_http_request_t *r,
    ngx_http_socketio_ws_t *ws, ngx_http_socketio_request_t *req,
    ngx_uint_t *why);
static ngx_int_t ngx_http_socketio_ws_join(ngx_http_socketio_ws_t *ws,
    ngx_socketio_key_t *key);
static ngx_int_t ngx_http_socketio_ws_respond(ngx_http_request_t *r,
    ngx_str_t *key, ngx_str_t *extension);
static ngx_http_socketio_ws_detach_t *ngx_http_socketio_ws_detach_add(
    ngx_http_request_t *r, ngx_http_socketio_ws_t *ws);
static void ngx_http_socketio_ws_abandon(void *data);
static void ngx_http_socketio_ws_detach(ngx_event_t *ev);
static void ngx_http_socketio_ws_begin(ngx_http_socketio_ws_t *ws);
static void ngx_http_socketio_ws_free_buffers(ngx_connection_t *c,
    ngx_http_connection_t *hc);


ngx_int_t
ngx_http_socketio_websocket(ngx_http_request_t *r,
    ngx_http_socketio_loc_conf_t *conf, ngx_http_socketio_request_t *req)
{
    char                           *context;
    ngx_int_t                       rc;
    ngx_uint_t                      why;
    ngx_str_t                       key, extension;
    ngx_http_socketio_ws_t         *ws;
    ngx_http_socketio_ws_detach_t  *d;

    r->keepalive = 0;

    rc = ngx_http_socketio_ws_check(r, &key, &context);

    if (rc == NGX_OK) {
        context = "bad Sec-WebSocket-Extensions";
        rc = ngx_http_socketio_ws_negotiate(r, conf, &extension);
    }

    if (rc == NGX_DECLINED) {

        /* an unknown session comes before that (engine.io, 2) */

        return ngx_http_socketio_unfit(r, req->has_sid
                       ? ngx_socketio_known(conf->shm_zone->data, &req->key)
                       : NGX_OK, context);
    }

    if (rc != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    ws = ngx_http_socketio_ws_create(r, conf);
    if (ws == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    ws->deflate = (extension.len != 0);

    d = ngx_http_socketio_ws_detach_add(r, ws);
    if (d == NULL) {
        ngx_http_socketio_ws_free(ws);
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    /* from here on the request's cleanup frees it, unless it is detached */

    if (ngx_socketio_local_add(&ws->local) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    ws->base64 = req->peer.base64;

    rc = req->has_sid ? ngx_http_socketio_ws_join(ws, &req->key)
                      : ngx_http_socketio_ws_open(r, ws, req, &why);

    switch (rc) {

    case NGX_OK:
        break;

    case NGX_DECLINED:
    case NGX_ABORT:
        return ngx_http_socketio_unfit(r, rc, NULL);

    case NGX_BUSY:
        return ngx_http_socketio_unopened(r, ws->local.zone, why);

    default:
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    rc = ngx_http_socketio_ws_respond(r, &key, &extension);

    if (rc != NGX_OK) {
        return rc;
    }

    r->main->count++;
    ngx_post_event(&d->event, &ngx_posted_events);

    return NGX_DONE;
}


/* RFC 6455, section 4.2.1; NGX_OK, NGX_DECLINED: refuse it, NGX_ERROR */

static ngx_int_t
ngx_http_socketio_ws_check(ngx_http_request_t *r, ngx_str_t *key,
    char **context)
{
    ngx_str_t  upgrade, connection, version, supported;

    /* the frames of HTTP/2 and 3 cannot be taken from their connection */

    if (r != r->main
        || r->http_version != NGX_HTTP_VERSION_11
        || r->method != NGX_HTTP_GET
        || r->headers_in.content_length_n > 0
        || r->headers_in.chunked)
    {
        *context = "TRANSPORT_HANDSHAKE_ERROR, not a GET of HTTP/1.1";
        return NGX_DECLINED;
    }

    if (ngx_http_socketio_ws_header(r, "upgrade", &upgrade) != NGX_OK
        || ngx_http_socketio_ws_header(r, "connection", &connection) != NGX_OK
        || ngx_http_socketio_ws_header(r, "sec-websocket-version", &version)
           != NGX_OK
        || ngx_http_socketio_ws_header(r, "sec-websocket-key", key) != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (ngx_socketio_ws_check_upgrade(&upgrade) != NGX_OK) {
        *context = "TRANSPORT_HANDSHAKE_ERROR, bad Upgrade";
        return NGX_DECLINED;
    }

    if (ngx_socketio_ws_check_connection(&connection) != NGX_OK) {
        *context = "TRANSPORT_HANDSHAKE_ERROR, bad Connection";
        return NGX_DECLINED;
    }

    if (ngx_socketio_ws_check_version(&version) != NGX_OK) {
        ngx_str_set(&supported, "13");
        *context = "TRANSPORT_HANDSHAKE_ERROR, bad Sec-WebSocket-Version";

        return ngx_http_socketio_add_header(r, "Sec-WebSocket-Version",
                                            &supported)
               == NGX_OK ? NGX_DECLINED : NGX_ERROR;
    }

    if (ngx_socketio_ws_check_key(key) != NGX_OK) {
        *context = "TRANSPORT_HANDSHAKE_ERROR, bad Sec-WebSocket-Key";
        return NGX_DECLINED;
    }

    return NGX_OK;
}


/* the value of a header; empty if there is none */

static ngx_int_t
ngx_http_socketio_ws_header(ngx_http_request_t *r, char *name,
    ngx_str_t *value)
{
    ngx_str_t  key;

    key.len = ngx_strlen(name);
    key.data = (u_char *) name;

    ngx_str_null(value);

    return ngx_http_socketio_header_joined(r, &key, value) == NGX_ERROR
           ? NGX_ERROR : NGX_OK;
}


static ngx_http_socketio_ws_t *
ngx_http_socketio_ws_create(ngx_http_request_t *r,
    ngx_http_socketio_loc_conf_t *conf)
{
    ngx_http_socketio_ws_t  *ws;

    ws = ngx_alloc(sizeof(ngx_http_socketio_ws_t) + r->request_line.len,
                   r->connection->log);
    if (ws == NULL) {
        return NULL;
    }

    ngx_memzero(ws, sizeof(ngx_http_socketio_ws_t));

    ws->local.zone = conf->shm_zone->data;
    ws->local.ops = &ngx_http_socketio_ws_ops;

    ws->connection = r->connection;
    ws->conf = conf;
    ws->loc_conf = r->loc_conf;
    ws->hc = r->http_connection;

    ws->start_sec = r->start_sec;
    ws->start_msec = r->start_msec;
    ws->line.len = r->request_line.len;
    ws->line.data = (u_char *) (ws + 1);
    ngx_memcpy(ws->line.data, r->request_line.data, ws->line.len);

    return ws;
}


/* NGX_OK; NGX_BUSY: *why is why not now; NGX_ERROR */

static ngx_int_t
ngx_http_socketio_ws_open(ngx_http_request_t *r, ngx_http_socketio_ws_t *ws,
    ngx_http_socketio_request_t *req, ngx_uint_t *why)
{
    u_char                       sid[NGX_SOCKETIO_SID_TEXT];
    u_char                       text[NGX_HTTP_SOCKETIO_WS_OPEN];
    size_t                       len;
    uint64_t                     now;
    ngx_int_t                    rc;
    ngx_socketio_open_t          open;
    ngx_socketio_eio_conf_t      conf;
    ngx_socketio_eio_open_t      packet;
    ngx_http_socketio_client_t   client;

    if (ngx_http_socketio_handshake(r, ws->conf, req, &open) != NGX_OK) {
        return NGX_ERROR;
    }

    open.handle = ws->local.handle;
    now = ngx_http_socketio_ws_now();

    rc = ngx_socketio_open(ws->local.zone, &open, &ws->local.session, now);

    if (rc != NGX_OK) {
        *why = ngx_http_socketio_why(rc);
        return NGX_BUSY;
    }

    ws->noted = 1;
    ws->established = 1;
    ws->raw = open.peer.raw;
    ws->limited = (open.rate != 0 || open.bytes_rate != 0);

    conf.interval = open.interval;
    conf.timeout = open.timeout;
    ngx_socketio_eio_beat_begin(&ws->beat, &conf, open.key.revision, now);

    ngx_http_socketio_open_packet(ws->conf, &open, sid, &packet);

    len = ngx_socketio_eio_open(NULL, &packet);

    if (len > NGX_HTTP_SOCKETIO_WS_OPEN) {
        return NGX_ERROR;
    }

    ngx_socketio_eio_open(text, &packet);
    ngx_http_socketio_ws_frame(ws, NGX_SOCKETIO_WS_TEXT, text, len);

    if (ws->error) {
        return NGX_ERROR;
    }

    ngx_http_socketio_ws_client(ws, &client);

    if (ngx_http_socketio_client_open(&client) != NGX_OK) {
        *why = NGX_SOCKETIO_N_REFUSED_FULL;
        return NGX_BUSY;
    }

    return NGX_OK;
}


/* NGX_OK; NGX_DECLINED, NGX_ABORT: as the store; NGX_ERROR */

static ngx_int_t
ngx_http_socketio_ws_join(ngx_http_socketio_ws_t *ws, ngx_socketio_key_t *key)
{
    uint64_t   now;
    ngx_int_t  rc;

    now = ngx_http_socketio_ws_now();
    ws->beat.revision = (uint8_t) key->revision;

    rc = ngx_socketio_probe(ws->local.zone, key, ws->local.handle,
                            &ws->local.session, now);

    if (rc == NGX_DECLINED || rc == NGX_ABORT) {
        return rc;
    }

    if (rc == NGX_OK) {
        ws->noted = 1;
        ws->beat.at = now + ws->conf->upgrade_timeout;
        return NGX_OK;
    }

    /*
     * Another one is there, or has been.  Clients do not expect an error of
     * HTTP here (engine.io, 11): they get a websocket that closes.
     */

    ngx_http_socketio_ws_close(ws, 0, NGX_SOCKETIO_EIO_EV_PROBE_LOST);

    return ws->error ? NGX_ERROR : NGX_OK;
}


static ngx_int_t
ngx_http_socketio_ws_respond(ngx_http_request_t *r, ngx_str_t *key,
    ngx_str_t *extension)
{
    u_char      *p;
    u_char       digest[20];
    ngx_int_t    rc;
    ngx_str_t    value;
    ngx_sha1_t   sha1;

    static ngx_str_t  upgrade = ngx_string("websocket");

    p = ngx_pnalloc(r->pool, NGX_HTTP_SOCKETIO_WS_ACCEPT);
    if (p == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    ngx_sha1_init(&sha1);
    ngx_sha1_update(&sha1, key->data, key->len);
    ngx_sha1_update(&sha1, NGX_SOCKETIO_WS_GUID,
                    sizeof(NGX_SOCKETIO_WS_GUID) - 1);
    ngx_sha1_final(digest, &sha1);

    value.len = ngx_socketio_base64_encode(p, digest, sizeof(digest));
    value.data = p;

    if (ngx_http_socketio_add_header(r, "Upgrade", &upgrade) != NGX_OK
        || ngx_http_socketio_add_header(r, "Sec-WebSocket-Accept", &value)
           != NGX_OK
        || (extension->len
            && ngx_http_socketio_add_header(r, "Sec-WebSocket-Extensions",
                                            extension)
               != NGX_OK))
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    /* nginx adds "Connection: upgrade" */

    r->headers_out.status = NGX_HTTP_SWITCHING_PROTOCOLS;
    ngx_str_set(&r->headers_out.status_line, "101 Switching Protocols");
    r->header_only = 1;

    rc = ngx_http_send_header(r);

    if (rc == NGX_ERROR || rc > NGX_OK) {
        return rc;
    }

    rc = ngx_http_send_special(r, NGX_HTTP_FLUSH);

    return rc == NGX_ERROR ? NGX_ERROR : NGX_OK;
}


static ngx_http_socketio_ws_detach_t *
ngx_http_socketio_ws_detach_add(ngx_http_request_t *r,
    ngx_http_socketio_ws_t *ws)
{
    ngx_http_cleanup_t             *cln;
    ngx_http_socketio_ws_detach_t  *d;

    d = ngx_pcalloc(r->pool, sizeof(ngx_http_socketio_ws_detach_t));
    if (d == NULL) {
        return NULL;
    }

    cln = ngx_http_cleanup_add(r, 0);
    if (cln == NULL) {
        return NULL;
    }

    cln->handler = ngx_http_socketio_ws_abandon;
    cln->data = d;

    d->event.handler = ngx_http_socketio_ws_detach;
    d->event.data = d;
    d->event.log = r->connection->log;
    d->request = r;
    d->ws = ws;

    return d;
}


/* the request ends before the websocket could leave it, or because it did */

static void
ngx_http_socketio_ws_abandon(void *data)
{
    ngx_http_socketio_ws_detach_t *d = data;

    if (d->event.posted) {
        ngx_delete_posted_event(&d->event);
    }

    if (d->ws->detached) {
        return;
    }

    ngx_http_socketio_ws_part(d->ws, NGX_SOCKETIO_EIO_EV_WS_ERROR);
    ngx_http_socketio_ws_free(d->ws);
}


static void
ngx_http_socketio_ws_detach(ngx_event_t *ev)
{
    ngx_buf_t                      *b;
    ngx_connection_t               *c;
    ngx_http_request_t             *r;
    ngx_http_socketio_ws_t         *ws;
    ngx_http_core_loc_conf_t       *clcf;
    ngx_http_socketio_ws_detach_t  *d;

    d = ev->data;
    r = d->request;
    ws = d->ws;
    c = r->connection;
    b = r->header_in;

    /* others that hold the request, e.g. a mirror, cannot be waited for */

    if (c->error
        || c->buffered
        || ws->error
        || r->main->count != 1
        || r->main->blocked
        || ngx_http_socketio_ws_rest(ws, b->pos, b->last) != NGX_OK)
    {
        ngx_log_error(NGX_LOG_INFO, c->log, 0,
                      "websocket could not be taken over");

        ngx_http_finalize_request(r, NGX_ERROR);
        ngx_http_run_posted_requests(c);
        return;
    }

    clcf = ngx_http_get_module_loc_conf(r, ngx_http_core_module);

    ws->detached = 1;

    r->keepalive = 0;
    r->logged = 1;              /* when it ends */

    ngx_http_free_request(r, 0);

    c->destroyed = 0;
    c->data = ws;
    c->read->handler = ngx_http_socketio_ws_read_handler;
    c->write->handler = ngx_http_socketio_ws_write_handler;

    ngx_http_socketio_ws_free_buffers(c, ws->hc);

    if (clcf->tcp_nodelay && ngx_tcp_nodelay(c) != NGX_OK) {
        ws->error = 1;
    }

    ngx_http_socketio_ws_begin(ws);
}


static void
ngx_http_socketio_ws_begin(ngx_http_socketio_ws_t *ws)
{
    ngx_uint_t         reason;
    ngx_connection_t  *c;

    c = ws->connection;
    c->log->action = "serving websocket";

    /* nginx calls the read handler when the worker shuts down */

    c->idle = 1;

    if (c->read->timer_set) {
        ngx_del_timer(c->read);
    }

    if (c->write->timer_set) {
        c->write->delayed = 0;
        ngx_del_timer(c->write);
    }

    if ((ngx_event_flags & NGX_USE_LEVEL_EVENT)
        && c->write->active
        && ngx_del_event(c->write, NGX_WRITE_EVENT, 0) != NGX_OK)
    {
        ws->error = 1;
    }

    /* it could not be rung until now */

    if (ws->noted
        && ngx_socketio_websocket_look(ws->local.zone, &ws->local.session,
                                       &reason)
           == NGX_DONE)
    {
        ngx_http_socketio_ws_close(ws, 0, NGX_SOCKETIO_EIO_EV_WS_CLOSE);
    }

    if (ngx_exiting) {
        ngx_http_socketio_ws_drain(ws);
    }

    ngx_http_socketio_ws_resume(ws);
    ngx_http_socketio_ws_settle(ws);
}


/* the memory of the request's header, as at the begin of keepalive */

static void
ngx_http_socketio_ws_free_buffers(ngx_connection_t *c,
    ngx_http_connection_t *hc)
{
    ngx_buf_t    *b;
    ngx_uint_t    i;
    ngx_chain_t  *cl, *next, *lists[2];

    b = c->buffer;

    if (b) {

        if (ngx_pfree(c->pool, b->start) == NGX_OK) {
            b->start = NULL;
            b->pos = NULL;
            b->last = NULL;

        } else {
            b->pos = b->start;
            b->last = b->start;
        }
    }

    lists[0] = hc->free;
    lists[1] = hc->busy;

    for (i = 0; i < 2; i++) {

        for (cl = lists[i]; cl; cl = next) {
            next = cl->next;
            ngx_pfree(c->pool, cl->buf->start);
            ngx_free_chain(c->pool, cl);
        }
    }

    hc->free = NULL;
    hc->busy = NULL;
    hc->nbusy = 0;

#if (NGX_HTTP_SSL)
    if (c->ssl) {
        ngx_ssl_free_buffer(c);
    }
#endif
}
