
/*
 * Copyright (C) the ngx_http_socketio_module authors
 */


/* The query of a request, and what nobody may read of it afterwards. */


#include "transport/ngx_http_socketio_transport.h"
#include "proto/ngx_socketio_base64.h"
#include "proto/ngx_socketio_jsonp.h"


static void ngx_http_socketio_query_eio(ngx_str_t *value,
    ngx_http_socketio_request_t *req, ngx_http_socketio_ctx_t *ctx);
static void ngx_http_socketio_query_jsonp(ngx_str_t *value,
    ngx_http_socketio_request_t *req);
static void ngx_http_socketio_query_transport(ngx_str_t *value,
    ngx_http_socketio_request_t *req, ngx_http_socketio_ctx_t *ctx);
static void ngx_http_socketio_query_sid(ngx_str_t *value,
    ngx_http_socketio_request_t *req);
static ngx_int_t ngx_http_socketio_query_hide(ngx_http_request_t *r);
static ngx_int_t ngx_http_socketio_query_hide_in(ngx_pool_t *pool,
    ngx_str_t *text, u_char *args, u_char *dst);
static u_char *ngx_http_socketio_query_mask(u_char *to, ngx_str_t *text,
    u_char *args, u_char *dst, ngx_uint_t wipe);
static u_char *ngx_http_socketio_query_log(ngx_http_request_t *r,
    ngx_http_request_t *sr, u_char *buf, size_t len);


/* of the request; the same for all: nginx has no other */
static ngx_http_log_handler_pt  ngx_http_socketio_query_next_log;

/* no more of a line of the error log than this is written */
static u_char  ngx_http_socketio_query_line[2 * NGX_MAX_ERROR_STR];
static u_char  ngx_http_socketio_query_keys[NGX_MAX_ERROR_STR];


ngx_int_t
ngx_http_socketio_query(ngx_http_request_t *r,
    ngx_http_socketio_request_t *req, ngx_http_socketio_ctx_t *ctx)
{
    u_char      *p, *last, *dst, *buf;
    ngx_str_t    key, value, raw;
    ngx_uint_t   hide;

    ngx_memzero(req, sizeof(ngx_http_socketio_request_t));

    if (r->args.len == 0) {
        return NGX_OK;
    }

    buf = ngx_pnalloc(r->pool, r->args.len);
    if (buf == NULL) {
        return NGX_ERROR;
    }

    dst = buf;
    p = r->args.data;
    last = p + r->args.len;
    hide = 0;

    /* of repeated keys the last one counts (engine.io, 1) */

    while (ngx_http_socketio_form_next(&p, last, &dst, &key, &value, &raw)
           == NGX_OK)
    {
        if (key.len == 3 && ngx_memcmp(key.data, "EIO", 3) == 0) {
            ngx_http_socketio_query_eio(&value, req, ctx);

        } else if (key.len == 3 && ngx_memcmp(key.data, "b64", 3) == 0) {
            req->peer.base64 |= (value.len != 0);

        } else if (key.len == 1 && key.data[0] == 'j') {
            ngx_http_socketio_query_jsonp(&value, req);

        } else if (key.len == 3 && ngx_memcmp(key.data, "sid", 3) == 0) {
            ngx_http_socketio_query_sid(&value, req);
            ngx_memset(value.data, '*', value.len);
            hide |= (raw.len != 0);

        } else if (key.len == 9
                   && ngx_memcmp(key.data, "transport", 9) == 0)
        {
            ngx_http_socketio_query_transport(&value, req, ctx);
        }
    }

    if (hide) {
        return ngx_http_socketio_query_hide(r);
    }

    return NGX_OK;
}


ngx_int_t
ngx_http_socketio_log_handler(ngx_http_request_t *r)
{
    ngx_http_socketio_ctx_t       *ctx;
    ngx_http_socketio_request_t    req;
    ngx_http_socketio_loc_conf_t  *conf;

    conf = ngx_http_get_module_loc_conf(r, ngx_http_socketio_module);

    if (ngx_http_get_module_ctx(r, ngx_http_socketio_module)) {
        return NGX_OK;
    }

    if (conf->shm_zone == NULL) {

        if (r->log_handler == ngx_http_socketio_query_log) {

            /* an error_page or a rewrite took it to another location */

            (void) ngx_http_socketio_query_hide(r);
        }

        return NGX_OK;
    }

    ctx = ngx_http_socketio_ctx(r);

    if (ctx) {
        (void) ngx_http_socketio_query(r, &req, ctx);
    }

    return NGX_OK;
}


