
/*
 * Copyright (C) the ngx_http_socketio_module authors
 */


/* Which requests are taken, and what a new session begins with. */


#include "transport/ngx_http_socketio_transport.h"
#include "proto/ngx_socketio_base64.h"


static ngx_int_t ngx_http_socketio_admit(ngx_http_request_t *r,
    ngx_http_socketio_loc_conf_t *conf, ngx_http_socketio_ctx_t *ctx,
    ngx_http_socketio_request_t *req);
static ngx_int_t ngx_http_socketio_admit_new(ngx_http_request_t *r,
    ngx_http_socketio_loc_conf_t *conf, ngx_http_socketio_ctx_t *ctx,
    ngx_http_socketio_request_t *req);
static ngx_int_t ngx_http_socketio_admit_known(ngx_http_request_t *r,
    ngx_http_socketio_loc_conf_t *conf, ngx_http_socketio_ctx_t *ctx,
    ngx_http_socketio_request_t *req);
static ngx_uint_t ngx_http_socketio_revision_bit(
    ngx_http_socketio_request_t *req);
static ngx_uint_t ngx_http_socketio_upgrading(ngx_http_request_t *r);
static ngx_uint_t ngx_http_socketio_origin_valid(ngx_http_request_t *r);
static ngx_uint_t ngx_http_socketio_is_preflight(ngx_http_request_t *r);
static ngx_int_t ngx_http_socketio_preflight(ngx_http_request_t *r);
static void ngx_http_socketio_address(ngx_http_request_t *r,
    ngx_socketio_name_t *name);


