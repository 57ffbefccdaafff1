
/*
 * Copyright (C) the ngx_http_socketio_module authors
 */


/*
 * Long polling, the client's side that receives: the open packet, and GETs,
 * which wait ("park") until there is something to answer.
 */


#include "transport/ngx_http_socketio_transport.h"
#include "transport/ngx_http_socketio_payload.h"


/* a client that upgrades finishes its GET first (engine.io, 11) */
#define NGX_HTTP_SOCKETIO_PARK_SHORT  100


typedef struct {
    ngx_socketio_local_t     local;     /* must be first */
    ngx_http_request_t      *request;
    ngx_event_t              timer;
    ngx_socketio_peer_t      peer;
    unsigned                 parked:1;
} ngx_http_socketio_get_t;


static ngx_int_t ngx_http_socketio_polling_opened(ngx_http_request_t *r,
    ngx_http_socketio_loc_conf_t *conf, ngx_str_t *sid, ngx_chain_t *out);
static ngx_http_socketio_get_t *ngx_http_socketio_get_create(
    ngx_http_request_t *r, ngx_socketio_zone_t *zone);
static ngx_int_t ngx_http_socketio_get_park(ngx_http_socketio_get_t *get,
    ngx_uint_t briefly);
static ngx_int_t ngx_http_socketio_get_answer(ngx_http_socketio_get_t *get,
    ngx_socketio_taken_t *taken);
static void ngx_http_socketio_get_finish(ngx_http_socketio_get_t *get,
    ngx_socketio_taken_t *taken);
static void ngx_http_socketio_get_try(ngx_http_socketio_get_t *get,
    ngx_uint_t noop);
static void ngx_http_socketio_get_look(ngx_socketio_local_t *local);
static void ngx_http_socketio_get_leave(ngx_socketio_local_t *local);
static void ngx_http_socketio_get_drop(ngx_socketio_local_t *local);
static void ngx_http_socketio_get_timer(ngx_event_t *ev);
static void ngx_http_socketio_get_cleanup(void *data);


static ngx_socketio_local_ops_t  ngx_http_socketio_get_ops = {
    ngx_http_socketio_get_look,
    NULL,                                   /* deliver: not a websocket */
    NULL,                                   /* flush */
    ngx_http_socketio_get_drop,
    ngx_http_socketio_get_leave
};


static ngx_str_t  ngx_http_socketio_text_type =
    ngx_string("text/plain; charset=UTF-8");

/* to a letter: clients compare it (engine.io, 6) */
static ngx_str_t  ngx_http_socketio_binary_type =
    ngx_string("application/octet-stream");


