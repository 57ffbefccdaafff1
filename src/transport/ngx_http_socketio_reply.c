
/*
 * Copyright (C) the ngx_http_socketio_module authors
 */


/* Answers of the HTTP kind. */


#include "transport/ngx_http_socketio_transport.h"


/* bytes of a client's value that are worth a place in the log */
#define NGX_HTTP_SOCKETIO_SENT  64

/* s: it will take long, but nobody knows how long */
#define NGX_HTTP_SOCKETIO_RETRY  "10"


static ngx_int_t ngx_http_socketio_discard(ngx_http_request_t *r);
static ngx_int_t ngx_http_socketio_too_many(ngx_http_request_t *r);
static ngx_int_t ngx_http_socketio_plain(ngx_http_request_t *r,
    ngx_uint_t code);
static ngx_int_t ngx_http_socketio_refused(ngx_http_request_t *r,
    ngx_uint_t code, char *context);
static ngx_int_t ngx_http_socketio_sent(ngx_http_request_t *r,
    ngx_http_socketio_ctx_t *ctx, ngx_uint_t code, ngx_str_t *sent);


ngx_http_socketio_ctx_t *
ngx_http_socketio_ctx(ngx_http_request_t *r)
{
    ngx_http_socketio_ctx_t  *ctx;

    ctx = ngx_http_get_module_ctx(r, ngx_http_socketio_module);

    if (ctx == NULL) {
        ctx = ngx_pcalloc(r->pool, sizeof(ngx_http_socketio_ctx_t));
        if (ctx == NULL) {
            return NULL;
        }

        ngx_http_set_ctx(r, ctx, ngx_http_socketio_module);
    }

    return ctx;
}


ngx_int_t
ngx_http_socketio_add_header(ngx_http_request_t *r, char *name,
    ngx_str_t *value)
{
    return ngx_http_socketio_header_add(r, name, value) ? NGX_OK : NGX_ERROR;
}


ngx_int_t
ngx_http_socketio_cookie(ngx_http_request_t *r,
    ngx_http_socketio_loc_conf_t *conf, ngx_str_t *sid)
{
    u_char      *p;
    ngx_str_t    value, *tail;
    ngx_uint_t   tls;

    if (conf->cookie == NULL) {
        return NGX_OK;
    }

    tls = 0;

#if (NGX_HTTP_SSL)
    tls = (r->connection->ssl != NULL);
#endif

    tail = &conf->cookie->tail[tls];

    p = ngx_pnalloc(r->pool, conf->cookie->name.len + 1 + sid->len
                             + tail->len);
    if (p == NULL) {
        return NGX_ERROR;
    }

    value.data = p;
    p = ngx_sprintf(p, "%V=%V%V", &conf->cookie->name, sid, tail);
    value.len = p - value.data;

    return ngx_http_socketio_add_header(r, "Set-Cookie", &value);
}


