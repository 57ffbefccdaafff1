
/*
 * Copyright (C) the ngx_http_socketio_module authors
 */


/*
 * Long polling, the client's side that sends.  A POST is noted with its
 * session from its header on; its packets are handed over before it is
 * answered, and while nobody takes them it is held.
 */


#include "transport/ngx_http_socketio_transport.h"
#include "proto/ngx_socketio_eio3.h"
#include "proto/ngx_socketio_jsonp.h"


/* while held, in case that no bell comes: the zone was full */
#define NGX_HTTP_SOCKETIO_POST_RETRY  1000

/* packets between which others have their turn */
#define NGX_HTTP_SOCKETIO_POST_BURST  256


typedef struct {
    ngx_socketio_local_t         local;     /* must be first */
    ngx_http_socketio_client_t   client;
    ngx_http_request_t          *request;
    ngx_http_socketio_ctx_t     *ctx;
    ngx_event_t                  timer;

    ngx_http_socketio_body_t     body;      /* from the next packet on */

    unsigned                     noted:1;   /* by the session */
    unsigned                     reading:1;
    unsigned                     held:1;
    unsigned                     paid:1;    /* for the next packet */
} ngx_http_socketio_post_t;


static ngx_http_socketio_post_t *ngx_http_socketio_post_create(
    ngx_http_request_t *r, ngx_http_socketio_loc_conf_t *conf);
static ngx_int_t ngx_http_socketio_post_accept(ngx_http_socketio_post_t *post);
static void ngx_http_socketio_post_handler(ngx_http_request_t *r);
static void ngx_http_socketio_post_read(ngx_http_request_t *r);
static ngx_int_t ngx_http_socketio_post_body(ngx_http_socketio_post_t *post);
static ngx_int_t ngx_http_socketio_post_packets(
    ngx_http_socketio_post_t *post);
static ngx_int_t ngx_http_socketio_post_next(ngx_http_socketio_post_t *post,
    u_char **next, ngx_socketio_eio3_packet_t *pkt);
static void ngx_http_socketio_post_hold(ngx_http_socketio_post_t *post,
    ngx_msec_t wait);
static ngx_int_t ngx_http_socketio_post_answer(ngx_http_socketio_post_t *post);
static void ngx_http_socketio_post_part(ngx_http_socketio_post_t *post,
    ngx_socketio_eio_event_e event);
static void ngx_http_socketio_post_resume(ngx_http_socketio_post_t *post);
static void ngx_http_socketio_post_look(ngx_socketio_local_t *local);
static void ngx_http_socketio_post_drop(ngx_socketio_local_t *local);
static void ngx_http_socketio_post_timer(ngx_event_t *ev);
static void ngx_http_socketio_post_late(ngx_http_socketio_post_t *post);
static void ngx_http_socketio_post_cleanup(void *data);


static ngx_socketio_local_ops_t  ngx_http_socketio_post_ops = {
    ngx_http_socketio_post_look,
    NULL,                                   /* deliver: not a websocket */
    NULL,                                   /* flush */
    ngx_http_socketio_post_drop,
    NULL                                    /* leave: it is finished here */
};