/*
 * Exactly "3" or "4", where Node's server takes anything else for 3, even
 * nothing (engine.io, 1): no real client relies on that.
 */

static void
ngx_http_socketio_query_eio(ngx_str_t *value,
    ngx_http_socketio_request_t *req, ngx_http_socketio_ctx_t *ctx)
{
    req->key.revision = 0;
    ngx_str_null(&ctx->eio);
    ctx->sent_eio = *value;

    if (value->len != 1) {
        return;
    }

    if (value->data[0] == '3') {
        req->key.revision = 3;
        ngx_str_set(&ctx->eio, "3");

    } else if (value->data[0] == '4') {
        req->key.revision = 4;
        ngx_str_set(&ctx->eio, "4");
    }

    req->peer.revision = req->key.revision;
}


/* a client without XHR cannot read binary either, whatever "b64" says */

static void
ngx_http_socketio_query_jsonp(ngx_str_t *value,
    ngx_http_socketio_request_t *req)
{
    uint32_t  j;

    req->bad_j = ngx_socketio_jsonp_index(&j, value->data,
                                          value->data + value->len)
                 != NGX_OK
                 || j == NGX_SOCKETIO_JSONP_NONE - 1;

    req->peer.jsonp = req->bad_j ? 1 : ngx_socketio_peer_jsonp(j);
    req->peer.base64 = 1;
}


static void
ngx_http_socketio_query_transport(ngx_str_t *value,
    ngx_http_socketio_request_t *req, ngx_http_socketio_ctx_t *ctx)
{
    req->transport = 0;
    ngx_str_null(&ctx->transport);
    ctx->sent_transport = *value;

    if (value->len == 7 && ngx_memcmp(value->data, "polling", 7) == 0) {
        req->transport = NGX_HTTP_SOCKETIO_POLLING;
        ngx_str_set(&ctx->transport, "polling");

    } else if (value->len == 9
               && ngx_memcmp(value->data, "websocket", 9) == 0)
    {
        req->transport = NGX_HTTP_SOCKETIO_WEBSOCKET;
        ngx_str_set(&ctx->transport, "websocket");
    }
}


static void
ngx_http_socketio_query_sid(ngx_str_t *value, ngx_http_socketio_request_t *req)
{
    size_t  len;
    u_char  sid[NGX_SOCKETIO_SID_TEXT];

    req->has_sid = (value->len != 0);
    req->sid_ok = 0;

    if (value->len != NGX_SOCKETIO_SID_TEXT) {
        return;
    }

    ngx_memcpy(sid, value->data, NGX_SOCKETIO_SID_TEXT);

    if (ngx_socketio_base64url_decode(sid, &len, sid,
                                      sid + NGX_SOCKETIO_SID_TEXT)
        != NGX_OK
        || len != NGX_SOCKETIO_SID)
    {
        return;
    }

    ngx_memcpy(req->key.sid, sid, NGX_SOCKETIO_SID);
    req->sid_ok = 1;
}


/*
 * The session id is a secret of the client's.  What logs and variables show of
 * the request gets new strings without it, and the old bytes are overwritten:
 * other strings of the request share the memory, so that nothing can move.
 */