ngx_int_t
ngx_http_socketio_reply(ngx_http_request_t *r, ngx_uint_t status,
    ngx_str_t *type, size_t length, ngx_chain_t *body)
{
    off_t         len;
    ngx_int_t     rc;
    ngx_str_t     value;
    ngx_chain_t  *cl;

    len = 0;

    for (cl = body; cl; cl = cl->next) {
        len += ngx_buf_size(cl->buf);

        if (cl->next == NULL) {
            cl->buf->last_buf = 1;
            cl->buf->last_in_chain = 1;
        }
    }

    r->headers_out.status = status;
    r->headers_out.content_length_n = len;
    r->headers_out.content_type = *type;
    r->headers_out.content_type_len = length;
    r->headers_out.content_type_lowcase = NULL;

    if (status == NGX_HTTP_OK) {
        ngx_str_set(&value, "no-store");

        if (ngx_http_socketio_add_header(r, "Cache-Control", &value)
            != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    rc = ngx_http_send_header(r);

    if (rc == NGX_ERROR || rc > NGX_OK || r->header_only) {
        return rc;
    }

    return ngx_http_output_filter(r, body);
}


/*
 * A client that waits for "100 Continue" gets its final answer instead, after
 * which it may or may not send the body (RFC 9110, 10.1.1): where the next
 * request begins is not known then.
 */

static ngx_int_t
ngx_http_socketio_discard(ngx_http_request_t *r)
{
    if (r->headers_in.expect && !r->expect_tested) {
        r->expect_tested = 1;
        r->keepalive = 0;
    }

    return ngx_http_discard_request_body(r);
}


ngx_int_t
ngx_http_socketio_empty(ngx_http_request_t *r, ngx_uint_t status)
{
    ngx_int_t  rc;
    ngx_str_t  value;

    rc = ngx_http_socketio_discard(r);

    if (rc != NGX_OK) {
        return rc;
    }

    if (status == NGX_HTTP_SERVICE_UNAVAILABLE) {
        ngx_str_set(&value, "1");

        if (ngx_http_socketio_add_header(r, "Retry-After", &value) != NGX_OK) {
            return NGX_ERROR;
        }
    }

    r->headers_out.status = status;
    r->headers_out.content_length_n = 0;
    r->header_only = 1;

    return ngx_http_send_header(r);
}


ngx_int_t
ngx_http_socketio_error(ngx_http_request_t *r, ngx_uint_t code, char *context)
{
    ngx_int_t                 rc;
    ngx_str_t                 type;
    ngx_buf_t                *b;
    ngx_chain_t               out;
    ngx_http_socketio_ctx_t  *ctx;

    if (ngx_http_socketio_refused(r, code, context) != NGX_OK) {
        return NGX_ERROR;
    }

    rc = ngx_http_socketio_discard(r);

    if (rc != NGX_OK) {
        return rc;
    }

    ctx = ngx_http_get_module_ctx(r, ngx_http_socketio_module);

    if (ctx && ctx->upgrade) {
        return ngx_http_socketio_plain(r, code);
    }

    b = ngx_create_temp_buf(r->pool, ngx_socketio_eio_error(NULL, code));
    if (b == NULL) {
        return NGX_ERROR;
    }

    b->last += ngx_socketio_eio_error(b->last, code);

    out.buf = b;
    out.next = NULL;

    ngx_str_set(&type, "application/json");

    return ngx_http_socketio_reply(r, ngx_socketio_eio_status(code), &type,
                                    type.len, &out);
}


/*
 * Code 4 with words of its own, as what "allowRequest" of Node's server says.
 * Not 503: it is this client, and balancers would think that it is the server.
 */

static ngx_int_t
ngx_http_socketio_too_many(ngx_http_request_t *r)
{
    ngx_int_t     rc;
    ngx_buf_t    *b;
    ngx_str_t     type, value;
    ngx_chain_t   out;

    static ngx_str_t  json = ngx_string("{\"code\":4,"
                                        "\"message\":\"Too many sessions\"}");

    rc = ngx_http_socketio_discard(r);

    if (rc != NGX_OK) {
        return rc;
    }

    ngx_str_set(&value, NGX_HTTP_SOCKETIO_RETRY);

    b = ngx_calloc_buf(r->pool);

    if (b == NULL
        || ngx_http_socketio_add_header(r, "Retry-After", &value) != NGX_OK)
    {
        return NGX_ERROR;
    }

    b->memory = 1;
    b->pos = json.data;
    b->last = json.data + json.len;

    out.buf = b;
    out.next = NULL;

    ngx_str_set(&type, "application/json");

    return ngx_http_socketio_reply(r, NGX_HTTP_TOO_MANY_REQUESTS, &type,
                                   type.len, &out);
}


/* what "ws" in Node writes to a websocket that it refuses (engine.io, 3) */

static ngx_int_t
ngx_http_socketio_plain(ngx_http_request_t *r, ngx_uint_t code)
{
    ngx_buf_t    *b;
    ngx_str_t     type, *text;
    ngx_chain_t   out;

    b = ngx_calloc_buf(r->pool);
    if (b == NULL) {
        return NGX_ERROR;
    }

    text = &ngx_socketio_eio_errors[code < NGX_SOCKETIO_EIO_NERRORS
                                    ? code : NGX_SOCKETIO_EIO_BAD_REQUEST];

    b->memory = 1;
    b->pos = text->data;
    b->last = text->data + text->len;

    out.buf = b;
    out.next = NULL;

    r->keepalive = 0;
    ngx_str_set(&type, "text/html");

    return ngx_http_socketio_reply(r, ngx_socketio_eio_status(code), &type,
                                    type.len, &out);
}


/*
 * For logs: code, message and context, as in the "connection_error" of Node's
 * server (engine.io, 3).  What is the client's is escaped as in a URI, and
 * cut; the session id is never there.
 */

static ngx_int_t
ngx_http_socketio_refused(ngx_http_request_t *r, ngx_uint_t code,
    char *context)
{
    u_char                        *p, *start;
    ngx_str_t                     *text, sent;
    ngx_socketio_zone_t           *zone;
    ngx_http_socketio_ctx_t       *ctx;
    ngx_http_socketio_loc_conf_t  *conf;

    ctx = ngx_http_socketio_ctx(r);
    if (ctx == NULL) {
        return NGX_ERROR;
    }

    text = &ngx_socketio_eio_errors[code < NGX_SOCKETIO_EIO_NERRORS
                                    ? code : NGX_SOCKETIO_EIO_BAD_REQUEST];

    if (context == NULL) {
        context = "";
    }

    if (ngx_http_socketio_sent(r, ctx, code, &sent) != NGX_OK) {
        return NGX_ERROR;
    }

    start = ngx_pnalloc(r->pool, NGX_INT_T_LEN + 1 + text->len + 2
                                 + ngx_strlen(context) + 2 + sent.len);
    if (start == NULL) {
        return NGX_ERROR;
    }

    p = ngx_sprintf(start, "%ui %V", code, text);

    if (*context) {
        p = ngx_sprintf(p, ": %s", context);
    }

    if (sent.len) {
        p = ngx_sprintf(p, "%s%V", *context ? ", " : ": ", &sent);
    }

    conf = ngx_http_get_module_loc_conf(r, ngx_http_socketio_module);

    if (conf->shm_zone) {
        zone = conf->shm_zone->data;
        ngx_socketio_tally(zone, NGX_SOCKETIO_N_REFUSED
                                 + ngx_min(code,
                                           NGX_SOCKETIO_EIO_NERRORS - 1), 1);
    }

    ctx->error.data = start;
    ctx->error.len = p - start;

    ngx_log_error(NGX_LOG_INFO, r->connection->log, 0,
                  "socketio refused with code %V", &ctx->error);

    return NGX_OK;
}


ngx_int_t
ngx_http_socketio_unopened(ngx_http_request_t *r, ngx_socketio_zone_t *zone,
    ngx_uint_t why)
{
    ngx_http_socketio_ctx_t  *ctx;

    static ngx_str_t  errors[] = {
        ngx_string("socketio_limits sessions"),
        ngx_string("zone is full"),
        ngx_string("no slot"),
        ngx_string("socketio_limits per_ip")
    };

    ngx_socketio_tally(zone, why, 1);

    ctx = ngx_http_socketio_ctx(r);

    if (ctx) {
        ctx->error = errors[why - NGX_SOCKETIO_N_REFUSED_LIMIT];
    }

    switch (why) {

    case NGX_SOCKETIO_N_REFUSED_LIMIT:
        ngx_log_error(NGX_LOG_INFO, r->connection->log, 0,
                      "socketio refused: \"socketio_limits sessions\"");
        break;

    case NGX_SOCKETIO_N_REFUSED_ADDRESS:
        ngx_log_error(NGX_LOG_INFO, r->connection->log, 0,
                      "socketio refused: \"socketio_limits per_ip\"");
        return ngx_http_socketio_too_many(r);

    case NGX_SOCKETIO_N_REFUSED_FULL:
        ngx_socketio_zone_full(zone, r->connection->log, "a session");
        break;

    default: /* NGX_SOCKETIO_N_REFUSED_SLOT */
        ngx_log_error(NGX_LOG_INFO, r->connection->log, 0,
                      "socketio: this worker has no slot in zone \"%V\" yet",
                      &zone->shm_zone->shm.name);
    }

    return ngx_http_socketio_empty(r, NGX_HTTP_SERVICE_UNAVAILABLE);
}


ngx_uint_t
ngx_http_socketio_why(ngx_int_t rc)
{
    switch (rc) {

    case NGX_BUSY:
        return NGX_SOCKETIO_N_REFUSED_LIMIT;

    case NGX_DECLINED:
        return NGX_SOCKETIO_N_REFUSED_ADDRESS;

    default: /* NGX_ERROR */
        return NGX_SOCKETIO_N_REFUSED_FULL;
    }
}


/* the part of the request that an error is about; empty if there is none */

static ngx_int_t
ngx_http_socketio_sent(ngx_http_request_t *r, ngx_http_socketio_ctx_t *ctx,
    ngx_uint_t code, ngx_str_t *sent)
{
    char       *name;
    size_t      len;
    u_char     *p;
    ngx_str_t  *value;

    switch (code) {

    case NGX_SOCKETIO_EIO_BAD_HANDSHAKE_METHOD:
        name = "method=";
        value = &r->method_name;
        break;

    case NGX_SOCKETIO_EIO_FORBIDDEN:
        name = "origin=";
        value = ngx_http_socketio_header(r, "origin", sizeof("origin") - 1);
        break;

    case NGX_SOCKETIO_EIO_UNSUPPORTED_VERSION:
        name = "EIO=";
        value = &ctx->sent_eio;
        break;

    case NGX_SOCKETIO_EIO_UNKNOWN_SID:
        name = NULL;
        value = NULL;
        break;

    default: /* UNKNOWN_TRANSPORT, BAD_REQUEST */
        name = "transport=";
        value = &ctx->sent_transport;
    }

    ngx_str_null(sent);

    if (value == NULL) {
        return NGX_OK;
    }

    len = ngx_min(value->len, NGX_HTTP_SOCKETIO_SENT);

    p = ngx_pnalloc(r->pool, ngx_strlen(name) + len * 3 + 3);
    if (p == NULL) {
        return NGX_ERROR;
    }

    sent->data = p;

    p = ngx_cpymem(p, name, ngx_strlen(name));
    p = (u_char *) ngx_escape_uri(p, value->data, len, NGX_ESCAPE_URI);

    if (len < value->len) {
        p = ngx_cpymem(p, "...", 3);
    }

    sent->len = p - sent->data;

    return NGX_OK;
}