ngx_int_t
ngx_http_socketio_polling_post(ngx_http_request_t *r,
    ngx_http_socketio_loc_conf_t *conf, ngx_http_socketio_request_t *req)
{
    ngx_int_t                  rc;
    ngx_socketio_taken_t       taken;
    ngx_http_socketio_post_t  *post;

    post = ngx_http_socketio_post_create(r, conf);
    if (post == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    rc = ngx_socketio_post(post->local.zone, &req->key, post->local.handle,
                           &taken, (uint64_t) ngx_current_msec);

    if (rc != NGX_OK) {
        ngx_socketio_local_remove(&post->local);
        return ngx_http_socketio_unfit(r, rc, NULL);
    }

    if (taken.actions & NGX_SOCKETIO_EIO_REFUSE) {
        ngx_socketio_local_remove(&post->local);
        return ngx_http_socketio_error(r, NGX_SOCKETIO_EIO_BAD_REQUEST,
                                       "TRANSPORT_MISMATCH, the session is a "
                                       "websocket's now");
    }

    if (!(taken.actions & NGX_SOCKETIO_EIO_ACCEPT)) {
        ngx_socketio_local_remove(&post->local);
        ngx_log_error(NGX_LOG_INFO, r->connection->log, 0,
                      "socketio: second POST at a time, session closed");
        return ngx_http_socketio_empty(r, NGX_HTTP_BAD_REQUEST);
    }

    post->client.id = taken.id;
    post->client.peer = taken.peer;
    post->local.session = taken.id;
    post->noted = 1;

    return ngx_http_socketio_post_accept(post);
}


static ngx_http_socketio_post_t *
ngx_http_socketio_post_create(ngx_http_request_t *r,
    ngx_http_socketio_loc_conf_t *conf)
{
    ngx_http_cleanup_t        *cln;
    ngx_http_socketio_ctx_t   *ctx;
    ngx_http_socketio_post_t  *post;

    post = ngx_pcalloc(r->pool, sizeof(ngx_http_socketio_post_t));
    if (post == NULL) {
        return NULL;
    }

    cln = ngx_http_cleanup_add(r, 0);
    if (cln == NULL) {
        return NULL;
    }

    post->request = r;

    post->local.zone = conf->shm_zone->data;
    post->local.ops = &ngx_http_socketio_post_ops;

    post->client.zone = conf->shm_zone->data;
    post->client.conf = conf;
    post->client.log = r->connection->log;

    post->body.max = conf->max_payload;

    post->timer.handler = ngx_http_socketio_post_timer;
    post->timer.data = post;
    post->timer.log = r->connection->log;

    ctx = ngx_http_get_module_ctx(r, ngx_http_socketio_module);
    ctx->data = post;
    post->ctx = ctx;

    if (ngx_socketio_local_add(&post->local) != NGX_OK) {
        return NULL;
    }

    cln->handler = ngx_http_socketio_post_cleanup;
    cln->data = post;

    return post;
}


static ngx_int_t
ngx_http_socketio_post_accept(ngx_http_socketio_post_t *post)
{
    ngx_int_t            rc;
    ngx_table_elt_t     *type;
    ngx_http_request_t  *r;

    r = post->request;
    type = r->headers_in.content_type;

    /* this very type and no other, as in Node (engine.io, 7) */

    post->body.binary = type
           && type->value.len == sizeof("application/octet-stream") - 1
           && ngx_memcmp(type->value.data, "application/octet-stream",
                         type->value.len)
              == 0;

    if (post->body.binary && post->client.peer.revision != 3) {

        /* revision 4 has no binary payloads */

        ngx_log_error(NGX_LOG_INFO, r->connection->log, 0,
                      "socketio: binary POST, session closed");

        ngx_http_socketio_post_part(post, NGX_SOCKETIO_EIO_EV_POST_BAD);
        return ngx_http_socketio_empty(r, NGX_HTTP_BAD_REQUEST);
    }

    if (post->client.peer.jsonp) {
        /* a form, whatever its type says (engine.io, 8) */
        post->body.binary = 0;
    }

    if (r->headers_in.content_length_n > 0
        && (uint64_t) r->headers_in.content_length_n
           > post->client.conf->max_payload)
    {
        ngx_log_error(NGX_LOG_INFO, r->connection->log, 0,
                      "socketio: POST of %O bytes, \"socketio_max_payload\" "
                      "is %uz", r->headers_in.content_length_n,
                      post->client.conf->max_payload);

        ngx_http_socketio_post_part(post, NGX_SOCKETIO_EIO_EV_POST_DONE);
        return ngx_http_socketio_empty(r, NGX_HTTP_REQUEST_ENTITY_TOO_LARGE);
    }

    post->reading = 1;
    r->request_body_no_buffering = 1;

    rc = ngx_http_read_client_request_body(r, ngx_http_socketio_post_handler);

    if (rc >= NGX_HTTP_SPECIAL_RESPONSE) {
        return rc;
    }

    return NGX_DONE;
}


static void
ngx_http_socketio_post_handler(ngx_http_request_t *r)
{
    ngx_http_socketio_ctx_t   *ctx;
    ngx_http_socketio_post_t  *post;

    if (r->reading_body) {
        ctx = ngx_http_get_module_ctx(r, ngx_http_socketio_module);
        post = ctx->data;

        r->read_event_handler = ngx_http_socketio_post_read;
        ngx_add_timer(&post->timer, post->client.conf->message_timeout);
    }

    ngx_http_socketio_post_read(r);
}


static void
ngx_http_socketio_post_read(ngx_http_request_t *r)
{
    ngx_int_t                  rc;
    ngx_http_socketio_ctx_t   *ctx;
    ngx_http_socketio_post_t  *post;

    ctx = ngx_http_get_module_ctx(r, ngx_http_socketio_module);
    post = ctx->data;

    rc = ngx_http_socketio_body_read(r, &post->body);

    if (rc == NGX_AGAIN) {
        return;
    }

    if (rc == NGX_OK) {
        post->reading = 0;

        if (post->timer.timer_set) {
            ngx_del_timer(&post->timer);
        }

        rc = ngx_http_socketio_post_body(post);

        if (rc == NGX_AGAIN) {
            return;
        }

    } else if (rc == NGX_HTTP_REQUEST_ENTITY_TOO_LARGE) {

        /* the session lives on; the body's rest goes with the connection */

        if (r->reading_body) {
            r->keepalive = 0;
        }

        ngx_http_socketio_post_part(post, NGX_SOCKETIO_EIO_EV_POST_DONE);

        rc = ngx_http_socketio_empty(r, rc);
    }

    ngx_http_finalize_request(r, rc);
}


/* NGX_AGAIN: the POST is held; else what the request is finalized with */

static ngx_int_t
ngx_http_socketio_post_body(ngx_http_socketio_post_t *post)
{
    ngx_str_t                  payload;
    ngx_http_socketio_body_t  *body;

    body = &post->body;

    post->ctx->bytes_in += body->last - body->pos;
    ngx_socketio_tally(post->local.zone, NGX_SOCKETIO_N_BYTES,
                       body->last - body->pos);

    if (post->client.peer.jsonp) {

        if (ngx_socketio_jsonp_payload(&payload, body->pos, body->last)
            != NGX_OK)
        {
            /* no payload at all, which nobody minds (engine.io, 8) */
            return ngx_http_socketio_post_answer(post);
        }

        body->pos = payload.data;
        body->last = payload.data + payload.len;

        if (ngx_http_socketio_utf8(post->request->pool, &body->pos,
                                   &body->last)
            != NGX_OK)
        {
            return NGX_HTTP_INTERNAL_SERVER_ERROR;
        }
    }

    return ngx_http_socketio_post_packets(post);
}


static ngx_int_t
ngx_http_socketio_post_packets(ngx_http_socketio_post_t *post)
{
    u_char                      *next;
    ngx_int_t                    rc;
    ngx_uint_t                   n;
    ngx_msec_t                   wait;
    ngx_socketio_eio3_packet_t   pkt;

    post->held = 0;

    for (n = 0; /* void */ ; n++) {

        if (n == NGX_HTTP_SOCKETIO_POST_BURST) {
            ngx_http_socketio_post_hold(post, 0);
            return NGX_AGAIN;
        }

        next = post->body.pos;

        rc = ngx_http_socketio_post_next(post, &next, &pkt);

        if (rc == NGX_DONE) {
            break;
        }

        if (rc != NGX_OK) {
            ngx_log_error(NGX_LOG_INFO, post->client.log, 0,
                          "client sent malformed payload, session closed");

            (void) ngx_socketio_packet(post->local.zone, &post->client.id,
                                       NGX_SOCKETIO_EIO_EV_PARSE_ERROR,
                                       (uint64_t) ngx_current_msec);
            break;
        }

        if (!post->paid
            && ngx_http_socketio_client_pay(&post->client, pkt.len, &wait)
               == NGX_AGAIN)
        {
            ngx_http_socketio_post_hold(post, ngx_min(wait,
                                              NGX_HTTP_SOCKETIO_POST_RETRY));
            return NGX_AGAIN;
        }

        post->paid = 1;

        rc = pkt.raw ? ngx_http_socketio_client_typed(&post->client, pkt.data,
                                                      pkt.len)
                     : ngx_http_socketio_client_text(&post->client, pkt.data,
                                                     pkt.data + pkt.len);

        if (rc == NGX_AGAIN) {
            ngx_http_socketio_post_hold(post, NGX_HTTP_SOCKETIO_POST_RETRY);
            return NGX_AGAIN;
        }

        post->ctx->packets_in++;
        ngx_socketio_tally(post->local.zone, NGX_SOCKETIO_N_PACKETS, 1);

        if (rc != NGX_OK || next == NULL) {
            break;
        }

        post->body.pos = next;
        post->paid = 0;
    }

    return ngx_http_socketio_post_answer(post);
}


/* the next packet of any payload */

static ngx_int_t
ngx_http_socketio_post_next(ngx_http_socketio_post_t *post, u_char **next,
    ngx_socketio_eio3_packet_t *pkt)
{
    u_char                     *last;
    ngx_int_t                   rc;
    ngx_socketio_eio_packet_t   parsed;

    last = post->body.last;

    if (post->body.binary) {
        return ngx_socketio_eio3_binary_next(next, last, pkt);
    }

    if (post->client.peer.revision == 3) {
        return ngx_socketio_eio3_text_next(next, last, pkt);
    }

    pkt->data = *next;

    rc = ngx_socketio_eio_payload_next(next, last, &parsed);

    if (rc == NGX_OK) {
        pkt->len = (*next ? *next - 1 : last) - pkt->data;
        pkt->raw = 0;
    }

    return rc;
}


/* wait: in ms; 0: until others have had their turn */

static void
ngx_http_socketio_post_hold(ngx_http_socketio_post_t *post, ngx_msec_t wait)
{
    ngx_http_request_t  *r;

    r = post->request;

    post->held = 1;

    r->read_event_handler = ngx_http_test_reading;
    r->write_event_handler = ngx_http_request_empty_handler;

    if (wait == 0) {
        ngx_post_event(&post->timer, &ngx_posted_next_events);
        return;
    }

    ngx_add_timer(&post->timer, wait);
}


static ngx_int_t
ngx_http_socketio_post_answer(ngx_http_socketio_post_t *post)
{
    ngx_buf_t           *b;
    ngx_str_t            type;
    ngx_chain_t          out;
    ngx_http_request_t  *r;

    r = post->request;

    /* first the mark: the next POST may come to another worker at once */

    ngx_http_socketio_post_part(post, NGX_SOCKETIO_EIO_EV_POST_DONE);

    b = ngx_calloc_buf(r->pool);
    if (b == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    b->memory = 1;
    b->pos = (u_char *) "ok";
    b->last = b->pos + 2;

    out.buf = b;
    out.next = NULL;

    ngx_str_set(&type, "text/html");

    return ngx_http_socketio_reply(r, NGX_HTTP_OK, &type, type.len, &out);
}


/* the session and this POST part; once */

static void
ngx_http_socketio_post_part(ngx_http_socketio_post_t *post,
    ngx_socketio_eio_event_e event)
{
    if (post->timer.timer_set) {
        ngx_del_timer(&post->timer);
    }

    if (post->timer.posted) {
        ngx_delete_posted_event(&post->timer);
    }

    post->held = 0;
    post->reading = 0;

    if (post->noted) {
        post->noted = 0;

        ngx_socketio_post_end(post->local.zone, &post->client.id,
                              post->local.handle, event,
                              (uint64_t) ngx_current_msec);
    }

    if (post->local.registered) {
        ngx_socketio_local_remove(&post->local);
    }
}


/* a held POST tries again, from outside of its request's own events */

static void
ngx_http_socketio_post_resume(ngx_http_socketio_post_t *post)
{
    ngx_int_t            rc;
    ngx_connection_t    *c;
    ngx_http_request_t  *r;

    r = post->request;
    c = r->connection;

    ngx_http_set_log_request(c->log, r);

    rc = ngx_http_socketio_post_packets(post);

    if (rc == NGX_AGAIN) {
        return;
    }

    ngx_http_finalize_request(r, rc);
    ngx_http_run_posted_requests(c);
}


static void
ngx_http_socketio_post_look(ngx_socketio_local_t *local)
{
    ngx_uint_t                 reason;
    ngx_http_socketio_post_t  *post;

    post = (ngx_http_socketio_post_t *) local;

    if (post->held) {

        if (!post->timer.posted) {
            ngx_http_socketio_post_resume(post);
        }

        return;
    }

    if (!post->reading) {
        return;
    }

    /* a session that the server closes in good order waits for its POST */

    if (ngx_socketio_websocket_look(local->zone, &local->session, &reason)
        == NGX_OK
        || reason == NGX_SOCKETIO_REASON_SERVER_NSP)
    {
        return;
    }

    ngx_http_socketio_post_drop(local);
}


/* the connection ends without an answer */

static void
ngx_http_socketio_post_drop(ngx_socketio_local_t *local)
{
    ngx_connection_t          *c;
    ngx_http_request_t        *r;
    ngx_http_socketio_post_t  *post;

    post = (ngx_http_socketio_post_t *) local;

    r = post->request;
    c = r->connection;

    ngx_http_set_log_request(c->log, r);

    ngx_log_error(NGX_LOG_INFO, c->log, 0,
                  "socketio: session closed during a POST");

    ngx_http_socketio_post_part(post, NGX_SOCKETIO_EIO_EV_POST_GONE);

    ngx_http_finalize_request(r, NGX_HTTP_CLOSE);
    ngx_http_run_posted_requests(c);
}


static void
ngx_http_socketio_post_timer(ngx_event_t *ev)
{
    ngx_http_socketio_post_t *post = ev->data;

    if (post->held) {
        ngx_http_socketio_post_resume(post);

    } else if (post->reading) {
        ngx_http_socketio_post_late(post);
    }
}


/* client_body_timeout is from one read to the next, and never ends so */

static void
ngx_http_socketio_post_late(ngx_http_socketio_post_t *post)
{
    ngx_connection_t    *c;
    ngx_http_request_t  *r;

    r = post->request;
    c = r->connection;

    ngx_http_set_log_request(c->log, r);

    ngx_log_error(NGX_LOG_INFO, c->log, NGX_ETIMEDOUT,
                  "client timed out: its POST is longer on its way than "
                  "\"socketio_message_timeout\"");

    ngx_socketio_tally(post->local.zone, NGX_SOCKETIO_N_UNFINISHED, 1);

    c->timedout = 1;

    ngx_http_finalize_request(r, NGX_HTTP_REQUEST_TIME_OUT);
    ngx_http_run_posted_requests(c);
}


/* the request ends; if the session knows of it still, its client has left */

static void
ngx_http_socketio_post_cleanup(void *data)
{
    ngx_http_socketio_post_t *post = data;

    if (post->noted) {
        ngx_log_error(NGX_LOG_INFO, post->request->connection->log, 0,
                      "socketio: POST ended before its end, session closed");
    }

    ngx_http_socketio_post_part(post, NGX_SOCKETIO_EIO_EV_POST_GONE);
}