ngx_int_t
ngx_http_socketio_polling_open(ngx_http_request_t *r,
    ngx_http_socketio_loc_conf_t *conf, ngx_http_socketio_request_t *req)
{
    u_char                       sid_text[NGX_SOCKETIO_SID_TEXT];
    ngx_int_t                    rc;
    ngx_str_t                    text;
    ngx_chain_t                 *out;
    ngx_socketio_open_t          open;
    ngx_socketio_zone_t         *zone;
    ngx_socketio_eio_open_t      packet;
    ngx_http_socketio_client_t   client;

    if (ngx_http_socketio_handshake(r, conf, req, &open) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    /* all that may fail goes first: a session nobody knows of would stay */

    ngx_http_socketio_open_packet(conf, &open, sid_text, &packet);

    text.len = ngx_socketio_eio_open(NULL, &packet);
    text.data = ngx_pnalloc(r->pool, text.len);
    if (text.data == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    ngx_socketio_eio_open(text.data, &packet);

    if (ngx_http_socketio_payload_text(r->pool, &open.peer, &text, &out)
        != NGX_OK)
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    zone = conf->shm_zone->data;

    client.zone = zone;
    client.conf = conf;
    client.log = r->connection->log;
    client.peer = open.peer;
    client.left.len = 0;

    rc = ngx_socketio_open(zone, &open, &client.id,
                           (uint64_t) ngx_current_msec);

    if (rc == NGX_OK) {
        rc = ngx_http_socketio_client_open(&client);
    }

    if (rc != NGX_OK) {
        return ngx_http_socketio_unopened(r, zone, ngx_http_socketio_why(rc));
    }

    rc = ngx_http_socketio_polling_opened(r, conf, &packet.sid, out);

    if (rc == NGX_ERROR || rc >= NGX_HTTP_SPECIAL_RESPONSE) {

        /* no memory: nobody has been told the sid */

        ngx_socketio_end(zone, &client.id, NGX_SOCKETIO_REASON_TRANSPORT_ERROR,
                         (uint64_t) ngx_current_msec);
    }

    return rc;
}


static ngx_int_t
ngx_http_socketio_polling_opened(ngx_http_request_t *r,
    ngx_http_socketio_loc_conf_t *conf, ngx_str_t *sid, ngx_chain_t *out)
{
    ngx_int_t  rc;

    if (ngx_http_socketio_cookie(r, conf, sid) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    rc = ngx_http_discard_request_body(r);

    if (rc != NGX_OK) {
        return rc;
    }

    return ngx_http_socketio_reply(r, NGX_HTTP_OK,
                                   &ngx_http_socketio_text_type,
                                   sizeof("text/plain") - 1, out);
}


ngx_int_t
ngx_http_socketio_polling_get(ngx_http_request_t *r,
    ngx_http_socketio_loc_conf_t *conf, ngx_http_socketio_request_t *req)
{
    ngx_int_t                 rc;
    ngx_socketio_zone_t      *zone;
    ngx_socketio_taken_t      taken;
    ngx_http_socketio_get_t  *get;

    zone = conf->shm_zone->data;

    get = ngx_http_socketio_get_create(r, zone);
    if (get == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    if (r->headers_in.content_length_n > 0 || r->headers_in.chunked) {
        /* a parked GET watches its connection, and does not read it */
        r->keepalive = 0;
        r->lingering_close = 1;
    }

    rc = ngx_socketio_get(zone, &req->key, get->local.handle, &taken,
                          (uint64_t) ngx_current_msec);

    if (rc != NGX_OK) {
        ngx_socketio_local_remove(&get->local);
        return ngx_http_socketio_unfit(r, rc, NULL);
    }

    get->local.session = taken.id;
    get->peer = taken.peer;

    if (taken.actions & (NGX_SOCKETIO_EIO_PARK|NGX_SOCKETIO_EIO_PARK_SHORT)) {
        return ngx_http_socketio_get_park(get, taken.actions
                                               & NGX_SOCKETIO_EIO_PARK_SHORT);
    }

    ngx_socketio_local_remove(&get->local);

    if (taken.actions & NGX_SOCKETIO_EIO_REFUSE) {
        return ngx_http_socketio_error(r, NGX_SOCKETIO_EIO_BAD_REQUEST,
                                       "TRANSPORT_MISMATCH, the session is a "
                                       "websocket's now");
    }

    if (taken.actions & NGX_SOCKETIO_EIO_REFUSE_EMPTY) {
        ngx_log_error(NGX_LOG_INFO, r->connection->log, 0,
                      "socketio: second GET at a time, session closed");
        return ngx_http_socketio_empty(r, NGX_HTTP_BAD_REQUEST);
    }

    return ngx_http_socketio_get_answer(get, &taken);
}


static ngx_http_socketio_get_t *
ngx_http_socketio_get_create(ngx_http_request_t *r, ngx_socketio_zone_t *zone)
{
    ngx_http_cleanup_t       *cln;
    ngx_http_socketio_get_t  *get;

    get = ngx_pcalloc(r->pool, sizeof(ngx_http_socketio_get_t));
    if (get == NULL) {
        return NULL;
    }

    cln = ngx_http_cleanup_add(r, 0);
    if (cln == NULL) {
        return NULL;
    }

    get->request = r;
    get->local.zone = zone;
    get->local.ops = &ngx_http_socketio_get_ops;

    get->timer.handler = ngx_http_socketio_get_timer;
    get->timer.data = get;
    get->timer.log = r->connection->log;

    if (ngx_socketio_local_add(&get->local) != NGX_OK) {
        return NULL;
    }

    cln->handler = ngx_http_socketio_get_cleanup;
    cln->data = get;

    return get;
}


static ngx_int_t
ngx_http_socketio_get_park(ngx_http_socketio_get_t *get, ngx_uint_t briefly)
{
    ngx_http_request_t  *r;

    r = get->request;

    get->parked = 1;

    if (briefly) {
        ngx_add_timer(&get->timer, NGX_HTTP_SOCKETIO_PARK_SHORT);
    }

    r->main->count++;
    r->read_event_handler = ngx_http_test_reading;
    r->write_event_handler = ngx_http_request_empty_handler;

    /*
     * The client may have left, or its leaving may be known, before there was
     * a handler that cares: edge-triggered events are not repeated.
     */

    if (r->connection->read->ready) {
        ngx_post_event(r->connection->read, &ngx_posted_events);
    }

    /* a worker that shuts down takes no new ones */

    if (ngx_exiting || ngx_terminate) {
        ngx_add_timer(&get->timer, NGX_HTTP_SOCKETIO_PARK_SHORT);
    }

    return NGX_DONE;
}


/* the answer, of a GET that is not parked any more */

static ngx_int_t
ngx_http_socketio_get_answer(ngx_http_socketio_get_t *get,
    ngx_socketio_taken_t *taken)
{
    ngx_str_t                *type;
    ngx_uint_t                binary;
    ngx_chain_t              *out, *cl;
    ngx_http_request_t       *r;
    ngx_http_socketio_ctx_t  *ctx;

    r = get->request;

    /* it may be answered when nothing is left of its session */

    taken->peer = get->peer;

    if (ngx_http_socketio_payload(r->pool, get->local.zone, taken, &out,
                                  &binary)
        != NGX_OK)
    {
        /* messages are lost: better no session than one with a gap */

        ngx_socketio_end(get->local.zone, &taken->id,
                         NGX_SOCKETIO_REASON_TRANSPORT_ERROR,
                         (uint64_t) ngx_current_msec);

        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    for (cl = out; cl; cl = cl->next) {
        ngx_socketio_tally(get->local.zone, NGX_SOCKETIO_N_SENT,
                           ngx_buf_size(cl->buf));
    }

    ngx_socketio_tally(get->local.zone, NGX_SOCKETIO_N_DELIVERED, taken->n);

    ctx = ngx_http_get_module_ctx(r, ngx_http_socketio_module);
    ctx->packets_out = taken->n;

    type = binary ? &ngx_http_socketio_binary_type
                  : &ngx_http_socketio_text_type;

    return ngx_http_socketio_reply(r, NGX_HTTP_OK, type,
                                   binary ? type->len
                                          : sizeof("text/plain") - 1,
                                   out);
}


/* the same from outside of the request's own events; destroys the GET */

static void
ngx_http_socketio_get_finish(ngx_http_socketio_get_t *get,
    ngx_socketio_taken_t *taken)
{
    ngx_int_t            rc;
    ngx_connection_t    *c;
    ngx_http_request_t  *r;

    r = get->request;
    c = r->connection;

    get->parked = 0;

    if (get->timer.timer_set) {
        ngx_del_timer(&get->timer);
    }

    ngx_socketio_local_remove(&get->local);

    ngx_http_set_log_request(c->log, r);

    rc = ngx_http_socketio_get_answer(get, taken);

    ngx_http_finalize_request(r, rc);
    ngx_http_run_posted_requests(c);
}


static void
ngx_http_socketio_get_try(ngx_http_socketio_get_t *get, ngx_uint_t noop)
{
    ngx_socketio_taken_t  taken;

    if (!get->parked) {
        return;
    }

    switch (ngx_socketio_get_look(get->local.zone, &get->local.session,
                                  get->local.handle, noop, &taken,
                                  (uint64_t) ngx_current_msec))
    {
    case NGX_AGAIN:
        return;

    case NGX_OK:
        break;

    default: /* NGX_DECLINED */
        taken.answer = NGX_SOCKETIO_EIO_SEND_CLOSE;
        taken.n = 0;
        taken.ping = 0;
    }

    ngx_http_socketio_get_finish(get, &taken);
}


static void
ngx_http_socketio_get_look(ngx_socketio_local_t *local)
{
    ngx_http_socketio_get_try((ngx_http_socketio_get_t *) local, 0);
}


/* the client comes again at once, to a worker that stays */

static void
ngx_http_socketio_get_leave(ngx_socketio_local_t *local)
{
    ngx_http_socketio_get_try((ngx_http_socketio_get_t *) local, 1);
}


static void
ngx_http_socketio_get_drop(ngx_socketio_local_t *local)
{
    ngx_socketio_taken_t      taken;
    ngx_http_socketio_get_t  *get;

    get = (ngx_http_socketio_get_t *) local;

    if (!get->parked) {
        ngx_socketio_local_remove(local);
        return;
    }

    ngx_memzero(&taken, sizeof(ngx_socketio_taken_t));
    taken.answer = NGX_SOCKETIO_EIO_SEND_CLOSE;

    ngx_http_socketio_get_finish(get, &taken);
}


static void
ngx_http_socketio_get_timer(ngx_event_t *ev)
{
    ngx_http_socketio_get_try(ev->data, 1);
}


/* the request ends; if its GET is parked still, its client has left */

static void
ngx_http_socketio_get_cleanup(void *data)
{
    ngx_http_socketio_get_t *get = data;

    if (get->timer.timer_set) {
        ngx_del_timer(&get->timer);
    }

    if (get->parked) {
        get->parked = 0;

        ngx_log_error(NGX_LOG_INFO, get->request->connection->log, 0,
                      "socketio: client left its GET, session closed");

        ngx_socketio_get_gone(get->local.zone, &get->local.session,
                              get->local.handle,
                              (uint64_t) ngx_current_msec);
    }

    if (get->local.registered) {
        ngx_socketio_local_remove(&get->local);
    }
}
