
/*
 * Copyright (C) the ngx_http_socketio_module authors
 */


/* The query of a request, and what nobody may read of it afterwards. */


#include "transport/ngx_http_socketio_transport.h"
#include "proto/ngx_socketio_base64.h"
#include "proto/ngx_socketio_utf8.h"


static u_char *ngx_http_socketio_form_decode(u_char *dst, u_char *p,
    u_char *last);
static void ngx_http_socketio_query_transport(ngx_str_t *value,
    ngx_http_socketio_request_t *req, ngx_http_socketio_ctx_t *ctx);
static void ngx_http_socketio_query_sid(ngx_str_t *value,
    ngx_http_socketio_request_t *req);
static ngx_int_t ngx_http_socketio_query_hide(ngx_http_request_t *r);
static ngx_int_t ngx_http_socketio_query_hide_in(ngx_pool_t *pool,
    ngx_str_t *text, u_char *args, u_char *dst);
static size_t ngx_http_socketio_utf8_copy(u_char *dst, u_char *p,
    u_char *last);
static size_t ngx_http_socketio_utf8_char(u_char *p, u_char *last,
    ngx_uint_t *valid);


ngx_int_t
ngx_http_socketio_query_next(u_char **pos, u_char *last, u_char **dst,
    ngx_str_t *key, ngx_str_t *value, ngx_str_t *raw)
{
    u_char  *p, *end, *eq;

    p = *pos;

    while (p < last && *p == '&') {
        p++;
    }

    if (p == last) {
        *pos = p;
        return NGX_DONE;
    }

    end = ngx_strlchr(p, last, '&');
    if (end == NULL) {
        end = last;
    }

    eq = ngx_strlchr(p, end, '=');
    if (eq == NULL) {
        eq = end;
    }

    key->data = *dst;
    *dst = ngx_http_socketio_form_decode(*dst, p, eq);
    key->len = *dst - key->data;

    raw->data = (eq < end) ? eq + 1 : end;
    raw->len = end - raw->data;

    value->data = *dst;
    *dst = ngx_http_socketio_form_decode(*dst, raw->data, end);
    value->len = *dst - value->data;

    *pos = end;

    return NGX_OK;
}


static u_char *
ngx_http_socketio_form_decode(u_char *dst, u_char *p, u_char *last)
{
    ngx_int_t  n;

    while (p < last) {

        if (*p == '%' && last - p > 2) {
            n = ngx_hextoi(p + 1, 2);

            if (n != NGX_ERROR) {
                *dst++ = (u_char) n;
                p += 3;
                continue;
            }
        }

        *dst++ = (*p == '+') ? ' ' : *p;
        p++;
    }

    return dst;
}


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

    while (ngx_http_socketio_query_next(&p, last, &dst, &key, &value, &raw)
           == NGX_OK)
    {
        if (key.len == 3 && ngx_memcmp(key.data, "EIO", 3) == 0) {
            req->eio4 = (value.len == 1 && value.data[0] == '4');

        } else if (key.len == 3 && ngx_memcmp(key.data, "sid", 3) == 0) {
            ngx_http_socketio_query_sid(&value, req);
            hide |= (raw.len != 0);

        } else if (key.len == 9
                   && ngx_memcmp(key.data, "transport", 9) == 0)
        {
            ngx_http_socketio_query_transport(&value, req, ctx);
        }
    }

    if (req->eio4) {
        ngx_str_set(&ctx->eio, "4");
    }

    if (hide) {
        ngx_memset(buf, '*', dst - buf);
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

    if (conf->shm_zone == NULL
        || ngx_http_get_module_ctx(r, ngx_http_socketio_module))
    {
        return NGX_OK;
    }

    ctx = ngx_http_socketio_ctx(r);

    if (ctx) {
        (void) ngx_http_socketio_query(r, &req, ctx);
    }

    return NGX_OK;
}


static void
ngx_http_socketio_query_transport(ngx_str_t *value,
    ngx_http_socketio_request_t *req, ngx_http_socketio_ctx_t *ctx)
{
    req->transport = 0;
    ngx_str_null(&ctx->transport);

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

    ngx_memcpy(req->sid, sid, NGX_SOCKETIO_SID);
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
    u_char     *p, *d, *last, *end, *from, *to, *tmp;
    ngx_str_t   key, value, raw;

    if (args == NULL) {
        return NGX_OK;
    }

    /* "***" may be longer than what it replaces, by two bytes for "&sid=x" */

    last = text->data + text->len;

    to = ngx_pnalloc(pool, text->len * 2);
    if (to == NULL) {
        return NGX_ERROR;
    }

    tmp = to;
    from = text->data;
    p = (*args == '?') ? args + 1 : args;

    /* the method and the version are outside of a query */

    end = ngx_strlchr(p, last, ' ');
    if (end == NULL) {
        end = last;
    }

    for ( ;; ) {
        d = dst;

        if (ngx_http_socketio_query_next(&p, end, &d, &key, &value, &raw)
            != NGX_OK)
        {
            break;
        }

        if (key.len != 3 || ngx_memcmp(key.data, "sid", 3) != 0
            || raw.len == 0)
        {
            continue;
        }

        tmp = ngx_cpymem(tmp, from, raw.data - from);
        tmp = ngx_cpymem(tmp, "***", 3);
        from = raw.data + raw.len;

        ngx_memset(raw.data, '*', raw.len);
    }

    ngx_memset(dst, '*', ngx_min(text->len, NGX_SOCKETIO_SID_TEXT * 3));

    tmp = ngx_cpymem(tmp, from, last - from);

    text->data = to;
    text->len = tmp - to;

    return NGX_OK;
}


ngx_int_t
ngx_http_socketio_utf8(ngx_pool_t *pool, u_char **p, u_char **last)
{
    u_char    *dst;
    size_t     len;
    uint32_t   state;

    state = 0;

    if (ngx_socketio_utf8_check(&state, *p, *last) == NGX_OK && state == 0) {
        return NGX_OK;
    }

    len = ngx_http_socketio_utf8_copy(NULL, *p, *last);

    dst = ngx_pnalloc(pool, len);
    if (dst == NULL) {
        return NGX_ERROR;
    }

    ngx_http_socketio_utf8_copy(dst, *p, *last);

    *p = dst;
    *last = dst + len;

    return NGX_OK;
}


/* returns the length; measured only if dst is NULL */

static size_t
ngx_http_socketio_utf8_copy(u_char *dst, u_char *p, u_char *last)
{
    size_t      n, len;
    ngx_uint_t  valid;

    len = 0;

    while (p < last) {
        n = ngx_http_socketio_utf8_char(p, last, &valid);

        if (dst) {
            dst = valid ? ngx_cpymem(dst, p, n)
                        : ngx_cpymem(dst, "\xef\xbf\xbd", 3);
        }

        len += valid ? n : 3;
        p += n;
    }

    return len;
}


/*
 * The length of the character at p or, if it is none, of what one U+FFFD
 * stands for: the longest part of it that a valid one begins with (Unicode,
 * 3.9, "U+FFFD substitution of maximal subparts").
 */

static size_t
ngx_http_socketio_utf8_char(u_char *p, u_char *last, ngx_uint_t *valid)
{
    size_t    n;
    uint32_t  state;

    *valid = 0;
    state = 0;

    for (n = 0; p + n < last; n++) {

        if (ngx_socketio_utf8_check(&state, p + n, p + n + 1) != NGX_OK) {
            return n ? n : 1;
        }

        if (state == 0) {
            *valid = 1;
            return n + 1;
        }
    }

    return n;
}