ngx_int_t
ngx_http_socketio_handler(ngx_http_request_t *r)
{
    ngx_int_t                      rc, origin;
    ngx_http_socketio_ctx_t       *ctx;
    ngx_http_socketio_request_t    req;
    ngx_http_socketio_loc_conf_t  *conf;

    if (r != r->main) {
        return NGX_HTTP_NOT_FOUND;
    }

    conf = ngx_http_get_module_loc_conf(r, ngx_http_socketio_module);

    ctx = ngx_http_socketio_ctx(r);
    if (ctx == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    if (ngx_http_socketio_query(r, &req, ctx) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    /* where websockets are off, an Upgrade is not even looked at */

    ctx->upgrade = (conf->transports & NGX_HTTP_SOCKETIO_WEBSOCKET)
                   && ngx_http_socketio_upgrading(r);

    req.key.location = conf->number;
    req.peer.raw = conf->raw;

    /* an Origin that is none of HTTP's is nobody's: admit() refuses it */

    req.bad_origin = !ngx_http_socketio_origin_valid(r);

    origin = req.bad_origin ? NGX_OK
                            : ngx_http_socketio_origin(r, conf, ctx, &req);

    if (origin == NGX_ERROR) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    if (origin == NGX_OK && ngx_http_socketio_is_preflight(r)) {
        return ngx_http_socketio_preflight(r);
    }

    /* anybody may load a script; who may read it, browsers know from CORS */

    rc = ngx_http_socketio_bundle(r, conf, ctx);

    if (rc != NGX_DECLINED) {
        return rc;
    }

    if (origin == NGX_DECLINED) {
        return ngx_http_socketio_error(r, NGX_SOCKETIO_EIO_FORBIDDEN,
                                       "not in socketio_origins");
    }

    return ngx_http_socketio_admit(r, conf, ctx, &req);
}


/* the order of the checks is that of Node's server (engine.io, 2) */

static ngx_int_t
ngx_http_socketio_admit(ngx_http_request_t *r,
    ngx_http_socketio_loc_conf_t *conf, ngx_http_socketio_ctx_t *ctx,
    ngx_http_socketio_request_t *req)
{
    ngx_socketio_zone_t  *zone;

    if (req->transport == 0) {
        return ngx_http_socketio_error(r, NGX_SOCKETIO_EIO_UNKNOWN_TRANSPORT,
                                       NULL);
    }

    if (!(conf->transports & req->transport)) {
        return ngx_http_socketio_error(r, NGX_SOCKETIO_EIO_UNKNOWN_TRANSPORT,
                                       "not in socketio_transports");
    }

    if (req->bad_origin) {
        return ngx_http_socketio_error(r, NGX_SOCKETIO_EIO_BAD_REQUEST,
                                       "INVALID_ORIGIN");
    }

    zone = conf->shm_zone->data;

    if (ngx_socketio_worker_ready(zone) != NGX_OK) {
        return ngx_http_socketio_unopened(r, zone,
                                          NGX_SOCKETIO_N_REFUSED_SLOT);
    }

    if (req->has_sid) {
        return ngx_http_socketio_admit_known(r, conf, ctx, req);
    }

    return ngx_http_socketio_admit_new(r, conf, ctx, req);
}


static ngx_int_t
ngx_http_socketio_admit_known(ngx_http_request_t *r,
    ngx_http_socketio_loc_conf_t *conf, ngx_http_socketio_ctx_t *ctx,
    ngx_http_socketio_request_t *req)
{
    ngx_int_t  rc;

    if (!req->sid_ok) {
        return ngx_http_socketio_error(r, NGX_SOCKETIO_EIO_UNKNOWN_SID, NULL);
    }

    if (ctx->upgrade != (req->transport == NGX_HTTP_SOCKETIO_WEBSOCKET)) {
        return ngx_http_socketio_unfit(r,
                       ngx_socketio_known(conf->shm_zone->data, &req->key),
                       "TRANSPORT_MISMATCH, Upgrade and transport do not fit");
    }

    if (ctx->upgrade) {
        return ngx_http_socketio_websocket(r, conf, req);
    }

    switch (r->method) {

    case NGX_HTTP_GET:
        return ngx_http_socketio_polling_get(r, conf, req);

    case NGX_HTTP_POST:
        return ngx_http_socketio_polling_post(r, conf, req);

    default:
        break;
    }

    rc = ngx_socketio_known(conf->shm_zone->data, &req->key);

    if (rc != NGX_OK) {
        return ngx_http_socketio_unfit(r, rc, NULL);
    }

    /* no client does that: 400 where Node's server says 500 */

    return ngx_http_socketio_empty(r, NGX_HTTP_BAD_REQUEST);
}


ngx_int_t
ngx_http_socketio_unfit(ngx_http_request_t *r, ngx_int_t rc, char *context)
{
    switch (rc) {

    case NGX_OK:
        return ngx_http_socketio_error(r, NGX_SOCKETIO_EIO_BAD_REQUEST,
                                       context);

    case NGX_ABORT:
        return ngx_http_socketio_error(r, NGX_SOCKETIO_EIO_BAD_REQUEST,
                                       "PROTOCOL_MISMATCH, EIO is not the "
                                       "session's");

    default: /* NGX_DECLINED */
        return ngx_http_socketio_error(r, NGX_SOCKETIO_EIO_UNKNOWN_SID, NULL);
    }
}


static ngx_int_t
ngx_http_socketio_admit_new(ngx_http_request_t *r,
    ngx_http_socketio_loc_conf_t *conf, ngx_http_socketio_ctx_t *ctx,
    ngx_http_socketio_request_t *req)
{
    if (r->method != NGX_HTTP_GET) {
        return ngx_http_socketio_error(r,
                                       NGX_SOCKETIO_EIO_BAD_HANDSHAKE_METHOD,
                                       NULL);
    }

    if (ctx->upgrade != (req->transport == NGX_HTTP_SOCKETIO_WEBSOCKET)) {
        return ngx_http_socketio_error(r, NGX_SOCKETIO_EIO_BAD_REQUEST,
                                       "TRANSPORT_HANDSHAKE_ERROR, Upgrade "
                                       "and transport do not fit");
    }

    if (!(conf->revisions & ngx_http_socketio_revision_bit(req))) {
        return ngx_http_socketio_error(r,
                                       NGX_SOCKETIO_EIO_UNSUPPORTED_VERSION,
                                       "not in socketio_eio");
    }

    if (ctx->upgrade) {
        return ngx_http_socketio_websocket(r, conf, req);
    }

    if (req->bad_j) {
        return ngx_http_socketio_error(r, NGX_SOCKETIO_EIO_BAD_REQUEST,
                                       "TRANSPORT_HANDSHAKE_ERROR, j is too "
                                       "large");
    }

    return ngx_http_socketio_polling_open(r, conf, req);
}


static ngx_uint_t
ngx_http_socketio_revision_bit(ngx_http_socketio_request_t *req)
{
    switch (req->key.revision) {

    case 3:
        return NGX_HTTP_SOCKETIO_EIO3;

    case 4:
        return NGX_HTTP_SOCKETIO_EIO4;

    default:
        return 0;
    }
}


static ngx_uint_t
ngx_http_socketio_upgrading(ngx_http_request_t *r)
{
    ngx_str_t  *value;

    if (r->headers_in.upgrade == NULL) {
        return 0;
    }

    value = &r->headers_in.upgrade->value;

    return value->len == sizeof("websocket") - 1
           && ngx_strncasecmp(value->data, (u_char *) "websocket", value->len)
              == 0;
}


/*
 * What an HTTP field value may hold (RFC 9110, 5.5), INVALID_ORIGIN in Node.
 * And one: of two, others may judge the one that is not judged here.
 */

static ngx_uint_t
ngx_http_socketio_origin_valid(ngx_http_request_t *r)
{
    size_t      i;
    u_char      ch;
    ngx_str_t   all, *value;

    static ngx_str_t  name = ngx_string("origin");

    value = ngx_http_socketio_header(r, "origin", sizeof("origin") - 1);

    if (value
        && (ngx_http_socketio_header_joined(r, &name, &all) != NGX_OK
            || all.len != value->len))
    {
        return 0;
    }

    for (i = 0; value && i < value->len; i++) {
        ch = value->data[i];

        if ((ch < 0x20 && ch != '\t') || ch == 0x7f) {
            return 0;
        }
    }

    return 1;
}


/*
 * A preflight (Fetch, 4.8), which is answered whatever the query says, but
 * only to pages that are allowed: others have been refused by now.
 */

static ngx_uint_t
ngx_http_socketio_is_preflight(ngx_http_request_t *r)
{
    return r->method == NGX_HTTP_OPTIONS
           && ngx_http_socketio_header(r, "origin", sizeof("origin") - 1)
           && ngx_http_socketio_header(r, "access-control-request-method",
                               sizeof("access-control-request-method") - 1);
}


static ngx_int_t
ngx_http_socketio_preflight(ngx_http_request_t *r)
{
    ngx_str_t   value, *headers;

    ngx_str_set(&value, "GET,POST");

    if (ngx_http_socketio_add_header(r, "Access-Control-Allow-Methods",
                                     &value)
        != NGX_OK)
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    headers = ngx_http_socketio_header(r, "access-control-request-headers",
                              sizeof("access-control-request-headers") - 1);

    if (headers
        && ngx_http_socketio_add_header(r, "Access-Control-Allow-Headers",
                                        headers)
           != NGX_OK)
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    ngx_str_set(&value, "Access-Control-Request-Headers");

    if (headers
        && ngx_http_socketio_add_header(r, "Vary", &value) != NGX_OK)
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    return ngx_http_socketio_empty(r, NGX_HTTP_NO_CONTENT);
}


ngx_int_t
ngx_http_socketio_handshake(ngx_http_request_t *r,
    ngx_http_socketio_loc_conf_t *conf, ngx_http_socketio_request_t *req,
    ngx_socketio_open_t *open)
{
    ngx_memzero(open, sizeof(ngx_socketio_open_t));

    open->key = req->key;
    open->peer = req->peer;

    if (ngx_http_socketio_random(open->key.sid, NGX_SOCKETIO_SID,
                                 r->connection->log)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (ngx_http_socketio_handshake_json(r, conf, req, &open->handshake)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    open->transport = (req->transport == NGX_HTTP_SOCKETIO_WEBSOCKET)
                      ? NGX_SOCKETIO_EIO_WEBSOCKET
                      : NGX_SOCKETIO_EIO_POLLING;
    open->interval = conf->ping_interval;
    open->timeout = conf->ping_timeout;
    open->connect_timeout = conf->connect_timeout;
    open->outbox_max = conf->send_packets;
    open->outbox_max_bytes = conf->send_bytes;
    open->inbox_max = conf->queue_events;
    open->inbox_max_bytes = conf->queue_bytes;
    open->sessions_max = conf->max_sessions;
    open->rate = conf->rate;
    open->burst = conf->burst ? conf->burst : ngx_max(conf->rate / 60, 1);
    open->bytes_rate = conf->bytes_rate;
    open->per_ip = conf->max_per_ip;

    if (open->per_ip) {
        ngx_http_socketio_address(r, &open->address);
    }

    open->hooked = (conf->hooks != NULL);

    return NGX_OK;
}


/*
 * Whom sessions are counted for: $remote_addr, which ngx_http_realip_module
 * may have set.  Of IPv6 the first 64 bits: who has one address has them all.
 */

static void
ngx_http_socketio_address(ngx_http_request_t *r, ngx_socketio_name_t *name)
{
    ngx_str_t             address;
    struct sockaddr_in   *sin;
#if (NGX_HAVE_INET6)
    struct sockaddr_in6  *sin6;
#endif

    ngx_str_null(&address);

    switch (r->connection->sockaddr->sa_family) {

#if (NGX_HAVE_INET6)
    case AF_INET6:
        sin6 = (struct sockaddr_in6 *) r->connection->sockaddr;
        address.data = sin6->sin6_addr.s6_addr;
        address.len = NGX_SOCKETIO_ADDRESS_MAX;

        if (IN6_IS_ADDR_V4MAPPED(&sin6->sin6_addr)) {
            address.data += 12;
            address.len = 4;
        }

        break;
#endif

    case AF_INET:
        sin = (struct sockaddr_in *) r->connection->sockaddr;
        address.data = (u_char *) &sin->sin_addr;
        address.len = 4;
        break;

    default: /* AF_UNIX: all of them are one */
        break;
    }

    ngx_socketio_name_set(name, &address);
}


void
ngx_http_socketio_open_packet(ngx_http_socketio_loc_conf_t *conf,
    ngx_socketio_open_t *open, u_char *sid_text,
    ngx_socketio_eio_open_t *packet)
{
    ngx_memzero(packet, sizeof(ngx_socketio_eio_open_t));

    ngx_socketio_base64url_encode(sid_text, open->key.sid, NGX_SOCKETIO_SID);

    packet->sid.len = NGX_SOCKETIO_SID_TEXT;
    packet->sid.data = sid_text;
    packet->ping_interval = conf->ping_interval;
    packet->ping_timeout = conf->ping_timeout;
    packet->max_payload = conf->max_payload;
    packet->revision3 = (open->key.revision == 3);
    packet->upgrade = open->transport == NGX_SOCKETIO_EIO_POLLING
                      && (conf->transports & NGX_HTTP_SOCKETIO_WEBSOCKET);
}