static ngx_int_t
ngx_http_socketio_query_hide(ngx_http_request_t *r)
{
    u_char     *p, *last;
    size_t      len;
    ngx_str_t  *text[3];
    ngx_uint_t  i;

    text[0] = &r->request_line;
    text[1] = &r->unparsed_uri;
    text[2] = &r->args;

    len = 0;

    for (i = 0; i < 3; i++) {
        len = ngx_max(len, text[i]->len);
    }

    /* memory for the decoded keys */

    p = ngx_pnalloc(r->pool, len);
    if (p == NULL) {
        return NGX_ERROR;
    }

    for (i = 0; i < 3; i++) {

        if (text[i]->len == 0) {
            continue;
        }

        last = text[i]->data + text[i]->len;

        if (text[i] == &r->args) {
            if (ngx_http_socketio_query_hide_in(r->pool, text[i],
                                                text[i]->data, p)
                != NGX_OK)
            {
                return NGX_ERROR;
            }

        } else if (ngx_http_socketio_query_hide_in(r->pool, text[i],
                            ngx_strlchr(text[i]->data, last, '?'), p)
                   != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


/*
 * The strings overlap: one that comes later finds its sid overwritten already
 * and is shortened like the others.
 */

static ngx_int_t
ngx_http_socketio_query_hide_in(ngx_pool_t *pool, ngx_str_t *text,
    u_char *args, u_char *dst)
{
    u_char  *to, *last;

    if (args == NULL) {
        return NGX_OK;
    }

    to = ngx_pnalloc(pool, text->len * 2);
    if (to == NULL) {
        return NGX_ERROR;
    }

    last = ngx_http_socketio_query_mask(to, text, args, dst, 1);

    ngx_memset(dst, '*', ngx_min(text->len, NGX_SOCKETIO_SID_TEXT * 3));

    text->data = to;
    text->len = last - to;

    return NGX_OK;
}


/*
 * Writes the text without the sids of its query, which begins at args, to
 * memory for twice its length: "***" may be longer than what it replaces, by
 * two bytes for "&sid=x".  "wipe" overwrites them where they were.  Returns
 * the end.
 */

static u_char *
ngx_http_socketio_query_mask(u_char *to, ngx_str_t *text, u_char *args,
    u_char *dst, ngx_uint_t wipe)
{
    u_char     *p, *d, *last, *end, *from;
    ngx_str_t   key, value, raw;

    last = text->data + text->len;
    from = text->data;
    p = (*args == '?') ? args + 1 : args;

    /* the method and the version are outside of a query */

    end = ngx_strlchr(p, last, ' ');
    if (end == NULL) {
        end = last;
    }

    for ( ;; ) {
        d = dst;

        if (ngx_http_socketio_form_next(&p, end, &d, &key, &value, &raw)
            != NGX_OK)
        {
            break;
        }

        if (key.len != 3 || ngx_memcmp(key.data, "sid", 3) != 0
            || raw.len == 0)
        {
            continue;
        }

        to = ngx_cpymem(to, from, raw.data - from);
        to = ngx_cpymem(to, "***", 3);
        from = raw.data + raw.len;

        if (wipe) {
            ngx_memset(raw.data, '*', raw.len);
        }
    }

    return ngx_cpymem(to, from, last - from);
}


/*
 * Phases before the content handler may refuse the request, limit_req for
 * one, and log its line: their variables show the sid still, since keys may be
 * made of it, but no log does.
 */

ngx_int_t
ngx_http_socketio_rewrite_handler(ngx_http_request_t *r)
{
    ngx_http_socketio_loc_conf_t  *conf;

    conf = ngx_http_get_module_loc_conf(r, ngx_http_socketio_module);

    if (conf->shm_zone && r->log_handler != ngx_http_socketio_query_log) {
        ngx_http_socketio_query_next_log = r->log_handler;
        r->log_handler = ngx_http_socketio_query_log;
    }

    return NGX_DECLINED;
}


static u_char *
ngx_http_socketio_query_log(ngx_http_request_t *r, ngx_http_request_t *sr,
    u_char *buf, size_t len)
{
    u_char     *p, *args;
    ngx_str_t   line, masked;

    line = r->request_line;

    masked.data = line.data;
    masked.len = ngx_min(line.len, NGX_MAX_ERROR_STR);

    args = line.len ? ngx_strlchr(line.data, line.data + masked.len, '?')
                    : NULL;

    if (args) {
        p = ngx_http_socketio_query_mask(ngx_http_socketio_query_line,
                                         &masked, args,
                                         ngx_http_socketio_query_keys, 0);

        r->request_line.data = ngx_http_socketio_query_line;
        r->request_line.len = p - ngx_http_socketio_query_line;
    }

    p = ngx_http_socketio_query_next_log(r, sr, buf, len);

    r->request_line = line;

    return p;
}
